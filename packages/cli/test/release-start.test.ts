import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ECR } from '@aws-sdk/client-ecr';
import type { ReleaseOutcome, ReleaseView } from '@queue-canary/core';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushImage } from '../../engine/test/push-image.ts';
import { local, readEngineFile } from '../src/target.ts';
import { type Finished, run, type Started, start } from './program.ts';

const SAMPLE_APP = fileURLToPath(new URL('../../../examples/sample-app/src/main.ts', import.meta.url));
const REPOSITORY = 'team/worker';
const context = (approval: string) =>
  [
    `imageRepository=${REPOSITORY}`,
    `approval=${approval}`,
    'bakeMinutes=0.05',
    'warmUpSeconds=0',
    'watchMinutes=0',
  ].flatMap((pair) => ['-c', pair]);
const EXITING = 'process.exit(3);';

let state: string;
let engine: Started;
/** The sample app as one file. */
let sample: string;
/** Address of the repository as the stacks have it. */
let repository: string;

function cli(...args: string[]): Promise<Finished> {
  return run([...args, '--state', state]);
}

async function done(...args: string[]): Promise<Finished> {
  const end = await cli(...args);
  if (end.status !== 0)
    throw new Error(`queue-canary ${args.join(' ')} ended with ${end.status}:\n${end.errors}`);
  return end;
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    conditions: ['@queue-canary/source'],
    // The sample's Dockerfile sets it.
    banner: { js: "process.env.QC_REVISION = 'built-elsewhere';" },
  });
  return outputFiles[0]!.text;
}

/** Pushes an image as a CI would, and resolves with its digest. */
async function push(tag: string, program: string): Promise<string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = readEngineFile(state);
  const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
  const image = { files: { 'main.mjs': program, 'version.txt': tag }, command: ['node', 'main.mjs'] };
  const uri = await pushImage({ endpoint, client }, REPOSITORY, tag, image);
  return uri.slice(uri.indexOf('@') + 1);
}

async function status(): Promise<ReleaseView> {
  return JSON.parse((await done('release', 'status', '--json')).output) as ReleaseView;
}

const lastLine = ({ output }: Finished) => output.trimEnd().split('\n').at(-1);

beforeAll(async () => {
  sample = await bundle(SAMPLE_APP);
  state = mkdtempSync(join(tmpdir(), 'queue-canary-start-'));
  engine = start(['up', '--state', state, '--port', '0', '--pace', '40']);
  await engine.line(/^ready in/);
  const { connection } = local(readEngineFile(state));
  await new ECR(connection).createRepository({ repositoryName: REPOSITORY });
  const image = await done('deploy', 'image', ...context('automatic'));
  const [, uri = ''] = /releases will take their images from (\S+)/.exec(image.errors) ?? [];
  expect(uri).toMatch(/^\d{12}\.dkr\.ecr\..*\/team\/worker$/);
  repository = uri;
  const pipeline = await done('deploy', 'pipeline', ...context('automatic'));
  expect(pipeline.errors).toMatch(
    /next: queue-canary release start --image \d{12}\.dkr\.ecr\..*\/team\/worker:TAG/,
  );
});

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(state, { recursive: true, force: true });
});

test('a pipeline that was just made has no request, and says so in words without builds', async () => {
  const end = await cli('release', 'watch', '--until-done');
  expect(end.status).toBe(2);
  expect(lastLine(end)).toMatch(
    /^not released: execution \S+: Source failed: The object with key 'requests\/release\.zip' does not exist/,
  );
  expect(end.output).not.toMatch(/build/i);
});

test('the first image is released by its tag, and its release promotes itself', async () => {
  const digest = await push('v1', sample);
  const { host } = new URL(readEngineFile(state).endpoint);
  const end = await cli('release', 'start', '--image', `${host}/${REPOSITORY}:v1`, '--wait');
  expect(end.errors).toContain(`:v1 is ${(await status()).release?.image}`);
  expect(lastLine(end)).toMatch(new RegExp(`^promoted: \\S+/${REPOSITORY}@${digest}: `));
  expect(end.status).toBe(0);
  const { tracks, lastGood, stages } = await status();
  expect(tracks.map(({ imageDigest, runs }) => [imageDigest, runs])).toEqual([
    [digest, 'lastGood'],
    [digest, 'lastGood'],
  ]);
  expect(lastGood?.imageUri).toMatch(new RegExp(`/${REPOSITORY}@${digest}$`));
  expect(stages.map(({ name }) => name)).toEqual([
    'Source',
    'Canary',
    'Verdict',
    'Approval',
    'Stable',
    'Record',
  ]);
});

test('a release that a person must decide waits for one, and is promoted by one', async () => {
  await done('deploy', 'pipeline', ...context('manual'));
  const digest = await push('v2', sample);
  const asked = await cli('release', 'start', '--image', `${repository}@${digest}`, '--wait', '--json');
  expect(asked.status).toBe(3);
  expect(JSON.parse(asked.output)).toMatchObject({
    image: `${repository}@${digest}`,
    outcome: 'waiting',
  } satisfies Partial<ReleaseOutcome>);
  await done('approve');
  const end = await cli('release', 'watch', '--until-done');
  expect(lastLine(end)).toMatch(/^promoted: /);
  expect(end.status).toBe(0);
  expect((await status()).tracks.map(({ imageDigest }) => imageDigest)).toEqual([digest, digest]);
});

test('an image that does not start is rolled back, and the exit status says so', async () => {
  const good = (await status()).lastGood!;
  const digest = await push('v3', EXITING);
  const end = await cli('release', 'start', '--image', `${repository}@${digest}`, '--wait');
  expect(lastLine(end)).toMatch(
    new RegExp(`^rolled back by the pipeline: ${repository}@${digest}: canary cannot start the candidate: `),
  );
  expect(end.status).toBe(2);
  expect((await status()).tracks.map(({ imageDigest }) => imageDigest)).toEqual([
    good.imageDigest,
    good.imageDigest,
  ]);
});

test.each([
  ['team/worker', /must name an image as REPOSITORY@sha256:\.\.\. \(64 digits\) or REPOSITORY:TAG/],
  [`public.example/${REPOSITORY}:v1`, /is of another repository: QueueCanary releases images of \d{12}\./],
  ['ours:v9', /has no image v9: push it first/],
  [`ours@sha256:${'0'.repeat(64)}`, /has no image sha256:0{64}: push it first/],
])('%s is refused before anything is started', async (image, message) => {
  const before = await status();
  const end = await cli('release', 'start', '--image', image.replace('ours', repository));
  expect(end.errors).toMatch(message);
  expect(end.status).toBe(1);
  expect((await status()).release?.executionId).toBe(before.release?.executionId);
});

test('what is for commits is refused with what to do instead', async () => {
  const none = await cli('release', 'start');
  expect(none.errors).toMatch(
    /releases images that you push yourself: name one with --image \S+\/team\/worker:TAG/,
  );
  for (const args of [
    ['push', '.'],
    ['logs', 'build'],
  ]) {
    const end = await cli(...args);
    expect(end.status).toBe(1);
    expect(end.errors).toMatch(/has neither source nor builds: use "queue-canary release start --image"/);
  }
});

test('Ctrl-C ends following and leaves the release running', async () => {
  const digest = await push('v4', sample);
  const following = start([
    'release',
    'start',
    '--image',
    `${repository}@${digest}`,
    '--wait',
    '--state',
    state,
  ]);
  await following.line(/^started: execution/);
  following.kill('SIGINT');
  const end = await following.finished;
  expect(end.status).toBe(130);
  expect(end.errors).toMatch(/interrupted: the release goes on; queue-canary release watch shows it/);
  const goesOn = await cli('release', 'watch', '--until-done', '--json');
  expect(goesOn.status).toBe(3);
  expect(JSON.parse(goesOn.output).image).toBe(`${repository}@${digest}`);
});

test('destroy removes both stacks, and leaves the repository and its images', async () => {
  await done('destroy', '--yes');
  const { imageDetails } = await new ECR(local(readEngineFile(state)).connection).describeImages({
    repositoryName: REPOSITORY,
  });
  expect(imageDetails).toHaveLength(4);
});
