import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';
import { policy, roleClient } from './role-client.ts';

const Bucket = 'files';

async function bucket(versioning?: 'Enabled') {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket });
  const version = (Status: 'Enabled' | 'Suspended') =>
    s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status } });
  if (versioning) await version(versioning);
  const put = async (Key: string, Body = Key) => (await s3.putObject({ Bucket, Key, Body })).VersionId;
  const read = async (Key: string, VersionId?: string) =>
    (await s3.getObject({ Bucket, Key, VersionId })).Body!.transformToString();
  /** Files that hold bytes. */
  const blobs = () => readdirSync(join(engine.directory, 's3')).length;
  return { engine, s3, version, put, read, blobs };
}

/** All pages of a listing, each as keys and folders. */
async function pages(s3: S3, more: object) {
  const seen: string[][] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.listObjectsV2({ Bucket, ContinuationToken, ...more });
    const keys = (page.Contents ?? []).map(({ Key }) => Key!);
    const folders = (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!);
    expect(page.KeyCount).toBe(keys.length + folders.length);
    seen.push([...keys, ...folders].sort());
    ContinuationToken = page.NextContinuationToken;
    expect(page.IsTruncated).toBe(ContinuationToken !== undefined);
  } while (ContinuationToken !== undefined);
  return seen;
}

test('a listing goes page by page in the order of keys; each folder is one entry on one page', async () => {
  const { s3, put } = await bucket();
  for (const key of ['a', 'b/1', 'b/2', 'b/3', 'c', 'd/1', 'd/x/1', 'e']) await put(key);
  expect(await pages(s3, { MaxKeys: 3 })).toEqual([
    ['a', 'b/1', 'b/2'],
    ['b/3', 'c', 'd/1'],
    ['d/x/1', 'e'],
  ]);
  expect(await pages(s3, { MaxKeys: 2, Delimiter: '/' })).toEqual([['a', 'b/'], ['c', 'd/'], ['e']]);
  expect(await pages(s3, { MaxKeys: 1, Delimiter: '/', Prefix: 'd/' })).toEqual([['d/1'], ['d/x/']]);
  expect(await pages(s3, { Delimiter: '/', StartAfter: 'b/2' })).toEqual([['b/', 'c', 'd/', 'e']]);
  expect(await pages(s3, { Prefix: 'nothing' })).toEqual([[]]);
  await expect(s3.listObjectsV2({ Bucket: 'none' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
});

test('a part of an object is answered as a part, and one beyond its end is refused', async () => {
  const { s3, put } = await bucket();
  await put('x', '0123456789');
  const range = async (Range: string) => {
    const { Body, ContentRange, $metadata } = await s3.getObject({ Bucket, Key: 'x', Range });
    return [await Body!.transformToString(), ContentRange, $metadata.httpStatusCode];
  };
  expect(await range('bytes=2-4')).toEqual(['234', 'bytes 2-4/10', 206]);
  expect(await range('bytes=7-')).toEqual(['789', 'bytes 7-9/10', 206]);
  expect(await range('bytes=-2')).toEqual(['89', 'bytes 8-9/10', 206]);
  expect(await range('bytes=8-99')).toEqual(['89', 'bytes 8-9/10', 206]);
  await expect(range('bytes=10-')).rejects.toMatchObject({ name: 'InvalidRange' });
});

test('versions are read and deleted one by one, and a marker that is deleted brings the object back', async () => {
  const { s3, put, read } = await bucket('Enabled');
  const [first, second] = [await put('x', 'one'), await put('x', 'two')];
  const { DeleteMarker, VersionId: marker } = await s3.deleteObject({ Bucket, Key: 'x' });
  expect(DeleteMarker).toBe(true);
  await expect(read('x')).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(read('x', 'none')).rejects.toMatchObject({ name: 'NoSuchVersion' });
  const listed = await s3.listObjectVersions({ Bucket });
  expect(listed.Versions!.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
    [second, false],
    [first, false],
  ]);
  expect(listed.DeleteMarkers).toMatchObject([{ VersionId: marker, IsLatest: true }]);
  await s3.deleteObject({ Bucket, Key: 'x', VersionId: marker! });
  expect(await read('x')).toBe('two');
  await s3.deleteObject({ Bucket, Key: 'x', VersionId: second! });
  expect(await read('x')).toBe('one');
});

test('while versioning is suspended, what is written and deleted replaces no version that was kept', async () => {
  const { s3, version, put, read } = await bucket();
  await put('x', 'before');
  await version('Enabled');
  const kept = await put('x', 'kept');
  await version('Suspended');
  await put('x', 'after');
  await put('x', 'later');
  expect(await read('x')).toBe('later');
  expect(await read('x', 'null')).toBe('later');
  expect(await read('x', kept)).toBe('kept');
  expect((await s3.listObjectVersions({ Bucket })).Versions).toHaveLength(2);
  expect(await s3.deleteObject({ Bucket, Key: 'x' })).toMatchObject({
    DeleteMarker: true,
    VersionId: 'null',
  });
  await expect(read('x')).rejects.toMatchObject({ name: 'NoSuchKey' });
  expect(await read('x', kept)).toBe('kept');
  expect((await s3.listObjectVersions({ Bucket })).Versions).toHaveLength(1);
});

test('many objects are deleted by one call, which names the markers that it makes', async () => {
  const { s3, version, put, read, blobs } = await bucket();
  for (const key of ['a', 'b', 'c']) await put(key);
  const Objects = [{ Key: 'a' }, { Key: 'b' }, { Key: 'none' }];
  expect((await s3.deleteObjects({ Bucket, Delete: { Objects } })).Deleted).toEqual(Objects);
  expect(blobs()).toBe(1);
  await version('Enabled');
  const { Deleted } = await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: 'c' }] } });
  expect(Deleted).toMatchObject([
    { Key: 'c', DeleteMarker: true, DeleteMarkerVersionId: expect.any(String) as string },
  ]);
  expect(await read('c', 'null')).toBe('c');
  const quiet = await s3.deleteObjects({
    Bucket,
    Delete: { Quiet: true, Objects: [{ Key: 'c', VersionId: 'null' }] },
  });
  expect(quiet.Deleted ?? []).toEqual([]);
  expect(blobs()).toBe(0);
});

test('an upload in parts keeps no bytes but those of its object', async () => {
  const { s3, read, blobs } = await bucket();
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'x' });
  const upload = { Bucket, Key: 'x', UploadId: UploadId! };
  const part = async (PartNumber: number, Body: string) => ({
    PartNumber,
    ETag: (await s3.uploadPart({ ...upload, PartNumber, Body })).ETag!,
  });
  await part(1, 'again');
  const first = await part(1, 'one');
  await part(2, 'left out');
  const third = await part(3, 'three');
  expect(blobs()).toBe(3);
  await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: [first, third] } });
  expect(await read('x')).toBe('onethree');
  expect(blobs()).toBe(1);
  await expect(part(4, 'late')).rejects.toMatchObject({ name: 'NoSuchUpload' });
  const other = await s3.createMultipartUpload({ Bucket, Key: 'y' });
  const begun = { Bucket, Key: 'y', UploadId: other.UploadId! };
  await s3.uploadPart({ ...begun, PartNumber: 1, Body: 'a' });
  await s3.abortMultipartUpload(begun);
  await expect(s3.abortMultipartUpload(begun)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  expect(blobs()).toBe(1);
});

test('who may read and delete objects may not do so with their versions', async () => {
  const { engine, s3, put } = await bucket('Enabled');
  const old = await put('x', 'old');
  await put('x', 'new');
  const iam = new IAM(engine.client);
  const reader = new S3({
    ...(await roleClient(engine, [{ Effect: 'Deny', Action: 's3:None', Resource: '*' }])),
    forcePathStyle: true,
  });
  const allow = (...Action: string[]) =>
    iam.putRolePolicy({
      RoleName: 'worker',
      PolicyName: 'own',
      PolicyDocument: policy([{ Effect: 'Allow', Action, Resource: `arn:aws:s3:::${Bucket}/*` }]),
    });
  const at = { Bucket, Key: 'x', VersionId: old! };
  const denied = (call: Promise<unknown>) => expect(call).rejects.toMatchObject({ name: 'AccessDenied' });
  await allow('s3:GetObject', 's3:DeleteObject');
  expect(await (await reader.getObject({ Bucket, Key: 'x' })).Body!.transformToString()).toBe('new');
  await denied(reader.getObject(at));
  await denied(reader.deleteObject(at));
  const Objects = [{ Key: 'x', VersionId: old! }];
  expect((await reader.deleteObjects({ Bucket, Delete: { Objects } })).Errors).toMatchObject(Objects);
  await allow('s3:GetObjectVersion', 's3:DeleteObjectVersion');
  await denied(reader.getObject({ Bucket, Key: 'x' }));
  expect(await (await reader.getObject(at)).Body!.transformToString()).toBe('old');
  await reader.deleteObject(at);
  expect((await s3.listObjectVersions({ Bucket })).Versions).toHaveLength(1);
});

test('tags of a bucket are kept until they are taken away', async () => {
  const { s3 } = await bucket();
  await expect(s3.getBucketTagging({ Bucket })).rejects.toMatchObject({ name: 'NoSuchTagSet' });
  const Tagging = { TagSet: [{ Key: 'team', Value: 'orders' }] };
  await s3.putBucketTagging({ Bucket, Tagging });
  expect((await s3.getBucketTagging({ Bucket })).TagSet).toEqual(Tagging.TagSet);
  await s3.deleteBucketTagging({ Bucket });
  await expect(s3.getBucketTagging({ Bucket })).rejects.toMatchObject({ name: 'NoSuchTagSet' });
});
