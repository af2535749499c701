import { hash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { Pace } from '../src/clock/pace.ts';
import { Dispatcher } from '../src/dispatch/dispatcher.ts';
import { Identity } from '../src/iam/identity.ts';
import { PolicyAuthorizer } from '../src/iam/policy-authorizer.ts';
import { ByteIds, SystemClock } from '../src/index.ts';
import { Journal } from '../src/journal/journal.ts';
import { createSqs } from '../src/services/sqs/sqs.ts';
import { State } from '../src/state/state.ts';
import { WireServer } from '../src/wire/server.ts';
import { type TestEngine, testEngine } from './harness.ts';
import { signer } from './sigv4.ts';

const TIMESTAMP = '20260101T000000Z';
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/x-amz-json-1.0';

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

/** Sends text as it is; resolves with the head of the answer, or all of it until the connection ends. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = await open(port);
  let answer = '';
  socket.write(text);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    answer += chunk.toString('latin1');
    if (answer.includes('\r\n\r\n')) break;
  }
  return answer;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

/** A request whose body is announced and never comes. */
function headOf(method: string, path: string, headers: Record<string, string>): string {
  const all = { host: '127.0.0.1', 'content-length': '400000000', ...headers };
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

const portOf = (engine: TestEngine) => Number(new URL(engine.endpoint).port);

const unknownKey =
  'AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20260101/us-east-1/SERVICE/aws4_request, SignedHeaders=host;x-amz-date, Signature=' +
  '0'.repeat(64);
const signedFor = (service: string) => ({
  authorization: unknownKey.replace('SERVICE', service),
  'x-amz-date': TIMESTAMP,
});

const DOORS: ReadonlyArray<[door: string, method: string, path: string, headers: Record<string, string>]> = [
  ['JSON', 'POST', '/', { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': JSON_TYPE }],
  [
    'JSON with a key that nobody knows',
    'POST',
    '/',
    { 'x-amz-target': 'AmazonSQS.SendMessage', ...signedFor('sqs') },
  ],
  ['gzipped JSON', 'POST', '/', { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-encoding': 'gzip' }],
  [
    'CBOR',
    'POST',
    '/service/GraniteServiceVersion20100801/operation/PutMetricData',
    { 'smithy-protocol': 'rpc-v2-cbor' },
  ],
  ['a form, which a web page may post', 'POST', '/', { 'content-type': FORM }],
  ['a form with a key that nobody knows', 'POST', '/', { 'content-type': FORM, ...signedFor('sts') }],
  ['text, which a web page may post', 'POST', '/', { 'content-type': 'text/plain' }],
  [
    'an upload of files, which a web page may post',
    'POST',
    '/bucket',
    { 'content-type': 'multipart/form-data; boundary=x' },
  ],
  ['an object of S3', 'PUT', '/bucket/key', {}],
  [
    'an object of S3 with a key that nobody knows',
    'PUT',
    '/bucket/key',
    { ...signedFor('s3'), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
  ],
  [
    'a presigned URL',
    'PUT',
    `/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAUNKNOWN%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=${TIMESTAMP}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00`,
    {},
  ],
  ['a function', 'POST', '/2015-03-31/functions', { 'content-type': 'application/json' }],
  ['git', 'POST', '/git/v1/repos/x/git-receive-pack', {}],
  ["the registry's layers", 'POST', '/v2/x/blobs/uploads/', {}],
  ["the registry's manifests", 'PUT', '/v2/x/manifests/latest', {}],
  ["a task's protection", 'PUT', '/ecs-agent/guess/api/task-protection/v1/state', {}],
];

test.each(DOORS)(
  '%s: who has no credentials is refused before the body is read',
  async (_door, method, path, headers) => {
    const engine = await testEngine();
    const status = statusOf(await exchange(portOf(engine), headOf(method, path, headers)));
    expect([400, 401, 403, 404]).toContain(status);
  },
);

test('a wrong signature is refused before the body is read, where the head states its hash', async () => {
  const engine = await testEngine();
  const { accessKeyId } = engine.rootCredentials;
  const headers = {
    authorization: unknownKey.replace('AKIAUNKNOWN', accessKeyId).replace('SERVICE', 's3'),
    'x-amz-date': TIMESTAMP,
    'x-amz-content-sha256': '0'.repeat(64),
  };
  const answer = await exchange(portOf(engine), headOf('PUT', '/bucket/key', headers));
  expect(statusOf(answer)).toBe(403);
});

test('a body that is announced as too large is refused before it is read', async () => {
  const engine = await testEngine();
  const answer = await exchange(
    portOf(engine),
    headOf('POST', '/', { 'x-amz-target': 'AmazonSQS.SendMessage', ...signedBy(engine, 'sqs', {}, '') }),
  );
  expect(statusOf(answer)).toBe(413);
});

test('who was refused and goes on sending is cut off', async () => {
  const engine = await testEngine();
  const socket = await open(portOf(engine));
  const ended = closed(socket);
  socket.resume();
  socket.write(headOf('POST', '/', { 'content-type': FORM }));
  const send = () => {
    while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) {}
  };
  socket.on('drain', send);
  send();
  await ended;
  expect(socket.bytesWritten).toBeLessThan(100_000_000);
});

function signedBy(engine: TestEngine, service: string, headers: Record<string, string>, body: string) {
  const host = new URL(engine.endpoint).host;
  return signer(engine.rootCredentials, host, service, TIMESTAMP)('/', headers, body);
}

async function post(engine: TestEngine, service: string, headers: Record<string, string>, body: Buffer) {
  const host = new URL(engine.endpoint).host;
  const stated = { ...headers, 'x-amz-content-sha256': hash('sha256', body) };
  const signed = signer(engine.rootCredentials, host, service, TIMESTAMP)('/', stated, body);
  const answer = await fetch(engine.endpoint, {
    method: 'POST',
    headers: signed,
    body: new Uint8Array(body),
  });
  return { status: answer.status, text: await answer.text() };
}

const target = { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': JSON_TYPE };
const MEBIBYTE = 1024 * 1024;

test.each<[string, string, Record<string, string>, () => Buffer, number]>([
  [
    'a gzip bomb',
    'sqs',
    { ...target, 'content-encoding': 'gzip' },
    () => gzipSync(Buffer.alloc(64 * MEBIBYTE)),
    413,
  ],
  ['JSON that is nested without end', 'sqs', target, () => Buffer.from('['.repeat(4 * MEBIBYTE)), 400],
  ['JSON of millions of lists', 'sqs', target, () => Buffer.from(`[${'[],'.repeat(2 * MEBIBYTE)}1]`), 400],
  ['JSON of millions of members', 'sqs', target, () => Buffer.from(`{${'"":1,'.repeat(MEBIBYTE)}"":1}`), 400],
  [
    'a form of a million parameters',
    'sqs',
    { 'content-type': FORM },
    () => Buffer.from('a=b&'.repeat(MEBIBYTE - 1)),
    400,
  ],
  [
    'a form of a name with a million parts',
    'sqs',
    { 'content-type': FORM },
    () => Buffer.from(`Action=SendMessage&${'a.'.repeat(MEBIBYTE)}=b`),
    400,
  ],
  [
    'a form of more than 4 MiB',
    'sqs',
    { 'content-type': FORM },
    () => Buffer.from(`a=${'b'.repeat(5 * MEBIBYTE)}`),
    413,
  ],
])('%s is refused', async (_name, service, headers, body, status) => {
  const engine = await testEngine();
  expect(await post(engine, service, headers, body())).toEqual({
    status,
    text: expect.stringContaining('the local engine'),
  });
});

test.each([
  '//[',
  '/%zz',
  '/bucket/%zz',
  '/git/v1/repos/%zz/info/refs',
  '/v2/%zz/tags/list',
  '/ecs-agent/%zz',
  '/?%zz=%',
  '*',
  '//',
  '/v2/a/manifests/%zz',
])('the target %s is the mistake of the caller', async (path) => {
  const engine = await testEngine();
  const status = statusOf(await exchange(portOf(engine), headOf('GET', path, { 'content-length': '0' })));
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
});

test('a path that cannot be decoded is the mistake of a caller with credentials, too', async () => {
  const engine = await testEngine();
  const sign = signer(engine.rootCredentials, new URL(engine.endpoint).host, 'lambda', TIMESTAMP);
  const headers = sign('/2015-03-31/functions/%25zz/invocations', {}, '');
  const path = '/2015-03-31/functions/%zz/invocations';
  const answer = await exchange(portOf(engine), headOf('POST', path, { ...headers, 'content-length': '0' }));
  expect(statusOf(answer)).toBe(400);
  expect(answer).toContain('InvalidURI');
});

async function impatientServer() {
  const parts = { state: new State(':memory:'), clock: new SystemClock(), ids: new ByteIds() };
  const { state, clock, ids } = parts;
  const journal = new Journal(state, clock);
  const accountId = '000000000000';
  const authorizer = new PolicyAuthorizer({ state, accountId, region: 'us-east-1', clock });
  const pace = new Pace(60);
  const dispatcher = new Dispatcher({ state, journal, clock, ids, authorizer, pace });
  const identity = new Identity({
    state,
    clock,
    ids,
    endpoint: () => server.endpoint,
    accountId,
    region: 'us-east-1',
  });
  const server: WireServer = new WireServer({
    dispatcher,
    identity,
    ids,
    onCrash: (error) => expect.unreachable(String(error)),
    patience: { headMs: 200, idleMs: 200 },
  });
  const engine = {
    ...{ clock, pace, ids, state, journal, accountId, region: 'us-east-1', directory: '/nonexistent' },
    endpoint: () => server.endpoint,
    call: () => Promise.resolve({} as never),
    assumeRole: () => expect.unreachable(),
    credentials: () => expect.unreachable(),
  };
  const sqs = createSqs(engine);
  dispatcher.register(sqs as never);
  await sqs.start?.();
  await server.listen(0);
  onTestFinished(async () => {
    await sqs.stop?.();
    await server.close();
  });
  return { server, credentials: identity.rootCredentials() };
}

test.each([
  ['nothing', ''],
  ['half a head', 'POST / HTTP/1.1\r\nhost: x\r\n'],
])('a connection on which %s comes is ended', async (_name, text) => {
  const { server } = await impatientServer();
  const socket = await open(server.port);
  socket.resume();
  if (text !== '') socket.write(text);
  await closed(socket);
});

test('a body that stops coming ends its connection, and a long poll is waited for', async () => {
  const { server, credentials } = await impatientServer();
  const host = `127.0.0.1:${server.port}`;
  const sign = signer(credentials, host, 'sqs', TIMESTAMP);
  const call = async (operation: string, input: unknown) => {
    const body = JSON.stringify(input);
    const headers = sign('/', { 'x-amz-target': `AmazonSQS.${operation}`, 'content-type': JSON_TYPE }, body);
    const answer = await fetch(server.endpoint, { method: 'POST', headers, body });
    return (await answer.json()) as Record<string, unknown>;
  };
  const { QueueUrl } = await call('CreateQueue', { QueueName: 'q' });
  const polled = call('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 2 });
  const socket = await open(server.port);
  socket.resume();
  const headers = sign('/', { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': JSON_TYPE }, '');
  socket.write(headOf('POST', '/', { ...headers, 'content-length': '1000' }));
  socket.write('{');
  await closed(socket);
  expect(await polled).toEqual({});
});
