import type { TaskDefinition } from '@aws-sdk/client-ecs';
import { Pace } from '../../../clock/pace.ts';
import { VirtualClock } from '../../../clock/virtual-clock.ts';
import { Dispatcher } from '../../../dispatch/dispatcher.ts';
import type { Engine, Service } from '../../../dispatch/service.ts';
import { AwsFault } from '../../../errors.ts';
import { PolicyAuthorizer } from '../../../iam/policy-authorizer.ts';
import type { Principal } from '../../../iam/principal.ts';
import { ByteIds } from '../../../ids.ts';
import { Journal, type JournalEntry } from '../../../journal/journal.ts';
import { digestOf } from '../../../runtime/oci/image-format.ts';
import type { RunningTask, TaskExit, TaskRunner, TaskSpec } from '../../../runtime/task-runner.ts';
import type { Input, OperationName, Output } from '../../../sdk/services.ts';
import { State } from '../../../state/state.ts';
import { createEcs } from '../ecs.ts';

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';
const MANIFEST = JSON.stringify({ layers: [{ digest: digestOf('layer') }] });

const NEIGHBOURS = ['ecr', 'logs', 'cloudwatch', 'ssm'] as const;

/** A task of the fake runner: it does what the test says. */
export interface FakeTask {
  readonly spec: TaskSpec;
  readonly stopped: boolean;
  exit(exit?: Partial<TaskExit>): void;
}

/**
 * Runs nothing. Tasks start at once and end when told to, on SIGTERM with 0 unless they are stubborn. The command
 * `crash` exits with 1 at once, and `missing` does not start.
 */
export class FakeRunner implements TaskRunner {
  readonly name = 'in-process';
  readonly report = { memory: 'none', cpu: 'none', fileSystem: 'none', user: 'none' };
  readonly tasks: FakeTask[] = [];
  /** Exit code of health checks. */
  healthExitCode = 0;
  ignoresStop = false;

  run(spec: TaskSpec): RunningTask {
    const { promise: exited, resolve } = Promise.withResolvers<TaskExit>();
    const end = (exit: Partial<TaskExit>) => resolve({ oom: false, exitCode: 0, ...exit });
    let stopped = false;
    this.tasks.push({
      spec,
      get stopped() {
        return stopped;
      },
      exit: (exit = {}) => end(exit),
    });
    if (spec.id.includes('-health-')) end({ exitCode: this.healthExitCode });
    else if (spec.command?.includes('crash')) end({ exitCode: 1 });
    const starts = !spec.command?.includes('missing');
    if (!starts) end({ exitCode: 127, reason: 'CannotStartContainerError: missing: not found' });
    return {
      pid: undefined,
      started: Promise.resolve(starts),
      exited,
      stop: () => {
        stopped = true;
        if (!this.ignoresStop) end({});
        return exited;
      },
    };
  }

  async close(): Promise<void> {
    for (const task of this.tasks) task.exit({ exitCode: 137 });
  }

  of(taskId: string): FakeTask {
    return this.tasks.find(({ spec }) => spec.id === taskId)!;
  }
}

/** Where tasks with network interfaces of their own are. */
export const NETWORK = { awsvpcConfiguration: { subnets: ['subnet-1'] } };

/** ECS in virtual time, with just enough of its neighbours to answer it. */
export class EcsWorld {
  readonly clock = new VirtualClock();
  readonly runner = new FakeRunner();
  readonly state: State;
  readonly journal: Journal;
  readonly authorizer: PolicyAuthorizer;
  readonly #ecs: Service<'ecs'>;
  readonly #dispatcher: Dispatcher;
  readonly root: Principal = { kind: 'root', arn: `arn:aws:iam::${ACCOUNT}:root`, accountId: ACCOUNT };
  readonly roleArn = `arn:aws:iam::${ACCOUNT}:role/tasks`;
  /** State of the alarms that exist, by name. */
  readonly alarms = new Map<string, 'OK' | 'ALARM'>();
  readonly logLines: string[] = [];
  readonly metrics: Array<{ namespace: string; name: string; value: number | undefined }> = [];

  constructor(state = new State(':memory:')) {
    this.state = state;
    this.journal = new Journal(this.state, this.clock);
    this.authorizer = new PolicyAuthorizer({
      state: this.state,
      accountId: ACCOUNT,
      region: 'us-east-1',
      clock: this.clock,
    });
    let counter = 0;
    const ids = new ByteIds((count) => {
      counter++;
      return Uint8Array.from(
        { length: count },
        (_, index) => (counter * 131 + index * 17 + (counter >> 8)) % 256,
      );
    });
    this.#dispatcher = new Dispatcher({
      state: this.state,
      journal: this.journal,
      clock: this.clock,
      ids,
      authorizer: this.authorizer,
      pace: new Pace(1),
    });
    const engine: Engine = {
      clock: this.clock,
      pace: new Pace(1),
      ids,
      state: this.state,
      journal: this.journal,
      accountId: ACCOUNT,
      region: REGION,
      directory: '/nowhere',
      endpoint: () => 'http://127.0.0.1:4566',
      call: (principal, service, operation, input) =>
        this.#dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
          endpoint: 'http://127.0.0.1:4566',
        }) as never,
      assumeRole: (...session) => this.authorizer.assumeRole(...session),
      credentials: () => {
        throw new Error('no task asks for credentials here');
      },
    };
    this.#ecs = createEcs(engine, { runner: this.runner, handle: () => undefined });
    for (const service of [this.#ecs, ...this.#neighbours()]) this.#dispatcher.register(service as Service);
    if (!this.authorizer.store.roles.has(this.roleArn)) this.allow('*');
  }

  /** Starts ECS; with a cluster named `main` when there is none yet. */
  async start(): Promise<this> {
    // Loading a service's model takes real time, which virtual time does not wait for.
    await Promise.all(NEIGHBOURS.map((name) => this.#dispatcher.model(name)));
    await this.#ecs.start?.();
    const { clusters } = await this.ecs('DescribeClusters', { clusters: ['main'] });
    if (clusters!.length === 0) {
      await this.ecs('CreateCluster', {
        clusterName: 'main',
        settings: [{ name: 'containerInsights', value: 'enabled' }],
        capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
      });
    }
    return this;
  }

  async stop(): Promise<void> {
    await this.#ecs.stop?.();
  }

  /** Gives the tasks' role exactly these actions. */
  allow(...actions: string[]): void {
    this.authorizer.store.roles.put(this.roleArn, {
      roleName: 'tasks',
      roleId: 'AROATASKS',
      arn: this.roleArn,
      path: '/',
      trustPolicy: JSON.stringify({
        Statement: [
          { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'ecs-tasks.amazonaws.com' } },
        ],
      }),
      inlinePolicies: {
        own: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] }),
      },
      attachedPolicyArns: [],
      description: undefined,
      maxSessionSeconds: 3600,
      createdAtMs: 0,
      tags: {},
    });
  }

  ecs<O extends OperationName<'ecs'> & string>(
    operation: O,
    input: Input<'ecs', O>,
  ): Promise<Output<'ecs', O>> {
    return this.as(this.root, operation, input);
  }

  as<O extends OperationName<'ecs'> & string>(
    principal: Principal,
    operation: O,
    input: Input<'ecs', O>,
  ): Promise<Output<'ecs', O>> {
    return this.#dispatcher.dispatch(principal, 'ecs', operation, input as Record<string, unknown>, {
      endpoint: '',
    }) as never;
  }

  /** Registers the next revision of `worker` and returns its ARN. */
  async register(
    container: Partial<NonNullable<TaskDefinition['containerDefinitions']>[number]> = {},
  ): Promise<string> {
    const { taskDefinition } = await this.ecs('RegisterTaskDefinition', {
      family: 'worker',
      requiresCompatibilities: ['FARGATE'],
      networkMode: 'awsvpc',
      cpu: '256',
      memory: '512',
      taskRoleArn: this.roleArn,
      executionRoleArn: this.roleArn,
      containerDefinitions: [{ name: 'worker', image: '127.0.0.1:4566/worker:latest', ...container }],
    });
    return taskDefinition!.taskDefinitionArn!;
  }

  async createService(
    taskDefinition: string,
    more: Partial<Input<'ecs', 'CreateService'>> = {},
  ): Promise<void> {
    await this.ecs('CreateService', {
      cluster: 'main',
      serviceName: 'stable',
      taskDefinition,
      desiredCount: 2,
      networkConfiguration: NETWORK,
      ...more,
    });
  }

  async update(more: Partial<Input<'ecs', 'UpdateService'>>): Promise<void> {
    await this.ecs('UpdateService', { cluster: 'main', service: 'stable', ...more });
  }

  async service() {
    const { services } = await this.ecs('DescribeServices', { cluster: 'main', services: ['stable'] });
    return services![0]!;
  }

  async tasks(desiredStatus: 'RUNNING' | 'STOPPED' = 'RUNNING') {
    const { taskArns } = await this.ecs('ListTasks', { cluster: 'main', desiredStatus });
    if (taskArns!.length === 0) return [];
    return (await this.ecs('DescribeTasks', { cluster: 'main', tasks: taskArns! })).tasks!;
  }

  /** Resolves when no task of the service is on its way to running any more; time stands still meanwhile. */
  async settled(): Promise<void> {
    for (let quiet = 0, seq = this.journal.seq; quiet < 5; quiet++) {
      await this.clock.advanceBy(0);
      if (this.journal.seq !== seq) quiet = 0;
      seq = this.journal.seq;
    }
  }

  /** Moves time and lets everything that it set off come to rest. */
  async pass(seconds: number): Promise<void> {
    await this.settled();
    await this.clock.advanceBy(seconds * 1000);
    await this.settled();
  }

  entries(type: string): JournalEntry[] {
    return this.journal.read().filter((entry) => entry.type === type);
  }

  /** Details of AWS events of this type, oldest first. */
  events(detailType: string): Array<Record<string, unknown>> {
    return this.entries('aws.event')
      .filter(({ detail }) => detail['detail-type'] === detailType)
      .map(({ detail }) => detail.detail as Record<string, unknown>);
  }

  /** Puts an alarm into a state and reports it as CloudWatch does. */
  setAlarm(name: string, state: 'OK' | 'ALARM'): void {
    this.alarms.set(name, state);
    this.journal.publish({
      source: 'aws.cloudwatch',
      'detail-type': 'CloudWatch Alarm State Change',
      resources: [],
      detail: { alarmName: name },
    });
  }

  #neighbours(): Array<Service<'ecr'> | Service<'logs'> | Service<'cloudwatch'> | Service<'ssm'>> {
    const ecr: Service<'ecr'> = {
      name: 'ecr',
      operations: {
        GetAuthorizationToken: { run: () => ({ authorizationData: [] }) },
        BatchGetImage: {
          run: ({ repositoryName, imageIds }) => {
            if (repositoryName !== 'worker') {
              throw new AwsFault(
                'RepositoryNotFoundException',
                `The repository with name '${repositoryName}' does not exist`,
              );
            }
            const digest = imageIds?.[0]?.imageDigest ?? digestOf(imageIds?.[0]?.imageTag ?? '');
            return { images: [{ imageId: { imageDigest: digest }, imageManifest: MANIFEST }], failures: [] };
          },
        },
        GetDownloadUrlForLayer: { run: () => ({}) },
      },
    };
    const logs: Service<'logs'> = {
      name: 'logs',
      operations: {
        CreateLogStream: { run: () => ({}) },
        PutLogEvents: {
          run: ({ logEvents }) => {
            for (const { message } of logEvents ?? []) this.logLines.push(message ?? '');
            return {};
          },
        },
      },
    };
    const cloudwatch: Service<'cloudwatch'> = {
      name: 'cloudwatch',
      operations: {
        DescribeAlarms: {
          run: ({ AlarmNames }) => ({
            MetricAlarms: (AlarmNames ?? []).flatMap((AlarmName) => {
              const StateValue = this.alarms.get(AlarmName);
              return StateValue ? [{ AlarmName, StateValue, Period: 60, EvaluationPeriods: 2 }] : [];
            }),
          }),
        },
        PutMetricData: {
          run: ({ Namespace, MetricData }) => {
            for (const { MetricName, Value } of MetricData ?? []) {
              this.metrics.push({ namespace: Namespace ?? '', name: MetricName ?? '', value: Value });
            }
            return {};
          },
        },
      },
    };
    const ssm: Service<'ssm'> = {
      name: 'ssm',
      operations: {
        GetParameters: {
          run: ({ Names }) => ({
            Parameters: Names?.[0] === '/known' ? [{ Name: '/known', Value: 'hush' }] : [],
          }),
        },
      },
    };
    return [ecr, logs, cloudwatch, ssm];
  }
}

/** An ECS that has been started, with nothing in it but the cluster `main`. */
export function ecsWorld(): Promise<EcsWorld> {
  return new EcsWorld().start();
}
