import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Clock, Credentials, CredentialsProvider } from '../src/index.ts';
import { RawTransport, SqsFault, SystemClock, UserError } from '../src/index.ts';
import { QueueModel } from './support/queue-model.ts';
import { QueueServer, refuse } from './support/queue-server.ts';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const keys: Credentials = { accessKeyId: 'AKID', secretAccessKey: 'secret' };

interface Setup {
  readonly clock?: Clock;
  readonly credentials?: CredentialsProvider;
  readonly silenceMs?: number;
}

async function connect(setup: Setup = {}) {
  const queue = new QueueModel(new SystemClock());
  const server = await QueueServer.start(queue);
  const transport = new RawTransport({
    queueUrl: queue.url,
    endpoint: server.endpoint,
    clock: setup.clock ?? new SystemClock(),
    credentials: setup.credentials ?? (async () => keys),
    silenceMs: setup.silenceMs,
  });
  closing.push(
    () => server.close(),
    () => transport.close(),
  );
  const receive = () =>
    transport.receiveMessage({
      QueueUrl: queue.url,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 0,
      VisibilityTimeout: 30,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    });
  return { queue, server, transport, receive };
}

const dateOf = ({ headers }: Pick<IncomingMessage, 'headers'>): number => {
  const text = String(headers['x-amz-date']);
  return Date.parse(text.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
};

/** Refuses requests signed at a time that is more than five minutes off, as SQS does. */
function refuseSkewed(server: QueueServer, code: string): void {
  server.intercept = (request, response) =>
    Math.abs(dateOf(request) - new SystemClock().nowMs()) > 300_000 &&
    refuse(response, 403, code, 'Signature expired');
}

test.each([
  [600_000, 'InvalidSignatureException'],
  [-600_000, 'InvalidSignatureException'],
  [600_000, 'RequestTimeTooSkewed'],
])(
  'a clock that is %d ms off is set right by the first reply (%s), also for calls at the same time',
  async (offMs, code) => {
    const system = new SystemClock();
    const clock: Clock = { nowMs: () => system.nowMs() + offMs, setTimer: system.setTimer };
    const { queue, server, transport, receive } = await connect({ clock });
    refuseSkewed(server, code);
    queue.put('a');
    const replies = await Promise.all([receive(), receive(), receive()]);
    expect(replies.flatMap(({ Messages = [] }) => Messages).map(({ Body }) => Body)).toEqual(['a']);
    expect(Math.abs(transport.clockOffsetMs + offMs)).toBeLessThan(5_000);
    const before = server.requests.length;
    await receive();
    expect(server.requests).toHaveLength(before + 1);
  },
);

test('a signature that is wrong for another reason is reported and not tried again', async () => {
  const { server, receive } = await connect();
  server.intercept = (_request, response) => refuse(response, 403, 'InvalidSignatureException');
  await expect(receive()).rejects.toMatchObject({ code: 'InvalidSignatureException', kind: 'denied' });
  expect(server.requests).toHaveLength(1);
});

test('credentials are asked for once, again before they end, and once for calls at the same time', async () => {
  const system = new SystemClock();
  let nowMs = system.nowMs();
  let asked = 0;
  const { receive } = await connect({
    clock: { nowMs: () => nowMs, setTimer: system.setTimer },
    credentials: async () => {
      asked++;
      return { ...keys, expiration: new Date(nowMs + 3_600_000) };
    },
  });
  await Promise.all([receive(), receive()]);
  await receive();
  expect(asked).toBe(1);
  nowMs += 3_600_000 - 300_000;
  await Promise.all([receive(), receive()]);
  expect(asked).toBe(2);
});

test('credentials that SQS calls expired are replaced within the call', async () => {
  let generation = 0;
  const { server, receive } = await connect({
    credentials: async () => ({ ...keys, accessKeyId: `AKID${++generation}` }),
  });
  server.intercept = ({ headers }, response) =>
    String(headers.authorization).includes('AKID1/') && refuse(response, 403, 'ExpiredTokenException');
  await expect(receive()).resolves.toEqual({ Messages: [] });
  expect(generation).toBe(2);
});

test('credentials that a provider keeps are asked for again when SQS has refused them', async () => {
  let kept = 'AKID1';
  const { server, receive } = await connect({
    credentials: async (options?: { readonly forceRefresh?: boolean }) => {
      if (options?.forceRefresh === true) kept = 'AKID2';
      return { ...keys, accessKeyId: kept };
    },
  });
  server.intercept = ({ headers }, response) =>
    String(headers.authorization).includes('AKID1/') && refuse(response, 403, 'ExpiredTokenException');
  await expect(receive()).resolves.toEqual({ Messages: [] });
});

test('no credentials is a fault that says so, and a provider that recovers is asked again', async () => {
  let broken = true;
  const { receive } = await connect({
    credentials: async () => {
      if (broken) throw new Error('no role');
      return keys;
    },
  });
  await expect(receive()).rejects.toMatchObject({ kind: 'denied', message: 'no credentials: no role' });
  broken = false;
  await expect(receive()).resolves.toEqual({ Messages: [] });
});

test('a kept-alive connection that the server closed meanwhile is not an error', async () => {
  const reply = JSON.stringify({ Messages: [] });
  let served = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      // From the second request on a connection, it is reset before anything is answered.
      const onSocket = (used.get(request.socket) ?? 0) + 1;
      used.set(request.socket, onSocket);
      if (onSocket > 1) request.socket.resetAndDestroy();
      else {
        served++;
        response.end(reply);
      }
    });
  });
  const used = new Map<object, number>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const transport = new RawTransport({
    queueUrl: 'https://sqs.eu-west-1.amazonaws.com/1/q',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clock: new SystemClock(),
    credentials: async () => keys,
  });
  closing.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => transport.close(),
  );
  for (let call = 0; call < 3; call++) {
    await transport.deleteMessageBatch({ QueueUrl: 'q', Entries: [] });
  }
  expect(served).toBe(3);
});

test('a server that falls silent is a fault of the network', async () => {
  const { server, receive } = await connect({ silenceMs: 50 });
  server.intercept = () => true;
  await expect(receive()).rejects.toMatchObject({ code: 'TimeoutError', kind: 'network' });
});

test.each([
  ['<html>Bad Gateway</html>', 502, 'HTTP 502', 'unavailable'],
  ['', 500, 'HTTP 500', 'unavailable'],
  ['{"Messages":', 200, 'MalformedReply', 'network'],
])('an answer that is not of SQS (%j) is a fault', async (body, status, code, kind) => {
  const { server, receive } = await connect();
  server.intercept = (_request, response) => {
    response.writeHead(status).end(body);
    return true;
  };
  const fault = await receive().catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(SqsFault);
  expect(fault).toMatchObject({ code, kind });
});

test('the region comes from the queue URL, and one that is in neither place is an error that says what to do', () => {
  const options = { clock: new SystemClock(), credentials: async () => keys };
  expect(() => new RawTransport({ ...options, queueUrl: 'http://127.0.0.1:4566/1/q' })).toThrow(UserError);
  expect(() => new RawTransport({ ...options, queueUrl: 'http://127.0.0.1:4566/1/q' })).toThrow(/AWS_REGION/);
  for (const queueUrl of [
    'https://sqs.eu-west-1.amazonaws.com/1/q',
    'https://sqs.cn-north-1.amazonaws.com.cn/1/q',
  ]) {
    expect(() => new RawTransport({ ...options, queueUrl })).not.toThrow();
  }
});
