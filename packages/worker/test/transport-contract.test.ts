import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test } from 'vitest';
import { SystemClock } from '../src/run-worker.ts';
import { InProcessTransport, type SqsOperations } from '../src/transport/in-process-transport.ts';
import { RawTransport } from '../src/transport/raw-transport.ts';
import { SdkTransport } from '../src/transport/sdk-transport.ts';
import { SqsFault, type Transport } from '../src/transport/transport.ts';
import { QueueModel } from './support/queue-model.ts';
import { QueueServer, refuse } from './support/queue-server.ts';
import { VirtualClock } from './support/virtual-clock.ts';

interface Subject {
  readonly clock: VirtualClock;
  readonly queue: QueueModel;
  readonly transport: Transport;
  /** Makes the next call fail as SQS fails. */
  readonly failNext: (status: number, code: string) => void;
  /** Makes the next call fail without an answer. */
  readonly breakNext: () => void;
}

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' };

/** A queue behind a socket, for the transports that have a wire. */
async function served(connect: (endpoint: string, queueUrl: string) => Transport): Promise<Subject> {
  const clock = new VirtualClock();
  const queue = new QueueModel(clock);
  const server = await QueueServer.start(queue);
  const transport = connect(server.endpoint, queue.url);
  closing.push(
    () => server.close(),
    () => transport.close(),
  );
  const once = (intercept: QueueServer['intercept']) => {
    server.intercept = (request, response) => {
      server.intercept = () => false;
      return intercept(request, response);
    };
  };
  return {
    clock,
    queue,
    transport,
    failNext: (status, code) => once((_request, response) => refuse(response, status, code)),
    breakNext: () =>
      once((_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.flushHeaders();
        response.destroy();
        return true;
      }),
  };
}

const subjects: Record<string, () => Promise<Subject>> = {
  raw: () =>
    served(
      (endpoint, queueUrl) =>
        new RawTransport({
          queueUrl,
          endpoint,
          region: 'eu-west-1',
          clock: new SystemClock(),
          credentials: async () => credentials,
        }),
    ),
  sdk: () =>
    served(
      (endpoint) =>
        new SdkTransport(
          new SQSClient({
            endpoint,
            region: 'eu-west-1',
            credentials,
            maxAttempts: 1,
            md5: false,
            useQueueUrlAsEndpoint: false,
          }),
        ),
    ),
  'in-process': async () => {
    const clock = new VirtualClock();
    const queue = new QueueModel(clock);
    let next: (() => Promise<never>) | undefined;
    const call =
      <In extends unknown[], Out>(operation: (...input: In) => Promise<Out>) =>
      (...input: In): Promise<Out> => {
        const failing = next;
        next = undefined;
        return failing === undefined ? operation(...input) : failing();
      };
    const operations: SqsOperations = {
      receiveMessage: call(queue.receiveMessage),
      deleteMessageBatch: call(queue.deleteMessageBatch),
      changeMessageVisibilityBatch: call(queue.changeMessageVisibilityBatch),
      sendMessage: call(queue.sendMessage),
    };
    return {
      clock,
      queue,
      transport: new InProcessTransport(operations),
      failNext: (status, code) => {
        next = () => Promise.reject(Object.assign(new Error(code), { code, status }));
      },
      breakNext: () => {
        next = () => Promise.reject(new SqsFault('ECONNRESET', 'broken'));
      },
    };
  },
};

const receiveInput = (queue: QueueModel, most: number, wait = 0) => ({
  QueueUrl: queue.url,
  MaxNumberOfMessages: most,
  WaitTimeSeconds: wait,
  VisibilityTimeout: 30,
  MessageSystemAttributeNames: ['All'],
  MessageAttributeNames: ['All'],
});

async function faultOf(call: Promise<unknown>): Promise<SqsFault> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SqsFault);
  return error as SqsFault;
}

describe.each(Object.entries(subjects))('%s transport', (_name, make) => {
  test('receives messages with their attributes, text and binary', async () => {
    const { queue, transport } = await make();
    const body = 'größe "quoted" \u{1F600} \n end';
    queue.put(body, {
      attributes: {
        kind: { DataType: 'String', StringValue: 'order' },
        raw: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 255, 7]) },
      },
    });
    const { Messages } = await transport.receiveMessage(receiveInput(queue, 10));
    expect(Messages).toMatchObject([
      {
        MessageId: 'm1',
        ReceiptHandle: 'm1#1',
        Body: body,
        Attributes: { ApproximateReceiveCount: '1', SentTimestamp: String(queue.messages[0]?.sentAtMs) },
        MessageAttributes: { kind: { DataType: 'String', StringValue: 'order' } },
      },
    ]);
    const raw = Messages?.[0]?.MessageAttributes?.raw?.BinaryValue;
    expect(raw).toBeInstanceOf(Uint8Array);
    expect([...(raw ?? [])]).toEqual([0, 255, 7]);
  });

  test('an empty queue gives no messages', async () => {
    const { queue, transport } = await make();
    const { Messages = [] } = await transport.receiveMessage(receiveInput(queue, 10));
    expect(Messages).toEqual([]);
  });

  test('a long poll is answered by a message that comes later', async () => {
    const { queue, transport } = await make();
    const polled = transport.receiveMessage(receiveInput(queue, 10, 20));
    await expect.poll(() => queue.openPolls, { interval: 1 }).toBe(1);
    queue.put('late');
    expect((await polled).Messages?.map(({ Body }) => Body)).toEqual(['late']);
  });

  test('a long poll can be abandoned', async () => {
    const { queue, transport } = await make();
    const abandon = new AbortController();
    const polled = transport.receiveMessage(receiveInput(queue, 10, 20), abandon.signal);
    await expect.poll(() => queue.openPolls, { interval: 1 }).toBe(1);
    abandon.abort();
    expect((await faultOf(polled)).kind).toBe('network');
    const calls = queue.count('ReceiveMessage');
    const again = transport.receiveMessage(receiveInput(queue, 10, 20), abandon.signal);
    expect((await faultOf(again)).kind).toBe('network');
    expect(queue.count('ReceiveMessage') - calls).toBeLessThanOrEqual(1);
  });

  test('deletes and gives back in batches, and says which entries failed', async () => {
    const { queue, transport } = await make();
    for (const body of ['a', 'b', 'c']) queue.put(body);
    await transport.receiveMessage(receiveInput(queue, 3));
    const deleted = await transport.deleteMessageBatch({
      QueueUrl: queue.url,
      Entries: [
        { Id: '0', ReceiptHandle: 'm1#1' },
        { Id: '1', ReceiptHandle: 'm2#1' },
      ],
    });
    expect(deleted.Successful?.map(({ Id }) => Id)).toEqual(['0', '1']);
    expect(queue.undeleted.map(({ body }) => body)).toEqual(['c']);
    const changed = await transport.changeMessageVisibilityBatch({
      QueueUrl: queue.url,
      Entries: [
        { Id: '0', ReceiptHandle: 'm3#1', VisibilityTimeout: 0 },
        { Id: '1', ReceiptHandle: 'm1#1', VisibilityTimeout: 9 },
      ],
    });
    expect(changed.Successful?.map(({ Id }) => Id)).toEqual(['0']);
    expect(changed.Failed).toMatchObject([{ Id: '1', Code: 'MessageNotInflight', SenderFault: true }]);
    expect(queue.visible.map(({ body }) => body)).toEqual(['c']);
  });

  test('sends a message with its attributes', async () => {
    const { queue, transport } = await make();
    const input = {
      QueueUrl: queue.url,
      MessageBody: 'bad',
      MessageAttributes: {
        'x-failed-track': { DataType: 'String', StringValue: 'canary' },
        raw: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2, 254]) },
      },
      MessageGroupId: 'g',
    };
    expect(await transport.sendMessage(input)).toMatchObject({ MessageId: 'dead1' });
    const [sent] = queue.deadLetters;
    expect(sent).toMatchObject({ MessageBody: 'bad', MessageGroupId: 'g' });
    expect(sent?.MessageAttributes?.['x-failed-track']).toEqual({
      DataType: 'String',
      StringValue: 'canary',
    });
    expect([...(sent?.MessageAttributes?.raw?.BinaryValue ?? [])]).toEqual([1, 2, 254]);
  });

  test.each([
    [400, 'RequestThrottled', 'throttled'],
    [400, 'ThrottlingException', 'throttled'],
    [403, 'AccessDeniedException', 'denied'],
    [400, 'QueueDoesNotExist', 'rejected'],
    [500, 'InternalFailure', 'unavailable'],
    [503, 'ServiceUnavailable', 'unavailable'],
  ])('after one attempt, a %d %s is a fault of the kind %s', async (status, code, kind) => {
    const { queue, transport, failNext } = await make();
    failNext(status, code);
    const fault = await faultOf(transport.receiveMessage(receiveInput(queue, 1)));
    expect({ code: fault.code, kind: fault.kind, status: fault.status }).toEqual({ code, kind, status });
    expect(queue.count('ReceiveMessage')).toBe(0);
  });

  test('an answer that breaks off is a fault of the network', async () => {
    const { queue, transport, breakNext } = await make();
    breakNext();
    const fault = await faultOf(transport.deleteMessageBatch({ QueueUrl: queue.url, Entries: [] }));
    expect(fault.kind).toBe('network');
    expect(fault.status).toBeUndefined();
  });
});
