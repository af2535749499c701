import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { ECS } from '@aws-sdk/client-ecs';
import { SQS } from '@aws-sdk/client-sqs';
import type { Phase, ReleaseOutcome, ReleaseView } from '@queue-canary/core';
import { SystemClock, sleep } from '@queue-canary/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pipelineOutputs } from '../src/stacks.ts';
import { local, readEngineFile } from '../src/target.ts';
import { type Finished, run, type Started, start, succeed } from './program.ts';
import { releaseView } from './release-view.ts';

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

function cli(...args: string[]): Promise<Finished> {
  return succeed([...args, '--state', state]);
}

const status = () => releaseView(state);

/** Looks at the release until it is as wanted; the test's own time limit ends a wait in vain. */
async function until(wanted: (view: ReleaseView) => boolean): Promise<ReleaseView> {
  for (;;) {
    const view = await status();
    if (wanted(view)) return view;
    await sleep(clock, 200);
  }
}

async function sendMany(count: number): Promise<void> {
  const { connection } = local(readEngineFile(state));
  const { QueueUrl } = await pipelineOutputs(new CloudFormation(connection), 'QueueCanary');
  const sqs = new SQS(connection);
  for (let sent = 0; sent < count; sent += 10) {
    const Entries = Array.from({ length: 10 }, (_, index) => ({
      Id: String(index),
      MessageBody: `{"order":${sent + index}}`,
    }));
    await sqs.sendMessageBatch({ QueueUrl, Entries });
  }
}

const inPhase = (phase: Phase) => (view: ReleaseView) => view.phase === phase;
const isOver = ({ phase }: ReleaseView) => ['succeeded', 'rolledBack', 'aborted', 'halted'].includes(phase);
const digests = (view: ReleaseView) => view.tracks.map(({ imageDigest }) => imageDigest);

/** Commits a version of the sample app with what `change` makes of its files. */
async function release(
  version: string,
  change: Partial<Record<string, (text: string) => string>> = {},
): Promise<void> {
  for (const file of ['src/handler.ts', 'src/main.ts', 'buildspec.yml']) {
    const text = readFileSync(join(SAMPLE_APP, file), 'utf8');
    const named = text.replace(/version = '[^']*'/, `version = '${version}'`);
    writeFileSync(join(source, file), change[file]?.(named) ?? named);
  }
  await cli('push', source, '--message', `Version ${version}`);
}

const failing = (text: string) => text.replace(/Promise<void> \{\n/, "$&  throw new Error('broken');\n");
const exiting = (text: string) => `process.exit(3);\n${text}`;

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
});

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
  const shown = JSON.parse((await cli('release', 'status', '--json')).output) as ReleaseView;
  expect([shown.phase, digests(shown)]).toEqual([end.phase, digests(end)]);
});

test('a service that is put back to its first revision between releases is restored, and people are told once', async () => {
  const { lastGood } = await status();
  const { connection } = local(readEngineFile(state));
  const { ClusterName: cluster, CanaryServiceName: service } = await pipelineOutputs(
    new CloudFormation(connection),
    'QueueCanary',
  );
  const ecs = new ECS(connection);
  const { services } = await ecs.describeServices({ cluster, services: [service] });
  const current = services?.[0]?.taskDefinition ?? '';
  // As CloudFormation does when an update fails and is rolled back.
  await ecs.updateService({ cluster, service, taskDefinition: current.replace(/:\d+$/, ':1') });
  const drifted = await until(inPhase('drifted'));
  expect(drifted.reasons.join()).toMatch(
    /^canary (is being brought to|runs|ran) .*it was changed from outside, for example by a stack update, by its rollback or by hand/,
  );
  const end = await until(inPhase('succeeded'));
  expect(digests(end)).toEqual([lastGood?.imageDigest, lastGood?.imageDigest]);
  expect(end.tracks.every(({ steady }) => steady)).toBe(true);
  expect(end.drift?.canary?.times).toBe(1);
  expect(end.reasons.join()).toMatch(/canary ran the image sha256:.* it was restored at/);
  const told = (await cli('logs', 'controller', '--raw')).output.match(
    /"kind":"notify","target":"[^"]*from outside[^"]*","outcome":"done"/g,
  );
  expect(told).toHaveLength(1);
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
  await release('4', { 'src/handler.ts': failing });
  await until(({ approvalPending }) => approvalPending);
  await cli('approve');
  await until(({ tracks }) =>
    tracks.some(({ track, imageDigest }) => track === 'stable' && imageDigest !== lastGood),
  );
  // By the SDK: starting a program may take as long as the watch.
  await sendMany(600);
  const end = await until(({ phase }) => phase === 'rolledBack' || phase === 'succeeded');
  expect(end.phase).toBe('rolledBack');
  expect(digests(end)).toEqual([lastGood, lastGood]);
  await until(({ deadLetterDepth = 0 }) => deadLetterDepth > 0);
});

test('a version that exits at once ends its release long before the action times out', async () => {
  const before = await status();
  await release('exits', { 'src/main.ts': exiting });
  const end = await until(
    (view) => view.release?.executionId !== before.release?.executionId && isOver(view),
  );
  expect(end.phase).toBe('rolledBack');
  expect(end.decision).toMatchObject({ executionId: end.release?.executionId, by: 'pipeline' });
  expect(end.reasons[0]).toMatch(
    /canary cannot start the candidate: [3-9] of its tasks ran and .* \(exit code 3\)/,
  );
  expect(end.stages.map(({ name, status }) => [name, status])).toContainEqual(['Canary', 'stopped']);
  expect(digests(end)).toEqual([before.lastGood?.imageDigest, before.lastGood?.imageDigest]);
});

test.each([
  [
    'an image of another repository',
    (text: string) =>
      text.replace('"$REPOSITORY_URI" "$IMAGE_DIGEST" >', 'elsewhere.example/any "$IMAGE_DIGEST" >'),
    /canary runs elsewhere\.example\/any@sha256:.* instead of the candidate sha256:.*imagedefinitions\.json names another image/,
  ],
  [
    'a build that says nothing of its image',
    (text: string) => text.replace('export IMAGE_DIGEST', 'IMAGE_DIGEST'),
    /the build exported no digest .*Add "env: exported-variables: \[IMAGE_DIGEST\]"/,
  ],
])('%s: refused, and stable never sees it', async (version, change, reason) => {
  const before = await status();
  await release(version, { 'buildspec.yml': change });
  const end = await until(
    (view) => view.release?.executionId !== before.release?.executionId && isOver(view),
  );
  expect(end.phase).toBe('rolledBack');
  expect(end.reasons[0]).toMatch(reason);
  expect(end.stages.map(({ name, status }) => [name, status])).toContainEqual(['Stable', 'waiting']);
  expect(digests(end)).toEqual([before.lastGood?.imageDigest, before.lastGood?.imageDigest]);
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

test('the newest commit is released again by a command, which takes no image where images are built', async () => {
  const refused = await run(['release', 'start', '--image', 'any/worker:1', '--state', state]);
  expect(refused.status).toBe(1);
  expect(refused.errors).toMatch(
    /QueueCanary releases images that it builds from commits: push a commit, or leave --image out/,
  );
  const end = await run(['release', 'start', '--wait', '--json', '--state', state]);
  expect(end.status).toBe(3);
  const { executionId, commit, outcome } = JSON.parse(end.output) as ReleaseOutcome;
  expect(outcome).toBe('waiting');
  expect((await status()).release).toMatchObject({ executionId, commit });
  await cli('reject');
  const rejected = await run(['release', 'watch', '--until-done', '--state', state]);
  expect(rejected.status).toBe(2);
  expect(rejected.output).toMatch(/^rolled back by a person: commit [0-9a-f]{40}: /m);
});

test('destroy says which messages are lost, wants a person or --yes, and removes both stacks', async () => {
  const asked = await run(['destroy', '--state', state]);
  expect(asked.status).toBe(1);
  expect(asked.errors).toMatch(/DeadLetterQueue\S* holds \d+ messages, which are lost with it/);
  expect(asked.errors).toMatch(/revisions of its task definitions that releases registered stay/);
  expect(asked.errors).toMatch(/no terminal to ask on: add --yes/);
  expect((await status()).tracks).toHaveLength(2);
  const done = await cli('destroy', '--yes');
  expect(done.errors).toMatch(/QueueCanaryPipeline destroyed\nQueueCanaryImage destroyed/);
  const after = await run(['release', 'status', '--state', state]);
  expect(after.errors).toMatch(/stack QueueCanary\w* does not exist/);
});
