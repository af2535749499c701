import { defineResource, unlessMissing } from './resource-type.ts';
import { document, flag, oneOf, type Properties, required, text } from './schema.ts';

const properties = {
  TopicArn: required(text),
  Protocol: required(text),
  Endpoint: text,
  FilterPolicy: document,
  FilterPolicyScope: oneOf('MessageAttributes', 'MessageBody'),
  RawMessageDelivery: flag,
  RedrivePolicy: document,
  DeliveryPolicy: document,
  SubscriptionRoleArn: text,
};

function attributesOf(subscription: Properties<typeof properties>): Record<string, string> {
  const { TopicArn: _topic, Protocol: _protocol, Endpoint: _endpoint, ...rest } = subscription;
  return Object.fromEntries(
    Object.entries(rest)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value) : String(value)]),
  );
}

export const snsSubscription = defineResource('AWS::SNS::Subscription', {
  properties,
  attributes: ['Arn'],
  createOnly: ['TopicArn', 'Protocol', 'Endpoint'],
  async create(context, subscription) {
    const { SubscriptionArn } = await context.call('sns', 'Subscribe', {
      TopicArn: subscription.TopicArn,
      Protocol: subscription.Protocol,
      Endpoint: subscription.Endpoint,
      Attributes: attributesOf(subscription),
      ReturnSubscriptionArn: true,
    });
    return { id: SubscriptionArn!, attributes: { Arn: SubscriptionArn! } };
  },
  async update(context, subscription, existing) {
    const after = attributesOf(subscription);
    const before = attributesOf(existing.properties);
    for (const AttributeName of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (before[AttributeName] === after[AttributeName]) continue;
      await context.call('sns', 'SetSubscriptionAttributes', {
        SubscriptionArn: existing.id,
        AttributeName,
        AttributeValue: after[AttributeName] ?? '',
      });
    }
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('sns', 'Unsubscribe', { SubscriptionArn: id }));
  },
});
