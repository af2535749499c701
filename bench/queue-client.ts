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

/** A request that was signed and written out ahead, to be sent as often as wanted. */
export interface PreparedCall {
  readonly operation: string;
  readonly request: string;
}

/** An SQS client over one raw connection: signs every request that was not prepared, and nothing else. */
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

  prepare(operation: string, input: object): PreparedCall {
    const body = JSON.stringify(input);
    const headers = this.#sign(
      '/',
      { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
      body,
    );
    let request = `POST / HTTP/1.1\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    for (const name in headers) request += `${name}: ${headers[name]}\r\n`;
    return { operation, request: `${request}\r\n${body}` };
  }

  async send({ operation, request }: PreparedCall): Promise<Record<string, unknown>> {
    const { status, body } = await this.#connection.send(request);
    if (status !== 200) throw new Error(`${operation}: ${status} ${body}`);
    return body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
  }

  call(operation: string, input: object): Promise<Record<string, unknown>> {
    return this.send(this.prepare(operation, input));
  }

  async createQueue(name: string): Promise<string> {
    const { QueueUrl } = await this.call('CreateQueue', {
      QueueName: name,
      Attributes: { VisibilityTimeout: '3600' },
    });
    return String(QueueUrl);
  }

  prepareReceive(QueueUrl: string, most: number): PreparedCall {
    return this.prepare('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: most });
  }

  async receive(prepared: PreparedCall): Promise<ReceivedMessage[]> {
    const { Messages } = await this.send(prepared);
    return (Messages as ReceivedMessage[] | undefined) ?? [];
  }

  close(): void {
    this.#connection.close();
  }
}
