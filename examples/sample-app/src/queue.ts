import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';

/** One delivery of a message. */
export interface Delivery {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  /** How often the message has been delivered, this time included. */
  readonly receiveCount: number;
}

/** Deliveries that SQS refused to delete or give back, with its reason. */
export type Refused = ReadonlyMap<Delivery, string>;

/** What the worker needs of a queue. */
export interface Queue {
  /** Up to ten deliveries; none when nothing arrived in time. */
  receive(): Promise<readonly Delivery[]>;
  /** Removes messages that are done. */
  delete(deliveries: readonly Delivery[]): Promise<Refused>;
  /** Makes messages visible again after so many seconds. */
  giveBack(deliveries: readonly Delivery[], delaySeconds: number): Promise<Refused>;
}

/**
 * Long polls return after three seconds at most, because a stopping worker waits for the open one:
 * cutting it off would strand the messages that are on their way until their visibility timeout.
 */
const waitTimeSeconds = 3;

/** A queue over the AWS SDK; `AWS_ENDPOINT_URL` and credentials come from the environment. */
export class SqsQueue implements Queue {
  readonly #client: Pick<SQSClient, 'send'>;
  readonly #queueUrl: string;

  constructor(client: Pick<SQSClient, 'send'>, queueUrl: string) {
    this.#client = client;
    this.#queueUrl = queueUrl;
  }

  async receive(): Promise<readonly Delivery[]> {
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.#queueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: waitTimeSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      }),
    );
    return Messages.map((message) => ({
      messageId: message.MessageId ?? '',
      receiptHandle: message.ReceiptHandle ?? '',
      body: message.Body ?? '',
      receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
    }));
  }

  async delete(deliveries: readonly Delivery[]): Promise<Refused> {
    if (deliveries.length === 0) return new Map();
    const Entries = deliveries.map(({ receiptHandle }, index) => ({
      Id: String(index),
      ReceiptHandle: receiptHandle,
    }));
    const { Failed } = await this.#client.send(
      new DeleteMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries }),
    );
    return refused(deliveries, Failed);
  }

  async giveBack(deliveries: readonly Delivery[], delaySeconds: number): Promise<Refused> {
    if (deliveries.length === 0) return new Map();
    const Entries = deliveries.map(({ receiptHandle }, index) => ({
      Id: String(index),
      ReceiptHandle: receiptHandle,
      VisibilityTimeout: delaySeconds,
    }));
    const { Failed } = await this.#client.send(
      new ChangeMessageVisibilityBatchCommand({ QueueUrl: this.#queueUrl, Entries }),
    );
    return refused(deliveries, Failed);
  }
}

interface FailedEntry {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
}

function refused(deliveries: readonly Delivery[], failed: readonly FailedEntry[] = []): Refused {
  const reasons = new Map<Delivery, string>();
  for (const { Id, Code, Message } of failed) {
    const delivery = deliveries[Number(Id)];
    if (delivery !== undefined) reasons.set(delivery, [Code, Message].filter(Boolean).join(': '));
  }
  return reasons;
}
