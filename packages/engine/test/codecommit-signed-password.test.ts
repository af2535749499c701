import { createHmac, hash } from 'node:crypto';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { expect, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { type ClientConfig, type TestEngine, testEngine } from './harness.ts';
import { roleClient } from './role-client.ts';

const MINUTE_MS = 60_000;
const clock = new SystemClock();

interface Signing {
  readonly atMs?: number;
  readonly region?: string;
  readonly service?: string;
  readonly method?: string;
  readonly host?: string;
  readonly path?: string;
  readonly secretAccessKey?: string;
}

/** What `aws codecommit credential-helper get` and git-remote-codecommit print as the password. */
function password({ credentials, region }: ClientConfig, signing: Signing = {}): string {
  const stamp = new Date(signing.atMs ?? clock.nowMs()).toISOString().replace(/[-:]/g, '').slice(0, 15);
  const date = stamp.slice(0, 8);
  const scope = [date, signing.region ?? region, signing.service ?? 'codecommit', 'aws4_request'];
  const { method = 'GIT', path = '/git/v1/repos/worker', host = '127.0.0.1' } = signing;
  const canonical = `${method}\n${path}\n\nhost:${host}\n\nhost\n`;
  const text = `AWS4-HMAC-SHA256\n${stamp}\n${scope.join('/')}\n${hash('sha256', canonical)}`;
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = scope.reduce<string | Buffer>(
    hmac,
    `AWS4${signing.secretAccessKey ?? credentials.secretAccessKey}`,
  );
  return `${stamp}Z${hmac(key, text).toString('hex')}`;
}

async function engineWithRepository(): Promise<TestEngine> {
  const engine = await testEngine();
  await new CodeCommit(engine.client).createRepository({ repositoryName: 'worker' });
  return engine;
}

async function answer(engine: TestEngine, user: string, secret: string): Promise<Response> {
  return fetch(`${engine.endpoint}/git/v1/repos/worker/info/refs?service=git-upload-pack`, {
    headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
  });
}

test("git signs in with the password of CodeCommit's credential helper, for fifteen minutes", async () => {
  const engine = await engineWithRepository();
  const { accessKeyId } = engine.client.credentials;
  const at = async (minutes: number) =>
    (
      await answer(
        engine,
        accessKeyId,
        password(engine.client, { atMs: clock.nowMs() + minutes * MINUTE_MS }),
      )
    ).status;
  expect(await Promise.all([at(0), at(-14), at(14)])).toEqual([200, 200, 200]);
  expect(await Promise.all([at(-16), at(16)])).toEqual([401, 401]);
  const late = await answer(
    engine,
    accessKeyId,
    password(engine.client, { atMs: clock.nowMs() - 16 * MINUTE_MS }),
  );
  expect(await late.text()).toMatch(/older or newer than 15 minutes/);
});

test('a repository is signed by the path and the host that git was given', async () => {
  const engine = await engineWithRepository();
  const { accessKeyId } = engine.client.credentials;
  const signed = password(engine.client, { host: 'localhost' });
  expect((await answer(engine, accessKeyId, signed)).status).toBe(401);
  const response = await fetch(
    `${engine.endpoint}/git/v1/repos/worker.git/info/refs?service=git-receive-pack`,
    {
      headers: {
        authorization: `Basic ${Buffer.from(`${accessKeyId}:${password(engine.client, { path: '/git/v1/repos/worker.git' })}`).toString('base64')}`,
      },
    },
  );
  expect(response.status).toBe(200);
});

test.each<[string, Signing]>([
  ['another region', { region: 'eu-central-1' }],
  ['another service', { service: 's3' }],
  ['another method', { method: 'GET' }],
  ['another host', { host: 'git-codecommit.us-east-1.amazonaws.com' }],
  ['another repository', { path: '/git/v1/repos/other' }],
  ['another secret', { secretAccessKey: 'wrong' }],
])('a password signed for %s is refused', async (_what, signing) => {
  const engine = await engineWithRepository();
  const { accessKeyId } = engine.client.credentials;
  const refused = await answer(engine, accessKeyId, password(engine.client, signing));
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toMatch(/^Basic/);
});

test('a session gives its token after the key, and needs it; its role decides', async () => {
  const engine = await engineWithRepository();
  const pull = { Effect: 'Allow', Action: 'codecommit:GitPull', Resource: '*' };
  const session = await roleClient(engine, [pull]);
  const { accessKeyId, sessionToken } = session.credentials;
  const secret = password(session);
  expect((await answer(engine, `${accessKeyId}%${sessionToken}`, secret)).status).toBe(200);
  for (const user of [accessKeyId, `${accessKeyId}%`, `${accessKeyId}%wrong`, `AKIANOBODY%${sessionToken}`])
    expect((await answer(engine, user, secret)).status).toBe(401);
  const push = await fetch(`${engine.endpoint}/git/v1/repos/worker/info/refs?service=git-receive-pack`, {
    headers: {
      authorization: `Basic ${Buffer.from(`${accessKeyId}%${sessionToken}:${secret}`).toString('base64')}`,
    },
  });
  expect(push.status).toBe(403);
});
