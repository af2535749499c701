import { once } from 'node:events';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { digestOf, MEDIA_TYPES } from '../src/runtime/oci/image-format.ts';
import type { RegistryServer } from './runtime-registry-server.ts';
import { startRegistry } from './runtime-registry-server.ts';

function call(
  registry: RegistryServer,
  method: string,
  path: string,
  options: { token?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
) {
  const { token = 'good', headers = {}, body } = options;
  const authorization: Record<string, string> =
    token === '' ? {} : { authorization: `Basic ${Buffer.from(`AWS:${token}`).toString('base64')}` };
  return fetch(new URL(path, registry.url), {
    method,
    headers: { ...authorization, ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  });
}

async function errorCode(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { errors: { code: string }[] };
  return [response.status, body.errors[0]!.code];
}

async function upload(
  registry: RegistryServer,
  content: string,
  repository = 'app',
): Promise<{ digest: string; size: number }> {
  const digest = digestOf(content);
  const response = await call(registry, 'POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
    body: content,
  });
  expect(response.status).toBe(201);
  return { digest, size: Buffer.byteLength(content) };
}

async function manifestOf(registry: RegistryServer, content: string, repository = 'app'): Promise<string> {
  const config = await upload(
    registry,
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
    repository,
  );
  const layer = await upload(registry, content, repository);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers: [{ mediaType: MEDIA_TYPES.ociLayerGzip, ...layer }],
  });
}

const putManifest = (registry: RegistryServer, reference: string, body: string) =>
  call(registry, 'PUT', `/v2/app/manifests/${reference}`, {
    body,
    headers: { 'content-type': MEDIA_TYPES.ociManifest },
  });

test('without credentials, with wrong ones and without permission the answers differ', async () => {
  const registry = await startRegistry();
  const anonymous = await call(registry, 'GET', '/v2/', { token: '' });
  expect(anonymous.headers.get('www-authenticate')).toMatch(
    /^Basic realm="http:\/\/127\.0\.0\.1:\d+\/",service="ecr.amazonaws.com"$/,
  );
  expect(await errorCode(anonymous)).toEqual([401, 'UNAUTHORIZED']);
  expect(await errorCode(await call(registry, 'GET', '/v2/', { token: 'wrong' }))).toEqual([
    401,
    'UNAUTHORIZED',
  ]);
  expect((await call(registry, 'GET', '/v2/', { token: 'nobody' })).status).toBe(200);
  expect(await errorCode(await call(registry, 'GET', '/v2/app/tags/list', { token: 'nobody' }))).toEqual([
    403,
    'DENIED',
  ]);
  expect(
    await errorCode(
      await call(registry, 'POST', '/v2/app/blobs/uploads/', { token: 'reader', body: 'x'.repeat(1e6) }),
    ),
  ).toEqual([403, 'DENIED']);
  expect((await call(registry, 'GET', '/v2/app/tags/list', { token: 'reader' })).status).toBe(200);
});

test('an image that was pushed can be read by tag and digest', async () => {
  const registry = await startRegistry();
  const body = await manifestOf(registry, 'layer content');
  const pushed = await putManifest(registry, 'v1', body);
  expect(pushed.status).toBe(201);
  const digest = pushed.headers.get('docker-content-digest')!;
  expect(digest).toBe(digestOf(body));
  for (const reference of ['v1', digest]) {
    const read = await call(registry, 'GET', `/v2/app/manifests/${reference}`);
    expect(read.headers.get('content-type')).toBe(MEDIA_TYPES.ociManifest);
    expect(await read.text()).toBe(body);
    const head = await call(registry, 'HEAD', `/v2/app/manifests/${reference}`);
    expect([
      head.status,
      head.headers.get('docker-content-digest'),
      head.headers.get('content-length'),
    ]).toEqual([200, digest, String(body.length)]);
  }
  const layer = digestOf('layer content');
  expect(await (await call(registry, 'GET', `/v2/app/blobs/${layer}`)).text()).toBe('layer content');
  const part = await call(registry, 'GET', `/v2/app/blobs/${layer}`, { headers: { range: 'bytes=6-' } });
  expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
    206,
    'bytes 6-12/13',
    'content',
  ]);
  expect(
    await errorCode(
      await call(registry, 'GET', `/v2/app/blobs/${layer}`, { headers: { range: 'bytes=13-' } }),
    ),
  ).toEqual([416, 'BLOB_UNKNOWN']);
});

test('a blob may come in chunks, and the digest is checked at the end', async () => {
  const registry = await startRegistry();
  const start = await call(registry, 'POST', '/v2/app/blobs/uploads/');
  expect(start.status).toBe(202);
  const location = start.headers.get('location')!;
  const patch = (from: number, body: string) =>
    call(registry, 'PATCH', location, {
      body,
      headers: { 'content-range': `${from}-${from + body.length - 1}` },
    });
  expect((await patch(0, 'hello ')).headers.get('range')).toBe('0-5');
  expect(await errorCode(await patch(3, 'wrong place'))).toEqual([416, 'BLOB_UPLOAD_INVALID']);
  expect((await call(registry, 'GET', location)).headers.get('range')).toBe('0-5');
  await patch(6, 'wor');
  const done = await call(registry, 'PUT', `${location}?digest=${digestOf('hello world')}`, { body: 'ld' });
  expect([done.status, done.headers.get('docker-content-digest')]).toEqual([201, digestOf('hello world')]);
  expect(await errorCode(await call(registry, 'GET', location))).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);

  const other = (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers.get('location')!;
  expect(
    await errorCode(await call(registry, 'PUT', `${other}?digest=${digestOf('a')}`, { body: 'b' })),
  ).toEqual([400, 'DIGEST_INVALID']);
  expect(registry.partials()).toEqual([]);
});

/** Announces a blob of a megabyte, sends some of it, waits until the registry has it, and vanishes. */
async function abandon(registry: RegistryServer, method: string, path: string): Promise<void> {
  const authorization = `Basic ${Buffer.from('AWS:good').toString('base64')}`;
  const client = request(new URL(path, registry.url), {
    method,
    headers: { authorization, 'content-length': 1_000_000, expect: '100-continue' },
  });
  client.on('error', () => undefined);
  client.flushHeaders();
  await once(client, 'continue');
  await new Promise<void>((resolve) => client.write('x'.repeat(100_000), () => resolve()));
  await new Promise<void>((resolve) => {
    client.on('close', resolve);
    client.destroy();
  });
}

test('a client that vanishes in the middle of a blob leaves nothing and breaks nothing', async () => {
  const registry = await startRegistry();
  await abandon(registry, 'POST', `/v2/app/blobs/uploads/?digest=${digestOf('x'.repeat(1_000_000))}`);
  await registry.idle();
  expect(registry.partials()).toEqual([]);
  expect((await call(registry, 'HEAD', `/v2/app/blobs/${digestOf('x'.repeat(1_000_000))}`)).status).toBe(404);
  await upload(registry, 'x'.repeat(1_000_000));
  expect(registry.crashes).toEqual([]);
});

test('a chunked upload that broke off can be resumed where it stopped', async () => {
  const registry = await startRegistry();
  const location = (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers.get('location')!;
  await abandon(registry, 'PATCH', location);
  await registry.idle();
  const [, end] = (await call(registry, 'GET', location)).headers.get('range')!.split('-').map(Number);
  const rest = 'x'.repeat(200_000 - (end! + 1));
  const done = await call(registry, 'PUT', `${location}?digest=${digestOf('x'.repeat(200_000))}`, {
    body: end === 0 ? 'x'.repeat(200_000) : rest,
  });
  expect(done.status).toBe(201);
  expect(registry.crashes).toEqual([]);
});

test('a reader that vanishes in the middle of a blob breaks nothing', async () => {
  const registry = await startRegistry();
  const content = 'y'.repeat(20_000_000);
  const { digest } = await upload(registry, content);
  const aborter = new AbortController();
  const authorization = `Basic ${Buffer.from('AWS:good').toString('base64')}`;
  const response = await fetch(new URL(`/v2/app/blobs/${digest}`, registry.url), {
    headers: { authorization },
    signal: aborter.signal,
  });
  await response.body!.getReader().read();
  aborter.abort();
  await registry.idle();
  expect(registry.crashes).toEqual([]);
  expect((await (await call(registry, 'GET', `/v2/app/blobs/${digest}`)).text()).length).toBe(content.length);
});

test('an immutable tag is refused as ECR refuses it; the same image again is accepted', async () => {
  const registry = await startRegistry();
  const first = await manifestOf(registry, 'one');
  const second = await manifestOf(registry, 'two');
  await putManifest(registry, 'v1', first);
  expect((await putManifest(registry, 'v1', first)).status).toBe(201);
  const refused = await putManifest(registry, 'v1', second);
  expect(await refused.clone().text()).toContain(
    "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the repository is immutable.",
  );
  expect(await errorCode(refused)).toEqual([400, 'TAG_INVALID']);
  await putManifest(registry, 'latest', first);
  expect((await putManifest(registry, 'latest', second)).status).toBe(201);
});

test('a blob can be mounted from a repository that the client may read, and is uploaded otherwise', async () => {
  const registry = await startRegistry();
  const { digest } = await upload(registry, 'shared');
  expect((await call(registry, 'HEAD', `/v2/other/blobs/${digest}`)).status).toBe(404);
  const mounted = await call(registry, 'POST', `/v2/other/blobs/uploads/?mount=${digest}&from=app`);
  expect([mounted.status, mounted.headers.get('docker-content-digest')]).toEqual([201, digest]);
  expect((await call(registry, 'HEAD', `/v2/other/blobs/${digest}`)).status).toBe(200);
  expect(
    (await call(registry, 'POST', `/v2/other/blobs/uploads/?mount=${digestOf('nowhere')}&from=app`)).status,
  ).toBe(202);
});

test('tags are listed in order and in pages', async () => {
  const registry = await startRegistry();
  const body = await manifestOf(registry, 'x');
  for (const tag of ['b', 'a', 'c']) await putManifest(registry, tag, body);
  expect(await (await call(registry, 'GET', '/v2/app/tags/list')).json()).toEqual({
    name: 'app',
    tags: ['a', 'b', 'c'],
  });
  const page = await call(registry, 'GET', '/v2/app/tags/list?n=2');
  expect(await page.json()).toEqual({ name: 'app', tags: ['a', 'b'] });
  const [, next] = /<(.+)>; rel="next"/.exec(page.headers.get('link')!)!;
  expect(await (await call(registry, 'GET', next!)).json()).toEqual({ name: 'app', tags: ['c'] });
});

test.each([
  ['GET', '/v2/missing/tags/list', 404, 'NAME_UNKNOWN'],
  ['POST', '/v2/missing/blobs/uploads/', 404, 'NAME_UNKNOWN'],
  ['GET', '/v2/UPPER/tags/list', 400, 'NAME_INVALID'],
  ['GET', '/v2/app/manifests/none', 404, 'MANIFEST_UNKNOWN'],
  ['GET', `/v2/app/blobs/${digestOf('none')}`, 404, 'BLOB_UNKNOWN'],
  ['GET', '/v2/app/blobs/sha256:short', 400, 'DIGEST_INVALID'],
  ['GET', '/v2/app/blobs/%zz', 400, 'NAME_INVALID'],
  ['DELETE', '/v2/app/manifests/v1', 405, 'UNSUPPORTED'],
  ['GET', '/v2/_catalog', 404, 'UNSUPPORTED'],
  ['PATCH', '/v2/app/blobs/uploads/nothing', 404, 'BLOB_UPLOAD_UNKNOWN'],
])('%s %s answers %i %s', async (method, path, status, code) => {
  expect(await errorCode(await call(await startRegistry(), method, path))).toEqual([status, code]);
});

test('a manifest that names what was not pushed, or is no manifest, is refused', async () => {
  const registry = await startRegistry();
  const elsewhere = await manifestOf(registry, 'only in other', 'other');
  expect(await errorCode(await putManifest(registry, 'a', elsewhere))).toEqual([
    404,
    'MANIFEST_BLOB_UNKNOWN',
  ]);
  expect(await errorCode(await putManifest(registry, 'a', '{'))).toEqual([400, 'MANIFEST_INVALID']);
  expect(await errorCode(await putManifest(registry, 'a', 'x'.repeat(5_000_000)))).toEqual([
    413,
    'SIZE_INVALID',
  ]);
  expect(
    await errorCode(await putManifest(registry, digestOf('other'), await manifestOf(registry, 'x'))),
  ).toEqual([400, 'DIGEST_INVALID']);
});
