import { ImageStack, QueueCanary } from '@queue-canary/constructs';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';

/** The queue is a FIFO queue, which is made here with its dead-letter queue. */
export const app = new App();
const { image } = new ImageStack(app, 'OrdersImage');

const stack = new Stack(app, 'OrdersPipeline');
const queue = new Queue(stack, 'Orders', {
  fifo: true,
  visibilityTimeout: Duration.seconds(60),
  deadLetterQueue: { queue: new Queue(stack, 'DeadOrders', { fifo: true }), maxReceiveCount: 3 },
});
// A task may hold slow groups for long, which looks like its version: these two do not fail a release.
new QueueCanary(stack, 'Default', { image, queue, dryRun: ['latency', 'throughput'] });
