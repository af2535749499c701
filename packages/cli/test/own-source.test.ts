import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { S3 } from '@aws-sdk/client-s3';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { local, readEngineFile } from '../src/target.ts';
import { type Finished, run, type Started, start, succeed } from './program.ts';
import { releaseView } from './release-view.ts';

const APP = fileURLToPath(new URL('own-source-app.ts', import.meta.url));
const SAMPLE_APP = fileURLToPath(new URL('../../../examples/sample-app', import.meta.url));
const CDK_APP = ['--cdk-app', `exec "${process.execPath}" --conditions=@queue-canary/source "${APP}"`];
const BUCKET = 'team-sources';

let state: string;
let engine: Started;

function cli(...args: string[]): Promise<Finished> {
  return run([...args, '--state', state]);
}

function done(...args: string[]): Promise<Finished> {
  return succeed([...args, '--state', state]);
}

const connection = () => local(readEngineFile(state)).connection;

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'queue-canary-source-'));
  engine = start(['up', '--state', state, '--port', '0', '--pace', '40']);
  await engine.line(/^ready in/);
}, 600_000);

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(state, { recursive: true, force: true });
});

/** The sample app as a zip, as a CI would upload it. */
function zipOf(directory: string): Uint8Array {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !path.includes('node_modules') && statSync(join(directory, path)).isFile(),
  );
  return zipSync(Object.fromEntries(paths.map((path) => [path, readFileSync(join(directory, path))])));
}

test('an upload to a bucket that a team has is built and released', async () => {
  const s3 = new S3({ ...connection(), forcePathStyle: true });
  await s3.createBucket({ Bucket: BUCKET });
  await s3.putBucketVersioning({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putBucketNotificationConfiguration({
    Bucket: BUCKET,
    NotificationConfiguration: { EventBridgeConfiguration: {} },
  });
  const image = await done('deploy', 'image', ...CDK_APP, '-c', `bucket=${BUCKET}`);
  expect(image.errors).toContain(`releases will be built from s3://${BUCKET}/worker.zip`);
  const pipeline = await done('deploy', 'pipeline', ...CDK_APP, '-c', `bucket=${BUCKET}`);
  expect(pipeline.errors).toContain(`each push to s3://${BUCKET}/worker.zip starts one`);
  const none = await cli('release', 'watch', '--until-done');
  expect(none.output).toMatch(/not released: .*The object with key 'worker\.zip' does not exist/);

  const { VersionId } = await s3.putObject({
    Bucket: BUCKET,
    Key: 'worker.zip',
    Body: zipOf(SAMPLE_APP),
    Metadata: { 'codepipeline-artifact-revision-summary': 'The first worker' },
  });
  let view = await releaseView(state);
  while (view.phase !== 'succeeded' || view.stages.at(-1)?.status !== 'succeeded') {
    if (view.phase === 'halted' || view.phase === 'rolledBack') throw new Error(JSON.stringify(view));
    view = await releaseView(state);
  }
  expect(view.release).toMatchObject({ commit: VersionId, commitMessage: 'The first worker' });
  expect(view.tracks.map(({ runs, commit }) => [runs, commit])).toEqual([
    ['lastGood', VersionId],
    ['lastGood', VersionId],
  ]);
  expect((await done('logs', 'build')).output).toContain('docker push');

  const pushed = await cli('push', SAMPLE_APP);
  expect(pushed.status).toBe(1);
  expect(pushed.errors).toContain(
    `the source of QueueCanary is s3://${BUCKET}/worker.zip, where this command cannot write: put your worker there as you always do, and its release starts by itself`,
  );
}, 600_000);

test('a push goes to the branch that is released, on top of what is there', async () => {
  const app = ['--app-name', 'Branched'];
  const image = await done('deploy', 'image', ...app, ...CDK_APP);
  expect(image.errors).toMatch(/push your worker to branch release of \S+BranchedImage/);
  const early = await cli('deploy', 'pipeline', ...app, ...CDK_APP);
  expect(early.errors).toContain('repository BranchedImage has no branch release yet');
  const codecommit = new CodeCommit(connection());
  const repositoryName = 'BranchedImage';
  await codecommit.putFile({
    ...{ repositoryName, branchName: 'main', filePath: 'README', fileContent: Buffer.from('Other') },
  });
  const worker = join(state, 'worker');
  cpSync(join(SAMPLE_APP, 'src'), worker, { recursive: true });
  for (const _ of ['once', 'and once more']) {
    const { errors } = await done('push', worker, ...app);
    expect(errors).toMatch(/pushed \w{8} to branch release; next: queue-canary deploy pipeline/);
  }
  const { branch } = await codecommit.getBranch({ repositoryName, branchName: 'release' });
  const history = [];
  for (let commitId = branch?.commitId; commitId !== undefined; ) {
    const { commit } = await codecommit.getCommit({ repositoryName, commitId });
    history.push(commit?.message?.trim());
    commitId = commit?.parents?.[0];
  }
  expect(history).toHaveLength(3);
}, 600_000);
