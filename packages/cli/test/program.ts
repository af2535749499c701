import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../bin/queue-canary.js', import.meta.url));

/** How a run of the command ended, with what it wrote. */
export interface Finished {
  readonly status: number | NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** A running `queue-canary` process. */
export interface Started {
  readonly pid: number;
  readonly finished: Promise<Finished>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the first line on standard error that matches, or fails when the process ends before. */
  line(matches: RegExp): Promise<string>;
}

/** Starts the command, or another program, as a user would, without any AWS settings of this machine. */
export function start(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; command?: readonly [string, ...string[]] } = {},
): Started {
  const [program, ...first] = options.command ?? [process.execPath, BIN];
  const child = spawn(program, [...first, ...args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...withoutAws(process.env), NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors += `${line}\n`;
    lines.push(line);
    for (const hear of waiting) hear(line);
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (code, signal) => resolve({ status: signal ?? code, output, errors }));
  });
  return {
    pid: child.pid!,
    finished,
    kill: (signal) => child.kill(signal),
    line: (matches) => {
      const known = lines.find((line) => matches.test(line));
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        waiting.add((line) => {
          if (matches.test(line)) resolve(line);
        });
        void finished.then((end) =>
          reject(new Error(`ended (${end.status}) without ${matches}:\n${end.errors}`)),
        );
      });
    },
  };
}

/** A machine's environment (proxies and certificates included: builds need them) without its AWS settings. */
function withoutAws(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([key]) => !key.startsWith('AWS_')));
}

/** Runs the command to its end. */
export function run(args: readonly string[], options?: Parameters<typeof start>[1]): Promise<Finished> {
  return start(args, options).finished;
}

/** Runs the command to its end, which must be a good one. */
export async function succeed(args: readonly string[]): Promise<Finished> {
  const end = await run(args);
  if (end.status === 0) return end;
  throw new Error(`queue-canary ${args.join(' ')} ended with ${end.status}:\n${end.errors}`);
}
