import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { document, type JsonObject, list, required, text } from './schema.ts';

function setPolicy(context: ResourceContext, TopicArn: string, policy: JsonObject): Promise<unknown> {
  return context.call('sns', 'SetTopicAttributes', {
    TopicArn,
    AttributeName: 'Policy',
    AttributeValue: JSON.stringify(policy),
  });
}

/** The policy that SNS gives a topic without one: its owner may do everything. */
function ownerPolicy(context: ResourceContext, topicArn: string): JsonObject {
  return {
    Version: '2008-10-17',
    Statement: [
      {
        Sid: '__default_statement_ID',
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: ['SNS:Publish', 'SNS:Subscribe', 'SNS:GetTopicAttributes', 'SNS:SetTopicAttributes'],
        Resource: topicArn,
        Condition: { StringEquals: { 'AWS:SourceOwner': context.accountId } },
      },
    ],
  };
}

export const snsTopicPolicy = defineResource('AWS::SNS::TopicPolicy', {
  properties: { PolicyDocument: required(document), Topics: required(list(text)) },
  attributes: ['Id'],
  async create(context, properties) {
    for (const topic of properties.Topics) await setPolicy(context, topic, properties.PolicyDocument);
    const id = context.name();
    return { id, attributes: { Id: id } };
  },
  async update(context, properties, existing) {
    for (const topic of properties.Topics) await setPolicy(context, topic, properties.PolicyDocument);
    for (const topic of existing.properties.Topics) {
      if (properties.Topics.includes(topic)) continue;
      await unlessMissing(() => setPolicy(context, topic, ownerPolicy(context, topic)));
    }
    return undefined;
  },
  async delete(context, { properties }) {
    for (const topic of properties.Topics) {
      await unlessMissing(() => setPolicy(context, topic, ownerPolicy(context, topic)));
    }
  },
});
