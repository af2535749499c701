import { createHash } from 'node:crypto';
import type { NotificationConfiguration } from '@aws-sdk/client-s3';
import { page } from '../../dispatch/paging.ts';
import type { Input, OperationName, Output } from '../../dispatch/sdk.ts';
import type { Call, Engine, Operation, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { directoryOf } from '../../iam/roles.ts';
import { checkBucketPolicy } from './bucket-policy.ts';
import {
  defaultEncryption,
  type EncryptionRequest,
  encryptionConditions,
  requestedEncryption,
  shownEncryption,
} from './encryption.ts';
import { BucketNotifications } from './notifications.ts';
import {
  md5,
  type ObjectDescription,
  type ObjectEncryption,
  ObjectStore,
  type ObjectVersion,
} from './object-store.ts';

interface Bucket {
  readonly name: string;
  readonly createdAtMs: number;
  readonly versioning: 'Enabled' | 'Suspended' | undefined;
  readonly policy: string | undefined;
  /** Configurations that the engine keeps and returns, by operation suffix, such as `Encryption`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  /** Absent in uploads that were begun before it was kept. */
  readonly described?: ObjectDescription;
  readonly encryption?: ObjectEncryption | undefined;
  readonly parts: Readonly<Record<string, { blob: string; etag: string; size: number }>>;
}

/** How a request names its bucket. */
interface OfBucket {
  readonly Bucket?: string | undefined;
  readonly ExpectedBucketOwner?: string | undefined;
}

/** S3's own limit is 5 TiB. An object is in memory while it is read. */
const MAX_OBJECT_BYTES = 512 * 1024 * 1024;

/** As many as ListBuckets returns at once. */
const MAX_BUCKETS = 10_000;

const bucketArn = (bucket: string | undefined) => `arn:aws:s3:::${bucket}`;
const onBucket = (input: { Bucket?: string | undefined }) => [bucketArn(input.Bucket)];
const onObject = (input: { Bucket?: string | undefined; Key?: string | undefined }) => [
  `${bucketArn(input.Bucket)}/${input.Key}`,
];

/** Configurations without effect on the engine's own behaviour: stored, returned, and missing with AWS's error. */
const SETTINGS = {
  Encryption: {
    member: 'ServerSideEncryptionConfiguration',
    missing: 'ServerSideEncryptionConfigurationNotFoundError',
  },
  LifecycleConfiguration: { member: 'LifecycleConfiguration', missing: 'NoSuchLifecycleConfiguration' },
  OwnershipControls: { member: 'OwnershipControls', missing: 'OwnershipControlsNotFoundError' },
  Tagging: { member: 'Tagging', missing: 'NoSuchTagSet' },
  PublicAccessBlock: {
    member: 'PublicAccessBlockConfiguration',
    missing: 'NoSuchPublicAccessBlockConfiguration',
  },
  Logging: { member: 'BucketLoggingStatus', missing: undefined },
} as const;

/**
 * Simple Storage Service, path style: buckets, versions, multipart uploads and bucket policies. Lifecycle
 * rules, encryption and access logging are recorded only.
 */
export function createS3(engine: Engine): Service<'s3'> {
  const buckets = engine.state.table<Bucket>('s3.buckets');
  const uploads = engine.state.table<Upload>('s3.uploads');
  const objects = new ObjectStore(engine);
  const notifications = new BucketNotifications(
    engine,
    (name) => buckets.get(name)?.settings.Notification as NotificationConfiguration | undefined,
  );

  const bucketOf = ({ Bucket: name, ExpectedBucketOwner: owner }: OfBucket): Bucket => {
    const bucket = buckets.get(name ?? '');
    if (!bucket)
      throw new AwsFault('NoSuchBucket', 'The specified bucket does not exist', 404, { BucketName: name });
    if (owner !== undefined && owner !== engine.accountId)
      throw new AwsFault('AccessDenied', 'Access Denied', 403);
    return bucket;
  };
  const objectOf = (
    input: OfBucket & {
      Key?: string | undefined;
      VersionId?: string | undefined;
      IfMatch?: string | undefined;
      IfNoneMatch?: string | undefined;
    },
  ) => {
    bucketOf(input);
    const version = objects.get(input.Bucket ?? '', input.Key ?? '', input.VersionId);
    if (!version?.blob)
      throw new AwsFault('NoSuchKey', 'The specified key does not exist.', 404, { Key: input.Key });
    if (input.IfMatch !== undefined && !isTagOf(input.IfMatch, version)) throw preconditionFailed('If-Match');
    if (input.IfNoneMatch !== undefined && isTagOf(input.IfNoneMatch, version))
      throw new AwsFault('NotModified', 'Not Modified', 304);
    return version;
  };
  /** Whether an object may be written, as the caller says that it must be there or not. */
  const checkWritable = (
    input: OfBucket & {
      Key?: string | undefined;
      IfMatch?: string | undefined;
      IfNoneMatch?: string | undefined;
    },
  ) => {
    const version = objects.get(input.Bucket ?? '', input.Key ?? '', undefined);
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
  };
  const attributes = (version: ObjectVersion) => ({
    ETag: `"${version.etag}"`,
    ContentLength: version.size,
    ContentType: version.contentType,
    ...(version.contentEncoding === undefined ? {} : { ContentEncoding: version.contentEncoding }),
    ...version.headers,
    LastModified: new Date(version.modifiedAtMs),
    Metadata: { ...version.metadata },
    ...shownEncryption(version.encryption),
    ...(version.versionId === 'null' ? {} : { VersionId: version.versionId }),
  });
  const versionOf = (version: ObjectVersion) =>
    version.versionId === 'null' ? {} : { VersionId: version.versionId };
  const encryptionOf = (bucket: Bucket, input: EncryptionRequest) =>
    requestedEncryption(input) ?? defaultEncryption(bucket.settings.Encryption);
  /** The parts of an upload carry what the upload was begun with. */
  const uploadConditions = ({ UploadId }: { UploadId?: string | undefined }) => {
    const encryption = uploads.get(UploadId ?? '')?.encryption;
    return encryptionConditions({
      ServerSideEncryption: encryption?.algorithm,
      SSEKMSKeyId: encryption?.keyId,
    });
  };
  const isVersioned = (bucket: Bucket) => bucket.versioning === 'Enabled';

  return {
    name: 's3',
    resourcePolicy: (arn) => buckets.get(arn.replace('arn:aws:s3:::', '').split('/')[0]!)?.policy,
    start: () => notifications.start(),
    stop: () => notifications.stop(),
    operations: {
      CreateBucket: {
        resources: onBucket,
        run: (input) => {
          const name = input.Bucket ?? '';
          if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
            throw new AwsFault('InvalidBucketName', `The specified bucket is not valid: ${name}`);
          }
          const wanted = input.CreateBucketConfiguration?.LocationConstraint;
          if (wanted !== undefined && wanted !== engine.region) {
            throw new AwsFault(
              'IllegalLocationConstraintException',
              `The ${wanted} location constraint is incompatible for the region specific endpoint this request was sent to: the local engine is ${engine.region}.`,
            );
          }
          if (buckets.has(name)) {
            throw new AwsFault(
              'BucketAlreadyOwnedByYou',
              'Your previous request to create the named bucket succeeded and you already own it.',
              409,
            );
          }
          buckets.put(name, {
            name,
            createdAtMs: engine.clock.nowMs(),
            versioning: undefined,
            policy: undefined,
            settings: {},
          });
          return { Location: `/${name}` };
        },
      },
      DeleteBucket: {
        resources: onBucket,
        run: (input) => {
          const { name } = bucketOf(input);
          if (objects.list(name).length > 0) {
            throw new AwsFault('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409, {
              BucketName: name,
            });
          }
          buckets.delete(name);
          return {};
        },
      },
      HeadBucket: {
        actions: () => ['s3:ListBucket'],
        resources: onBucket,
        run: (input) => {
          if (!buckets.has(input.Bucket ?? '')) throw new AwsFault('NotFound', 'Not Found', 404);
          bucketOf(input);
          return { BucketRegion: engine.region };
        },
      },
      ListBuckets: {
        actions: () => ['s3:ListAllMyBuckets'],
        run: (input) => {
          const prefix = input.Prefix ?? '';
          const size = input.MaxBuckets ?? MAX_BUCKETS;
          if (!(size >= 1 && size <= MAX_BUCKETS)) {
            throw new AwsFault(
              'InvalidArgument',
              `Argument max-buckets must be an integer between 1 and ${MAX_BUCKETS}`,
            );
          }
          const elsewhere = input.BucketRegion !== undefined && input.BucketRegion !== engine.region;
          const listed = [...buckets.values()].filter(({ name }) => !elsewhere && name.startsWith(prefix));
          const { items, next } = page(
            listed,
            input.ContinuationToken,
            size,
            () => new AwsFault('InvalidArgument', 'The continuation token provided is incorrect'),
          );
          return {
            Buckets: items.map(({ name, createdAtMs }) => ({
              Name: name,
              CreationDate: new Date(createdAtMs),
              BucketRegion: engine.region,
            })),
            Owner: { ID: engine.accountId },
            Prefix: input.Prefix,
            ContinuationToken: next,
          };
        },
      },
      GetBucketLocation: {
        resources: onBucket,
        run: (input) => {
          bucketOf(input);
          return {};
        },
      },
      GetBucketVersioning: {
        resources: onBucket,
        run: (input) => {
          const { versioning } = bucketOf(input);
          return versioning === undefined ? {} : { Status: versioning };
        },
      },
      PutBucketVersioning: {
        resources: onBucket,
        run: (input) => {
          const bucket = bucketOf(input);
          buckets.put(bucket.name, { ...bucket, versioning: input.VersioningConfiguration?.Status });
          return {};
        },
      },
      GetBucketPolicy: {
        resources: onBucket,
        run: (input) => {
          const { policy } = bucketOf(input);
          if (policy === undefined)
            throw new AwsFault('NoSuchBucketPolicy', 'The bucket policy does not exist', 404);
          return { Policy: policy };
        },
      },
      PutBucketPolicy: {
        resources: onBucket,
        run: (input) => {
          const bucket = bucketOf(input);
          const policy = checkBucketPolicy(input.Policy ?? '', bucket.name, directoryOf(engine));
          buckets.put(bucket.name, { ...bucket, policy });
          return {};
        },
      },
      DeleteBucketPolicy: {
        resources: onBucket,
        run: (input) => {
          const bucket = bucketOf(input);
          buckets.put(bucket.name, { ...bucket, policy: undefined });
          return {};
        },
      },
      GetBucketEncryption: readSetting('GetBucketEncryption', 'Encryption', 's3:GetEncryptionConfiguration'),
      PutBucketEncryption: writeSetting('PutBucketEncryption', 'Encryption', 's3:PutEncryptionConfiguration'),
      DeleteBucketEncryption: dropSetting('Encryption', 's3:PutEncryptionConfiguration'),
      GetBucketLifecycleConfiguration: {
        actions: () => ['s3:GetLifecycleConfiguration'],
        resources: onBucket,
        run: (input) => {
          const stored = settingOf<Input<'s3', 'PutBucketLifecycleConfiguration'>['LifecycleConfiguration']>(
            input,
            'LifecycleConfiguration',
          );
          return { Rules: stored?.Rules };
        },
      },
      PutBucketLifecycleConfiguration: writeSetting(
        'PutBucketLifecycleConfiguration',
        'LifecycleConfiguration',
        's3:PutLifecycleConfiguration',
      ),
      DeleteBucketLifecycle: dropSetting('LifecycleConfiguration', 's3:PutLifecycleConfiguration'),
      GetPublicAccessBlock: readSetting(
        'GetPublicAccessBlock',
        'PublicAccessBlock',
        's3:GetBucketPublicAccessBlock',
      ),
      PutPublicAccessBlock: writeSetting(
        'PutPublicAccessBlock',
        'PublicAccessBlock',
        's3:PutBucketPublicAccessBlock',
      ),
      DeletePublicAccessBlock: dropSetting('PublicAccessBlock', 's3:PutBucketPublicAccessBlock'),
      GetBucketOwnershipControls: readSetting(
        'GetBucketOwnershipControls',
        'OwnershipControls',
        's3:GetBucketOwnershipControls',
      ),
      PutBucketOwnershipControls: writeSetting(
        'PutBucketOwnershipControls',
        'OwnershipControls',
        's3:PutBucketOwnershipControls',
      ),
      DeleteBucketOwnershipControls: dropSetting('OwnershipControls', 's3:PutBucketOwnershipControls'),
      GetBucketTagging: {
        resources: onBucket,
        run: (input) => settingOf<Input<'s3', 'PutBucketTagging'>['Tagging']>(input, 'Tagging')!,
      },
      PutBucketTagging: writeSetting('PutBucketTagging', 'Tagging', 's3:PutBucketTagging'),
      DeleteBucketTagging: dropSetting('Tagging', 's3:PutBucketTagging'),
      GetBucketLogging: {
        resources: onBucket,
        run: (input) =>
          settingOf<Input<'s3', 'PutBucketLogging'>['BucketLoggingStatus']>(input, 'Logging') ?? {},
      },
      PutBucketLogging: writeSetting('PutBucketLogging', 'Logging', 's3:PutBucketLogging'),
      GetBucketNotificationConfiguration: {
        actions: () => ['s3:GetBucketNotification'],
        resources: onBucket,
        run: (input) => (bucketOf(input).settings.Notification ?? {}) as NotificationConfiguration,
      },
      PutBucketNotificationConfiguration: {
        actions: () => ['s3:PutBucketNotification'],
        resources: onBucket,
        run: async (input, call) => {
          const { name } = bucketOf(input);
          const wanted = input.NotificationConfiguration ?? {};
          const unchecked = input.SkipDestinationValidation ?? false;
          const Notification = await notifications.accept(name, wanted, call, unchecked);
          const bucket = bucketOf(input);
          buckets.put(name, { ...bucket, settings: { ...bucket.settings, Notification } });
          return {};
        },
      },
      PutObject: {
        resources: onObject,
        conditions: encryptionConditions,
        journaled: false,
        run: async (input, call) => {
          const encryption = encryptionOf(bucketOf(input), input);
          const body = input.Body instanceof Uint8Array ? input.Body : Buffer.from(String(input.Body ?? ''));
          const etag = await md5(body);
          if (input.ContentMD5 && Buffer.from(etag, 'hex').toString('base64') !== input.ContentMD5) {
            throw new AwsFault('BadDigest', 'The Content-MD5 you specified did not match what we received.');
          }
          const blob = await objects.writeBlob(body);
          const bucket = bucketOf(input);
          try {
            checkWritable(input);
          } catch (error) {
            objects.removeBlob(blob);
            throw error;
          }
          const version = objects.put(
            bucket.name,
            input.Key ?? '',
            blob,
            {
              size: body.byteLength,
              etag,
              ...describedBy(input),
              encryption,
            },
            isVersioned(bucket),
          );
          const key = input.Key ?? '';
          notifications.publish({ bucket: bucket.name, key, name: 'ObjectCreated:Put', version, call });
          return {
            ETag: `"${version.etag}"`,
            ...shownEncryption(encryption),
            ...versionOf(version),
          };
        },
      },
      GetObject: {
        resources: onObject,
        run: async (input) => {
          const version = objectOf(input);
          const { size } = version;
          const range = /^bytes=(\d*)-(\d*)$/.exec(input.Range ?? '');
          if (!range) {
            return { ...attributes(version), Body: await objects.read(version), AcceptRanges: 'bytes' };
          }
          const start = range[1] === '' ? Math.max(0, size - Number(range[2])) : Number(range[1]);
          const end = range[1] === '' || range[2] === '' ? size - 1 : Math.min(Number(range[2]), size - 1);
          if (start > end) throw new AwsFault('InvalidRange', 'The requested range is not satisfiable', 416);
          return {
            ...attributes(version),
            Body: await objects.read(version, start, end),
            ContentLength: end - start + 1,
            ContentRange: `bytes ${start}-${end}/${size}`,
          };
        },
      },
      HeadObject: {
        actions: () => ['s3:GetObject'],
        resources: onObject,
        run: (input) => {
          const version = objects.get(input.Bucket ?? '', input.Key ?? '', input.VersionId);
          if (!version?.blob) throw new AwsFault('NotFound', 'Not Found', 404);
          objectOf(input);
          return attributes(version);
        },
      },
      DeleteObject: {
        resources: onObject,
        journaled: false,
        run: (input, call) => {
          const version = remove(bucketOf(input), input, call);
          return version ? versionOf(version) : {};
        },
      },
      DeleteObjects: {
        actions: () => ['s3:DeleteObject'],
        resources: (input) =>
          (input.Delete?.Objects ?? []).map(({ Key }) => `${bucketArn(input.Bucket)}/${Key}`),
        run: (input, call) => {
          const bucket = bucketOf(input);
          const listed = input.Delete?.Objects ?? [];
          for (const object of listed) remove(bucket, object, call);
          return {
            Deleted: input.Delete?.Quiet ? [] : listed.map(({ Key, VersionId }) => ({ Key, VersionId })),
          };
        },
      },
      ListObjectsV2: {
        actions: () => ['s3:ListBucket'],
        resources: onBucket,
        run: (input) => {
          const { name } = bucketOf(input);
          const prefix = input.Prefix ?? '';
          const after = input.ContinuationToken
            ? Buffer.from(input.ContinuationToken, 'base64').toString('utf8')
            : (input.StartAfter ?? '');
          const matching = objects
            .list(name)
            .filter(
              ({ key, versions }) => key.startsWith(prefix) && key > after && versions[0]?.blob !== undefined,
            );
          if ((input.MaxKeys ?? 0) < 0) {
            throw new AwsFault(
              'InvalidArgument',
              'Argument maxKeys must be an integer between 0 and 2147483647',
            );
          }
          const limit = Math.min(input.MaxKeys ?? 1000, 1000);
          const page = matching.slice(0, limit);
          const folders = new Set<string>();
          const contents = page.filter(({ key }) => {
            const cut = input.Delimiter ? key.indexOf(input.Delimiter, prefix.length) : -1;
            if (cut >= 0) folders.add(key.slice(0, cut + input.Delimiter!.length));
            return cut < 0;
          });
          // Who asks for no key is told that there are no more.
          const truncated = limit > 0 && matching.length > page.length;
          return {
            Name: name,
            Prefix: prefix,
            MaxKeys: limit,
            KeyCount: contents.length + folders.size,
            IsTruncated: truncated,
            Contents: contents.map(({ key, versions }) => ({
              Key: key,
              Size: versions[0]!.size,
              ETag: `"${versions[0]!.etag}"`,
              LastModified: new Date(versions[0]!.modifiedAtMs),
              StorageClass: 'STANDARD' as const,
            })),
            CommonPrefixes: [...folders].map((Prefix) => ({ Prefix })),
            ...(truncated ? { NextContinuationToken: Buffer.from(page.at(-1)!.key).toString('base64') } : {}),
          };
        },
      },
      ListObjectVersions: {
        actions: () => ['s3:ListBucketVersions'],
        resources: onBucket,
        run: (input) => {
          const { name } = bucketOf(input);
          const all = objects
            .list(name)
            .filter(({ key }) => key.startsWith(input.Prefix ?? ''))
            .flatMap(({ key, versions }) =>
              versions.map((version, index) => ({ key, version, latest: index === 0 })),
            );
          const shown = ({ key, version, latest }: (typeof all)[number]) => ({
            Key: key,
            VersionId: version.versionId,
            IsLatest: latest,
            LastModified: new Date(version.modifiedAtMs),
          });
          return {
            Name: name,
            IsTruncated: false,
            Versions: all
              .filter(({ version }) => version.blob !== undefined)
              .map((item) => ({ ...shown(item), Size: item.version.size, ETag: `"${item.version.etag}"` })),
            DeleteMarkers: all.filter(({ version }) => version.blob === undefined).map(shown),
          };
        },
      },
      CreateMultipartUpload: {
        actions: () => ['s3:PutObject'],
        resources: onObject,
        conditions: encryptionConditions,
        journaled: false,
        run: (input) => {
          const bucket = bucketOf(input);
          const encryption = requestedEncryption(input);
          const UploadId = engine.ids.hex(32);
          uploads.put(UploadId, {
            bucket: bucket.name,
            key: input.Key ?? '',
            described: describedBy(input),
            encryption,
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
        conditions: uploadConditions,
        journaled: false,
        run: async (input) => {
          uploadOf(input);
          const body = input.Body instanceof Uint8Array ? input.Body : Buffer.from(String(input.Body ?? ''));
          const etag = await md5(body);
          const part = { blob: await objects.writeBlob(body), etag, size: body.byteLength };
          // Read now, since other parts may have come meanwhile.
          const upload = uploadOf(input);
          uploads.put(input.UploadId!, {
            ...upload,
            parts: { ...upload.parts, [String(input.PartNumber)]: part },
          });
          return { ETag: `"${etag}"` };
        },
      },
      CompleteMultipartUpload: {
        actions: () => ['s3:PutObject'],
        resources: onObject,
        conditions: uploadConditions,
        journaled: false,
        run: async (input, call) => {
          const bucket = bucketOf(input);
          const upload = uploadOf(input);
          const numbers = (input.MultipartUpload?.Parts ?? []).map(({ PartNumber }) => PartNumber ?? 0);
          if (numbers.some((number, index) => number <= (numbers[index - 1] ?? 0))) {
            throw new AwsFault('InvalidPartOrder', 'The list of parts was not in ascending order.');
          }
          const listed = (input.MultipartUpload?.Parts ?? []).map(({ PartNumber, ETag }) => {
            const part = upload.parts[String(PartNumber)];
            if (!part || ETag?.replaceAll('"', '') !== part.etag) {
              throw new AwsFault(
                'InvalidPart',
                `Part ${PartNumber} was not uploaded or its ETag does not match.`,
              );
            }
            return part;
          });
          const encryption = upload.encryption ?? defaultEncryption(bucket.settings.Encryption);
          const size = listed.reduce((sum, part) => sum + part.size, 0);
          if (size > MAX_OBJECT_BYTES) {
            throw new AwsFault(
              'EntityTooLarge',
              `The local engine keeps objects of up to ${MAX_OBJECT_BYTES} bytes.`,
            );
          }
          checkWritable(input);
          const digests = Buffer.concat(listed.map(({ etag }) => Buffer.from(etag, 'hex')));
          uploads.delete(input.UploadId!);
          const blob = await objects.joinBlobs(listed.map((part) => part.blob));
          const version = objects.put(
            bucket.name,
            upload.key,
            blob,
            {
              size,
              ...upload.described,
              encryption,
              etag: `${createHash('md5').update(digests).digest('hex')}-${listed.length}`,
            },
            isVersioned(bucket),
          );
          uploads.delete(input.UploadId!);
          const name = 'ObjectCreated:CompleteMultipartUpload';
          notifications.publish({ bucket: bucket.name, key: upload.key, name, version, call });
          return {
            Bucket: bucket.name,
            Key: upload.key,
            ETag: `"${version.etag}"`,
            ...shownEncryption(encryption),
            ...versionOf(version),
          };
        },
      },
      AbortMultipartUpload: {
        resources: onObject,
        journaled: false,
        run: (input) => {
          for (const { blob } of Object.values(uploadOf(input).parts)) objects.removeBlob(blob);
          uploads.delete(input.UploadId!);
          return {};
        },
      },
    },
  };

  function remove(
    bucket: Bucket,
    { Key: key = '', VersionId }: { Key?: string | undefined; VersionId?: string | undefined },
    call: Call,
  ): ObjectVersion | undefined {
    const version = objects.delete(bucket.name, key, VersionId, isVersioned(bucket));
    const isMarker = VersionId === undefined && isVersioned(bucket);
    const name = `ObjectRemoved:${isMarker ? 'DeleteMarkerCreated' : 'Delete'}`;
    if (version) notifications.publish({ bucket: bucket.name, key, name, version, call });
    return version;
  }

  function uploadOf(input: OfBucket & { Key?: string | undefined; UploadId?: string | undefined }): Upload {
    const bucket = bucketOf(input);
    const upload = uploads.get(input.UploadId ?? '');
    if (upload?.bucket !== bucket.name || upload.key !== input.Key)
      throw new AwsFault('NoSuchUpload', 'The specified multipart upload does not exist.', 404);
    return upload;
  }

  /** A stored configuration; refused with AWS's error when there is none, except where AWS answers without. */
  function settingOf<T>(input: OfBucket, name: keyof typeof SETTINGS): T | undefined {
    const { member, missing } = SETTINGS[name];
    const stored = bucketOf(input).settings[name];
    if (stored === undefined && missing) throw new AwsFault(missing, `The bucket has no ${member}`, 404);
    return stored as T | undefined;
  }

  function onSettings<I extends OfBucket, O>(
    action: string,
    run: (bucket: Bucket, input: I) => O,
  ): Operation<I, O> {
    return {
      actions: () => [action],
      resources: onBucket,
      run: (input) => run(bucketOf(input), input),
    };
  }

  function readSetting<O extends OperationName<'s3'> & string>(
    _operation: O,
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<{ Bucket: string | undefined }, Output<'s3', O>> {
    const { member } = SETTINGS[name];
    return onSettings(
      action,
      (bucket) => ({ [member]: settingOf({ Bucket: bucket.name }, name) }) as Output<'s3', O>,
    );
  }

  function writeSetting<O extends OperationName<'s3'> & string>(
    _operation: O,
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<Input<'s3', O> & { Bucket: string | undefined }, Record<string, never>> {
    const { member } = SETTINGS[name];
    return onSettings(action, (bucket, input) => {
      const value = (input as Record<string, unknown>)[member];
      buckets.put(bucket.name, { ...bucket, settings: { ...bucket.settings, [name]: value } });
      return {};
    });
  }

  /** As on AWS, dropping what is not there succeeds. */
  function dropSetting(
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<{ Bucket: string | undefined }, Record<string, never>> {
    return onSettings(action, (bucket) => {
      const { [name]: _dropped, ...settings } = bucket.settings;
      buckets.put(bucket.name, { ...bucket, settings });
      return {};
    });
  }
}

/** Whether an `If-Match` or `If-None-Match` header means the object as it is. */
function isTagOf(header: string, { etag }: ObjectVersion): boolean {
  return header.split(',').some((each) => ['*', etag].includes(each.trim().replaceAll('"', '')));
}

function preconditionFailed(Condition: string): AwsFault {
  return new AwsFault(
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
    412,
    { Condition },
  );
}

/** What a request says about the bytes of an object, to be returned with them. */
function describedBy(
  input: Pick<
    Input<'s3', 'PutObject'>,
    | 'ContentType'
    | 'ContentEncoding'
    | 'ContentDisposition'
    | 'ContentLanguage'
    | 'CacheControl'
    | 'Metadata'
    | 'WebsiteRedirectLocation'
  >,
): ObjectDescription {
  const { ContentDisposition, ContentLanguage, CacheControl, WebsiteRedirectLocation } = input;
  const given = { ContentDisposition, ContentLanguage, CacheControl, WebsiteRedirectLocation };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) if (value !== undefined) headers[name] = value;
  return {
    contentType: input.ContentType,
    contentEncoding: input.ContentEncoding?.replace(/aws-chunked,?\s*/, '') || undefined,
    headers,
    metadata: input.Metadata,
  };
}
