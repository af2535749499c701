import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { NO_WAY_TO_AWS } from '../../iam/no-way-to-aws.ts';
import type { Credentials, Principal } from '../../iam/principal.ts';
import { sameText } from '../../iam/signature.ts';
import { splitTarget } from '../../wire/request-target.ts';
import type { StoredTask, StoredTaskDefinition } from './model.ts';

interface RegisteredTask {
  readonly taskId: string;
  readonly token: string;
  readonly definition: StoredTaskDefinition;
  readonly role: Principal | undefined;
  credentials?: Credentials;
}

const PREFIX = '/ecs-agent/';
const RENEW_BEFORE_MS = 30 * 60_000;
const BODY_BYTES_MAX = 4_096;

/**
 * What a task reaches under the addresses in its environment: metadata (version 4), credentials of its task
 * role, and task scale-in protection.
 *
 * On AWS these live on link-local addresses of the task's own network. Here each task gets a path that cannot
 * be guessed, and the credentials also need the token from its environment.
 */
export class TaskEndpoint {
  readonly #engine: Engine;
  readonly #findTask: (taskId: string) => StoredTask | undefined;
  readonly #bySecret = new Map<string, RegisteredTask>();

  constructor(engine: Engine, findTask: (taskId: string) => StoredTask | undefined) {
    this.#engine = engine;
    this.#findTask = findTask;
  }

  /** Opens the endpoint for a task; returns the environment by which it finds it, and how to close it. */
  open(
    taskId: string,
    definition: StoredTaskDefinition,
    role: Principal | undefined,
  ): { environment: Record<string, string>; close: () => void } {
    const secret = this.#engine.ids.hex(32);
    const token = this.#engine.ids.hex(32);
    this.#bySecret.set(secret, { taskId, token, definition, role });
    const endpoint = this.#engine.endpoint();
    const base = `${endpoint}${PREFIX}${secret}`;
    return {
      environment: {
        AWS_REGION: this.#engine.region,
        AWS_DEFAULT_REGION: this.#engine.region,
        AWS_ENDPOINT_URL: endpoint,
        AWS_EC2_METADATA_DISABLED: 'true',
        ...NO_WAY_TO_AWS,
        AWS_EXECUTION_ENV: 'AWS_ECS_FARGATE',
        ECS_CONTAINER_METADATA_URI_V4: `${base}/v4`,
        ECS_AGENT_URI: `${base}/api`,
        ...(role
          ? {
              AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/credentials`,
              AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
            }
          : {}),
      },
      close: () => this.#bySecret.delete(secret),
    };
  }

  /** Answers a task's request; `false` when the path is not one of these. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const target = splitTarget(request.url).path;
    if (!target.startsWith(PREFIX)) return false;
    const [secret = '', ...rest] = target.slice(PREFIX.length).split('/');
    const registered = this.#bySecret.get(secret);
    const task = registered && this.#findTask(registered.taskId);
    if (!registered || !task) {
      reply(response, 404, { message: 'no running task has this address' });
      return true;
    }
    const path = rest.filter((part) => part !== '').join('/');
    if (path === 'api/task-protection/v1/state') await this.#protection(request, response, registered, task);
    else if (request.method !== 'GET')
      reply(response, 405, { message: `${request.method} is not supported` });
    else if (path === 'v4') reply(response, 200, containerMetadata(task, registered.definition));
    else if (path === 'v4/task') reply(response, 200, this.#taskMetadata(task, registered.definition));
    else if (path === 'credentials') this.#credentials(request, response, registered);
    else reply(response, 404, { message: `the local engine does not serve ${path} to tasks` });
    return true;
  }

  #credentials(request: IncomingMessage, response: ServerResponse, registered: RegisteredTask): void {
    const { role, token } = registered;
    if (!sameText(request.headers.authorization ?? '', token)) {
      const message = 'the authorization token is missing or wrong';
      reply(response, 401, { code: 'Unauthorized', message });
      return;
    }
    if (!role) {
      reply(response, 404, { code: 'NoTaskRole', message: 'the task has no task role' });
      return;
    }
    const known = registered.credentials;
    if (!known || known.expiration.getTime() - this.#engine.clock.nowMs() < RENEW_BEFORE_MS) {
      registered.credentials = this.#engine.credentials(role);
    }
    const credentials = registered.credentials!;
    reply(response, 200, {
      RoleArn: role.roleArn,
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      Token: credentials.sessionToken,
      Expiration: credentials.expiration.toISOString(),
    });
  }

  /** The agent asks ECS with the task's own role, so that role needs `ecs:UpdateTaskProtection`. */
  async #protection(
    request: IncomingMessage,
    response: ServerResponse,
    { role }: RegisteredTask,
    task: StoredTask,
  ): Promise<void> {
    const refuse = (status: number, code: string, message: string) =>
      reply(response, status, { error: { Arn: task.arn, Code: code, Message: message } });
    if (!role) return refuse(400, 'AccessDeniedException', 'the task has no task role to ask with');
    try {
      const where = { cluster: task.clusterArn, tasks: [task.arn] };
      const wanted = request.method === 'PUT' ? readWish(await readBody(request)) : undefined;
      if (request.method !== 'PUT' && request.method !== 'GET')
        return refuse(405, 'InvalidRequest', 'use GET or PUT');
      const { protectedTasks, failures } = wanted
        ? await this.#engine.call(role, 'ecs', 'UpdateTaskProtection', { ...where, ...wanted })
        : await this.#engine.call(role, 'ecs', 'GetTaskProtection', where);
      const failure = failures?.[0];
      if (failure) {
        return reply(response, 200, {
          failure: { Arn: failure.arn, Detail: failure.detail, Reason: failure.reason },
        });
      }
      const state = protectedTasks?.[0];
      reply(response, 200, {
        protection: {
          TaskArn: state?.taskArn,
          ProtectionEnabled: state?.protectionEnabled ?? false,
          ExpirationDate: state?.expirationDate?.toISOString() ?? null,
        },
      });
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      refuse(error.status, error.code, error.message);
    }
  }

  #taskMetadata(task: StoredTask, definition: StoredTaskDefinition): Record<string, unknown> {
    return {
      Cluster: task.clusterArn,
      TaskARN: task.arn,
      Family: definition.family,
      Revision: String(definition.revision),
      DesiredStatus: task.desiredStatus,
      KnownStatus: task.lastStatus,
      Limits: { CPU: Number(task.cpu) / 1024, Memory: Number(task.memory) },
      PullStartedAt: instant(task.pullStartedAtMs),
      PullStoppedAt: instant(task.pullStoppedAtMs),
      AvailabilityZone: `${this.#engine.region}a`,
      LaunchType: 'FARGATE',
      Containers: [containerMetadata(task, definition)],
    };
  }
}

function containerMetadata(task: StoredTask, definition: StoredTaskDefinition): Record<string, unknown> {
  const { container } = task;
  const logs = definition.container.logConfiguration;
  return {
    DockerId: container.runtimeId,
    Name: container.name,
    DockerName: container.name,
    Image: container.image,
    ImageID: container.imageDigest,
    Labels: {
      ...definition.container.dockerLabels,
      'com.amazonaws.ecs.cluster': task.clusterArn,
      'com.amazonaws.ecs.container-name': container.name,
      'com.amazonaws.ecs.task-arn': task.arn,
      'com.amazonaws.ecs.task-definition-family': definition.family,
      'com.amazonaws.ecs.task-definition-version': String(definition.revision),
    },
    DesiredStatus: task.desiredStatus,
    KnownStatus: task.lastStatus,
    Limits: {
      CPU: definition.container.cpu ?? 0,
      Memory: definition.container.memory ?? Number(task.memory),
    },
    CreatedAt: instant(task.createdAtMs),
    StartedAt: instant(task.startedAtMs),
    Type: 'NORMAL',
    ...(logs ? { LogDriver: logs.logDriver, LogOptions: logs.options } : {}),
    ContainerARN: container.arn,
    ...(container.health ? { Health: { status: container.health } } : {}),
  };
}

function instant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function readWish(body: string): { protectionEnabled: boolean; expiresInMinutes?: number } {
  let wish: unknown;
  try {
    wish = JSON.parse(body);
  } catch {
    throw new AwsFault(
      'InvalidParameterException',
      'the body must be JSON such as {"ProtectionEnabled":true}',
    );
  }
  const { ProtectionEnabled: enabled, ExpiresInMinutes: minutes } = (wish ?? {}) as Record<string, unknown>;
  if (typeof enabled !== 'boolean') {
    throw new AwsFault('InvalidParameterException', 'ProtectionEnabled must be true or false');
  }
  if (minutes !== undefined && minutes !== null && typeof minutes !== 'number') {
    throw new AwsFault('InvalidParameterException', 'ExpiresInMinutes must be a number');
  }
  return {
    protectionEnabled: enabled,
    ...(typeof minutes === 'number' ? { expiresInMinutes: minutes } : {}),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request as AsyncIterable<Buffer>) {
    body += chunk.toString('utf8');
    if (body.length > BODY_BYTES_MAX)
      throw new AwsFault('InvalidParameterException', 'the body is too large');
  }
  return body;
}

function reply(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
