import type { Delivery } from '../message/delivery.ts';
import type { Identity } from '../reporting/identity.ts';
import type { MessageAttribute, SendMessageInput } from '../transport/transport.ts';

const ATTRIBUTES_MAX = 10;

/**
 * The copy of a poison message for the dead-letter queue: the message as it was, and who failed it. `undefined` when
 * the message has so many attributes of its own that these would not fit: SQS allows ten.
 */
export function parkedMessage(
  delivery: Delivery,
  deadLetterQueueUrl: string,
  identity: Identity,
  errorClass: string,
): SendMessageInput | undefined {
  const { message } = delivery;
  const text = (StringValue: string): MessageAttribute => ({ DataType: 'String', StringValue });
  const attributes = {
    ...message.attributes,
    'x-failed-revision': text(identity.revision),
    'x-failed-track': text(identity.track),
    'x-error-class': text(errorClass),
    'x-receive-count': { DataType: 'Number', StringValue: String(message.receiveCount) },
  };
  if (Object.keys(attributes).length > ATTRIBUTES_MAX) return undefined;
  return {
    QueueUrl: deadLetterQueueUrl,
    MessageBody: message.rawBody,
    MessageAttributes: attributes,
    ...(message.groupId === undefined ? {} : { MessageGroupId: message.groupId }),
    // Parked twice, because its delete was lost, it is one message again within SQS's five minutes.
    ...(deadLetterQueueUrl.endsWith('.fifo') ? { MessageDeduplicationId: message.messageId } : {}),
  };
}
