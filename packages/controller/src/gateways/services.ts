import {
  type ApplicationAutoScalingClient,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import {
  type ContainerDefinition,
  type Deployment,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  type ECSClient,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  type Service,
  type Tag,
  type Task,
  type TaskDefinition,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import type { ServiceDeployment, ServiceState, TaskLife, Track } from '@queue-canary/core';
import { done, type Outcome, type Restore, type ServiceGateway, type TaskLog } from '../gateways.ts';
import type { TaskCounts } from '../names.ts';
import { awsErrorCode } from '../thrown.ts';
import { UserError } from '../user-error.ts';

/** DescribeTasks' limit. */
const tasksPerCall = 100;

/** Where the two services are found. */
export interface ServiceNames {
  readonly cluster: string;
  readonly canary: string;
  readonly stable: string;
  /** The container whose image is released. */
  readonly container: string;
  /** What a service is started with. */
  readonly tasks?: TaskCounts;
}

/** Both services through ECS's API. */
export class AwsServiceGateway implements ServiceGateway {
  readonly #client: ECSClient;
  readonly #scaling: ApplicationAutoScalingClient;
  readonly #names: ServiceNames;
  /** A revision never changes, so each is asked for once. */
  readonly #containers = new Map<string, ContainerDefinition>();

  constructor(client: ECSClient, scaling: ApplicationAutoScalingClient, names: ServiceNames) {
    this.#client = client;
    this.#scaling = scaling;
    this.#names = names;
  }

  async read(track: Track): Promise<ServiceState> {
    const service = await this.#describe(track);
    const deployments = service.deployments ?? [];
    const primary = deployments.find((candidate) => candidate.status === 'PRIMARY');
    if (primary?.taskDefinition === undefined) {
      throw new UserError(
        'NoDeployment',
        `the ${track} service ${this.#names[track]} has no primary deployment; deploy the pipeline stack again`,
      );
    }
    const { image: imageUri = '' } = await this.#container(primary.taskDefinition);
    const imageDigest = digestOf(imageUri);
    return {
      track,
      name: this.#names[track],
      desired: service.desiredCount ?? 0,
      running: service.runningCount ?? 0,
      pending: service.pendingCount ?? 0,
      primary: deployment(primary),
      others: deployments.filter((candidate) => candidate !== primary).map(deployment),
      imageUri,
      ...(imageDigest !== undefined && { imageDigest }),
    };
  }

  async tasks(track: Track): Promise<readonly TaskLife[]> {
    const { cluster } = this.#names;
    // One that stops between the two lists, or of which one is old, is on both.
    const listed = new Set<string>();
    for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
      let nextToken: string | undefined;
      do {
        const output = await this.#client.send(
          new ListTasksCommand({
            cluster,
            serviceName: this.#names[track],
            desiredStatus,
            ...(nextToken !== undefined && { nextToken }),
          }),
        );
        for (const arn of output.taskArns ?? []) listed.add(arn);
        nextToken = output.nextToken;
      } while (nextToken !== undefined);
    }
    const arns = [...listed];
    const tasks: TaskLife[] = [];
    for (let index = 0; index < arns.length; index += tasksPerCall) {
      const output = await this.#client.send(
        new DescribeTasksCommand({ cluster, tasks: arns.slice(index, index + tasksPerCall) }),
      );
      tasks.push(...(output.tasks ?? []).map(taskLife));
    }
    return tasks;
  }

  async log(taskDefinitionArn: string): Promise<TaskLog> {
    const { logConfiguration } = await this.#container(taskDefinitionArn);
    const { 'awslogs-group': group, 'awslogs-stream-prefix': prefix } = logConfiguration?.options ?? {};
    const { container } = this.#names;
    if (logConfiguration?.logDriver !== 'awslogs' || group === undefined || prefix === undefined) {
      throw new UserError(
        'NoWorkerLog',
        `container ${container} of task definition ${taskDefinitionArn} does not log to CloudWatch by task, so what its worker reports cannot be read; give it the log driver awslogs with awslogs-group and awslogs-stream-prefix`,
      );
    }
    return { group, streamPrefix: `${prefix}/${container}/` };
  }

  /**
   * Deploys the image, unless the service has moved on since it was observed.
   *
   * `UpdateService` has no condition, so the service is read once more just before; what is left is the
   * moment between the two calls, and the next wake sees what happened in it.
   */
  async restore(restore: Restore): Promise<Outcome> {
    const { track, forceNew, observedTaskDefinitionArn: observed } = restore;
    const service = await this.#describe(track);
    const current = service.deployments?.find((candidate) => candidate.status === 'PRIMARY');
    if (!forceNew && current?.taskDefinition === restore.taskDefinitionArn) {
      return { kind: 'alreadyDone', detail: `${track} deploys ${restore.taskDefinitionArn} already` };
    }
    if (current?.taskDefinition !== observed) {
      return {
        kind: 'conflict',
        detail: `${track} deploys ${current?.taskDefinition} now, not ${observed}`,
      };
    }
    await this.#client.send(
      new UpdateServiceCommand({
        cluster: this.#names.cluster,
        service: this.#names[track],
        taskDefinition: forceNew ? observed : await this.#revisionWith(restore),
        ...(forceNew && { forceNewDeployment: true }),
      }),
    );
    // An update of the stack that failed may have put back what it made before there was an image: no task.
    if (service.desiredCount !== 0) return done;
    const { image = '' } = await this.#container(restore.observedTaskDefinitionArn);
    return digestOf(image) === undefined ? this.start(restore.track) : done;
  }

  async sameConfiguration(taskDefinitionArn: string, otherArn: string): Promise<boolean> {
    if (taskDefinitionArn === otherArn) return true;
    const [one, other] = await Promise.all([this.#revision(taskDefinitionArn), this.#revision(otherArn)]);
    if (one === undefined || other === undefined) return false;
    const comparable = ({ definition }: { readonly definition: TaskDefinition }) =>
      JSON.stringify(inOrder(withImage(definition, this.#names.container, '')));
    return comparable(one) === comparable(other);
  }

  async start(track: Track): Promise<Outcome> {
    const { cluster, tasks } = this.#names;
    if (tasks === undefined) {
      throw new UserError(
        'SizeUnknown',
        `how many tasks ${track} has is not known; deploy the pipeline stack again`,
      );
    }
    // The range first: a service that has a task is not started again.
    if (track === 'stable') {
      await this.#scaling.send(
        new RegisterScalableTargetCommand({
          ServiceNamespace: 'ecs',
          ScalableDimension: 'ecs:service:DesiredCount',
          ResourceId: `service/${cluster}/${this.#names.stable}`,
          MinCapacity: tasks.stableMin,
          MaxCapacity: tasks.stableMax,
        }),
      );
    }
    await this.#client.send(
      new UpdateServiceCommand({
        cluster,
        service: this.#names[track],
        // One task at least: only what stable has run can be the last good release.
        desiredCount: track === 'canary' ? tasks.canary : Math.max(1, tasks.stableMin),
      }),
    );
    return done;
  }

  /**
   * The revision that runs the image with the configuration that the service has now: the recorded one, or a new one
   * where a stack update has changed the configuration since, or has deregistered the recorded revision. A revision
   * of another family is none of the stack's, so its configuration is not kept.
   */
  async #revisionWith({ taskDefinitionArn, observedTaskDefinitionArn, imageUri }: Restore): Promise<string> {
    const present = await this.#revision(observedTaskDefinitionArn);
    const recorded = taskDefinitionArn === undefined ? undefined : await this.#revision(taskDefinitionArn);
    const source = recorded && recorded.definition.family !== present?.definition.family ? recorded : present;
    if (source === undefined) {
      throw new UserError(
        'TaskDefinitionNotFound',
        `neither ${observedTaskDefinitionArn} nor ${taskDefinitionArn} exists any more, so nothing says how to run ${imageUri}; deploy the pipeline stack again`,
      );
    }
    const { container } = this.#names;
    const wanted = withImage(source.definition, container, imageUri);
    // Lists that ECS returns in another order only cost a revision.
    if (
      recorded?.definition.status === 'ACTIVE' &&
      JSON.stringify(configurationOf(recorded.definition)) === JSON.stringify(wanted)
    ) {
      return recorded.definition.taskDefinitionArn ?? '';
    }
    const tags = source.tags.filter(({ key }) => !key?.startsWith('aws:'));
    const output = await this.#client.send(
      new RegisterTaskDefinitionCommand({ ...wanted, ...(tags.length > 0 && { tags }) }),
    );
    return output.taskDefinition?.taskDefinitionArn ?? '';
  }

  /** A revision with its tags; undefined when it has been deleted. */
  async #revision(
    taskDefinitionArn: string,
  ): Promise<{ readonly definition: TaskDefinition; readonly tags: readonly Tag[] } | undefined> {
    try {
      const { taskDefinition: definition, tags = [] } = await this.#client.send(
        new DescribeTaskDefinitionCommand({ taskDefinition: taskDefinitionArn, include: ['TAGS'] }),
      );
      return definition && { definition, tags };
    } catch (error) {
      // ECS says ClientException, and nothing more exact, for a revision that does not exist.
      if (awsErrorCode(error) === 'ClientException') return undefined;
      throw error;
    }
  }

  async #describe(track: Track): Promise<Service> {
    const { cluster } = this.#names;
    const name = this.#names[track];
    const output = await this.#client.send(new DescribeServicesCommand({ cluster, services: [name] }));
    const service = output.services?.[0];
    if (service === undefined || service.status === 'INACTIVE') {
      throw new UserError(
        'ServiceNotFound',
        `there is no ${track} service ${name} in cluster ${cluster} (${output.failures?.[0]?.reason ?? service?.status ?? 'MISSING'}); deploy the pipeline stack`,
      );
    }
    return service;
  }

  /** The worker's container in a task definition. */
  async #container(taskDefinitionArn: string): Promise<ContainerDefinition> {
    const cached = this.#containers.get(taskDefinitionArn);
    if (cached !== undefined) return cached;
    const output = await this.#client.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: taskDefinitionArn }),
    );
    const containers = output.taskDefinition?.containerDefinitions ?? [];
    const container = containers.find(({ name }) => name === this.#names.container);
    if (container?.image === undefined) {
      throw new UserError(
        'ContainerNotFound',
        `task definition ${taskDefinitionArn} has no container named ${this.#names.container} (it has ${containers.map(({ name }) => name).join(', ') || 'none'}); name it so, or change the controller's container name`,
      );
    }
    this.#containers.set(taskDefinitionArn, container);
    return container;
  }
}

/** The digest of an image that is named by one. */
function digestOf(imageUri: string): string | undefined {
  return /@(sha256:[0-9a-f]{64})$/.exec(imageUri)?.[1];
}

/** What of a revision can be registered again: all but what ECS itself says of it. */
function configurationOf(definition: TaskDefinition): RegisterTaskDefinitionCommandInput {
  const {
    taskDefinitionArn: _arn,
    revision: _revision,
    status: _status,
    requiresAttributes: _requiresAttributes,
    compatibilities: _compatibilities,
    registeredAt: _registeredAt,
    registeredBy: _registeredBy,
    deregisteredAt: _deregisteredAt,
    deleteRequestedAt: _deleteRequestedAt,
    ...configuration
  } = definition;
  return { family: undefined, containerDefinitions: undefined, ...configuration };
}

function withImage(
  definition: TaskDefinition,
  container: string,
  image: string,
): RegisterTaskDefinitionCommandInput {
  return {
    ...configurationOf(definition),
    containerDefinitions: definition.containerDefinitions?.map((each) =>
      each.name === container ? { ...each, image } : each,
    ),
  };
}

/** ECS returns variables and secrets in any order. */
function inOrder(definition: RegisterTaskDefinitionCommandInput): RegisterTaskDefinitionCommandInput {
  const byName = <T extends { name?: string | undefined }>(list: readonly T[] = []) =>
    [...list].sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  return {
    ...definition,
    containerDefinitions: definition.containerDefinitions?.map((each) => ({
      ...each,
      environment: byName(each.environment),
      secrets: byName(each.secrets),
    })),
  };
}

function taskLife(task: Task): TaskLife {
  const { taskArn = '' } = task;
  const crash = crashOf(task);
  const end = endOf(task);
  return {
    id: taskArn.slice(taskArn.lastIndexOf('/') + 1),
    ...(task.startedAt && { startedAt: task.startedAt.getTime() }),
    ...(task.stoppingAt && { stoppingAt: task.stoppingAt.getTime() }),
    ...(task.stoppedAt && { stoppedAt: task.stoppedAt.getTime() }),
    ...(crash !== undefined && { crash }),
    ...(task.startedBy !== undefined && { deploymentId: task.startedBy }),
    ...(end !== undefined && { end }),
  };
}

/**
 * How a task ended by its own doing. What the scheduler, a deployment, a person or a Spot interruption stops says
 * nothing of its version, and an exit with status 0 is no crash.
 */
function crashOf({ stopCode, containers }: Task): string | undefined {
  if (stopCode !== 'EssentialContainerExited') return undefined;
  const failed = containers?.find(({ exitCode }) => exitCode !== undefined && exitCode !== 0);
  if (failed === undefined) return undefined;
  return `exit code ${failed.exitCode}${failed.reason ? ` (${failed.reason})` : ''}`;
}

function endOf({ stopCode, stoppedReason = '', containers }: Task): TaskLife['end'] {
  if (stopCode === 'TaskFailedToStart') return { ran: false, reason: stoppedReason };
  if (stopCode !== 'EssentialContainerExited') return undefined;
  const ended = containers?.find(({ exitCode }) => exitCode !== undefined);
  return { ran: true, reason: `${stoppedReason} (exit code ${ended?.exitCode ?? 'unknown'})` };
}

function deployment(source: Deployment): ServiceDeployment {
  const running = source.runningCount ?? 0;
  const desired = source.desiredCount ?? 0;
  return {
    id: source.id ?? '',
    taskDefinitionArn: source.taskDefinition ?? '',
    // Services without the rolling controller report no rollout state.
    rolloutState: source.rolloutState ?? (running >= desired ? 'COMPLETED' : 'IN_PROGRESS'),
    ...(source.rolloutStateReason !== undefined && { rolloutReason: source.rolloutStateReason }),
    ...(source.createdAt && { createdAt: source.createdAt.getTime() }),
    running,
    pending: source.pendingCount ?? 0,
  };
}
