import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import { defaultEncryption, type EncryptionRequest, requestedEncryption } from './encryption.ts';
import {
  type ObjectAttributes,
  type ObjectDescription,
  type ObjectEncryption,
  ObjectStore,
  type ObjectVersion,
  type Versioning,
} from './object-store.ts';
import type { ObjectTags } from './object-tags.ts';

export interface Bucket {
  readonly name: string;
  readonly createdAtMs: number;
  readonly versioning: Versioning;
  readonly policy: string | undefined;
  /** Configurations that the engine keeps and returns, by operation suffix, such as `Encryption`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Upload {
  readonly bucket: string;
  readonly key: string;
  /** Absent in uploads that were begun before it was kept. */
  readonly described?: ObjectDescription;
  readonly encryption?: ObjectEncryption | undefined;
  readonly tags?: ObjectTags | undefined;
  readonly parts: Readonly<Record<string, { blob: string; etag: string; size: number }>>;
}

/** How a request names its bucket. */
export interface OfBucket {
  readonly Bucket?: string | undefined;
  readonly ExpectedBucketOwner?: string | undefined;
}

/** How a request names an object. */
export interface OfObject extends OfBucket {
  readonly Key?: string | undefined;
  readonly VersionId?: string | undefined;
}

/** The same, with what must hold of what is there. */
interface Writable extends OfObject {
  readonly IfMatch?: string | undefined;
  readonly IfNoneMatch?: string | undefined;
}

export const bucketArn = (bucket: string | undefined) => `arn:aws:s3:::${bucket}`;
export const onBucket = (input: { Bucket?: string | undefined }) => [bucketArn(input.Bucket)];
export const onObject = (input: { Bucket?: string | undefined; Key?: string | undefined }) => [
  `${bucketArn(input.Bucket)}/${input.Key}`,
];

/** What S3 knows: buckets, objects and the uploads that are under way. */
export class S3Store {
  readonly buckets: Table<Bucket>;
  readonly uploads: Table<Upload>;
  readonly objects: ObjectStore;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.buckets = engine.state.table('s3.buckets');
    this.uploads = engine.state.table('s3.uploads');
    this.objects = new ObjectStore(engine);
  }

  bucket({ Bucket: name, ExpectedBucketOwner: owner }: OfBucket): Bucket {
    const bucket = this.buckets.get(name ?? '');
    if (!bucket)
      throw new AwsFault('NoSuchBucket', 'The specified bucket does not exist', 404, { BucketName: name });
    if (owner !== undefined && owner !== this.#engine.accountId)
      throw new AwsFault('AccessDenied', 'Access Denied', 403);
    return bucket;
  }

  /** The tags of what a request names, where that is there and has some. */
  tagsOf({ Bucket = '', Key = '', VersionId }: OfObject): ObjectTags | undefined {
    return this.objects.get(Bucket, Key, VersionId)?.tags;
  }

  /** Gives the version that a request names other tags. */
  retag(input: OfObject, tags: ObjectTags): ObjectVersion {
    return this.objects.retag(input.Bucket ?? '', input.Key ?? '', this.object(input), tags);
  }

  /** Names bytes that were written, as the object that a request names, unless it says that it must not be. */
  name(input: Writable, blob: string, attributes: ObjectAttributes, versioned: boolean): ObjectVersion {
    try {
      this.checkWritable(input);
    } catch (error) {
      this.objects.removeBlob(blob);
      throw error;
    }
    return this.objects.put(input.Bucket ?? '', input.Key ?? '', blob, attributes, versioned);
  }

  object(
    input: OfObject & {
      IfMatch?: string | undefined;
      IfNoneMatch?: string | undefined;
    },
  ): ObjectVersion {
    this.bucket(input);
    const version = this.objects.get(input.Bucket ?? '', input.Key ?? '', input.VersionId);
    if (!version && input.VersionId !== undefined) {
      throw new AwsFault('NoSuchVersion', 'The specified version does not exist.', 404, {
        Key: input.Key,
        VersionId: input.VersionId,
      });
    }
    if (!version?.blob)
      throw new AwsFault('NoSuchKey', 'The specified key does not exist.', 404, { Key: input.Key });
    if (input.IfMatch !== undefined && !isTagOf(input.IfMatch, version)) throw preconditionFailed('If-Match');
    if (input.IfNoneMatch !== undefined && isTagOf(input.IfNoneMatch, version))
      throw new AwsFault('NotModified', 'Not Modified', 304);
    return version;
  }

  /** Whether an object may be written, as the caller says that it must be there or not. */
  checkWritable(input: Writable): void {
    const version = this.objects.get(input.Bucket ?? '', input.Key ?? '', undefined);
    if (input.IfMatch !== undefined) {
      if (!version?.blob)
        throw new AwsFault('NoSuchKey', 'The specified key does not exist.', 404, { Key: input.Key });
      if (!isTagOf(input.IfMatch, version)) throw preconditionFailed('If-Match');
    }
    if (input.IfNoneMatch === undefined) return;
    if (input.IfNoneMatch !== '*') {
      throw new AwsFault(
        'NotImplemented',
        'A header you provided implies functionality that is not implemented: If-None-Match may only be *',
        501,
      );
    }
    if (version?.blob) throw preconditionFailed('If-None-Match');
  }

  upload(input: OfBucket & { Key?: string | undefined; UploadId?: string | undefined }): Upload {
    const bucket = this.bucket(input);
    const upload = this.uploads.get(input.UploadId ?? '');
    if (upload?.bucket !== bucket.name || upload.key !== input.Key) throw noSuchUpload();
    return upload;
  }
}

export function noSuchUpload(): AwsFault {
  return new AwsFault('NoSuchUpload', 'The specified multipart upload does not exist.', 404);
}

export function isVersioned(bucket: Bucket): boolean {
  return bucket.versioning === 'Enabled';
}

export function encryptionOf(bucket: Bucket, input: EncryptionRequest): ObjectEncryption | undefined {
  return requestedEncryption(input) ?? defaultEncryption(bucket.settings.Encryption);
}

/** Whether an `If-Match` or `If-None-Match` header means the object as it is. */
export function isTagOf(header: string, { etag }: ObjectVersion): boolean {
  return header.split(',').some((each) => ['*', etag].includes(each.trim().replaceAll('"', '')));
}

export function preconditionFailed(Condition: string): AwsFault {
  return new AwsFault(
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
    412,
    { Condition },
  );
}
