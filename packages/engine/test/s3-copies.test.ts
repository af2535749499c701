import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';
import { roleClient } from './role-client.ts';

const Bucket = 'files';

async function world() {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket });
  const text = async (Key: string, from = Bucket) =>
    (await s3.getObject({ Bucket: from, Key })).Body!.transformToString();
  const as = async (...statements: object[]) =>
    new S3({ ...(await roleClient(engine, statements)), forcePathStyle: true });
  const may = (Action: string | string[], key: string, Condition = {}) => ({
    ...{ Effect: 'Allow', Action, Resource: `arn:aws:s3:::${Bucket}/${key}`, Condition },
  });
  return { engine, s3, text, as, may };
}

const denied = { name: 'AccessDenied' };

test('a copy has the bytes, the headers and the tags of its source, or others that are given', async () => {
  const { s3, text } = await world();
  await s3.createBucket({ Bucket: 'other' });
  const given = { ContentType: 'text/csv', CacheControl: 'no-store', Metadata: { by: 'us' } };
  const { ETag } = await s3.putObject({
    ...given,
    Bucket,
    Key: 'a b/ü+?.csv',
    Body: 'bytes',
    Tagging: 'k=v',
  });
  const CopySource = `${Bucket}/${encodeURIComponent('a b/ü+?.csv')}`;
  const copied = await s3.copyObject({ Bucket: 'other', Key: 'b', CopySource });
  expect(copied.CopyObjectResult).toMatchObject({ ETag, LastModified: expect.any(Date) as Date });
  expect(await text('b', 'other')).toBe('bytes');
  expect(await s3.headObject({ Bucket: 'other', Key: 'b' })).toMatchObject({ ...given, ETag, TagCount: 1 });
  await s3.copyObject({
    ...{ Bucket: 'other', Key: 'c', CopySource: `/${CopySource}` },
    ...{ MetadataDirective: 'REPLACE', ContentType: 'text/plain', TaggingDirective: 'REPLACE', Tagging: '' },
  });
  const replaced = await s3.headObject({ Bucket: 'other', Key: 'c' });
  expect(replaced).toMatchObject({ ContentType: 'text/plain', Metadata: {} });
  expect(replaced.TagCount).toBeUndefined();
  expect(replaced.CacheControl).toBeUndefined();
});

test('a copy of an object on itself must change something', async () => {
  const { s3 } = await world();
  await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  const onItself = { Bucket, Key: 'a', CopySource: `${Bucket}/a` };
  await expect(s3.copyObject(onItself)).rejects.toMatchObject({ name: 'InvalidRequest' });
  await s3.copyObject({ ...onItself, MetadataDirective: 'REPLACE', Metadata: { new: 'yes' } });
  expect((await s3.headObject({ Bucket, Key: 'a' })).Metadata).toEqual({ new: 'yes' });
});

test('a copy is of the version that is named, else of the newest, and never of a marker', async () => {
  const { s3, text } = await world();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  const { VersionId } = await s3.putObject({ Bucket, Key: 'a', Body: 'old' });
  await s3.putObject({ Bucket, Key: 'a', Body: 'new' });
  const copy = (source: string) => s3.copyObject({ Bucket, Key: 'b', CopySource: `${Bucket}/${source}` });
  await copy('a');
  expect(await text('b')).toBe('new');
  expect(await copy(`a?versionId=${VersionId}`)).toMatchObject({ CopySourceVersionId: VersionId });
  expect(await text('b')).toBe('old');
  const marker = await s3.deleteObject({ Bucket, Key: 'a' });
  await expect(copy('a')).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(copy(`a?versionId=${marker.VersionId}`)).rejects.toMatchObject({ name: 'InvalidRequest' });
  await expect(copy('a?versionId=none')).rejects.toMatchObject({ name: 'NoSuchVersion' });
  expect(await text('b')).toBe('old');
});

test.each([
  ['files', 'InvalidArgument'],
  ['files/%E0%A4%A', 'InvalidArgument'],
  ['none/a', 'NoSuchBucket'],
  ['arn:aws:s3:us-east-1:000000000000:accesspoint/p/object/a', 'NotImplemented'],
])('a source that is nothing is refused: %s', async (CopySource, name) => {
  const { s3 } = await world();
  await expect(s3.copyObject({ Bucket, Key: 'b', CopySource })).rejects.toMatchObject({ name });
});

test('a copy is made only while its source is as the request says', async () => {
  const { s3 } = await world();
  const { ETag } = await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  const at = (await s3.headObject({ Bucket, Key: 'a' })).LastModified!;
  const before = new Date(at.getTime() - 60_000);
  const copy = (conditions: object) =>
    s3.copyObject({ Bucket, Key: 'b', CopySource: `${Bucket}/a`, ...conditions });
  const failed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };
  for (const conditions of [
    { CopySourceIfMatch: ETag },
    { CopySourceIfMatch: ETag, CopySourceIfUnmodifiedSince: before },
    { CopySourceIfNoneMatch: '"other"', CopySourceIfModifiedSince: at },
    { CopySourceIfModifiedSince: before },
    { CopySourceIfUnmodifiedSince: at },
  ]) {
    await copy(conditions);
  }
  for (const conditions of [
    { CopySourceIfMatch: '"other"' },
    { CopySourceIfNoneMatch: ETag },
    { CopySourceIfNoneMatch: ETag, CopySourceIfModifiedSince: before },
    { CopySourceIfModifiedSince: at },
    { CopySourceIfUnmodifiedSince: before },
    { IfNoneMatch: '*' },
  ]) {
    await expect(copy(conditions), JSON.stringify(conditions)).rejects.toMatchObject(failed);
  }
});

test('who copies must be allowed to read the source and to write the copy, each with its tags', async () => {
  const { s3, as, may } = await world();
  await s3.putObject({ Bucket, Key: 'plain', Body: 'a' });
  await s3.putObject({ Bucket, Key: 'tagged', Body: 'a', Tagging: 'team=orders' });
  const copies = await as(
    may('s3:GetObject', 'plain'),
    may('s3:GetObject', 'tagged', { StringEquals: { 's3:ExistingObjectTag/team': 'orders' } }),
    may('s3:PutObject', 'to/*'),
  );
  const copy = (from: string, Key: string, client = copies) =>
    client.copyObject({ Bucket, Key, CopySource: `${Bucket}/${from}` });
  await copy('plain', 'to/1');
  await expect(copy('plain', 'elsewhere')).rejects.toMatchObject(denied);
  await expect(copy('to/1', 'to/2')).rejects.toMatchObject(denied);
  await expect(copy('tagged', 'to/2')).rejects.toMatchObject(denied);
});

test('an upload takes parts of other objects as its own', async () => {
  const { s3, text } = await world();
  await s3.putObject({ Bucket, Key: 'a', Body: '0123456789' });
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'b', Tagging: 'k=v' });
  const upload = { Bucket, Key: 'b', UploadId: UploadId! };
  const part = async (PartNumber: number, CopySourceRange?: string) => ({
    PartNumber,
    ETag: (await s3.uploadPartCopy({ ...upload, PartNumber, CopySource: `${Bucket}/a`, CopySourceRange }))
      .CopyPartResult!.ETag!,
  });
  for (const range of ['bytes=8-10', 'bytes=3-2', '0-1']) {
    await expect(part(1, range), range).rejects.toMatchObject({ name: 'InvalidArgument' });
  }
  const Parts = [await part(1, 'bytes=7-9'), await part(2)];
  await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } });
  expect(await text('b')).toBe('7890123456789');
  expect((await s3.headObject({ Bucket, Key: 'b' })).TagCount).toBe(1);
});

test('many objects are deleted as far as each may be; what may not be is named', async () => {
  const { s3, as, may } = await world();
  for (const Key of ['mine/a', 'mine/b', 'theirs']) await s3.putObject({ Bucket, Key, Body: Key });
  const Objects = [{ Key: 'mine/a' }, { Key: 'theirs' }, { Key: 'mine/b' }, { Key: 'mine/none' }];
  const { Deleted, Errors } = await (await as(may('s3:DeleteObject', 'mine/*'))).deleteObjects({
    Bucket,
    Delete: { Objects },
  });
  expect(Deleted!.map(({ Key }) => Key)).toEqual(['mine/a', 'mine/b', 'mine/none']);
  expect(Errors).toEqual([{ Key: 'theirs', Code: 'AccessDenied', Message: 'Access Denied' }]);
  expect((await s3.listObjectsV2({ Bucket })).Contents!.map(({ Key }) => Key)).toEqual(['theirs']);
});
