import {
  defineResource,
  listed,
  type ResourceContext,
  retag,
  tagList,
  unlessMissing,
} from './resource-type.ts';
import { flag, list, object, type Properties, required, tags, text } from './schema.ts';

const properties = {
  TopicName: text,
  DisplayName: text,
  FifoTopic: flag,
  ContentBasedDeduplication: flag,
  KmsMasterKeyId: text,
  SignatureVersion: text,
  TracingConfig: text,
  Subscription: list(object({ Endpoint: required(text), Protocol: required(text) })),
  Tags: tags,
};
type Topic = Properties<typeof properties>;

const nameOf = (context: ResourceContext, topic: Topic) =>
  topic.TopicName ??
  (topic.FifoTopic ? `${context.name({ longest: 251 })}.fifo` : context.name({ longest: 256 }));
const arnOf = (context: ResourceContext, name: string) =>
  `arn:aws:sns:${context.region}:${context.accountId}:${name}`;

function attributesOf(topic: Topic): Record<string, string> {
  const {
    DisplayName,
    FifoTopic,
    ContentBasedDeduplication,
    KmsMasterKeyId,
    SignatureVersion,
    TracingConfig,
  } = topic;
  return Object.fromEntries(
    Object.entries({
      DisplayName,
      FifoTopic: FifoTopic || undefined,
      ContentBasedDeduplication,
      KmsMasterKeyId,
      SignatureVersion,
      TracingConfig,
    })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, String(value)]),
  );
}

export const snsTopic = defineResource('AWS::SNS::Topic', {
  properties,
  attributes: ['TopicArn', 'TopicName'],
  createOnly: ['TopicName', 'FifoTopic', 'Subscription'],
  identify: (context, topic) => arnOf(context, nameOf(context, topic)),
  exists: async (context, TopicArn) =>
    (await unlessMissing(() => context.call('sns', 'GetTopicAttributes', { TopicArn }))) !== undefined,
  async create(context, topic) {
    const Name = nameOf(context, topic);
    const { TopicArn } = await context.call('sns', 'CreateTopic', {
      Name,
      Attributes: attributesOf(topic),
      Tags: tagList(context, topic.Tags),
    });
    for (const subscription of topic.Subscription ?? []) {
      await context.call('sns', 'Subscribe', { TopicArn, ...subscription });
    }
    return { id: TopicArn!, attributes: { TopicArn: TopicArn!, TopicName: Name } };
  },
  async update(context, topic, existing) {
    const after = attributesOf(topic);
    const before = attributesOf(existing.properties);
    for (const AttributeName of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (AttributeName === 'FifoTopic' || before[AttributeName] === after[AttributeName]) continue;
      await context.call('sns', 'SetTopicAttributes', {
        TopicArn: existing.id,
        AttributeName,
        AttributeValue: after[AttributeName] ?? '',
      });
    }
    await retag(context, topic.Tags, existing, {
      set: (tags) => context.call('sns', 'TagResource', { ResourceArn: existing.id, Tags: listed(tags) }),
      remove: (TagKeys) => context.call('sns', 'UntagResource', { ResourceArn: existing.id, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('sns', 'DeleteTopic', { TopicArn: id }));
  },
});
