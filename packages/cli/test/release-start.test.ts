import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ECR } from '@aws-sdk/client-ecr';
import type { ReleaseOutcome } from '@queue-canary/core';
import { readAccess } from '@queue-canary/engine';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleAction } from '../../../tools/bundle-action.ts';
import { pushImage } from '../../engine/test/push-image.ts';
import { type RoleConfig, roleClient } from '../../engine/test/role-client.ts';
import { readEngineFile } from '../src/target.ts';
import { type ActionRun, type Github, startAction, startGithub } from './action-runner.ts';
import { type Finished, run, type Started, start, succeed } from './program.ts';
import { releaseView } from './release-view.ts';

const GUIDE = fileURLToPath(new URL('../../../docs/how-to/release-your-own-images.md', import.meta.url));
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
/** The GitHub Action as one file, and what it calls of GitHub. */
let bundled: string;
let github: Github;
/** With no other permissions than the documentation asks for. */
let role: RoleConfig;

function cli(...args: string[]): Promise<Finished> {
  return run([...args, '--state', state]);
}

function done(...args: string[]): Promise<Finished> {
  return succeed([...args, '--state', state]);
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

/** Settings of SDK clients of the account's owner. */
function owner() {
  const { endpoint, region, accessKeyId, secretAccessKey } = readEngineFile(state);
  return { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
}

/** Pushes an image as a CI would, and resolves with its digest. */
async function push(tag: string, program: string): Promise<string> {
  const client = owner();
  const image = { files: { 'main.mjs': program, 'version.txt': tag }, command: ['node', 'main.mjs'] };
  const uri = await pushImage({ endpoint: client.endpoint, client }, REPOSITORY, tag, image);
  return uri.slice(uri.indexOf('@') + 1);
}

const status = () => releaseView(state);

const lastLine = ({ output }: Finished) => output.trimEnd().split('\n').at(-1);

/** Starts the GitHub Action with these inputs; `token` lets it show the release on GitHub. */
function action(inputs: Readonly<Record<string, string>>): ReturnType<typeof startAction> {
  const { endpoint, region } = readEngineFile(state);
  const { accessKeyId, secretAccessKey, sessionToken } = role.credentials;
  github.calls.length = 0;
  return startAction(bundled, inputs, {
    ...github.environment,
    AWS_ENDPOINT_URL: endpoint,
    ...('region' in inputs ? {} : { AWS_REGION: region }),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  });
}

/** The statements of the policy that the guide gives a CI. */
function documentedStatements(): object[] {
  const { region, accountId } = readEngineFile(state);
  const [, policy = ''] = /```json\n([\s\S]*?)```/.exec(readFileSync(GUIDE, 'utf8')) ?? [];
  const filled = policy
    .replaceAll('REGION', region)
    .replaceAll('ACCOUNT', accountId)
    .replaceAll('REPOSITORY', REPOSITORY);
  return (JSON.parse(filled) as { readonly Statement: object[] }).Statement;
}

const statesOnGithub = () => github.calls.flatMap(({ body }) => ('state' in body ? [body.state] : []));

/** What a person reads in the summary. */
const read = ({ summary }: ActionRun) => summary.replaceAll('\\', '');

beforeAll(async () => {
  github = await startGithub();
  sample = await bundle(SAMPLE_APP);
  state = mkdtempSync(join(tmpdir(), 'queue-canary-start-'));
  // Nothing is installed where a runner has it.
  bundled = await bundleAction(state);
  engine = start(['up', '--state', state, '--port', '0', '--pace', '40']);
  await engine.line(/^ready in/);
  const { accountId } = readEngineFile(state);
  role = await roleClient({ client: owner(), accountId }, documentedStatements(), { roleName: 'ci' });
  await new ECR(owner()).createRepository({ repositoryName: REPOSITORY });
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
  github.stop();
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

test('the action releases an image, and says everywhere that it is promoted', async () => {
  const image = (await status()).lastGood!.imageUri;
  const end = await action({ image, token: 'a-token', environment: 'live' }).finished;
  expect(end.log).toMatch(/^started: execution .* releases /m);
  expect(end.status).toBe(0);
  const { release } = await status();
  expect(end.outputs).toEqual({
    outcome: 'promoted',
    'execution-id': release?.executionId,
    image,
    summary: expect.stringMatching(
      new RegExp(`^promoted: ${image}: Pass: the candidate is the image of the last good release`),
    ),
  });
  expect(end.commands).toEqual([`::notice title=queue-canary::${end.outputs.summary}`]);
  expect(read(end)).toMatch(/^### QueueCanary: promoted$/m);
  expect(read(end)).toContain(`| Image | ${image} |`);
  expect(read(end)).toMatch(/^\| Verdict \| Pass/m);
  expect(read(end)).toMatch(/codesuite\/codepipeline\/pipelines\/[\w-]+\/view\?region=/);
  expect(github.calls.map(({ path }) => path)).toEqual([
    'POST /repos/team/worker/deployments',
    'POST /repos/team/worker/deployments/42/statuses',
    'POST /repos/team/worker/deployments/42/statuses',
  ]);
  expect(github.calls[0]).toMatchObject({
    authorization: 'Bearer a-token',
    body: { ref: github.environment.GITHUB_SHA, environment: 'live', required_contexts: [] },
  });
  expect(statesOnGithub()).toEqual(['in_progress', 'success']);
  expect(github.calls.at(-1)?.body.log_url).toBe('https://github.example/team/worker/actions/runs/7');
});

test.each([
  [{ image: 'team/worker' }, /^"team\/worker" is no image: name one as REPOSITORY@sha256:/],
  [{}, /^the input image is empty: name the image to release/],
  [{ image: 'elsewhere/worker:v1' }, /^elsewhere\/worker:v1 is of another repository: /],
])('the action says in one error what is wrong with %j, and starts nothing', async (inputs, message) => {
  const before = await status();
  const end = await action({ token: 'a-token', ...inputs }).finished;
  expect(end.status).toBe(1);
  expect(end.commands).toHaveLength(1);
  expect(end.commands[0]!.replace('::error title=queue-canary::', '')).toMatch(message);
  expect([end.outputs, end.summary, github.calls]).toEqual([{}, '', []]);
  expect((await status()).release?.executionId).toBe(before.release?.executionId);
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

test('the action fails for an image that is rolled back, and says why', async () => {
  const { region } = readEngineFile(state);
  const digest = await push('v3', EXITING);
  const image = `${repository}@${digest}`;
  const end = await action({ image, region, token: 'a-token' }).finished;
  expect(end.status).toBe(2);
  expect(end.outputs).toMatchObject({ outcome: 'rolled-back', image });
  expect(end.commands).toEqual([`::error title=queue-canary::${end.outputs.summary}`]);
  expect(read(end)).toMatch(/^### QueueCanary: rolled back by the pipeline$/m);
  expect(read(end)).toMatch(/^canary cannot start the candidate: /m);
  expect(read(end)).toMatch(/^\*\*What to do:\*\* Both services run the last good release\./m);
  expect(statesOnGithub()).toEqual(['in_progress', 'failure']);
});

test('the action says that a person is needed, follows on after that, and never minds what GitHub answers', async () => {
  const image = `${repository}@${await push('v4', sample)}`;
  const asked = await action({ image, token: 'a-token' }).finished;
  expect(asked.status).toBe(3);
  expect(asked.outputs.outcome).toBe('waiting');
  expect(asked.commands).toEqual([`::warning title=queue-canary::${asked.outputs.summary}`]);
  expect(read(asked)).toMatch(
    /What to do:.*`npx queue-canary approve --aws --app-name QueueCanary` promotes it/,
  );
  expect(statesOnGithub()).toEqual(['in_progress', 'pending']);

  await done('approve');
  github.refusal = 'no\n::set-output name=outcome::rolled-back';
  const id = asked.outputs['execution-id']!;
  const end = await action({ 'execution-id': id, token: 'a-token' }).finished;
  github.refusal = undefined;
  expect(end.status).toBe(0);
  expect(end.outputs).toMatchObject({ outcome: 'promoted', 'execution-id': id, image });
  expect(end.commands).toEqual([
    expect.stringMatching(/^::warning title=.* answered 403: no%0A::set-output .*itself is not affected\.$/),
    `::notice title=queue-canary::${end.outputs.summary}`,
  ]);
});

test.each([
  [
    'team/worker',
    /^error: "team\/worker" is no image: name one as REPOSITORY@sha256:\.\.\. \(64 digits\) or REPOSITORY:TAG/m,
  ],
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

test('the action does not wait if it must not', async () => {
  const image = (await status()).lastGood!.imageUri;
  const end = await action({ image, wait: 'false', token: 'a-token' }).finished;
  expect(end.status).toBe(0);
  expect(end.outputs).toMatchObject({ outcome: '', image });
  expect(read(end)).toMatch(/^### QueueCanary: started$/m);
  expect(github.calls).toEqual([]);
  const { status: followed } = await action({ 'execution-id': end.outputs['execution-id']! }).finished;
  expect(followed).toBe(3);
});

test('a workflow that is cancelled leaves the release running, and says how to end it', async () => {
  const image = `${repository}@${await push('v5', sample)}`;
  const following = action({ image, token: 'a-token' });
  await Promise.race([github.hears('in_progress'), following.finished]);
  following.kill('SIGINT');
  const end = await following.finished;
  expect(end.status).toBe(130);
  expect(end.outputs).toMatchObject({ outcome: '', image });
  expect(end.commands).toEqual([
    expect.stringMatching(
      /^::warning title=queue-canary::not followed any more: .*the release goes on; to end it: queue-canary rollback/,
    ),
  ]);
  expect(read(end)).toMatch(/`npx queue-canary rollback --aws --app-name QueueCanary` ends it/);
  expect(statesOnGithub()).toEqual(['in_progress', 'in_progress']);
  const goesOn = await cli('release', 'watch', '--until-done', '--json');
  expect(JSON.parse(goesOn.output)).toMatchObject({ image, executionId: end.outputs['execution-id'] });
});

test('what the action did needs no other permissions than the guide gives a CI', () => {
  expect(readAccess(state).denied).toEqual([]);
});

test('Ctrl-C ends following and leaves the release running', async () => {
  const digest = await push('v6', sample);
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
  const { imageDetails } = await new ECR(owner()).describeImages({
    repositoryName: REPOSITORY,
  });
  expect(imageDetails).toHaveLength(6);
});
