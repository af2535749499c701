import { parseBoundedJson } from '../../document-bounds.ts';
import { compileEventPattern } from '../../event-pattern.ts';
import type { Input } from '../../sdk/services.ts';
import { invalid, type Protocol, type Subscription } from './topic.ts';

type PublishInput = Input<'sns', 'Publish'>;

/** A message attribute; binary values in base64. */
interface MessageAttribute {
  readonly type: string;
  readonly value: string;
}

/** A message as it was published. */
export interface Message {
  readonly id: string;
  readonly atMs: number;
  readonly topicArn: string;
  readonly subject?: string;
  /** What each protocol gets; `default` for those without their own. */
  readonly bodies: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
}

const MESSAGE_BYTES_MAX = 256 * 1024;
const SUBJECT_LENGTH_MAX = 100;

/** Checks what is published and gives it an identity. */
export function messageOf(
  input: Pick<PublishInput, 'Message' | 'Subject' | 'MessageStructure' | 'MessageAttributes'>,
  identity: Pick<Message, 'id' | 'atMs' | 'topicArn'>,
): Message {
  const text = input.Message ?? '';
  if (text === '') throw invalid('Invalid parameter: Empty message');
  if (Buffer.byteLength(text) > MESSAGE_BYTES_MAX) throw invalid('Invalid parameter: Message too long');
  const subject = input.Subject;
  if (subject !== undefined && !/^[^\p{Cc}]+$/u.test(subject)) {
    throw invalid('Invalid parameter: Subject');
  }
  if (subject !== undefined && subject.length > SUBJECT_LENGTH_MAX) {
    throw invalid('Invalid parameter: Subject Reason: Subject must be less than 100 characters');
  }
  return {
    ...identity,
    ...(subject === undefined ? {} : { subject }),
    bodies: bodiesOf(text, input.MessageStructure),
    attributes: attributesOf(input.MessageAttributes ?? {}),
  };
}

function bodiesOf(text: string, structure: string | undefined): Record<string, string> {
  if (structure === undefined) return { default: text };
  if (structure !== 'json') throw invalid('Invalid parameter: MessageStructure');
  let document: unknown;
  try {
    document = parseBoundedJson(text);
  } catch {
    throw invalid('Invalid parameter: Message Structure - JSON message body failed to parse');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw invalid('Invalid parameter: Message Structure - JSON message body failed to parse');
  }
  const bodies = Object.entries(document).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  if (!bodies.some(([protocol]) => protocol === 'default')) {
    throw invalid('Invalid parameter: Message Structure - No default entry in JSON message body');
  }
  return Object.fromEntries(bodies);
}

function attributesOf(
  attributes: NonNullable<PublishInput['MessageAttributes']>,
): Record<string, MessageAttribute> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { DataType, StringValue, BinaryValue }]) => {
      const type = DataType ?? '';
      if (!/^(String|Number|Binary|String\.Array)(\.[A-Za-z0-9_.-]+)?$/.test(type)) {
        throw invalid(`The message attribute '${name}' has an invalid message attribute type.`);
      }
      const value = type.startsWith('Binary')
        ? BinaryValue && Buffer.from(BinaryValue).toString('base64')
        : StringValue;
      if (!value) {
        throw invalid(`The message attribute '${name}' must contain a non-empty value for its type ${type}.`);
      }
      return [name, { type, value }];
    }),
  );
}

/** What a protocol's subscribers get of a message. */
export function bodyFor(message: Message, protocol: Protocol): string {
  return message.bodies[protocol] ?? message.bodies.default ?? '';
}

/** Whether a subscription's filter policy lets a message through. */
export function passesFilter({ attributes, protocol }: Subscription, message: Message): boolean {
  const { FilterPolicy, FilterPolicyScope } = attributes;
  if (!FilterPolicy) return true;
  const matches = compileEventPattern(FilterPolicy);
  if (FilterPolicyScope !== 'MessageBody') {
    return matches(
      Object.fromEntries(
        Object.entries(message.attributes).map(([name, { type, value }]) => [name, filterValue(type, value)]),
      ),
    );
  }
  try {
    const body: unknown = JSON.parse(bodyFor(message, protocol));
    return typeof body === 'object' && body !== null && matches(body as Record<string, unknown>);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function filterValue(type: string, value: string): unknown {
  if (type.startsWith('Number')) return Number(value);
  if (!type.startsWith('String.Array')) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** The notification that wraps a message for queues, functions and HTTP. Messages are not signed here. */
export function envelope(message: Message, { arn, protocol }: Subscription): Record<string, unknown> {
  const attributes = Object.entries(message.attributes).map(([name, { type, value }]) => [
    name,
    { Type: type, Value: value },
  ]);
  return {
    Type: 'Notification',
    MessageId: message.id,
    TopicArn: message.topicArn,
    ...(message.subject === undefined ? {} : { Subject: message.subject }),
    Message: bodyFor(message, protocol),
    Timestamp: new Date(message.atMs).toISOString(),
    SignatureVersion: '1',
    UnsubscribeURL: `urn:queue-canary:unsubscribe:${arn}`,
    ...(attributes.length === 0 ? {} : { MessageAttributes: Object.fromEntries(attributes) }),
  };
}
