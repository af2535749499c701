import type { MessageAttribute, SqsMessage } from '../transport/transport.ts';

/** One delivery of a message. */
export interface Message {
  readonly messageId: string;
  /** The body as it was sent, before decoding. */
  readonly rawBody: string;
  /** How often the message has been delivered, this time included. */
  readonly receiveCount: number;
  /** When it was sent, on SQS's clock; `undefined` when SQS did not say. */
  readonly sentAtMs: number | undefined;
  /** FIFO: the group in which order is kept. Standard: the tenant of a fair queue. */
  readonly groupId: string | undefined;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
  readonly systemAttributes: Readonly<Record<string, string | undefined>>;
}

const NO_SYSTEM_ATTRIBUTES: Message['systemAttributes'] = {};
const NO_ATTRIBUTES: Message['attributes'] = {};

/** A message as handlers see it. */
export function toMessage(message: SqsMessage): Message {
  const system = message.Attributes ?? NO_SYSTEM_ATTRIBUTES;
  return {
    messageId: message.MessageId ?? '',
    rawBody: message.Body ?? '',
    receiveCount: Number(system.ApproximateReceiveCount ?? 1) || 1,
    sentAtMs: system.SentTimestamp === undefined ? undefined : Number(system.SentTimestamp),
    groupId: system.MessageGroupId,
    attributes: message.MessageAttributes ?? NO_ATTRIBUTES,
    systemAttributes: system,
  };
}
