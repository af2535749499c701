import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SqsOperations } from '../../src/transport/in-process-transport.ts';
import type { MessageAttribute, SqsMessage } from '../../src/transport/transport.ts';

/** A request as it arrived, before it is answered. */
export interface ServedRequest {
  readonly operation: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request in place of the queue; nothing leaves it to the queue. */
export type Intercept = (request: ServedRequest, response: ServerResponse) => boolean;

/** SQS's JSON protocol in front of an object with the operations, on a loopback socket. */
export class QueueServer {
  readonly #server: Server;
  readonly requests: ServedRequest[] = [];
  intercept: Intercept = () => false;
  /** Runs after an operation had its effect and before it is answered; `false` withholds the answer. */
  beforeReply: (operation: string, response: ServerResponse) => boolean = () => true;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(operations: SqsOperations): Promise<QueueServer> {
    const server = createServer((request, response) => void own.#serve(operations, request, response));
    const own = new QueueServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return own;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(operations: SqsOperations, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const operation = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
    const body = Buffer.concat(chunks).toString('utf8');
    const served = { operation, headers: request.headers, body };
    this.requests.push(served);
    if (this.intercept(served, response)) return;
    const abandoned = new AbortController();
    response.on('close', () => abandoned.abort());
    const reply = await run(operations, operation, JSON.parse(body), abandoned.signal).catch(() => undefined);
    if (reply === undefined || !this.beforeReply(operation, response)) return;
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(reply));
  }
}

/** Answers as SQS answers a failure. */
export function refuse(response: ServerResponse, status: number, code: string, message = code): true {
  response
    .writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
    .end(JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message }));
  return true;
}

type Input = Parameters<SqsOperations['receiveMessage']>[0] &
  Parameters<SqsOperations['changeMessageVisibilityBatch']>[0] &
  Parameters<SqsOperations['sendMessage']>[0];

async function run(
  operations: SqsOperations,
  operation: string,
  input: Input,
  signal: AbortSignal,
): Promise<object> {
  switch (operation) {
    case 'ReceiveMessage': {
      const { Messages } = await operations.receiveMessage(input, signal);
      return Messages === undefined ? {} : { Messages: Messages.map(onWire) };
    }
    case 'DeleteMessageBatch':
      return operations.deleteMessageBatch(input);
    case 'ChangeMessageVisibilityBatch':
      return operations.changeMessageVisibilityBatch(input);
    default:
      return operations.sendMessage({
        ...input,
        MessageAttributes: eachAttribute(input.MessageAttributes, (attribute) =>
          attribute.BinaryValue === undefined
            ? attribute
            : { ...attribute, BinaryValue: Buffer.from(String(attribute.BinaryValue), 'base64') },
        ),
      });
  }
}

function onWire(message: SqsMessage): object {
  return {
    ...message,
    MessageAttributes: eachAttribute(message.MessageAttributes, ({ BinaryValue, ...rest }) => ({
      ...rest,
      ...(BinaryValue === undefined ? {} : { BinaryValue: Buffer.from(BinaryValue).toString('base64') }),
    })),
  };
}

function eachAttribute<To>(
  attributes: Readonly<Record<string, MessageAttribute>> | undefined,
  change: (attribute: MessageAttribute) => To,
): Record<string, To> | undefined {
  if (attributes === undefined) return undefined;
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, change(value)]));
}
