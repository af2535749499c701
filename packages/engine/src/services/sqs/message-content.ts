import { hash } from 'node:crypto';
import type { Message, MessageAttributeValue } from '@aws-sdk/client-sqs';
import { AwsFault } from '../../errors.ts';

const ATTRIBUTES_MAX = 10;
/** XML 1.0's characters, which are all that a message may contain. */
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
const NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

export type MessageAttributes = Record<string, MessageAttributeValue>;

/** What a client sends as content, of which nothing was checked yet. */
export interface Content {
  readonly MessageBody?: string | undefined;
  readonly MessageAttributes?: MessageAttributes | undefined;
  readonly MessageSystemAttributes?: Partial<Record<string, MessageAttributeValue>> | undefined;
}

export function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValue', message);
}

/** Checks a message's characters, attributes and size; returns its size in bytes. */
export function checkContent(content: Content, maximumBytes: number): number {
  const body = content.MessageBody;
  if (body === undefined || body === '') {
    throw new AwsFault('MissingParameter', 'The request must contain the parameter MessageBody.');
  }
  if (FORBIDDEN.test(body)) {
    throw new AwsFault(
      'InvalidMessageContents',
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
    );
  }
  checkSystemAttributes(content.MessageSystemAttributes);
  const bytes = sizeOf(content);
  if (content.MessageAttributes) checkMessageAttributes(content.MessageAttributes);
  if (bytes > maximumBytes) {
    throw invalid(
      `One or more parameters are invalid. Reason: Message must be shorter than ${maximumBytes} bytes.`,
    );
  }
  return bytes;
}

/** Bytes that count against the size limits: body, and names, types and values of message attributes. */
export function sizeOf(content: Content): number {
  let bytes = Buffer.byteLength(content.MessageBody ?? '');
  for (const [name, value] of Object.entries(content.MessageAttributes ?? {})) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value.DataType ?? '');
    bytes += value.BinaryValue?.byteLength ?? Buffer.byteLength(value.StringValue ?? '');
  }
  return bytes;
}

function checkMessageAttributes(attributes: MessageAttributes): void {
  const entries = Object.entries(attributes);
  if (entries.length > ATTRIBUTES_MAX) {
    throw invalid(
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [${ATTRIBUTES_MAX}].`,
    );
  }
  for (const [name, value] of entries) {
    if (!NAME.test(name) || name.length > 256 || /^(aws|amazon)\./i.test(name)) {
      throw invalid(
        `The message attribute name '${name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.), must not begin with AWS. or Amazon., and has at most 256 characters.`,
      );
    }
    checkValue('user', name, value);
  }
}

function checkSystemAttributes(attributes: Content['MessageSystemAttributes']): void {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name !== 'AWSTraceHeader') {
      throw invalid(
        `Message system attribute name '${name}' is invalid. The supported one is AWSTraceHeader.`,
      );
    }
    if (value?.DataType !== 'String') {
      throw invalid(`The message system attribute 'AWSTraceHeader' must be of type String.`);
    }
    checkValue('system', name, value);
  }
}

function checkValue(kind: 'user' | 'system', name: string, value: MessageAttributeValue): void {
  const subject = `The message ${kind === 'user' ? '' : 'system '}attribute '${name}'`;
  const type = value.DataType ?? '';
  const base = type.split('.')[0] ?? '';
  if (!['String', 'Number', 'Binary'].includes(base) || type.length > 256 || type.endsWith('.')) {
    throw invalid(
      `${subject} has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
  if (value.StringListValues?.length || value.BinaryListValues?.length) {
    throw new AwsFault('UnsupportedOperation', `${subject} has list values, which SQS does not implement.`);
  }
  if (base === 'Binary') {
    if (!value.BinaryValue?.byteLength) throw emptyValue(subject, type);
    return;
  }
  if (!value.StringValue) throw emptyValue(subject, type);
  if (FORBIDDEN.test(value.StringValue)) {
    throw new AwsFault('InvalidMessageContents', `${subject} contains characters that are not allowed.`);
  }
  if (base === 'Number' && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value.StringValue)) {
    throw invalid(`Can't cast the value of message (${kind}) attribute '${name}' to a number.`);
  }
}

function emptyValue(subject: string, type: string): AwsFault {
  return invalid(
    `${subject} must contain non-empty message attribute value for message attribute type '${type}'.`,
  );
}

export function md5OfBody(body: string): string {
  return hash('md5', body, 'hex');
}

/** MD5 of attributes as AWS computes it: sorted by name, lengths in front, a byte for text or binary. */
export function md5OfAttributes(attributes: Readonly<MessageAttributes>): string {
  const parts: Uint8Array[] = [];
  const add = (bytes: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    parts.push(length, bytes);
  };
  for (const name of Object.keys(attributes).sort()) {
    const value = attributes[name]!;
    const type = value.DataType ?? '';
    const binary = type.startsWith('Binary');
    add(Buffer.from(name));
    add(Buffer.from(type));
    parts.push(Uint8Array.of(binary ? 2 : 1));
    add(binary ? (value.BinaryValue ?? new Uint8Array()) : Buffer.from(value.StringValue ?? ''));
  }
  return hash('md5', Buffer.concat(parts), 'hex');
}

/** Message attributes as they are stored; `null` when there are none. */
export function packAttributes(attributes: MessageAttributes | undefined): string | null {
  if (!attributes || Object.keys(attributes).length === 0) return null;
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(attributes).map(([name, { DataType, StringValue, BinaryValue }]) => [
        name,
        BinaryValue === undefined
          ? { DataType, StringValue }
          : { DataType, BinaryValue: Buffer.from(BinaryValue).toString('base64') },
      ]),
    ),
  );
}

/** The stored attributes that a receiver asked for: names, prefixes as `prefix.*`, or `All`. */
export function unpackAttributes(
  stored: string | null,
  wanted: readonly string[],
): MessageAttributes | undefined {
  if (stored === null || wanted.length === 0) return undefined;
  const all = wanted.includes('All') || wanted.includes('.*');
  const asked = (name: string) =>
    all || wanted.some((one) => one === name || (one.endsWith('.*') && name.startsWith(one.slice(0, -1))));
  const attributes: MessageAttributes = {};
  const packed = JSON.parse(stored) as Record<
    string,
    { DataType: string; StringValue?: string; BinaryValue?: string }
  >;
  for (const [name, { DataType, StringValue, BinaryValue }] of Object.entries(packed)) {
    if (!asked(name)) continue;
    attributes[name] =
      BinaryValue === undefined
        ? { DataType, StringValue }
        : { DataType, BinaryValue: new Uint8Array(Buffer.from(BinaryValue, 'base64')) };
  }
  return Object.keys(attributes).length === 0 ? undefined : attributes;
}

export type SystemAttributes = NonNullable<Message['Attributes']>;
