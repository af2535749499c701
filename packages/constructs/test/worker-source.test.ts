import { S3 } from '@aws-sdk/client-s3';
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { expect, test } from 'vitest';
import { ImageStack, PipelineStack, WorkerSource } from '../src/index.ts';
import { DeployedStacks, IMAGE_STACK, PIPELINE_STACK } from './deployed-stacks.ts';
import { quickApp } from './quick-app.ts';

/** Both stacks with a source in a bucket that there is. */
function fromBucket(name: string) {
  const app = quickApp({ context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' } });
  const bucket = Bucket.fromBucketName(new Stack(app, 'Own'), 'Sources', name);
  const imageStack = new ImageStack(app, IMAGE_STACK, {
    source: WorkerSource.bucket({ bucket, key: 'worker.zip' }),
  });
  const pipelineStack = new PipelineStack(app, PIPELINE_STACK, { image: imageStack.image });
  return { image: Template.fromStack(imageStack), pipeline: Template.fromStack(pipelineStack) };
}

test('a running system leaves CodeCommit by an update of the pipeline and then of the image stack', async () => {
  const stacks = await DeployedStacks.start({ pace: 60 });
  await stacks.deploy();
  const promoted = await stacks.image('promoted');
  await stacks.promote(promoted);
  const arns = (await stacks.services()).map(({ serviceArn }) => serviceArn);
  const s3 = new S3({ ...stacks.world.engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'sources' });
  const { image, pipeline } = fromBucket('sources');

  expect((await stacks.deployStack(IMAGE_STACK, image)).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect((await stacks.deployStack(PIPELINE_STACK, pipeline)).StackStatus).toBe('UPDATE_COMPLETE');
  expect((await stacks.deployStack(IMAGE_STACK, image)).StackStatus).toBe('UPDATE_COMPLETE');
  expect(await stacks.output(IMAGE_STACK, 'SourceLocation')).toBe('s3://sources/worker.zip');
  expect(await stacks.images()).toEqual([promoted, promoted]);
  expect((await stacks.services()).map(({ serviceArn }) => serviceArn)).toEqual(arns);
}, 600_000);
