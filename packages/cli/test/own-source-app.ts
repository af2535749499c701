import { ImageStack, PipelineStack, WorkerSource } from '@queue-canary/constructs';
import { App, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';

/** An app whose source is a bucket that there is, `-c bucket=NAME`, or else the branch `release` of CodeCommit. */
const app = new App();
const name: string = app.node.getContext('app');
const bucket: string | undefined = app.node.tryGetContext('bucket');
const { image } = new ImageStack(app, `${name}Image`, {
  removalPolicy: RemovalPolicy.DESTROY,
  source:
    bucket === undefined
      ? WorkerSource.codeCommit({ branch: 'release' })
      : WorkerSource.bucket({
          bucket: Bucket.fromBucketName(new Stack(app, 'Own'), 'Sources', bucket),
          key: 'worker.zip',
        }),
});
new PipelineStack(app, `${name}Pipeline`, {
  image,
  appName: name,
  approval: 'automatic',
  bakeTime: Duration.seconds(3),
  warmUpTime: Duration.seconds(0),
  watchTime: Duration.seconds(0),
  queueRemovalPolicy: RemovalPolicy.DESTROY,
});
