import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { RunningTask, TaskExit, TaskRunner, TaskSpec } from '../../runtime/task-runner.ts';
import { containerSecrets } from './container-secrets.ts';
import { HealthMonitor } from './health-check.ts';
import { pullImage } from './image-pull.ts';
import { AwsLogs } from './log-driver.ts';
import type { StoredTask, StoredTaskDefinition, TaskLaunch, TaskStop } from './model.ts';
import { taskStateChange } from './shown-task.ts';
import type { EcsStore } from './store.ts';
import { bytesOf } from './task-definition-rules.ts';
import type { TaskEndpoint } from './task-endpoint.ts';
import { TaskStartError } from './task-start-error.ts';

/** The moving part of a task that has not stopped. */
interface ActiveTask {
  stopping: boolean;
  running?: RunningTask;
  done: Promise<void>;
}

const STOPPED_KEPT_MS = 3_600_000;
const STOP_TIMEOUT_DEFAULT_SECONDS = 30;
/** Since 25 June 2025 ECS's default is non-blocking, with a buffer of this size. */
const BUFFER_DEFAULT = '10m';
const KILLED = 'The local engine ended without stopping this task, and the task ended with it.';
const SHUT_DOWN = 'The local engine was stopped.';

/**
 * The life of every task: PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED,
 * each change durable and published as an `ECS Task State Change`.
 *
 * Nothing here waits for its own sake: a task is RUNNING when its process runs.
 */
export class TaskLifecycle {
  readonly #engine: Engine;
  readonly #store: EcsStore;
  readonly #runner: TaskRunner;
  readonly #endpoint: TaskEndpoint;
  readonly #active = new Map<string, ActiveTask>();
  readonly #listeners: Array<(task: StoredTask, before: StoredTask | undefined) => void> = [];
  #expiry: Timer | undefined;
  #closed = false;

  constructor(engine: Engine, store: EcsStore, runner: TaskRunner, endpoint: TaskEndpoint) {
    this.#engine = engine;
    this.#store = store;
    this.#runner = runner;
    this.#endpoint = endpoint;
  }

  /** Calls `listener` synchronously after every change of a task. */
  onChange(listener: (task: StoredTask, before: StoredTask | undefined) => void): void {
    this.#listeners.push(listener);
  }

  /** Marks what a killed engine left running as stopped: its processes have died with it. */
  start(): void {
    for (const task of [...this.#store.tasks.values()]) {
      if (task.lastStatus === 'STOPPED') continue;
      const nowMs = this.#engine.clock.nowMs();
      this.#update(task.id, {
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stopCode: task.stopCode ?? 'InfrastructureHealth',
        stoppedReason: task.stoppedReason ?? KILLED,
        stoppingAtMs: task.stoppingAtMs ?? nowMs,
        executionStoppedAtMs: nowMs,
        stoppedAtMs: nowMs,
      });
    }
    this.#forgetStopped();
  }

  /** Stops every task with SIGTERM, and SIGKILL after its stop timeout; resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#expiry?.cancel();
    for (const id of this.#active.keys()) this.stop(id, { code: 'InfrastructureHealth', reason: SHUT_DOWN });
    await Promise.all([...this.#active.values()].map(({ done }) => done));
    await this.#runner.close();
  }

  /** Begins a task and returns it as PROVISIONING. */
  launch(launch: TaskLaunch): StoredTask {
    if (this.#closed) throw new AwsFault('ServerException', 'The local engine is stopping.', 500);
    const { ids, clock } = this.#engine;
    const id = ids.hex(32);
    const { definition, clusterName } = launch;
    const nowMs = clock.nowMs();
    const optional = {
      ...(launch.startedBy === undefined ? {} : { startedBy: launch.startedBy }),
      enableExecuteCommand: launch.enableExecuteCommand,
      ...(launch.clientToken === undefined ? {} : { clientToken: launch.clientToken }),
      ...(launch.serviceName === undefined ? {} : { serviceName: launch.serviceName }),
      ...(launch.revisionArn === undefined ? {} : { revisionArn: launch.revisionArn }),
      ...(launch.launchType === undefined ? {} : { launchType: launch.launchType }),
      ...(launch.capacityProviderName === undefined
        ? {}
        : { capacityProviderName: launch.capacityProviderName }),
    };
    const check = definition.container.healthCheck;
    const task = this.#store.tasks.put(id, {
      ...optional,
      id,
      arn: this.#store.arn('task', `${clusterName}/${id}`),
      clusterName,
      clusterArn: this.#store.arn('cluster', clusterName),
      taskDefinitionArn: definition.arn,
      group: launch.group,
      platformVersion: launch.platformVersion,
      lastStatus: 'PROVISIONING',
      desiredStatus: 'RUNNING',
      version: 1,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      container: {
        arn: this.#store.arn('container', `${clusterName}/${id}/${ids.uuid()}`),
        name: definition.container.name,
        image: definition.container.image,
        ...(check && check.command?.[0] !== 'NONE' ? { health: 'UNKNOWN' as const } : {}),
      },
      overrides: launch.overrides,
      cpu: launch.overrides.cpu ?? definition.cpu,
      memory: launch.overrides.memory ?? definition.memory,
      tags: launch.tags,
      seenHealthy: false,
    });
    this.#tell(task, undefined);
    const active: ActiveTask = { stopping: false, done: Promise.resolve() };
    this.#active.set(id, active);
    active.done = this.#live(id, definition, active);
    return task;
  }

  /** Stops a task; one that is stopping already goes on as it was told first. */
  stop(id: string, { code, reason, cause }: TaskStop): StoredTask | undefined {
    const task = this.#store.tasks.get(id);
    if (!task || task.desiredStatus === 'STOPPED') return task;
    const active = this.#active.get(id);
    if (active) active.stopping = true;
    const running = task.lastStatus === 'RUNNING';
    this.#update(id, {
      desiredStatus: 'STOPPED',
      lastStatus: running ? 'DEACTIVATING' : task.lastStatus,
      stopCode: code,
      stoppedReason: reason,
      stoppingAtMs: this.#engine.clock.nowMs(),
      ...(cause === undefined ? {} : { stopCause: cause }),
    });
    const stopping = running ? this.#update(id, { lastStatus: 'STOPPING' }) : this.#store.tasks.get(id);
    void active?.running?.stop();
    return stopping;
  }

  /** Records a change that is not a step of the task's life. */
  amend(id: string, changes: Partial<Pick<StoredTask, 'protectedUntilMs' | 'seenHealthy'>>): void {
    const task = this.#store.tasks.get(id);
    if (task) this.#store.tasks.put(id, { ...task, ...changes });
  }

  /** Ends a task's protection. */
  unprotect(id: string): void {
    const task = this.#store.tasks.get(id);
    if (!task) return;
    const { protectedUntilMs: _, ...rest } = task;
    this.#store.tasks.put(id, rest);
  }

  /** Process id of a task that runs. */
  pidOf(id: string): number | undefined {
    return this.#active.get(id)?.running?.pid;
  }

  async #live(id: string, definition: StoredTaskDefinition, active: ActiveTask): Promise<void> {
    const closing: Array<() => unknown> = [];
    let exit: TaskExit | undefined;
    let problem: string | undefined;
    try {
      const spec = await this.#prepare(id, definition, closing);
      if (!active.stopping) exit = await this.#run(id, definition, spec, active, closing);
    } catch (error) {
      problem =
        error instanceof TaskStartError ? error.message : `the engine failed to start the task: ${error}`;
    }
    for (const close of closing.reverse()) await close();
    this.#finish(id, exit, problem);
    this.#active.delete(id);
  }

  async #run(
    id: string,
    definition: StoredTaskDefinition,
    spec: TaskSpec,
    active: ActiveTask,
    closing: Array<() => unknown>,
  ): Promise<TaskExit> {
    const running = this.#runner.run(spec);
    active.running = running;
    if ((await running.started) && !active.stopping) {
      this.#update(id, { lastStatus: 'RUNNING', startedAtMs: this.#engine.clock.nowMs() });
      const check = definition.container.healthCheck;
      if (check && check.command?.[0] !== 'NONE') {
        const monitor = new HealthMonitor({
          clock: this.#engine.clock,
          runner: this.#runner,
          spec,
          check,
          onChange: (health) => {
            const task = this.#store.tasks.get(id)!;
            this.#update(id, { container: { ...task.container, health } });
          },
        });
        closing.push(() => monitor.end());
      }
    }
    return running.exited;
  }

  /** Everything between PROVISIONING and a running process: roles, image, secrets, log stream. */
  async #prepare(
    id: string,
    definition: StoredTaskDefinition,
    closing: Array<() => unknown>,
  ): Promise<TaskSpec> {
    const { clock } = this.#engine;
    const task = this.#update(id, { lastStatus: 'PENDING', pullStartedAtMs: clock.nowMs() });
    const { container } = definition;
    const { taskRoleArn, executionRoleArn, containerOverrides } = task.overrides;
    const override = containerOverrides?.find(({ name }) => name === container.name);
    const executionRole = this.#assume(executionRoleArn ?? definition.executionRoleArn, task.arn, id);
    const taskRole = this.#assume(taskRoleArn ?? definition.taskRoleArn, task.arn, id);
    const secrets = await containerSecrets(this.#engine, executionRole, container.secrets ?? []);
    const revision = task.revisionArn === undefined ? undefined : this.#store.revisions.get(task.revisionArn);
    const pinned = container.versionConsistency === 'disabled' ? undefined : revision?.imageDigest;
    const image = await pullImage(this.#engine, executionRole, container.image, pinned);
    if (revision && revision.imageDigest === undefined) {
      this.#store.revisions.put(revision.arn, { ...revision, imageDigest: image.digest });
    }
    const logs = await this.#openLogs(id, definition, executionRole);
    if (logs) closing.push(() => logs.end());
    const endpoint = this.#endpoint.open(id, definition, taskRole);
    closing.push(endpoint.close);
    this.#update(id, {
      pullStoppedAtMs: clock.nowMs(),
      container: {
        ...task.container,
        imageDigest: image.digest,
        runtimeId: `${id}-${this.#engine.ids.hex(10)}`,
      },
    });
    return {
      id,
      ...(taskRole && { role: taskRole }),
      image: { repository: image.repository, reference: image.digest },
      ...(container.entryPoint?.length ? { entryPoint: container.entryPoint } : {}),
      ...commandOf(override?.command ?? container.command),
      environment: {
        ...endpoint.environment,
        ...variables(container.environment),
        ...secrets,
        ...variables(override?.environment),
      },
      ...(container.workingDirectory ? { workingDirectory: container.workingDirectory } : {}),
      ...(container.user ? { user: container.user } : {}),
      cpuUnits: override?.cpu || container.cpu || Number(task.cpu),
      memoryMiB: override?.memory ?? container.memory ?? Number(task.memory),
      stopTimeoutMs: (container.stopTimeout ?? STOP_TIMEOUT_DEFAULT_SECONDS) * 1000,
      onLog: ({ text }) => logs?.write(text),
    };
  }

  #assume(roleArn: string | undefined, taskArn: string, taskId: string): Principal | undefined {
    if (roleArn === undefined) return undefined;
    try {
      return this.#engine.assumeRole(roleArn, 'ecs-tasks.amazonaws.com', taskId, taskArn);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      throw new TaskStartError(
        `ECS was unable to assume the role '${roleArn}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions: ${error.message}`,
      );
    }
  }

  async #openLogs(
    id: string,
    definition: StoredTaskDefinition,
    role: Principal | undefined,
  ): Promise<AwsLogs | undefined> {
    const options = definition.container.logConfiguration?.options;
    if (!options || !role) return undefined;
    const group = options['awslogs-group'] ?? '';
    return AwsLogs.open(this.#engine, role, {
      group,
      stream: `${options['awslogs-stream-prefix']}/${definition.container.name}/${id}`,
      createGroup: options['awslogs-create-group'] === 'true',
      mode: options.mode === 'blocking' ? 'blocking' : 'non-blocking',
      bufferBytes: bytesOf(options['max-buffer-size'] ?? BUFFER_DEFAULT),
      onLost: (error, lines) => {
        this.#engine.journal.append('ecs', 'logs.lost', { task: id, group, lines, reason: error.message });
      },
    });
  }

  #finish(id: string, exit: TaskExit | undefined, problem: string | undefined): void {
    const task = this.#store.tasks.get(id)!;
    const nowMs = this.#engine.clock.nowMs();
    const neverRan = task.startedAtMs === undefined;
    const reason = problem ?? exit?.reason;
    const own = neverRan
      ? { stopCode: 'TaskFailedToStart' as const, stoppedReason: reason ?? 'Task failed to start' }
      : {
          stopCode: 'EssentialContainerExited' as const,
          stoppedReason: 'Essential container in task exited',
        };
    this.#update(id, {
      ...(task.stopCode === undefined ? own : {}),
      desiredStatus: 'STOPPED',
      lastStatus: 'DEPROVISIONING',
      stoppingAtMs: task.stoppingAtMs ?? nowMs,
      executionStoppedAtMs: nowMs,
      container: {
        ...task.container,
        ...(exit?.exitCode === undefined ? {} : { exitCode: exit.exitCode }),
        ...(reason === undefined ? {} : { reason }),
      },
    });
    this.#update(id, { lastStatus: 'STOPPED', stoppedAtMs: nowMs });
    if (!this.#closed) this.#forgetStopped();
  }

  #update(id: string, changes: Partial<StoredTask>): StoredTask {
    const before = this.#store.tasks.get(id)!;
    const after = this.#store.tasks.put(id, {
      ...before,
      ...changes,
      version: before.version + 1,
      updatedAtMs: this.#engine.clock.nowMs(),
    });
    this.#tell(after, before);
    return after;
  }

  #tell(task: StoredTask, before: StoredTask | undefined): void {
    const { journal, region } = this.#engine;
    const told = TOLD[task.lastStatus];
    if (told !== undefined && task.lastStatus !== before?.lastStatus) {
      journal.append('ecs', told, {
        task: task.id,
        cluster: task.clusterName,
        group: task.group,
        taskDefinition: task.taskDefinitionArn.slice(task.taskDefinitionArn.lastIndexOf('/') + 1),
        ...(task.lastStatus === 'STOPPED'
          ? { stopCode: task.stopCode, reason: task.stoppedReason, exitCode: task.container.exitCode }
          : {}),
      });
    }
    journal.publish(taskStateChange(task, region));
    for (const listener of this.#listeners) listener(task, before);
  }

  /** Stopped tasks can be described for an hour. */
  #forgetStopped(): void {
    this.#expiry?.cancel();
    const nowMs = this.#engine.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const task of [...this.#store.tasks.values()]) {
      if (task.stoppedAtMs === undefined) continue;
      const expiresMs = task.stoppedAtMs + STOPPED_KEPT_MS;
      if (expiresMs <= nowMs) this.#store.tasks.delete(task.id);
      else nextMs = Math.min(nextMs, expiresMs);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#expiry = this.#engine.clock.setTimer(nextMs - nowMs, () => this.#forgetStopped());
  }
}

const TOLD: Partial<Record<StoredTask['lastStatus'], string>> = {
  PROVISIONING: 'task.created',
  RUNNING: 'task.started',
  STOPPING: 'task.stopping',
  STOPPED: 'task.stopped',
};

function commandOf(command: readonly string[] | undefined): { command?: readonly string[] } {
  return command?.length ? { command } : {};
}

function variables(
  pairs: ReadonlyArray<{ name?: string | undefined; value?: string | undefined }> | undefined,
): Record<string, string> {
  return Object.fromEntries((pairs ?? []).map(({ name, value }) => [name ?? '', value ?? '']));
}
