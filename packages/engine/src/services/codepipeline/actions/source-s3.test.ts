import { strToU8, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { approval, deploy, PipelineWorld, S3_SOURCE } from '../test/pipeline-world.ts';

const SUMMARY = 'codepipeline-artifact-revision-summary';

/** A zip that names an image. */
function request(image: string): Uint8Array {
  return zipSync({ 'imagedefinitions.json': strToU8(JSON.stringify([{ name: 'worker', imageUri: image }])) });
}

async function failureOf(world: PipelineWorld): Promise<Record<string, unknown>> {
  await world.create([S3_SOURCE, deploy()]);
  return (await world.happened('action.failed')).detail;
}

describe('source from S3', () => {
  test('hands on the newest version of the object as it is, and shows what its metadata says of it', async () => {
    const world = new PipelineWorld();
    world.aws.upload('release.zip', request('repo@sha256:old'), { [SUMMARY]: 'repo@sha256:old' });
    world.aws.upload('release.zip', request('repo@sha256:new'), { [SUMMARY]: 'repo@sha256:new' });
    await world.create([S3_SOURCE, deploy()]);
    await world.aws.called('ecs:RegisterTaskDefinition', 1);
    expect(world.aws.named('s3:PutObject')).toMatchObject([
      { Body: request('repo@sha256:new'), Metadata: { 'codepipeline-artifact-revision-id': 'v2' } },
    ]);
    expect(world.aws.named('ecs:RegisterTaskDefinition')).toMatchObject([
      { containerDefinitions: [{ image: 'repo@sha256:new' }, {}] },
    ]);
    const { pipelineExecutionSummaries } = await world.ask('ListPipelineExecutions', {
      pipelineName: 'release',
    });
    expect(pipelineExecutionSummaries?.[0]?.sourceRevisions).toMatchObject([
      { actionName: 'Request', revisionId: 'v2', revisionSummary: 'repo@sha256:new' },
    ]);
  });

  test('gives later actions its bucket, key, version and ETag', async () => {
    const world = new PipelineWorld();
    world.aws.upload('release.zip', request('repo@sha256:new'));
    await world.create([
      S3_SOURCE,
      approval({
        CustomData: '#{Source.BucketName} #{Source.ObjectKey} #{Source.VersionId} #{Source.ETag}',
      }),
    ]);
    await world.happened('approval.requested');
    const { actionExecutionDetails } = await world.ask('ListActionExecutions', { pipelineName: 'release' });
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration).toEqual({
      CustomData: 'sources release.zip v1 etag-v1',
    });
  });

  test('says the version of an object without that metadata', async () => {
    const world = new PipelineWorld();
    world.aws.upload('release.zip', request('repo@sha256:new'));
    await world.create([S3_SOURCE, approval()]);
    await world.happened('approval.requested');
    const { pipelineExecutionSummaries } = await world.ask('ListPipelineExecutions', {
      pipelineName: 'release',
    });
    expect(pipelineExecutionSummaries?.[0]?.sourceRevisions?.[0]?.revisionSummary).toBe(
      'Amazon S3 version id: v1',
    );
  });

  test('takes the version that the caller chose, and no other kind of revision', async () => {
    const world = new PipelineWorld();
    world.aws.upload('release.zip', request('repo@sha256:old'));
    world.aws.upload('release.zip', request('repo@sha256:new'));
    await world.create([S3_SOURCE, approval()]);
    await world.happened('approval.requested');
    const start = (
      revisionType: 'S3_OBJECT_VERSION_ID' | 'COMMIT_ID' | 'S3_OBJECT_KEY',
      revisionValue: string,
    ) =>
      world.ask('StartPipelineExecution', {
        name: 'release',
        sourceRevisions: [{ actionName: 'Request', revisionType, revisionValue }],
      });
    const { pipelineExecutionId: executionId } = await start('S3_OBJECT_VERSION_ID', 'v1');
    await world.happened('action.succeeded', { executionId });
    expect(world.aws.named('s3:PutObject').at(-1)?.Body).toEqual(request('repo@sha256:old'));
    await expect(start('COMMIT_ID', 'abc')).rejects.toThrow(/not valid for a source of S3/);
    await expect(start('S3_OBJECT_KEY', 'other.zip')).rejects.toThrow(/takes S3_OBJECT_VERSION_ID/);
    const gone = await start('S3_OBJECT_VERSION_ID', 'v9');
    const failed = await world.happened('action.failed', { executionId: gone.pipelineExecutionId });
    expect(failed.detail.message).toBe(
      "The object with key 'release.zip' does not exist in bucket sources in version v9.",
    );
  });

  test('fails where there is no object', async () => {
    expect(await failureOf(new PipelineWorld())).toMatchObject({
      code: 'RevisionUnavailable',
      message: "The object with key 'release.zip' does not exist in bucket sources.",
    });
  });

  test('fails with a bucket that is not versioned', async () => {
    const world = new PipelineWorld();
    world.aws.versioned = false;
    world.aws.upload('release.zip', request('repo@sha256:new'));
    expect(await failureOf(world)).toMatchObject({
      code: 'ConfigurationError',
      message: 'The S3 bucket sources is not versioned. A source bucket must have versioning enabled.',
    });
  });

  test('takes any object, but the ECS action fails with one that is not a zip', async () => {
    const world = new PipelineWorld();
    world.aws.upload('release.zip', strToU8('not a zip'));
    expect(await failureOf(world)).toMatchObject({
      stage: 'Canary',
      code: 'ConfigurationError',
      message: expect.stringContaining('The input artifact is not a ZIP file'),
    });
  });

  test.each([
    [{ S3Bucket: 'sources', PollForSourceChanges: 'false' }, /missing required configuration 'S3ObjectKey'/],
    [{ S3Bucket: 'sources', S3ObjectKey: 'release.zip' }, /PollForSourceChanges must be false/],
    [
      { S3Bucket: 'sources', S3ObjectKey: 'x', PollForSourceChanges: 'false', BranchName: 'main' },
      /unknown configuration 'BranchName'/,
    ],
  ])('is refused when it is declared as %j', async (configuration, message) => {
    const action = S3_SOURCE.actions![0]!;
    const declared = {
      ...S3_SOURCE,
      actions: [{ ...action, configuration: { ...configuration } as Record<string, string> }],
    };
    await expect(new PipelineWorld().create([declared, approval()])).rejects.toThrow(message);
  });
});
