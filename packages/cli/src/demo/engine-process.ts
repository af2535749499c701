import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliError } from '../user-error.ts';
import type { DemoOptions, DemoWorld } from './demo-options.ts';

/** `queue-canary up` as a process of its own. */
export interface EngineProcess {
  readonly pid: number;
  readonly endpoint: string;
  readonly log: string;
  readonly readyMs: number;
  /** Lets the engine run on after this program. */
  release(): void;
  stop(): Promise<void>;
}

/** The `queue-canary` command. */
const PROGRAM = fileURLToPath(new URL('../../bin/queue-canary.js', import.meta.url));

/** Runs `queue-canary up` as a process of its own and waits until it is ready. */
export async function startEngineProcess(
  world: DemoWorld,
  state: string,
  options: Pick<DemoOptions, 'pace' | 'seed'>,
): Promise<EngineProcess> {
  const { clock, terminal } = world;
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const log = join(state, 'engine.log');
  const startedAtMs = clock.nowMs();
  const { pace, seed } = options;
  const chosen = ['--pace', String(pace), ...(seed === undefined ? [] : ['--seed', String(seed)])];
  terminal.line(`queue-canary up ${chosen.join(' ')}`);
  const child = spawn(
    process.execPath,
    [...process.execArgv, PROGRAM, 'up', '--state', state, '--port', '0', ...chosen],
    // A group of its own: Ctrl-C reaches the demo, which stops the engine in order.
    { env: world.environment, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const file = createWriteStream(log, { mode: 0o600 });
  const ready = await readyLine(child, (line) => file.write(`${line}\n`));
  const endpoint = /http:\/\/[\d.:]+/.exec(ready)?.[0] ?? '';
  terminal.line(`  ${ready}`);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid!,
    endpoint,
    log,
    readyMs: clock.nowMs() - startedAtMs,
    release() {
      child.unref();
      child.stderr?.destroy();
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function readyLine(child: ChildProcess, keep: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      keep(line);
      if (lines.length < 50) lines.push(line);
      if (line.startsWith('ready')) resolve(line);
    });
    child.once('exit', (code) =>
      reject(new CliError(`the engine ended (${code}) before it was ready:\n${lines.join('\n')}`)),
    );
    child.once('error', reject);
  });
}
