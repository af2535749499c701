import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type MessageSystemAttributeName,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
  SQSServiceException,
} from '@aws-sdk/client-sqs';
import { SqsFault, type Transport } from './transport.ts';

/**
 * SQS over the AWS SDK's client, for what the client brings along (middleware, tracing, proxies) at several
 * times the CPU of the raw transport. The client's own retries apply within each call; `maxAttempts: 1` leaves
 * retrying to the worker, which knows its leases.
 */
export class SdkTransport implements Transport {
  readonly #client: SQSClient;

  constructor(client: SQSClient) {
    this.#client = client;
  }

  get clockOffsetMs(): number {
    return this.#client.config.systemClockOffset;
  }

  receiveMessage: Transport['receiveMessage'] = async (input, signal) =>
    answer(
      this.#client.send(
        new ReceiveMessageCommand({
          ...input,
          MessageSystemAttributeNames: input.MessageSystemAttributeNames.filter(isSystemAttribute),
          MessageAttributeNames: [...input.MessageAttributeNames],
        }),
        signal === undefined ? {} : { abortSignal: signal },
      ),
    );

  deleteMessageBatch: Transport['deleteMessageBatch'] = ({ QueueUrl, Entries }) =>
    answer(this.#client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: [...Entries] })));

  changeMessageVisibilityBatch: Transport['changeMessageVisibilityBatch'] = ({ QueueUrl, Entries }) =>
    answer(this.#client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: [...Entries] })));

  sendMessage: Transport['sendMessage'] = (input) => answer(this.#client.send(new SendMessageCommand(input)));

  close(): void {
    this.#client.destroy();
  }
}

function isSystemAttribute(name: string): name is MessageSystemAttributeName {
  return name !== '';
}

async function answer<Output>(call: Promise<Output>): Promise<Output> {
  try {
    return await call;
  } catch (error) {
    const { name, code, message, $metadata, $response } = Object(error) as {
      name?: string;
      code?: string;
      message?: string;
      $metadata?: { httpStatusCode?: number };
      $response?: { statusCode?: number };
    };
    if (error instanceof SQSServiceException) {
      throw new SqsFault(error.name, error.message, $metadata?.httpStatusCode);
    }
    // A page of some proxy has a status that says enough; a reply that broke off had a good one.
    const status = ($response?.statusCode ?? 0) >= 400 ? $response?.statusCode : undefined;
    throw new SqsFault(code ?? name ?? 'UnknownError', message ?? '', status);
  }
}
