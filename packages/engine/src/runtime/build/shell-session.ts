import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock/clock.ts';
import { LineSplitter } from '../processes/line-splitter.ts';
import { SupervisedProcess } from '../processes/supervised-process.ts';

export interface ShellSessionOptions {
  readonly shell: 'sh' | 'bash';
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Empty directory for the session's own files. */
  readonly scratch: string;
  /** Unguessable text that no command prints by accident. */
  readonly marker: string;
  readonly clock: Clock;
  readonly onLine: (line: string) => void;
}

/** How a command ended; `exitCode` is undefined when the session was killed. */
export interface CommandResult {
  readonly exitCode: number | undefined;
}

/**
 * Reads the numbers of commands from standard input and runs each from its file, in this same shell, so that
 * variables, functions and the working directory carry over as they do in CodeBuild. After each it prints the
 * marker and the exit status into the output, which puts an exact end to the command's output. When a command
 * ends the shell itself, the trap saves the environment and directory for the shell that follows.
 */
const DRIVER = `exec 4<&0 </dev/null 2>&1
QC_SESSION=$1; QC_MARKER=$2
trap 'export -p >"$QC_SESSION/environment"; pwd >"$QC_SESSION/directory"' EXIT
if [ -f "$QC_SESSION/environment" ]; then . "$QC_SESSION/environment"; cd "$(cat "$QC_SESSION/directory")"; fi
while read -r QC_NUMBER <&4; do
  . "$QC_SESSION/$QC_NUMBER.sh" 4<&-
  printf '%s %s\\n' "$QC_MARKER" "$?"
done
`;

/**
 * One shell for all the commands of a build, as CodeBuild runs a buildspec of version 0.2.
 *
 * Standard error joins standard output. A command that calls `exit` fails or succeeds with that status, and the
 * next command gets a new shell with the same environment and directory.
 */
export class ShellSession {
  readonly #options: ShellSessionOptions;
  #process: SupervisedProcess | undefined;
  #waiting: ((exitCode: number) => void) | undefined;
  #number = 0;
  #killed = false;

  constructor(options: ShellSessionOptions) {
    this.#options = options;
    mkdirSync(options.scratch, { recursive: true });
    writeFileSync(join(options.scratch, 'driver.sh'), DRIVER);
  }

  /** Runs one command; resolves when it has ended and all of its output was delivered. */
  async run(command: string): Promise<CommandResult> {
    if (this.#killed) return { exitCode: undefined };
    const shell = this.#process ?? (await this.#start());
    if (this.#killed) return { exitCode: undefined };
    const number = ++this.#number;
    writeFileSync(join(this.#options.scratch, `${number}.sh`), `${command}\n`);
    const finished = new Promise<number>((resolve) => {
      this.#waiting = resolve;
    });
    shell.stdin?.write(`${number}\n`);
    const exitCode = await Promise.race([finished, shell.exited.then(({ code }) => code ?? undefined)]);
    this.#waiting = undefined;
    return { exitCode };
  }

  /** Kills the shell with everything it started. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process?.kill();
    await this.#process?.exited;
  }

  /** Ends the shell, and with it what commands left running in the background. */
  async close(): Promise<void> {
    this.#process?.stdin?.end();
    await this.#process?.exited;
  }

  async #start(): Promise<SupervisedProcess> {
    const { shell, scratch, marker, cwd, env, clock } = this.#options;
    const started = await SupervisedProcess.start({
      command: [shell, join(scratch, 'driver.sh'), scratch, marker],
      cwd,
      env,
      input: true,
      clock,
    });
    this.#process = started;
    if (this.#killed) started.kill();
    started.stdin?.on('error', () => undefined);
    const lines = new LineSplitter((line) => this.#take(line));
    started.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    started.stdout.on('close', () => lines.end());
    started.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
    void started.exited.then(() => {
      if (this.#process === started) this.#process = undefined;
    });
    return started;
  }

  /** The marker may follow output that did not end its last line. */
  #take(line: string): void {
    const at = line.lastIndexOf(this.#options.marker);
    if (at < 0) {
      this.#options.onLine(line);
      return;
    }
    if (at > 0) this.#options.onLine(line.slice(0, at));
    this.#waiting?.(Number(line.slice(at + this.#options.marker.length).trim()));
  }
}
