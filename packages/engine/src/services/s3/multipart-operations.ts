import { createHash } from 'node:crypto';
import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import {
  defaultEncryption,
  encryptionConditions,
  requestedEncryption,
  shownEncryption,
} from './encryption.ts';
import type { BucketNotifications } from './notifications.ts';
import { describedBy, shownVersion } from './object-headers.ts';
import { uploadConditions, writing } from './object-operations.ts';
import { md5 } from './object-store.ts';
import { tagsInHeader } from './object-tags.ts';
import { encryptionOf, isVersioned, noSuchUpload, onObject, type S3Store } from './store.ts';

/** S3's own limit is 5 TiB. An object is in memory while it is read. */
const OBJECT_BYTES_MAX = 512 * 1024 * 1024;

/** Objects that are uploaded in parts. */
export function multipartOperations(engine: Engine, store: S3Store, notifications: BucketNotifications) {
  /** The parts of an upload carry what the upload was begun with. */
  const partConditions = ({ UploadId }: { UploadId?: string | undefined }) => {
    const encryption = store.uploads.get(UploadId ?? '')?.encryption;
    return encryptionConditions({
      ServerSideEncryption: encryption?.algorithm,
      SSEKMSKeyId: encryption?.keyId,
    });
  };

  return {
    CreateMultipartUpload: {
      actions: writing,
      resources: onObject,
      conditions: uploadConditions,
      journaled: false,
      run: (input) => {
        const bucket = store.bucket(input);
        const encryption = requestedEncryption(input);
        const UploadId = engine.ids.hex(32);
        store.uploads.put(UploadId, {
          bucket: bucket.name,
          key: input.Key ?? '',
          described: describedBy(input),
          encryption,
          tags: tagsInHeader(input.Tagging),
          parts: {},
        });
        return {
          Bucket: bucket.name,
          Key: input.Key,
          UploadId,
          ...shownEncryption(encryptionOf(bucket, input)),
        };
      },
    },
    UploadPart: {
      actions: () => ['s3:PutObject'],
      resources: onObject,
      conditions: partConditions,
      journaled: false,
      run: async (input) => {
        store.upload(input);
        const body = input.Body instanceof Uint8Array ? input.Body : Buffer.from(String(input.Body ?? ''));
        return { ETag: await keepPart(store, input, body) };
      },
    },
    CompleteMultipartUpload: {
      actions: () => ['s3:PutObject'],
      resources: onObject,
      conditions: partConditions,
      journaled: false,
      run: (input, call) => completeUpload(store, notifications, input, call),
    },
    AbortMultipartUpload: {
      resources: onObject,
      journaled: false,
      run: (input) => {
        for (const { blob } of Object.values(store.upload(input).parts)) store.objects.removeBlob(blob);
        store.uploads.delete(input.UploadId!);
        return {};
      },
    },
  } satisfies OperationTable<'s3'>;
}

/** @returns the part's tag, in quotes */
export async function keepPart(
  store: S3Store,
  { UploadId = '', PartNumber }: Pick<Input<'s3', 'UploadPart'>, 'UploadId' | 'PartNumber'>,
  body: Uint8Array,
): Promise<string> {
  const etag = await md5(body);
  const part = { blob: await store.objects.writeBlob(body), etag, size: body.byteLength };
  // Read now, since other parts may have come meanwhile, or the upload may have ended.
  const upload = store.uploads.get(UploadId);
  if (!upload) {
    store.objects.removeBlob(part.blob);
    throw noSuchUpload();
  }
  store.objects.removeBlob(upload.parts[String(PartNumber)]?.blob);
  store.uploads.put(UploadId, { ...upload, parts: { ...upload.parts, [String(PartNumber)]: part } });
  return `"${etag}"`;
}

async function completeUpload(
  store: S3Store,
  notifications: BucketNotifications,
  input: Input<'s3', 'CompleteMultipartUpload'>,
  call: Call,
) {
  const bucket = store.bucket(input);
  const upload = store.upload(input);
  const numbers = (input.MultipartUpload?.Parts ?? []).map(({ PartNumber }) => PartNumber ?? 0);
  if (numbers.some((number, index) => number <= (numbers[index - 1] ?? 0))) {
    throw new AwsFault('InvalidPartOrder', 'The list of parts was not in ascending order.');
  }
  const listed = (input.MultipartUpload?.Parts ?? []).map(({ PartNumber, ETag }) => {
    const part = upload.parts[String(PartNumber)];
    if (!part || ETag?.replaceAll('"', '') !== part.etag) {
      throw new AwsFault('InvalidPart', `Part ${PartNumber} was not uploaded or its ETag does not match.`);
    }
    return part;
  });
  const encryption = upload.encryption ?? defaultEncryption(bucket.settings.Encryption);
  const size = listed.reduce((sum, part) => sum + part.size, 0);
  if (size > OBJECT_BYTES_MAX) {
    throw new AwsFault(
      'EntityTooLarge',
      `The local engine keeps objects of up to ${OBJECT_BYTES_MAX} bytes.`,
    );
  }
  store.checkWritable(input);
  // Taken away before anything is waited for, so that nobody else completes it or adds to it.
  store.uploads.delete(input.UploadId!);
  for (const part of Object.values(upload.parts)) {
    if (!listed.includes(part)) store.objects.removeBlob(part.blob);
  }
  const digests = Buffer.concat(listed.map(({ etag }) => Buffer.from(etag, 'hex')));
  const blob = await store.objects.joinBlobs(listed.map((part) => part.blob));
  const version = store.objects.put(
    bucket.name,
    upload.key,
    blob,
    {
      size,
      ...upload.described,
      encryption,
      tags: upload.tags,
      etag: `${createHash('md5').update(digests).digest('hex')}-${listed.length}`,
    },
    isVersioned(bucket),
  );
  const name = 'ObjectCreated:CompleteMultipartUpload';
  notifications.publish({ bucket: bucket.name, key: upload.key, name, version, call });
  return {
    Bucket: bucket.name,
    Key: upload.key,
    ETag: `"${version.etag}"`,
    ...shownEncryption(encryption),
    ...shownVersion(version),
  };
}
