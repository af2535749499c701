import { execFile } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../clock/clock.ts';
import { UserError } from '../../errors.ts';
import { SupervisedProcess } from '../processes/supervised-process.ts';
import { MarkedOutput } from './marked-output.ts';
import type { SessionFiles } from './shell-scripts.ts';
import {
  driverScript,
  endedScript,
  expandScript,
  nextScript,
  ORDERS,
  prelude,
  saveScript,
  supervisorScript,
} from './shell-scripts.ts';

export interface ShellSessionOptions {
  readonly shell: BuildShell;
  /** Each command gets a shell of its own, with the environment and directory of the beginning (buildspec 0.1). */
  readonly shellPerCommand: boolean;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Variables whose values are asked for at the end. */
  readonly watched: readonly string[];
  /** Empty directory for the session's own files. */
  readonly scratch: string;
  /** Unguessable text that no command prints by accident. */
  readonly marker: string;
  readonly clock: Clock;
  readonly onLine: (line: string) => void;
}

/** A shell of this machine that runs commands. */
export interface BuildShell {
  /** Absolute path, and options. */
  readonly command: readonly [string, ...string[]];
  readonly kind: SessionFiles['kind'];
}

/** How a command ended; `exitCode` is undefined when the session was killed. */
export interface CommandResult {
  readonly exitCode: number | undefined;
}

/**
 * The shells of a build: one for all commands, as CodeBuild has it for a buildspec of version 0.2, or one for each.
 *
 * Standard error joins standard output. A command that ends the shell fails or succeeds with its status, and the
 * next gets a new shell with the same environment and directory. What commands leave running in the background ends
 * with the session.
 */
export class ShellSession {
  readonly #options: ShellSessionOptions;
  readonly #files: SessionFiles;
  readonly #exports: Record<string, string> = {};
  #process: SupervisedProcess | undefined;
  #pipe: Socket | undefined;
  #orders: number | undefined;
  /** Whether a shell waits for its next command. */
  #shellWaits = false;
  #flags = '';
  #waiting: ((exitCode: number | undefined) => void) | undefined;
  #number = 0;
  #killed = false;

  constructor(options: ShellSessionOptions) {
    this.#options = options;
    const { scratch, marker, shell, watched } = options;
    this.#files = {
      directory: scratch,
      output: join(scratch, 'output'),
      orders: join(scratch, 'orders'),
      marker,
      shell: shell.command,
      kind: shell.kind,
      watched,
    };
  }

  /** Exports a variable to every command that follows. */
  export(name: string, value: string): void {
    this.#exports[name] = value;
  }

  /** Runs one command; resolves when it has ended and all of its output was delivered. */
  async run(command: string): Promise<CommandResult> {
    await this.#start();
    if (this.#killed) return { exitCode: undefined };
    const before = prelude(this.#files.kind, {
      flags: this.#flags,
      traps: this.#shellWaits ? ['trap.ERR', 'trap.DEBUG'].map((name) => this.#read(name) ?? '') : [],
      exports: this.#exports,
    });
    this.#write('script.sh', `${before}${command}\n`);
    if (this.#options.shellPerCommand) return { exitCode: await this.#order(ORDERS.fresh) };
    if (!this.#shellWaits) this.#send(ORDERS.start);
    return { exitCode: await this.#order(String(++this.#number)) };
  }

  /** The texts with their variables and commands replaced, as the shell does it between double quotes. */
  async expand(texts: readonly string[]): Promise<string[]> {
    if (texts.every((text) => !text.includes('$'))) return [...texts];
    await this.#start();
    this.#write('expand.sh', expandScript(this.#files, texts));
    const exitCode = await this.#order(ORDERS.expand);
    const values = (this.#read('expanded') ?? '').split('\0').slice(0, -1);
    if (exitCode !== 0 || values.length !== texts.length)
      throw new UserError(
        'ExpansionFailed',
        `The shell cannot replace the variables in ${texts.join(', ')}.`,
      );
    return values;
  }

  /** Values of the watched variables that are exported. */
  values(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of this.#files.watched) {
      const text = this.#read(`value.${name}`) ?? '';
      if (text.startsWith('=')) found[name] = text.slice(1);
    }
    return found;
  }

  /** Ends the shell that commands have shared, which runs its EXIT trap. What it left in the background goes on. */
  async endShell(): Promise<void> {
    if (this.#shellWaits) await this.#order(ORDERS.end);
  }

  /** Kills whatever is left. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process?.kill();
    await this.#process?.exited;
    this.#pipe?.destroy();
    if (this.#orders !== undefined) closeSync(this.#orders);
    this.#orders = undefined;
  }

  async #start(): Promise<void> {
    if (this.#process !== undefined || this.#killed) return;
    const { scratch, cwd, env, clock, onLine } = this.#options;
    mkdirSync(scratch, { recursive: true });
    for (const [name, script] of [
      ['supervisor.sh', supervisorScript],
      ['driver.sh', driverScript],
      ['save.sh', saveScript],
      ['ended.sh', endedScript],
      ['next.sh', nextScript],
    ] as const) {
      this.#write(name, script(this.#files));
    }
    const { output, orders } = this.#files;
    await promisify(execFile)('mkfifo', ['-m', '600', output, orders]);
    // Open at both ends, so that neither blocks and no reader sees an end while commands come and go.
    const both = constants.O_RDWR | constants.O_NONBLOCK;
    const pipe = new Socket({ fd: openSync(output, both), readable: true, writable: true });
    this.#pipe = pipe;
    this.#orders = openSync(orders, both);
    const reader = new MarkedOutput(this.#files.marker, onLine, (text) => this.#report(text));
    pipe.on('data', (chunk: Buffer) => reader.push(chunk));
    pipe.on('error', () => undefined);
    const started = await SupervisedProcess.start({
      command: ['/bin/sh', join(scratch, 'supervisor.sh')],
      cwd,
      env,
      clock,
    });
    this.#process = started;
    if (this.#killed) started.kill();
    // Only what goes wrong before the supervisor has its own output.
    started.stderr.on('data', (chunk: Buffer) => onLine(chunk.toString('utf8').trimEnd()));
    started.stdout.resume();
    void started.exited.then(() => {
      this.#shellWaits = false;
      // Behind whatever the pipe still holds.
      if (!this.#killed) pipe.write(`${this.#files.marker} gone\n`);
      else this.#settle(undefined);
    });
  }

  #order(word: string): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      if (this.#process === undefined || this.#killed) this.#settle(undefined);
      else this.#send(word);
    });
  }

  #send(word: string): void {
    if (this.#orders !== undefined) writeSync(this.#orders, `${word}\n`);
  }

  #settle(exitCode: number | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(exitCode);
  }

  #report(text: string): void {
    const [what, status, flags = ''] = text.trim().split(' ');
    this.#shellWaits = what === 'ended';
    this.#flags = this.#shellWaits ? flags : '';
    this.#settle(what === 'gone' ? undefined : Number(status));
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#files.directory, name), text);
  }

  #read(name: string): string | undefined {
    const path = join(this.#files.directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }
}
