import type { Clock } from '../../src/clock.ts';
import type { SqsOperations } from '../../src/transport/in-process-transport.ts';
import type { FailedEntry, MessageAttribute, SqsMessage } from '../../src/transport/transport.ts';
import { SqsFault } from '../../src/transport/transport.ts';

export interface StoredMessage {
  readonly id: string;
  readonly body: string;
  readonly groupId: string | undefined;
  readonly attributes: Readonly<Record<string, MessageAttribute>> | undefined;
  readonly sentAtMs: number;
  receiveCount: number;
  visibleAtMs: number;
  handle: string | undefined;
  deletedAtMs: number | undefined;
}

interface Poll {
  readonly answer: () => void;
}

/**
 * A queue by SQS's rules: leases, receive counts, long polls, handles of which only the latest is good, and on
 * a FIFO queue groups that are blocked while one of their messages is in flight. `sendMessage` writes to
 * another queue, the dead letters.
 */
export class QueueModel implements SqsOperations {
  readonly url: string;
  readonly messages: StoredMessage[] = [];
  readonly deadLetters: Array<Parameters<SqsOperations['sendMessage']>[0]> = [];
  readonly calls: Array<{ readonly operation: string; readonly atMs: number; readonly entries: number }> = [];
  readonly #clock: Clock;
  readonly #polls = new Set<Poll>();

  constructor(clock: Clock, options: { readonly fifo?: boolean } = {}) {
    this.#clock = clock;
    this.url = `https://sqs.eu-west-1.amazonaws.com/123456789012/work${options.fifo ? '.fifo' : ''}`;
  }

  get fifo(): boolean {
    return this.url.endsWith('.fifo');
  }

  /** Messages that are neither deleted nor hidden. */
  get visible(): StoredMessage[] {
    const nowMs = this.#clock.nowMs();
    return this.messages.filter((m) => m.deletedAtMs === undefined && m.visibleAtMs <= nowMs);
  }

  get undeleted(): StoredMessage[] {
    return this.messages.filter((m) => m.deletedAtMs === undefined);
  }

  get openPolls(): number {
    return this.#polls.size;
  }

  count(operation: string): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  put(
    body: string,
    extra: { groupId?: string; attributes?: Record<string, MessageAttribute> } = {},
  ): StoredMessage {
    const message: StoredMessage = {
      id: `m${this.messages.length + 1}`,
      body,
      groupId: extra.groupId,
      attributes: extra.attributes,
      sentAtMs: this.#clock.nowMs(),
      receiveCount: 0,
      visibleAtMs: this.#clock.nowMs(),
      handle: undefined,
      deletedAtMs: undefined,
    };
    this.messages.push(message);
    this.#wake();
    return message;
  }

  receiveMessage: SqsOperations['receiveMessage'] = (input, signal) => {
    this.#record('ReceiveMessage', input.MaxNumberOfMessages);
    const take = () => this.#take(input.MaxNumberOfMessages, input.VisibilityTimeout);
    const found = take();
    if (found.length > 0 || input.WaitTimeSeconds === 0) return Promise.resolve({ Messages: found });
    return new Promise((resolve, reject) => {
      const end = (messages: SqsMessage[]) => {
        this.#polls.delete(poll);
        timer.cancel();
        resolve(messages.length > 0 ? { Messages: messages } : {});
      };
      const poll = {
        answer: () => {
          const messages = take();
          if (messages.length > 0) end(messages);
        },
      };
      const timer = this.#clock.setTimer(input.WaitTimeSeconds * 1000, () => end(take()));
      signal?.addEventListener('abort', () => {
        end([]);
        reject(new SqsFault('AbortError', 'abandoned'));
      });
      this.#polls.add(poll);
    });
  };

  deleteMessageBatch: SqsOperations['deleteMessageBatch'] = async ({ Entries }) => {
    this.#record('DeleteMessageBatch', Entries.length);
    for (const { ReceiptHandle } of Entries) {
      const message = this.#holding(ReceiptHandle);
      // SQS confirms a delete by an old handle and does nothing.
      if (message !== undefined) message.deletedAtMs ??= this.#clock.nowMs();
    }
    this.#wake();
    return { Successful: Entries.map(({ Id }) => ({ Id })) };
  };

  changeMessageVisibilityBatch: SqsOperations['changeMessageVisibilityBatch'] = async ({ Entries }) => {
    this.#record('ChangeMessageVisibilityBatch', Entries.length);
    const Successful: Array<{ Id: string }> = [];
    const Failed: FailedEntry[] = [];
    const nowMs = this.#clock.nowMs();
    for (const { Id, ReceiptHandle, VisibilityTimeout } of Entries) {
      const message = this.#holding(ReceiptHandle);
      if (message === undefined || message.deletedAtMs !== undefined || message.visibleAtMs <= nowMs) {
        Failed.push({ Id, Code: 'MessageNotInflight', Message: 'not in flight', SenderFault: true });
      } else {
        message.visibleAtMs = nowMs + VisibilityTimeout * 1000;
        this.#wakeAt(message.visibleAtMs);
        Successful.push({ Id });
      }
    }
    return { Successful, Failed };
  };

  sendMessage: SqsOperations['sendMessage'] = async (input) => {
    this.#record('SendMessage', 1);
    this.deadLetters.push(input);
    return { MessageId: `dead${this.deadLetters.length}` };
  };

  #record(operation: string, entries: number): void {
    this.calls.push({ operation, atMs: this.#clock.nowMs(), entries });
  }

  #holding(handle: string): StoredMessage | undefined {
    return this.messages.find((message) => message.handle === handle);
  }

  #take(max: number, visibilitySeconds: number): SqsMessage[] {
    const nowMs = this.#clock.nowMs();
    const blocked = new Set<string | undefined>();
    if (this.fifo) {
      for (const message of this.undeleted) if (message.visibleAtMs > nowMs) blocked.add(message.groupId);
    }
    const taken = this.visible.filter(({ groupId }) => !blocked.has(groupId)).slice(0, max);
    return taken.map((message) => {
      message.receiveCount++;
      message.handle = `${message.id}#${message.receiveCount}`;
      message.visibleAtMs = nowMs + visibilitySeconds * 1000;
      this.#wakeAt(message.visibleAtMs);
      return {
        MessageId: message.id,
        ReceiptHandle: message.handle,
        Body: message.body,
        Attributes: {
          ApproximateReceiveCount: String(message.receiveCount),
          SentTimestamp: String(message.sentAtMs),
          ...(message.groupId === undefined ? {} : { MessageGroupId: message.groupId }),
        },
        ...(message.attributes === undefined ? {} : { MessageAttributes: message.attributes }),
      };
    });
  }

  #wake(): void {
    for (const poll of this.#polls) poll.answer();
  }

  #wakeAt(atMs: number): void {
    this.#clock.setTimer(atMs - this.#clock.nowMs(), () => this.#wake());
  }
}
