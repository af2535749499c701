import { mkdirSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import { UserError } from '../errors.ts';
import { hostCommand } from './image-process.ts';
import type { ImageStore } from './oci/image-store.ts';
import { ImageStoreError } from './oci/image-store-error.ts';
import type { RootfsCache } from './oci/rootfs-cache.ts';
import type { TaskCgroups } from './processes/cgroups.ts';
import { Cgroups } from './processes/cgroups.ts';
import { LineSplitter } from './processes/line-splitter.ts';
import { MemoryPoll } from './processes/memory-poll.ts';
import { ProcessLedger } from './processes/process-ledger.ts';
import type { ProcessExit } from './processes/supervised-process.ts';
import { SupervisedProcess } from './processes/supervised-process.ts';
import type { RunnerReport, RunningTask, TaskExit, TaskRunner, TaskSpec } from './task-runner.ts';

export interface ProcessRunnerOptions {
  readonly clock: Clock;
  readonly images: ImageStore;
  readonly rootfs: RootfsCache;
  /** Where process records and the tasks' scratch directories live. */
  readonly stateDirectory: string;
  /** The Node that runs tasks whose image is built on a Node base. */
  readonly nodePath: string;
  /** Search path of this machine, for programs that an image expects from its base. */
  readonly hostPath: string;
  /** Unique among engines on this machine: prefix of the control groups' names. */
  readonly instance: string;
  /** Which limits of task definitions to enforce; both by default. */
  readonly enforce?: { readonly memory?: boolean; readonly cpu?: boolean };
}

const MEBIBYTE = 1024 * 1024;
const OUT_OF_MEMORY = 'OutOfMemoryError: Container killed due to memory usage';

/**
 * Runs each task as a process of this machine, in a process group of its own, from the image's unpacked files.
 *
 * There is no isolation: file system, network and users are the machine's. What differs from a container is
 * listed in {@link report}. SIGTERM goes to the first process only, as on ECS; a Node program without a handler
 * ends at once here, where as process 1 of a container it would ignore the signal and be killed later.
 */
export class ProcessRunner implements TaskRunner {
  readonly name = 'process';
  readonly report: RunnerReport;
  readonly #options: ProcessRunnerOptions;
  readonly #cgroups: Cgroups;
  readonly #ledger: ProcessLedger;
  readonly #memoryPoll: MemoryPoll;
  readonly #tasks = new Set<ProcessTask>();

  constructor(options: ProcessRunnerOptions) {
    this.#options = options;
    this.#cgroups = Cgroups.detect(`${options.instance}-probe`, options.clock);
    this.#ledger = new ProcessLedger(options.stateDirectory);
    this.#memoryPoll = new MemoryPoll(options.clock);
    this.report = describe(this.#cgroups, options);
  }

  run(spec: TaskSpec): RunningTask {
    const task = new ProcessTask(spec, {
      ...this.#options,
      cgroups: this.#cgroups,
      ledger: this.#ledger,
      memoryPoll: this.#memoryPoll,
    });
    this.#tasks.add(task);
    void task.exited.then(() => this.#tasks.delete(task));
    return task;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#tasks].map((task) => task.kill()));
  }
}

interface TaskContext extends ProcessRunnerOptions {
  readonly cgroups: Cgroups;
  readonly ledger: ProcessLedger;
  readonly memoryPoll: MemoryPoll;
}

class ProcessTask implements RunningTask {
  readonly started: Promise<boolean>;
  readonly exited: Promise<TaskExit>;
  readonly #spec: TaskSpec;
  readonly #context: TaskContext;
  #process: SupervisedProcess | undefined;
  #stopping = false;
  #killing = false;
  #polledOut = false;

  constructor(spec: TaskSpec, context: TaskContext) {
    this.#spec = spec;
    this.#context = context;
    let started: (value: boolean) => void = () => undefined;
    this.started = new Promise((resolve) => {
      started = resolve;
    });
    this.exited = this.#run(() => started(true)).finally(() => started(false));
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  stop(): Promise<TaskExit> {
    if (!this.#stopping) {
      this.#stopping = true;
      const running = this.#process;
      if (running !== undefined) this.#terminate(running);
    }
    return this.exited;
  }

  /** Ends the task without giving it time to finish. */
  kill(): Promise<TaskExit> {
    this.#stopping = true;
    this.#killing = true;
    this.#process?.kill();
    return this.exited;
  }

  #terminate(running: SupervisedProcess): void {
    running.signal('SIGTERM');
    const timer = this.#context.clock.setTimer(this.#spec.stopTimeoutMs, () => running.kill());
    void this.exited.then(() => timer.cancel());
  }

  async #run(onStarted: () => void): Promise<TaskExit> {
    const scratch = join(this.#context.stateDirectory, 'scratch', encodeURIComponent(this.#spec.id));
    let groups: TaskCgroups | undefined;
    try {
      const host = await this.#prepare(scratch);
      if (this.#stopping) return { oom: false, reason: 'Stopped before it was started' };
      groups = this.#context.cgroups.create(`${this.#context.instance}-${this.#spec.id}`, this.#limits());
      const running = await SupervisedProcess.start({
        ...host,
        procsFiles: groups.procsFiles,
        clock: this.#context.clock,
      });
      this.#process = running;
      this.#context.ledger.record(this.#spec.id, running.pid, groups.directories);
      this.#collect(running);
      const unwatch = this.#watchMemory(running);
      onStarted();
      if (this.#killing) running.kill();
      else if (this.#stopping) this.#terminate(running);
      const exit = await running.exited;
      unwatch();
      return describeExit(exit, this.#polledOut || (exit.signal === 'SIGKILL' && groups.oomKilled()));
    } catch (error) {
      if (error instanceof UserError) return { oom: false, reason: `${error.code}: ${error.message}` };
      return {
        oom: false,
        reason: `CannotStartContainerError: ${error instanceof Error ? error.message : String(error)}`,
      };
    } finally {
      groups?.release();
      this.#context.ledger.forget(this.#spec.id);
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  async #prepare(scratch: string): Promise<ReturnType<typeof hostCommand>> {
    const { repository, reference } = this.#spec.image;
    const image = this.#loadImage(repository, reference);
    const root = await this.#context.rootfs.rootOf(image).catch((error: unknown) => {
      throw new UserError(
        'CannotPullContainerError',
        error instanceof Error ? error.message : String(error),
        { cause: error },
      );
    });
    mkdirSync(scratch, { recursive: true });
    return hostCommand({
      root,
      config: image.config.config ?? {},
      ...(this.#spec.entryPoint === undefined ? {} : { entryPoint: this.#spec.entryPoint }),
      ...(this.#spec.command === undefined ? {} : { command: this.#spec.command }),
      ...(this.#spec.workingDirectory === undefined ? {} : { workingDirectory: this.#spec.workingDirectory }),
      environment: this.#spec.environment,
      nodePath: this.#context.nodePath,
      hostPath: this.#context.hostPath,
      scratch,
    });
  }

  #loadImage(repository: string, reference: string) {
    try {
      const image = this.#context.images.load(repository, reference);
      if (image !== undefined) return image;
    } catch (error) {
      if (!(error instanceof ImageStoreError)) throw error;
      throw new UserError('CannotPullContainerError', error.message, { cause: error });
    }
    throw new UserError(
      'CannotPullContainerError',
      `The repository "${repository}" has no image ${reference}; push it, or build it again.`,
    );
  }

  #limits() {
    const { enforce } = this.#context;
    const { memoryMiB, cpuUnits } = this.#spec;
    return {
      ...(memoryMiB === undefined || enforce?.memory === false ? {} : { memoryBytes: memoryMiB * MEBIBYTE }),
      ...(cpuUnits === undefined || cpuUnits === 0 || enforce?.cpu === false ? {} : { cpuUnits }),
    };
  }

  #watchMemory(running: SupervisedProcess): () => void {
    const { memoryBytes } = this.#limits();
    if (memoryBytes === undefined || this.#context.cgroups.support.memory !== undefined)
      return () => undefined;
    return this.#context.memoryPoll.watch(running.pid, memoryBytes, () => {
      this.#polledOut = true;
      running.kill();
    });
  }

  #collect(running: SupervisedProcess): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      let full: Promise<void> | undefined;
      const lines = new LineSplitter((text) => {
        full = this.#spec.onLog({ stream, text }) ?? full;
      });
      running[stream].on('data', (chunk: Buffer) => {
        lines.push(chunk);
        if (full === undefined) return;
        running[stream].pause();
        void full.finally(() => running[stream].resume());
        full = undefined;
      });
      running[stream].on('close', () => lines.end());
    }
  }
}

function describeExit(exit: ProcessExit, oom: boolean): TaskExit {
  const exitCode = exit.code ?? (exit.signal === null ? 0 : 128 + constants.signals[exit.signal]);
  return {
    exitCode,
    oom,
    ...(exit.signal === null ? {} : { signal: exit.signal }),
    ...(oom ? { reason: OUT_OF_MEMORY } : {}),
  };
}

function describe(cgroups: Cgroups, options: ProcessRunnerOptions): RunnerReport {
  const { memory, cpu } = cgroups.support;
  return {
    memory:
      options.enforce?.memory === false
        ? 'not limited, as configured'
        : memory === undefined
          ? 'limited by looking twice a second'
          : `limited by ${memory}`,
    cpu:
      options.enforce?.cpu === false
        ? 'not limited, as configured'
        : cpu === undefined
          ? 'not limited: no writable cgroup'
          : `limited by ${cpu}`,
    fileSystem:
      process.getuid?.() === 0
        ? 'image files shared by its tasks; read-only permissions do not bind the superuser'
        : 'image files shared by its tasks, read-only; each task has its own TMPDIR',
    user: 'recorded only: tasks run as the user of the engine',
  };
}
