import { defineResource, mergedTags, type ResourceContext, retag, unlessMissing } from './resource-type.ts';
import { document, flag, number, oneOf, type Properties, tags, text } from './schema.ts';

const properties = {
  QueueName: text,
  FifoQueue: flag,
  ContentBasedDeduplication: flag,
  DeduplicationScope: oneOf('queue', 'messageGroup'),
  FifoThroughputLimit: oneOf('perQueue', 'perMessageGroupId'),
  DelaySeconds: number,
  MaximumMessageSize: number,
  MessageRetentionPeriod: number,
  ReceiveMessageWaitTimeSeconds: number,
  VisibilityTimeout: number,
  RedrivePolicy: document,
  RedriveAllowPolicy: document,
  SqsManagedSseEnabled: flag,
  KmsMasterKeyId: text,
  KmsDataKeyReusePeriodSeconds: number,
  Tags: tags,
};
type Queue = Properties<typeof properties>;

const DEFAULTS: Readonly<Record<string, string>> = {
  DelaySeconds: '0',
  MaximumMessageSize: '1048576',
  MessageRetentionPeriod: '345600',
  ReceiveMessageWaitTimeSeconds: '0',
  VisibilityTimeout: '30',
  RedrivePolicy: '',
  RedriveAllowPolicy: '',
  ContentBasedDeduplication: 'false',
};

function attributesOf(queue: Queue): Record<string, string> {
  const { QueueName: _name, Tags: _tags, ...rest } = queue;
  return Object.fromEntries(
    Object.entries(rest)
      .filter(([key, value]) => value !== undefined && !(key === 'FifoQueue' && value === false))
      .map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value) : String(value)]),
  );
}

function nameOf(context: ResourceContext, queue: Queue): string {
  if (queue.QueueName !== undefined) return queue.QueueName;
  return queue.FifoQueue ? `${context.name({ longest: 75 })}.fifo` : context.name({ longest: 80 });
}

async function urlOf(context: ResourceContext, name: string): Promise<string | undefined> {
  const found = await unlessMissing(() => context.call('sqs', 'GetQueueUrl', { QueueName: name }));
  return found?.QueueUrl;
}

export const sqsQueue = defineResource('AWS::SQS::Queue', {
  properties,
  attributes: ['Arn', 'QueueName', 'QueueUrl'],
  createOnly: ['QueueName', 'FifoQueue'],
  identify: nameOf,
  exists: async (context, name) => (await urlOf(context, name)) !== undefined,
  // SQS gives a queue of the same attributes back, and refuses the name of one that was deleted a moment ago.
  isCreatedOnce: true,
  async create(context, queue) {
    const name = nameOf(context, queue);
    const tags = mergedTags(context, queue.Tags);
    const { QueueUrl } = await context.call('sqs', 'CreateQueue', {
      QueueName: name,
      Attributes: attributesOf(queue),
      ...(Object.keys(tags).length === 0 ? {} : { tags }),
    });
    return {
      id: QueueUrl!,
      attributes: {
        Arn: `arn:aws:sqs:${context.region}:${context.accountId}:${name}`,
        QueueName: name,
        QueueUrl: QueueUrl!,
      },
    };
  },
  async update(context, queue, existing) {
    const before = attributesOf(existing.properties);
    const after = attributesOf(queue);
    const reset = Object.keys(before).filter(
      (key) => after[key] === undefined && DEFAULTS[key] !== undefined,
    );
    const Attributes = { ...after, ...Object.fromEntries(reset.map((key) => [key, DEFAULTS[key]!])) };
    delete Attributes.FifoQueue;
    if (Object.keys(Attributes).length > 0) {
      await context.call('sqs', 'SetQueueAttributes', { QueueUrl: existing.id, Attributes });
    }
    await retag(context, queue.Tags, existing, {
      set: (Tags) => context.call('sqs', 'TagQueue', { QueueUrl: existing.id, Tags }),
      remove: (TagKeys) => context.call('sqs', 'UntagQueue', { QueueUrl: existing.id, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    const url = id.includes('/') ? id : await urlOf(context, id);
    if (url === undefined) return;
    await unlessMissing(() => context.call('sqs', 'DeleteQueue', { QueueUrl: url }));
  },
});
