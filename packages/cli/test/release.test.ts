import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Phase, ReleaseView } from '@queue-canary/core';
import { SystemClock, sleep } from '@queue-canary/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Finished, run, type Started, start } from './program.ts';

const SAMPLE_APP = fileURLToPath(new URL('../../../examples/sample-app', import.meta.url));
const CONTEXT = [
  'bakeMinutes=0',
  'warmUpSeconds=0',
  'watchMinutes=0.1',
  'maxReceiveCount=2',
  'cpu=1024',
  'memoryMiB=2048',
  'stableTasks=2',
];
const clock = new SystemClock();

let state: string;
let source: string;
let engine: Started;

async function up(): Promise<Started> {
  const started = start(['up', '--state', state, '--port', '0', '--pace', '40']);
  await started.line(/^ready in/);
  return started;
}

async function cli(...args: string[]): Promise<Finished> {
  const end = await run([...args, '--state', state]);
  if (end.status !== 0)
    throw new Error(`queue-canary ${args.join(' ')} ended with ${end.status}:\n${end.errors}`);
  return end;
}

async function status(): Promise<ReleaseView> {
  return JSON.parse((await cli('release', 'status', '--json')).output) as ReleaseView;
}

/** Looks at the release until it is as wanted; the test's own time limit ends a wait in vain. */
async function until(wanted: (view: ReleaseView) => boolean): Promise<ReleaseView> {
  for (;;) {
    const view = await status();
    if (wanted(view)) return view;
    await sleep(clock, 200);
  }
}

const inPhase = (phase: Phase) => (view: ReleaseView) => view.phase === phase;
const digests = (view: ReleaseView) => view.tracks.map(({ imageDigest }) => imageDigest);

/** Commits a version of the sample app: its handler fails on every message when `broken`. */
async function release(version: string, broken = false): Promise<void> {
  const handler = join(source, 'src', 'handler.ts');
  const original = readFileSync(join(SAMPLE_APP, 'src', 'handler.ts'), 'utf8');
  const text = original.replace(/version = '[^']*'/, `version = '${version}'`);
  writeFileSync(
    handler,
    broken ? text.replace(/Promise<void> \{\n/, "$&  throw new Error('broken');\n") : text,
  );
  await cli('push', source, '--message', `Version ${version}`);
}

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'queue-canary-release-'));
  source = mkdtempSync(join(tmpdir(), 'queue-canary-worker-'));
  cpSync(SAMPLE_APP, source, { recursive: true, filter: (path) => !path.includes('node_modules') });
  engine = await up();
  const context = CONTEXT.flatMap((pair) => ['-c', pair]);
  await cli('deploy', 'image', ...context);
  await release('1');
  await cli('deploy', 'pipeline', ...context);
  await until(({ approvalPending }) => approvalPending);
  await cli('approve');
  await until(inPhase('succeeded'));
}, 180_000);

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(state, { recursive: true, force: true });
  rmSync(source, { recursive: true, force: true });
});

test('after kill -9 in mid-release and up, messages are there, tasks run again and the release goes on', async () => {
  await release('2');
  const before = await until(({ approvalPending }) => approvalPending);
  await cli('send', '--count', '50');
  engine.kill('SIGKILL');
  await engine.finished;
  engine = await up();
  const after = await until((view) => view.approvalPending && view.tracks.every(({ steady }) => steady));
  expect(after.release?.executionId).toBe(before.release?.executionId);
  await cli('approve');
  const end = await until(inPhase('succeeded'));
  expect(new Set(digests(end)).size).toBe(1);
  expect(end.tracks.map(({ commit }) => commit)).toEqual([after.release?.commit, after.release?.commit]);
  expect(end.deadLetterDepth).toBe(0);
});

test('an approval with a stale token is refused and changes nothing', async () => {
  await release('3');
  await until(({ approvalPending }) => approvalPending);
  const stale = await run(['approve', '--token', '00000000-0000-4000-8000-000000000000', '--state', state]);
  expect(stale.status).toBe(1);
  expect(stale.errors).toMatch(/no longer pending .* "queue-canary release status"/);
  expect((await status()).phase).toBe('awaitingApproval');
  const lastGood = (await status()).lastGood?.imageDigest;
  await cli('reject', '--summary', 'not today');
  const end = await until(inPhase('aborted'));
  expect(digests(end)).toEqual([lastGood, lastGood]);
  const none = await run(['approve', '--state', state]);
  expect(none.errors).toMatch(/no approval is pending: the release is aborted \(.*not today/);
});

test('a version that fails while it is promoted and watched is undone on both services', async () => {
  const lastGood = (await status()).lastGood?.imageDigest;
  await release('4', true);
  await until(({ approvalPending }) => approvalPending);
  await cli('approve');
  await until(({ tracks }) =>
    tracks.some(({ track, imageDigest }) => track === 'stable' && imageDigest !== lastGood),
  );
  const [end] = await Promise.all([
    until(({ phase }) => phase === 'rolledBack' || phase === 'succeeded'),
    cli('send', '--count', '600', '--rate', '60'),
  ]);
  expect(end.phase).toBe('rolledBack');
  expect(digests(end)).toEqual([lastGood, lastGood]);
  await until(({ deadLetterDepth = 0 }) => deadLetterDepth > 0);
});

test('a release that waits for approval is rolled back when a person asks for it', async () => {
  const lastGood = (await status()).lastGood?.imageDigest;
  await release('5');
  await until(({ approvalPending }) => approvalPending);
  await cli('rollback', '--reason', 'second thoughts');
  const end = await until((view) => ['rolledBack', 'aborted'].includes(view.phase));
  expect(digests(end)).toEqual([lastGood, lastGood]);
  expect(end.reasons.join()).toContain('second thoughts');
});

test('destroy says which messages are lost, wants a person or --yes, and removes both stacks', async () => {
  const asked = await run(['destroy', '--state', state]);
  expect(asked.status).toBe(1);
  expect(asked.errors).toMatch(/DeadLetterQueue\S* holds \d+ messages, which are lost with it/);
  expect(asked.errors).toMatch(/no terminal to ask on: add --yes/);
  expect((await status()).tracks).toHaveLength(2);
  const done = await cli('destroy', '--yes');
  expect(done.errors).toMatch(/QueueCanaryPipeline destroyed\nQueueCanaryImage destroyed/);
  const after = await run(['release', 'status', '--state', state]);
  expect(after.errors).toMatch(/there is no stack QueueCanary/);
});
