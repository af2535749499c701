import { hash } from 'node:crypto';
import type { Message, MessageAttributeValue } from '@aws-sdk/client-sqs';
import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input, Output } from '../../sdk/services.ts';
import { runBatch } from './batch.ts';
import {
  checkContent,
  type MessageAttributes,
  md5OfAttributes,
  md5OfBody,
  packAttributes,
  type SystemAttributes,
  sizeOf,
  unpackAttributes,
} from './message-content.ts';
import { MessageIds } from './message-ids.ts';
import type { Queue } from './queue.ts';
import { MESSAGE_BYTES_MAX } from './queue-settings.ts';
import type { Queues } from './queues.ts';
import { readReceiptHandle, writeReceiptHandle } from './receipt-handle.ts';
import type { Delivery } from './waiters.ts';

const ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;

/** What a receiver can ask for about a message. */
const SYSTEM_ATTRIBUTES: readonly string[] = [
  'All',
  'SenderId',
  'SentTimestamp',
  'ApproximateReceiveCount',
  'ApproximateFirstReceiveTimestamp',
  'SequenceNumber',
  'MessageDeduplicationId',
  'MessageGroupId',
  'AWSTraceHeader',
  'DeadLetterQueueSourceArn',
];

type Entry = Omit<Input<'sqs', 'SendMessage'>, 'QueueUrl'>;
type Sent = Required<Pick<Output<'sqs', 'SendMessage'>, 'MessageId' | 'MD5OfMessageBody'>> &
  Output<'sqs', 'SendMessage'>;

/** Sending, receiving and deleting messages. None of these calls is journaled one by one. */
export function messageOperations(engine: Engine, queues: Queues) {
  const resources = (input: { QueueUrl?: string | undefined }) => [queues.arnOfUrl(input.QueueUrl)];
  const ids = new MessageIds(engine.ids);

  return {
    SendMessage: {
      journaled: false,
      resources,
      run: (input, call) => {
        const queue = queues.byUrl(input.QueueUrl);
        const sent = send(ids, queue, input, call.principal);
        queue.sent();
        return sent;
      },
    },
    SendMessageBatch: {
      journaled: false,
      resources,
      actions: () => ['sqs:SendMessage'],
      run: (input, call) => {
        const queue = queues.byUrl(input.QueueUrl);
        const result = runBatch(
          'SendMessageBatch',
          input.Entries,
          (entry, Id) => ({ Id, ...send(ids, queue, entry, call.principal) }),
          checkBatchSize,
        );
        queue.sent();
        return result;
      },
    },
    ReceiveMessage: {
      journaled: false,
      resources,
      run: (input, call) => {
        const queue = queues.byUrl(input.QueueUrl);
        const give = (deliveries: readonly Delivery[]) => {
          if (deliveries.length === 0) return {};
          call.ifAbandoned(() => queue.giveBack(deliveries));
          const wanted = wantedAttributes(input);
          return { Messages: deliveries.map((delivery) => messageOf(queue, delivery, wanted)) };
        };
        const deliveries = receive(queue, input, call);
        return deliveries instanceof Promise ? deliveries.then(give) : give(deliveries);
      },
    },
    DeleteMessage: {
      journaled: false,
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        remove(queue, input.ReceiptHandle);
        queue.deleted();
        return {};
      },
    },
    DeleteMessageBatch: {
      journaled: false,
      resources,
      actions: () => ['sqs:DeleteMessage'],
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const result = runBatch('DeleteMessageBatch', input.Entries, (entry, Id) => {
          remove(queue, entry.ReceiptHandle);
          return { Id };
        });
        queue.deleted();
        return result;
      },
    },
    ChangeMessageVisibility: {
      journaled: false,
      resources,
      run: (input) => {
        changeVisibility(queues.byUrl(input.QueueUrl), input.ReceiptHandle, input.VisibilityTimeout);
        return {};
      },
    },
    ChangeMessageVisibilityBatch: {
      journaled: false,
      resources,
      actions: () => ['sqs:ChangeMessageVisibility'],
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        return runBatch('ChangeMessageVisibilityBatch', input.Entries, (entry, Id) => {
          changeVisibility(queue, entry.ReceiptHandle, entry.VisibilityTimeout);
          return { Id };
        });
      },
    },
  } satisfies OperationTable<'sqs'>;
}

function send(ids: MessageIds, queue: Queue, entry: Entry, principal: Principal): Sent {
  const bytes = checkContent(entry, queue.settings.maximumBytes);
  const delaySeconds = checkDelay(queue, entry.DelaySeconds);
  const body = entry.MessageBody ?? '';
  const fifo = checkFifoIds(queue, entry, body);
  const bodyMd5 = md5OfBody(body);
  const { messageId, seq } = queue.send(
    {
      id: ids.next(),
      body,
      bodyMd5,
      attributes: packAttributes(entry.MessageAttributes),
      sender: principal.roleArn ?? principal.accountId,
      groupId: fifo.groupId,
      deduplicationId: fifo.deduplicationId,
      traceHeader: entry.MessageSystemAttributes?.AWSTraceHeader?.StringValue ?? null,
    },
    delaySeconds === undefined ? undefined : delaySeconds * 1000,
  );
  queue.activity.sent(bytes);
  return {
    MessageId: messageId,
    MD5OfMessageBody: bodyMd5,
    MD5OfMessageAttributes: md5Of(entry.MessageAttributes),
    MD5OfMessageSystemAttributes: md5Of(entry.MessageSystemAttributes as MessageAttributes | undefined),
    SequenceNumber: queue.fifo ? sequenceNumber(seq) : undefined,
  };
}

function receive(
  queue: Queue,
  input: Input<'sqs', 'ReceiveMessage'>,
  call: Call,
): Delivery[] | Promise<Delivery[]> {
  const { MaxNumberOfMessages: most, VisibilityTimeout: visibility, WaitTimeSeconds: wait } = input;
  if (most !== undefined) checkRange('MaxNumberOfMessages', most, 1, 10);
  if (visibility !== undefined) checkRange('VisibilityTimeout', visibility, 0, 43_200);
  if (wait !== undefined) checkRange('WaitTimeSeconds', wait, 0, 20);
  for (const name of [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])]) {
    if (!SYSTEM_ATTRIBUTES.includes(name)) {
      throw new AwsFault('InvalidAttributeName', `Unknown Attribute ${name}.`);
    }
  }
  if (input.ReceiveRequestAttemptId !== undefined)
    checkId('ReceiveRequestAttemptId', input.ReceiveRequestAttemptId);
  return queue.receive({
    most: most ?? 1,
    visibilityMs: visibility === undefined ? undefined : visibility * 1000,
    waitMs: wait === undefined ? queue.settings.waitMs : wait * 1000,
    signal: call.signal,
  });
}

function remove(queue: Queue, handle: string | undefined): void {
  queue.delete(readReceiptHandle(requireHandle(handle), queue.key));
  queue.activity.deleted();
}

function changeVisibility(queue: Queue, handle: string | undefined, seconds: number | undefined): void {
  if (seconds === undefined) {
    throw new AwsFault('MissingParameter', 'The request must contain the parameter VisibilityTimeout.');
  }
  checkRange('VisibilityTimeout', seconds, 0, 43_200);
  queue.changeVisibility(readReceiptHandle(requireHandle(handle), queue.key), seconds * 1000);
}

/** Names of attributes that a receiver asks for. */
interface WantedAttributes {
  readonly system: readonly string[];
  readonly message: readonly string[];
}

function wantedAttributes(input: Input<'sqs', 'ReceiveMessage'>): WantedAttributes {
  return {
    system: [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])],
    message: input.MessageAttributeNames ?? [],
  };
}

function messageOf(queue: Queue, delivery: Delivery, wanted: WantedAttributes): Message {
  const { message, receipt } = delivery;
  const attributes = unpackAttributes(message.attributes, wanted.message);
  return {
    MessageId: message.id,
    ReceiptHandle: writeReceiptHandle(receipt),
    MD5OfBody: message.bodyMd5 ?? md5OfBody(message.body),
    Body: message.body,
    Attributes: systemAttributes(queue, delivery, wanted.system),
    MD5OfMessageAttributes: md5Of(attributes),
    MessageAttributes: attributes,
  };
}

function systemAttributes(
  queue: Queue,
  { message, receives, firstReceivedAtMs }: Delivery,
  wanted: readonly string[],
): SystemAttributes | undefined {
  if (wanted.length === 0) return undefined;
  const known: SystemAttributes = {
    SenderId: message.sender,
    SentTimestamp: String(message.sentAtMs),
    ApproximateReceiveCount: String(receives),
    ApproximateFirstReceiveTimestamp: String(firstReceivedAtMs),
    ...(message.groupId === null ? {} : { MessageGroupId: message.groupId }),
    ...(queue.fifo
      ? {
          MessageDeduplicationId: message.deduplicationId ?? '',
          SequenceNumber: sequenceNumber(message.seq),
        }
      : {}),
    ...(message.traceHeader === null ? {} : { AWSTraceHeader: message.traceHeader }),
    ...(message.sourceArn === null ? {} : { DeadLetterQueueSourceArn: message.sourceArn }),
  };
  const asked = Object.entries(known).filter(([name]) => wanted.includes('All') || wanted.includes(name));
  return asked.length === 0 ? undefined : Object.fromEntries(asked);
}

function md5Of(attributes: Readonly<Record<string, MessageAttributeValue>> | undefined): string | undefined {
  return attributes && Object.keys(attributes).length > 0 ? md5OfAttributes(attributes) : undefined;
}

function sequenceNumber(seq: number): string {
  return `1885${String(seq).padStart(16, '0')}`;
}

function checkDelay(queue: Queue, seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  checkRange('DelaySeconds', seconds, 0, 900);
  if (queue.fifo && seconds * 1000 !== queue.settings.delayMs) {
    throw new AwsFault(
      'InvalidParameterValue',
      `Value ${seconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
    );
  }
  return seconds;
}

function checkFifoIds(
  queue: Queue,
  entry: Entry,
  body: string,
): { groupId: string | null; deduplicationId: string | null } {
  const { MessageGroupId: groupId, MessageDeduplicationId: deduplicationId } = entry;
  if (groupId !== undefined) checkId('MessageGroupId', groupId);
  if (deduplicationId !== undefined) checkId('MessageDeduplicationId', deduplicationId);
  if (!queue.fifo) {
    if (deduplicationId !== undefined) {
      throw new AwsFault(
        'InvalidParameterValue',
        `Value ${deduplicationId} for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.`,
      );
    }
    return { groupId: groupId ?? null, deduplicationId: null };
  }
  if (groupId === undefined) {
    throw new AwsFault('MissingParameter', 'The request must contain the parameter MessageGroupId.');
  }
  if (deduplicationId !== undefined) return { groupId, deduplicationId };
  if (!queue.settings.contentBasedDeduplication) {
    throw new AwsFault(
      'InvalidParameterValue',
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  return { groupId, deduplicationId: hash('sha256', body, 'hex') };
}

function checkId(name: string, value: string): void {
  if (ID.test(value)) return;
  throw new AwsFault(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: ${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
  );
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new AwsFault(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: Must be >= ${least} and <= ${most}, if provided.`,
  );
}

function requireHandle(handle: string | undefined): string {
  if (handle) return handle;
  throw new AwsFault('MissingParameter', 'The request must contain the parameter ReceiptHandle.');
}

function checkBatchSize(entries: readonly Entry[]): void {
  const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  if (bytes <= MESSAGE_BYTES_MAX) return;
  throw new AwsFault(
    'BatchRequestTooLong',
    `Batch requests cannot be longer than ${MESSAGE_BYTES_MAX} bytes. You have sent ${bytes} bytes.`,
  );
}
