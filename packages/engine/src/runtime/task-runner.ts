import type { Principal } from '../iam/principal.ts';

/** One line that a task or build wrote. */
export interface OutputLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** One container of an ECS task, with everything the service has already worked out. */
export interface TaskSpec {
  /** Unique among running tasks; names the task's records and scratch directory. */
  readonly id: string;
  /** The session of the task's role, for a runner whose programs need no credentials. Absent when the task has no role. */
  readonly role?: Principal;
  readonly image: {
    readonly repository: string;
    /** Digest or tag; ECS resolves it once, when the deployment begins, and passes the digest. */
    readonly reference: string;
  };
  /** Replaces the image's entry point; as in Docker, the image's command is then not used either. */
  readonly entryPoint?: readonly string[];
  /** Replaces the image's command. */
  readonly command?: readonly string[];
  /** Added to the image's environment, over it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Replaces the image's working directory. */
  readonly workingDirectory?: string;
  readonly user?: string;
  /** In ECS units: 1024 is one CPU. */
  readonly cpuUnits?: number;
  /** Hard limit; exceeding it kills the task. */
  readonly memoryMiB?: number;
  /** Time between SIGTERM and SIGKILL when the task is stopped. */
  readonly stopTimeoutMs: number;
  /**
   * Gets every line in the order of its stream, synchronously. While a promise that it returned is pending nothing more
   * is read, so that the container's writes block.
   */
  readonly onLog: (line: OutputLine) => Promise<void> | undefined;
}

/** Why a container is no longer running, in the terms of `DescribeTasks`. */
export interface TaskExit {
  /** As Docker reports it: 128 plus the signal's number after a signal. Absent when nothing ever ran. */
  readonly exitCode?: number;
  readonly signal?: NodeJS.Signals;
  /** The container's `reason`: only when there is more to say than the exit code. */
  readonly reason?: string;
  /** Killed for using more memory than it may. */
  readonly oom: boolean;
}

/** A task that is being started, runs or has ended. */
export interface RunningTask {
  /** Process id once it runs. */
  readonly pid: number | undefined;
  /** True when the command began to run, false when it never did: {@link exited} then says why. Never rejects. */
  readonly started: Promise<boolean>;
  /** Settles once nothing of the task is left and all its output was delivered. Never rejects. */
  readonly exited: Promise<TaskExit>;
  /** SIGTERM, then SIGKILL after the stop timeout. Repeated calls change nothing; resolves with {@link exited}. */
  stop(): Promise<TaskExit>;
}

/** What a runner does about each promise that a task definition makes; shown to the user when the engine starts. */
export interface RunnerReport {
  readonly memory: string;
  readonly cpu: string;
  readonly fileSystem: string;
  readonly user: string;
}

/**
 * Runs the containers of ECS tasks.
 *
 * `process` runs them as ordinary processes, `container` in a container engine, `in-process` inside a
 * simulation. The engine says which one it uses and never switches on its own.
 */
export interface TaskRunner {
  readonly name: 'process' | 'container' | 'in-process';
  readonly report: RunnerReport;
  run(spec: TaskSpec): RunningTask;
  /** Kills every task at once, and resolves when none is left. */
  close(): Promise<void>;
}
