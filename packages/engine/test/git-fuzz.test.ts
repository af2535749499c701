import { once } from 'node:events';
import { connect } from 'node:net';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';

const REQUESTS = 150;

/** Paths below the address of repositories, most of them nearly right. */
const paths = fc
  .tuple(
    fc.constantFrom(
      'worker',
      'worker.git',
      'none',
      '',
      '..',
      '%2e%2e',
      '%zz',
      '%00',
      'w%6Frker',
      'a'.repeat(5_000),
    ),
    fc.constantFrom(
      ...[
        '/info/refs',
        '/git-upload-pack',
        '/git-receive-pack',
        '/HEAD',
        '/objects/info/packs',
        '//info/refs',
      ],
      ...['', '/', '/../worker/info/refs', '/info/refs/', '/git-upload-pack%00'],
    ),
    fc.constantFrom(
      ...['', '?', '?service=git-upload-pack', '?service=git-receive-pack', '?service=git-none', '?service'],
      ...['?service=git-upload-pack&service=git-receive-pack', '?%zz', `?${'a'.repeat(5_000)}`],
    ),
  )
  .map((parts) => parts.join(''));

const headers = fc.subarray(
  [
    'content-type: application/x-git-upload-pack-request',
    'content-type: application/x-git-receive-pack-request',
    'content-encoding: gzip',
    'content-encoding: none-such',
    'git-protocol: version=2',
    'git-protocol: version=999;;=,',
    `git-protocol: ${'x'.repeat(9_000)}`,
    `x-long: ${'x'.repeat(20_000)}`,
    'expect: 100-continue',
    'x-amz-target: CodeCommit_20150413.GetBranch',
  ],
  { minLength: 0, maxLength: 3 },
);

const bodies = fc.oneof(
  fc.constantFrom('', '0000', '0014command=ls-refs\n0000', 'ffff', 'zzzz', '0001', '00000000'),
  fc.string({ maxLength: 200 }),
);

const authorizations = fc.constantFrom(
  'root',
  'none',
  'Basic',
  'Basic !',
  'Basic OjpA',
  'Bearer x',
  'Basic YQ==',
);

/** Whether the client ends its side before it has sent what it announced, or does not even wait for the answer. */
const endings = fc.constantFrom('whole', 'half', 'gone');

interface Request {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly ending: string;
}

/** Sends the request as it is; what came back until the engine ended the connection, or nothing if the client went first. */
async function send(engine: TestEngine, request: Request): Promise<string> {
  const { accessKeyId, secretAccessKey } = engine.rootCredentials;
  const { port, host } = new URL(engine.endpoint);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const authorization =
    request.authorization === 'root'
      ? `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}`
      : request.authorization;
  const length = Buffer.byteLength(request.body) + (request.ending === 'whole' ? 0 : 10);
  const head = [
    `${request.method} /git/v1/repos/${request.path} HTTP/1.1`,
    `host: ${host}`,
    'connection: close',
    `content-length: ${length}`,
    ...(request.authorization === 'none' ? [] : [`authorization: ${authorization}`]),
    ...request.headers,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${request.body}`);
  if (request.ending === 'gone') {
    socket.destroy();
    return '';
  }
  if (request.ending === 'half') socket.end();
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  await once(socket, 'close');
  return answer;
}

test('no request for git, whole or not, is answered with a fault of the engine, and it goes on', async () => {
  const engine = await testEngine();
  const codecommit = new CodeCommit(engine.client);
  await codecommit.createRepository({ repositoryName: 'worker' });
  await codecommit.createCommit({
    repositoryName: 'worker',
    branchName: 'main',
    putFiles: [{ filePath: 'a', fileContent: Buffer.from('a') }],
  });
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS'),
    path: paths,
    authorization: fc.oneof({ weight: 3, arbitrary: fc.constant('root') }, authorizations),
    headers,
    body: bodies,
    ending: endings,
  });
  await fc.assert(
    fc.asyncProperty(request, async (each) => {
      const answer = await send(engine, each);
      if (each.ending !== 'whole' && answer === '') return;
      expect(answer).toMatch(/^HTTP\/1\.1 [1-4]\d\d /);
    }),
    { numRuns: REQUESTS },
  );
  const proper = {
    method: 'GET',
    path: 'worker/info/refs?service=git-receive-pack',
    authorization: 'root',
    headers: [],
    body: '',
    ending: 'whole',
  };
  expect(await send(engine, proper)).toMatch(/^HTTP\/1\.1 200 [\s\S]*refs\/heads\/main/);
  // A push that broke off holds back none after it.
  const push = { ...proper, method: 'POST', path: 'worker/git-receive-pack', body: '0000' };
  const type = { headers: ['content-type: application/x-git-receive-pack-request'] };
  await send(engine, { ...push, ...type, ending: 'gone' });
  expect(await send(engine, { ...push, ...type })).toMatch(/^HTTP\/1\.1 200 /);
});
