import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CliError } from './user-error.ts';

export interface ProgramOptions {
  readonly cwd?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gets each line of standard output and standard error. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Lets the program talk to the user itself; its output is then neither read nor returned. @default false */
  readonly interactive?: boolean;
  /** What an error calls the program. @default - its file name and first two arguments */
  readonly name?: string;
}

/**
 * Runs a program to its end and returns its standard output. A failure is one error with the program's last
 * lines; Ctrl-C is passed on to the program, which is awaited.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<string> {
  const child = spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.environment,
    stdio: options.interactive ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => child.kill('SIGINT');
  options.signal?.addEventListener('abort', stop, { once: true });
  const last: string[] = [];
  const output: string[] = [];
  const read = async (stream: NodeJS.ReadableStream | null, keep: boolean) => {
    if (stream === null) return;
    for await (const line of createInterface({ input: stream })) {
      if (keep) output.push(line);
      last.push(line);
      if (last.length > 25) last.shift();
      options.onLine?.(line);
    }
  };
  const exit = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code ?? 1));
  });
  try {
    const [status] = await Promise.all([exit, read(child.stdout, true), read(child.stderr, false)]);
    if (options.signal?.aborted) throw new CliError('interrupted');
    if (status !== 0) {
      throw new CliError(
        `${options.name ?? [command.split('/').at(-1), ...args.slice(0, 2)].join(' ')} failed (${status})${last.length === 0 ? '' : `:\n${last.join('\n')}`}`,
      );
    }
    return output.join('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CliError(`${command} is not installed: install it and try again`);
    }
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}
