import { signer } from '../packages/engine/test/sigv4.ts';
import { RawConnection } from './raw-http.ts';

export interface ServerAddress {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface ReceivedMessage {
  readonly ReceiptHandle: string;
}

/** An SQS client over one raw connection: signs every request, nothing else. */
export class QueueClient {
  readonly #connection: RawConnection;
  readonly #sign: ReturnType<typeof signer>;

  private constructor(connection: RawConnection, address: ServerAddress, timestamp: string) {
    this.#connection = connection;
    this.#sign = signer(address, connection.host, 'sqs', timestamp);
  }

  static async connect(address: ServerAddress): Promise<QueueClient> {
    const timestamp = new Date(Date.now()).toISOString().replace(/[-:]|\.\d+/g, '');
    return new QueueClient(await RawConnection.open(address.endpoint), address, timestamp);
  }

  async call(operation: string, input: object): Promise<Record<string, unknown>> {
    const body = JSON.stringify(input);
    const headers = this.#sign(
      '/',
      { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
      body,
    );
    const reply = await this.#connection.post('/', headers, body);
    if (reply.status !== 200) throw new Error(`${operation}: ${reply.status} ${reply.body}`);
    return reply.body === '' ? {} : (JSON.parse(reply.body) as Record<string, unknown>);
  }

  async createQueue(name: string): Promise<string> {
    const { QueueUrl } = await this.call('CreateQueue', {
      QueueName: name,
      Attributes: { VisibilityTimeout: '3600' },
    });
    return String(QueueUrl);
  }

  async receive(QueueUrl: string, most: number): Promise<ReceivedMessage[]> {
    const { Messages } = await this.call('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: most });
    return (Messages as ReceivedMessage[] | undefined) ?? [];
  }

  close(): void {
    this.#connection.close();
  }
}
