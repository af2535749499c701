import type { DeletedObject, _Error as S3Error } from '@aws-sdk/client-s3';
import type { Call, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { type EncryptionRequest, encryptionConditions, shownEncryption } from './encryption.ts';
import type { BucketNotifications } from './notifications.ts';
import { describedBy, shownObject, shownVersion } from './object-headers.ts';
import { md5, type ObjectVersion } from './object-store.ts';
import { existingTagConditions, requestTagConditions, tagsInHeader } from './object-tags.ts';
import {
  type Bucket,
  bucketArn,
  encryptionOf,
  isVersioned,
  type OfObject,
  onObject,
  type S3Store,
} from './store.ts';

type Versioned = { readonly VersionId?: string | undefined };
const reading = ({ VersionId }: Versioned) => [
  VersionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion',
];
/** Of an object that brings its tags. */
export const writing = ({ Tagging }: { readonly Tagging?: string | undefined }) => [
  's3:PutObject',
  ...(Tagging === undefined ? [] : ['s3:PutObjectTagging']),
];
const deleting = ({ VersionId }: Versioned) => [
  VersionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion',
];

/** Condition keys of what is uploaded: how it is to be encrypted, and its tags. */
export function uploadConditions(input: EncryptionRequest & { readonly Tagging?: string | undefined }) {
  return { ...encryptionConditions(input), ...requestTagConditions(tagsInHeader(input.Tagging)) };
}

/** Objects: their bytes, headers and versions. */
export function objectOperations(store: S3Store, notifications: BucketNotifications) {
  const existing = (input: OfObject) => existingTagConditions(store.tagsOf(input));
  const remove = (
    bucket: Bucket,
    { Key: key = '', VersionId }: { Key?: string | undefined; VersionId?: string | undefined },
    call: Call,
  ): ObjectVersion | undefined => {
    const version = store.objects.delete(bucket.name, key, VersionId, bucket.versioning);
    const made = VersionId === undefined && bucket.versioning !== undefined;
    const name = `ObjectRemoved:${made ? 'DeleteMarkerCreated' : 'Delete'}`;
    if (version) notifications.publish({ bucket: bucket.name, key, name, version, call });
    return version;
  };

  return {
    PutObject: {
      actions: writing,
      resources: onObject,
      conditions: uploadConditions,
      journaled: false,
      run: (input, call) => putObject(store, notifications, input, call),
    },
    GetObject: {
      actions: reading,
      resources: onObject,
      conditions: existing,
      run: (input) => getObject(store, input),
    },
    HeadObject: {
      actions: reading,
      resources: onObject,
      conditions: existing,
      run: (input) => {
        const version = store.objects.get(input.Bucket ?? '', input.Key ?? '', input.VersionId);
        if (!version?.blob) throw new AwsFault('NotFound', 'Not Found', 404);
        store.object(input);
        return shownObject(version);
      },
    },
    DeleteObject: {
      actions: deleting,
      resources: onObject,
      journaled: false,
      run: (input, call) => {
        const bucket = store.bucket(input);
        const version = remove(bucket, input, call);
        if (!version || bucket.versioning === undefined) return {};
        return {
          VersionId: version.versionId,
          ...(version.blob === undefined ? { DeleteMarker: true } : {}),
        };
      },
    },
    DeleteObjects: {
      // Each key is a question of its own, and a refusal is part of the answer.
      actions: () => [],
      run: (input, call) => {
        const bucket = store.bucket(input);
        const Deleted: DeletedObject[] = [];
        const Errors: S3Error[] = [];
        for (const object of input.Delete?.Objects ?? []) {
          const { Key, VersionId } = object;
          const [action = ''] = deleting(object);
          if (call.permits(action, `${bucketArn(bucket.name)}/${Key}`)) {
            const version = remove(bucket, object, call);
            const marker = version && version.blob === undefined;
            Deleted.push({
              Key,
              VersionId,
              ...(marker ? { DeleteMarker: true, DeleteMarkerVersionId: version.versionId } : {}),
            });
          } else Errors.push({ Key, VersionId, Code: 'AccessDenied', Message: 'Access Denied' });
        }
        return { Deleted: input.Delete?.Quiet ? [] : Deleted, Errors };
      },
    },
  } satisfies OperationTable<'s3'>;
}

async function putObject(
  store: S3Store,
  notifications: BucketNotifications,
  input: Input<'s3', 'PutObject'>,
  call: Call,
) {
  const encryption = encryptionOf(store.bucket(input), input);
  const body = input.Body instanceof Uint8Array ? input.Body : Buffer.from(String(input.Body ?? ''));
  const etag = await md5(body);
  if (input.ContentMD5 && Buffer.from(etag, 'hex').toString('base64') !== input.ContentMD5) {
    throw new AwsFault('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  const blob = await store.objects.writeBlob(body);
  const bucket = store.bucket(input);
  const tags = tagsInHeader(input.Tagging);
  const attributes = { size: body.byteLength, etag, ...describedBy(input), encryption, tags };
  const version = store.name(input, blob, attributes, isVersioned(bucket));
  const key = input.Key ?? '';
  notifications.publish({ bucket: bucket.name, key, name: 'ObjectCreated:Put', version, call });
  return {
    ETag: `"${version.etag}"`,
    ...shownEncryption(encryption),
    ...shownVersion(version),
  };
}

async function getObject(store: S3Store, input: Input<'s3', 'GetObject'>) {
  const version = store.object(input);
  const { size } = version;
  const range = /^bytes=(\d*)-(\d*)$/.exec(input.Range ?? '');
  if (!range) {
    return { ...shownObject(version), Body: await store.objects.read(version), AcceptRanges: 'bytes' };
  }
  const start = range[1] === '' ? Math.max(0, size - Number(range[2])) : Number(range[1]);
  const end = range[1] === '' || range[2] === '' ? size - 1 : Math.min(Number(range[2]), size - 1);
  if (start > end) throw new AwsFault('InvalidRange', 'The requested range is not satisfiable', 416);
  return {
    ...shownObject(version),
    Body: await store.objects.read(version, start, end),
    ContentLength: end - start + 1,
    ContentRange: `bytes ${start}-${end}/${size}`,
  };
}
