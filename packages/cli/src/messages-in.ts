import type { Context } from './context.ts';

/** Messages in a queue, in whatever state; SQS says it approximately. */
export async function messagesIn({ clients }: Context, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await clients.sqs.getQueueAttributes({
    QueueUrl,
    AttributeNames: [
      'ApproximateNumberOfMessages',
      'ApproximateNumberOfMessagesNotVisible',
      'ApproximateNumberOfMessagesDelayed',
    ],
  });
  return Object.values(Attributes).reduce((sum, value) => sum + Number(value), 0);
}
