import { ImageStack, QueueCanary, WorkerSource } from '@queue-canary/constructs';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Queue } from 'aws-cdk-lib/aws-sqs';

/** A team has a queue, a network and a repository on GitHub. The stacks change none of them. */
export const app = new App();
const env = { account: '123456789012', region: 'eu-west-1' };
const connectionArn = 'arn:aws:codeconnections:eu-west-1:123456789012:connection/01234567-89ab-cdef';
const source = WorkerSource.connection({ connectionArn, repository: 'team/orders' });
const { image } = new ImageStack(app, 'OrdersImage', { env, source });

const stack = new Stack(app, 'OrdersPipeline', { env });
new QueueCanary(stack, 'Default', {
  image,
  queue: Queue.fromQueueArn(stack, 'Queue', 'arn:aws:sqs:eu-west-1:123456789012:orders'),
  visibilityTimeout: Duration.seconds(60), // of the queue: CDK does not know it
  vpc: Vpc.fromLookup(stack, 'Vpc', { vpcName: 'main' }),
});
