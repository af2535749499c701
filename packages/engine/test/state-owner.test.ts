import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { lockStateDirectory } from '../src/state/lock.ts';
import { testEngine } from './harness.ts';

const CLAIMANT = fileURLToPath(new URL('lock-claimant.ts', import.meta.url));

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'queue-canary-owner-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function claimant(path: string, rounds: number) {
  const child = spawn(process.execPath, [CLAIMANT, path, String(rounds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const ended = once(child, 'close').then(() => output.split('\n').at(-2) ?? '');
  return { child, ready: once(child.stdout, 'data'), ended };
}

test('among many who claim one directory at the same time, some of them killed, one at most is its owner', async () => {
  const path = directory();
  const claimants = Array.from({ length: 5 }, () => claimant(path, 400));
  const killed = claimant(path, 1_000_000);
  await killed.ready;
  killed.child.kill('SIGKILL');
  const counts = await Promise.all(
    claimants.map(
      async ({ ended }) => JSON.parse(await ended) as { owner: number; refused: number; together: number },
    ),
  );
  expect(counts.map(({ together }) => together)).toEqual([0, 0, 0, 0, 0]);
  expect(counts.map(({ owner, refused }) => owner + refused)).toEqual([400, 400, 400, 400, 400]);
  expect(counts.reduce((sum, { owner }) => sum + owner, 0)).toBeGreaterThan(0);
  lockStateDirectory(path).release();
});

test("what an owner that was killed leaves behind is in nobody's way", async () => {
  const path = directory();
  for (let round = 0; round < 3; round++) {
    const { child, ready, ended } = claimant(path, 1_000_000);
    await ready;
    child.kill('SIGKILL');
    await ended;
    rmSync(join(path, 'inside'), { recursive: true, force: true });
    lockStateDirectory(path).release();
  }
});

test('an engine closes its state to others', async () => {
  const engine = await testEngine();
  const mode = (name: string) => (statSync(join(engine.directory, name)).mode & 0o777).toString(8);
  expect(['', 'images', 's3'].map(mode)).toEqual(['700', '700', '700']);
  const files = [
    'engine.json',
    'engine.db',
    'engine.db-wal',
    'package.json',
    'aws-config',
    'git-credentials',
  ];
  expect(files.map(mode)).toEqual(files.map(() => '600'));
});
