import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../clock/virtual-clock.ts';
import { ByteIds } from '../../ids.ts';
import { temporaryDirectory } from '../test/temporary-directory.ts';
import { digestOf, hostArchitecture, MEDIA_TYPES } from './image-format.ts';
import { ImageStore } from './image-store.ts';

function openStore(directory: string, clock = new VirtualClock()) {
  return new ImageStore({ directory, clock, ids: new ByteIds() });
}

/** Pushes an image with one layer and returns its digest. */
async function push(
  store: ImageStore,
  repository: string,
  reference: string,
  content = 'layer',
  options = {},
): Promise<string> {
  const layer = await store.putBlob(repository, [Buffer.from(content)]);
  const config = await store.putBlob(repository, [
    Buffer.from(
      JSON.stringify({
        architecture: hostArchitecture(),
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [digestOf(content)] },
      }),
    ),
  ]);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers: [{ mediaType: MEDIA_TYPES.ociLayerGzip, ...layer }],
  });
  return store.putManifest(repository, reference, MEDIA_TYPES.ociManifest, Buffer.from(manifest), options)
    .digest;
}

test('an image is found by tag and digest, with size, tags and push time', async () => {
  const clock = new VirtualClock();
  const store = openStore(temporaryDirectory(), clock);
  const digest = await push(store, 'team/app', 'v1');
  await clock.advanceBy(5000);
  await push(store, 'team/app', 'latest');
  const image = store.describe('team/app', 'v1')!;
  expect(image).toMatchObject({
    repository: 'team/app',
    digest,
    tags: ['latest', 'v1'],
    pushedAtMs: clock.nowMs() - 5000,
  });
  expect(image.sizeBytes).toBeGreaterThan('layer'.length);
  expect(store.resolve('team/app', digest)).toBe(digest);
  expect(store.resolve('team/app', 'v2')).toBeUndefined();
  expect(store.resolve('other', 'v1')).toBeUndefined();
  expect(store.load('team/app', 'latest')).toMatchObject({ digest, layers: [{ digest: digestOf('layer') }] });
});

test('moving a tag leaves the old image untagged', async () => {
  const store = openStore(temporaryDirectory());
  const first = await push(store, 'app', 'latest', 'one');
  const second = await push(store, 'app', 'latest', 'two');
  expect(store.listImages('app').map(({ digest, tags }) => [digest, tags])).toEqual(
    expect.arrayContaining([
      [first, []],
      [second, ['latest']],
    ]),
  );
  expect(store.listTags('app')).toEqual(['latest']);
});

test('an immutable tag cannot be moved, but pushing the same image again is no change', async () => {
  const store = openStore(temporaryDirectory());
  const digest = await push(store, 'app', 'v1', 'one', { immutableTags: true });
  expect(await push(store, 'app', 'v1', 'one', { immutableTags: true })).toBe(digest);
  await expect(push(store, 'app', 'v1', 'two', { immutableTags: true })).rejects.toMatchObject({
    code: 'TAG_INVALID',
    message: /'v1' already exists/,
  });
  expect(store.resolve('app', 'v1')).toBe(digest);
});

test('everything is there again after the directory is opened again, and half-written files are not', async () => {
  const directory = temporaryDirectory();
  const digest = await push(openStore(directory), 'team/app', 'v1');
  writeFileSync(join(directory, 'partial', 'half'), 'x');
  writeFileSync(join(directory, 'blobs', 'sha256', 'f'.repeat(64)), 'adopted, but never linked');
  writeFileSync(join(directory, 'repositories', 'team%2Fapp.json.123.new'), '{"half');
  const again = openStore(directory);
  expect(again.describe('team/app', 'v1')).toMatchObject({ digest });
  expect(again.load('team/app', digest)?.digest).toBe(digest);
  expect(readdirSync(join(directory, 'partial'))).toEqual([]);
  expect(readdirSync(join(directory, 'repositories'))).toEqual(['team%2Fapp.json']);
  expect(readdirSync(join(directory, 'blobs', 'sha256'))).toHaveLength(3);
});

test('deleting an image removes its tags and the blobs that nothing else uses', async () => {
  const directory = temporaryDirectory();
  const store = openStore(directory);
  const blobs = () => readdirSync(join(directory, 'blobs', 'sha256')).length;
  const kept = await push(store, 'one', 'v1', 'shared');
  await push(store, 'two', 'v1', 'shared');
  const other = await push(store, 'one', 'v2', 'only here');
  expect(blobs()).toBe(6);
  expect(store.deleteImage('one', other)).toBe(true);
  expect(blobs()).toBe(3);
  expect(store.deleteImage('one', kept)).toBe(true);
  expect(store.load('two', 'v1')).toBeDefined();
  store.deleteRepository('two');
  expect(blobs()).toBe(0);
  expect(store.deleteImage('one', kept)).toBe(false);
});

test('taking off a tag keeps the image', async () => {
  const store = openStore(temporaryDirectory());
  const digest = await push(store, 'app', 'v1');
  expect(store.removeTag('app', 'v1')).toBe(true);
  expect(store.removeTag('app', 'v1')).toBe(false);
  expect(store.describe('app', digest)).toMatchObject({ tags: [] });
});

test('a repository serves only its own blobs', async () => {
  const store = openStore(temporaryDirectory());
  await push(store, 'one', 'v1', 'secret');
  expect(store.hasBlob('one', digestOf('secret'))).toBe(true);
  expect(store.hasBlob('two', digestOf('secret'))).toBe(false);
  store.linkBlob('two', digestOf('secret'));
  expect(store.hasBlob('two', digestOf('secret'))).toBe(true);
});

test('a list is followed to the image for this machine', async () => {
  const store = openStore(temporaryDirectory());
  const digest = await push(store, 'app', 'single');
  const list = (architecture: string) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociIndex,
        manifests: [
          { mediaType: MEDIA_TYPES.ociManifest, digest, size: 1, platform: { os: 'linux', architecture } },
        ],
      }),
    );
  store.putManifest('app', 'multi', MEDIA_TYPES.ociIndex, list(hostArchitecture()));
  expect(store.load('app', 'multi')?.digest).toBe(digest);
  store.putManifest('app', 'foreign', MEDIA_TYPES.ociIndex, list('s390x'));
  expect(() => store.load('app', 'foreign')).toThrow(/no image for linux/);
});

test.each([
  ['not JSON', 'nope', /not JSON/],
  ['an old schema', '{"schemaVersion":1}', /schema version 2/],
  ['no config', '{"schemaVersion":2,"layers":[]}', /config needs/],
  [
    'a blob that was not pushed',
    `{"schemaVersion":2,"config":{"mediaType":"x","digest":"${digestOf('x')}","size":1},"layers":[]}`,
    /was not pushed/,
  ],
])('a manifest with %s is refused', (_, content, message) => {
  const store = openStore(temporaryDirectory());
  expect(() => store.putManifest('app', 'v1', MEDIA_TYPES.ociManifest, Buffer.from(content))).toThrow(
    message,
  );
  expect(store.listImages('app')).toEqual([]);
});

test('names, tags and digests are checked', async () => {
  const store = openStore(temporaryDirectory());
  await expect(push(store, 'UPPER', 'v1')).rejects.toMatchObject({ code: 'NAME_INVALID' });
  await expect(push(store, 'app', 'no/slash')).rejects.toMatchObject({ code: 'TAG_INVALID' });
  await expect(push(store, 'app', digestOf('another'))).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
  expect(await push(store, 'app', '__proto__')).toBe(store.resolve('app', '__proto__'));
});
