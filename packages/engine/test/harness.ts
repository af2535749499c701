import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ByteIds, type EngineOptions, type RunningEngine, SystemClock, startEngine } from '../src/index.ts';

/** What an SDK client needs to talk to a test engine. */
export interface ClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
  readonly maxAttempts: number;
}

export interface TestEngine extends RunningEngine {
  readonly directory: string;
  readonly client: ClientConfig;
}

/** Draws the shortest of every latency that varies, for tests that read what a call has just changed. */
export function promptIds(): ByteIds {
  return Object.assign(new ByteIds(), { random: () => 0 });
}

/** A real engine on a free port; closed and removed when the test ends. Any bug it reports fails the test. */
export async function testEngine(options: Partial<EngineOptions> = {}): Promise<TestEngine> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'queue-canary-'));
  const crashes: unknown[] = [];
  const engine = await startEngine({
    directory,
    port: 0,
    clock: new SystemClock(),
    ids: new ByteIds(),
    pace: 60,
    onCrash: (error) => crashes.push(error),
    ...options,
  });
  let open = true;
  const close = async () => {
    if (open) await engine.close();
    open = false;
  };
  onTestFinished(async () => {
    await close();
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
    if (crashes.length > 0) throw crashes[0];
  });
  return {
    ...engine,
    close,
    directory,
    client: {
      endpoint: engine.endpoint,
      region: engine.region,
      credentials: engine.rootCredentials,
      maxAttempts: 1,
    },
  };
}

/** An engine in a process of its own, for tests that kill it; killed when the test ends. */
export interface MortalEngine {
  readonly accountId: string;
  readonly client: ClientConfig;
  /** Kills it with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts a {@link MortalEngine} and waits until it is ready. `path` is its search path for programs. */
export async function mortalEngine(directory: string, path = process.env.PATH): Promise<MortalEngine> {
  const program = join(import.meta.dirname, 'engine-process.ts');
  const child = spawn(process.execPath, ['--conditions=@queue-canary/source', program, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: path },
  });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  await once(child.stdout, 'data');
  const { endpoint, region, accountId, accessKeyId, secretAccessKey } = JSON.parse(
    readFileSync(join(directory, 'engine.json'), 'utf8'),
  ) as Record<'endpoint' | 'region' | 'accountId' | 'accessKeyId' | 'secretAccessKey', string>;
  return {
    accountId,
    client: { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 },
    kill,
  };
}
