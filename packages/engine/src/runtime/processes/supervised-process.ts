import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../clock/clock.ts';
import { killGroup } from './process-ledger.ts';

/** How a process ended. Exactly one of the two is set, as the operating system reports it. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SupervisedOptions {
  /** Program and arguments. The program is looked up on `env.PATH` when it contains no slash. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment; nothing is inherited from the engine. */
  readonly env: Readonly<Record<string, string>>;
  /** `cgroup.procs` files that the process joins before the command runs. */
  readonly procsFiles?: readonly string[];
  /** Opens a channel for `process.send` between the engine and a Node program. */
  readonly ipc?: boolean;
  /** Gives the process a standard input that the caller writes to; otherwise it is empty. */
  readonly input?: boolean;
  readonly clock: Clock;
}

/**
 * Becomes the command, and leaves a watchdog in the same process group that reads from a pipe whose other end
 * only the engine holds. When the engine ends, however it ends, the read returns and the watchdog kills the
 * group. This needs nothing but a POSIX shell, and unlike a death signal to one process it takes the
 * command's own children along. The watchdog is started before the process joins limited control groups.
 */
const WRAPPER = `(read -r _ <&3; kill -KILL -$$) </dev/null >/dev/null 2>&1 &
while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done
shift
exec "$@" 3<&-`;

const OUTPUT_GRACE_MS = 2_000;

/**
 * A process in a group of its own that cannot outlive this one.
 *
 * When the command's first process ends, what it left in its group is killed, as in a container. A process
 * that starts a session of its own escapes the group; control groups, where given, still hold it.
 */
export class SupervisedProcess {
  /** Process id of the command, and id of its process group. */
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly stdin: Writable | undefined;
  /** Settles when the process has ended and all of its output was delivered. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  #ended = false;

  private constructor(child: ChildProcess, pid: number, clock: Clock) {
    this.#child = child;
    this.pid = pid;
    this.stdout = child.stdout!;
    this.stderr = child.stderr!;
    this.stdin = child.stdin ?? undefined;
    const lifeline = child.stdio[3] as Writable;
    // The watchdog ends before it has read anything; writing to it is never attempted.
    lifeline.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('exit', () => {
        this.#ended = true;
        lifeline.destroy();
        const timer = clock.setTimer(OUTPUT_GRACE_MS, () => {
          this.stdout.destroy();
          this.stderr.destroy();
        });
        child.once('close', () => timer.cancel());
      });
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Starts the process; rejects when it cannot be started at all (for example no such working directory). */
  static async start(options: SupervisedOptions): Promise<SupervisedProcess> {
    const stdio: SpawnOptions['stdio'] = [options.input === true ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'];
    const child = spawn(
      '/bin/sh',
      ['-c', WRAPPER, 'sh', ...(options.procsFiles ?? []), '--', ...options.command],
      {
        cwd: options.cwd,
        env: { ...options.env },
        detached: true,
        stdio: options.ipc === true ? [...stdio, 'ipc'] : stdio,
      },
    );
    if (child.pid === undefined) {
      throw await new Promise<Error>((resolve) => child.once('error', resolve));
    }
    return new SupervisedProcess(child, child.pid, options.clock);
  }

  /** Sends a signal to the command's first process only, as `docker stop` does. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** Kills the whole group at once. */
  kill(): void {
    if (!this.#ended) killGroup(this.pid);
  }

  /** Sends a message over the channel; false when the process no longer listens. */
  send(message: Record<string, unknown>): boolean {
    if (this.#ended || !this.#child.connected) return false;
    this.#child.send(message, () => undefined);
    return true;
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#child.on('message', listener);
  }
}
