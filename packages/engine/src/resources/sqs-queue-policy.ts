import { defineResource, unlessMissing } from './resource-type.ts';
import { document, list, required, text } from './schema.ts';

export const sqsQueuePolicy = defineResource('AWS::SQS::QueuePolicy', {
  properties: { PolicyDocument: required(document), Queues: required(list(text)) },
  attributes: ['Id'],
  async create(context, properties) {
    const Policy = JSON.stringify(properties.PolicyDocument);
    for (const QueueUrl of properties.Queues) {
      await context.call('sqs', 'SetQueueAttributes', { QueueUrl, Attributes: { Policy } });
    }
    const id = context.name();
    return { id, attributes: { Id: id } };
  },
  async update(context, properties, existing) {
    const Policy = JSON.stringify(properties.PolicyDocument);
    for (const QueueUrl of properties.Queues) {
      await context.call('sqs', 'SetQueueAttributes', { QueueUrl, Attributes: { Policy } });
    }
    for (const QueueUrl of existing.properties.Queues) {
      if (properties.Queues.includes(QueueUrl)) continue;
      await unlessMissing(() =>
        context.call('sqs', 'SetQueueAttributes', { QueueUrl, Attributes: { Policy: '' } }),
      );
    }
    return undefined;
  },
  async delete(context, { properties }) {
    for (const QueueUrl of properties.Queues) {
      await unlessMissing(() =>
        context.call('sqs', 'SetQueueAttributes', { QueueUrl, Attributes: { Policy: '' } }),
      );
    }
  },
});
