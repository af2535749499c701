import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';

const MEBIBYTE = 1024 * 1024;

async function bucket() {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'files' });
  const begin = async (Key: string) => {
    const { UploadId } = await s3.createMultipartUpload({ Bucket: 'files', Key });
    const upload = { Bucket: 'files', Key, UploadId: UploadId! };
    const part = async (PartNumber: number, Body: Uint8Array) => ({
      PartNumber,
      ETag: (await s3.uploadPart({ ...upload, PartNumber, Body })).ETag!,
    });
    return { upload, part };
  };
  return { s3, begin };
}

test('parts that are sent at the same time become one object, in their order, and any range of it is read', async () => {
  const { s3, begin } = await bucket();
  const { upload, part } = await begin('large');
  const contents = [1, 2, 3].map((value) => Buffer.alloc(6 * MEBIBYTE, value));
  const Parts = await Promise.all(contents.map((content, index) => part(index + 1, content)));
  await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } });
  const read = async (Range?: string) => {
    const { Body } = await s3.getObject({ Bucket: 'files', Key: 'large', Range });
    return Buffer.from(await Body!.transformToByteArray());
  };
  expect((await read()).equals(Buffer.concat(contents))).toBe(true);
  expect([...(await read(`bytes=${6 * MEBIBYTE - 1}-${6 * MEBIBYTE}`))]).toEqual([1, 2]);
  expect([...(await read('bytes=-1'))]).toEqual([3]);
});

test.each([
  ['a part twice', [1, 1]],
  ['parts in another order', [2, 1]],
])('%s is refused, and the upload goes on', async (_what, order) => {
  const { s3, begin } = await bucket();
  const { upload, part } = await begin('x');
  const parts = [await part(1, Buffer.from('a')), await part(2, Buffer.from('b'))];
  const Parts = order.map((number) => parts[number - 1]!);
  await expect(s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } })).rejects.toMatchObject({
    name: 'InvalidPartOrder',
  });
  await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: parts } });
  const { Body } = await s3.getObject({ Bucket: 'files', Key: 'x' });
  expect(await Body!.transformToString()).toBe('ab');
});

test('an object is read and written under conditions, by its owner only, and keeps its headers', async () => {
  const { s3 } = await bucket();
  const at = { Bucket: 'files', Key: 'x' };
  const headers = { CacheControl: 'no-cache', ContentDisposition: 'attachment', ContentLanguage: 'en' };
  const { ETag } = await s3.putObject({ ...at, Body: 'a', IfNoneMatch: '*', ...headers });
  const refused = async (call: Promise<unknown>, name: string, httpStatusCode: number) =>
    expect(call).rejects.toMatchObject({ name, $metadata: { httpStatusCode } });
  await refused(s3.putObject({ ...at, Body: 'b', IfNoneMatch: '*' }), 'PreconditionFailed', 412);
  await refused(s3.putObject({ ...at, Body: 'b', IfMatch: '"other"' }), 'PreconditionFailed', 412);
  await refused(s3.getObject({ ...at, IfMatch: '"other"' }), 'PreconditionFailed', 412);
  await refused(s3.getObject({ ...at, ExpectedBucketOwner: '111111111111' }), 'AccessDenied', 403);
  await expect(s3.getObject({ ...at, IfNoneMatch: ETag! })).rejects.toMatchObject({
    $metadata: { httpStatusCode: 304 },
  });
  expect(await s3.headObject({ ...at, IfMatch: ETag! })).toMatchObject(headers);
  const { UploadId } = await s3.createMultipartUpload({ ...at, Metadata: { made: 'in parts' }, ...headers });
  const elsewhere = { Bucket: 'files', Key: 'y', UploadId: UploadId! };
  await refused(s3.uploadPart({ ...elsewhere, PartNumber: 1, Body: 'a' }), 'NoSuchUpload', 404);
  const upload = { ...at, UploadId: UploadId! };
  const part = await s3.uploadPart({ ...upload, PartNumber: 1, Body: 'a' });
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: part.ETag! }] };
  await refused(
    s3.completeMultipartUpload({ ...upload, MultipartUpload, IfNoneMatch: '*' }),
    'PreconditionFailed',
    412,
  );
  await s3.completeMultipartUpload({ ...upload, MultipartUpload });
  expect(await s3.headObject(at)).toMatchObject({ Metadata: { made: 'in parts' }, ...headers });
});

test('buckets are listed by prefix, page by page, and made in the region of the engine only', async () => {
  const { s3 } = await bucket();
  for (const Bucket of ['app-one', 'app-two']) await s3.createBucket({ Bucket });
  const list = async (more: object) => {
    const { Buckets, ContinuationToken } = await s3.listBuckets({ Prefix: 'app-', MaxBuckets: 1, ...more });
    return { names: Buckets?.map(({ Name }) => Name), ContinuationToken };
  };
  const first = await list({});
  expect(first.names).toEqual(['app-one']);
  expect(await list({ ContinuationToken: first.ContinuationToken })).toEqual({ names: ['app-two'] });
  await expect(
    s3.createBucket({ Bucket: 'far', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
  ).rejects.toMatchObject({ name: 'IllegalLocationConstraintException' });
});

test('an object that is read while it is replaced is one or the other', async () => {
  const { s3 } = await bucket();
  const put = (value: number) =>
    s3.putObject({ Bucket: 'files', Key: 'x', Body: Buffer.alloc(MEBIBYTE, value) });
  await put(1);
  const both = await Promise.all([
    ...Array.from({ length: 5 }, async () => {
      const { Body } = await s3.getObject({ Bucket: 'files', Key: 'x' });
      return [...new Set(await Body!.transformToByteArray())].length;
    }),
    put(2).then(() => 1),
  ]);
  expect(both).toEqual([1, 1, 1, 1, 1, 1]);
});

test('an object that is larger than one request may bring is refused, with what to do', async () => {
  const { s3 } = await bucket();
  const Body = Buffer.alloc(64 * MEBIBYTE + 1);
  await expect(s3.putObject({ Bucket: 'files', Key: 'x', Body })).rejects.toThrow(
    /no such request body of more than 67108864 bytes: send a larger object in parts/,
  );
});

test('a list of no keys says that there are no more, and one of fewer than none is refused', async () => {
  const { s3 } = await bucket();
  await s3.putObject({ Bucket: 'files', Key: 'a', Body: 'a' });
  const list = (MaxKeys: number) => s3.listObjectsV2({ Bucket: 'files', MaxKeys });
  expect(await list(0)).toMatchObject({ KeyCount: 0, IsTruncated: false });
  expect(await list(1)).toMatchObject({ KeyCount: 1, IsTruncated: false });
  await expect(list(-1)).rejects.toMatchObject({ name: 'InvalidArgument' });
});
