import type { Call, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { percentDecoded } from '../../wire/request-target.ts';
import { shownEncryption } from './encryption.ts';
import { keepPart } from './multipart-operations.ts';
import type { BucketNotifications } from './notifications.ts';
import { describedBy, shownVersion } from './object-headers.ts';
import { uploadConditions, writing } from './object-operations.ts';
import { md5, NO_VERSION, type ObjectVersion } from './object-store.ts';
import { existingTagConditions, requestTagConditions, tagsInHeader } from './object-tags.ts';
import {
  bucketArn,
  encryptionOf,
  isTagOf,
  isVersioned,
  onObject,
  preconditionFailed,
  type S3Store,
} from './store.ts';

/** What names a source, and what is asked of it. */
type FromSource = Pick<
  Input<'s3', 'CopyObject'>,
  | 'CopySource'
  | 'CopySourceIfMatch'
  | 'CopySourceIfNoneMatch'
  | 'CopySourceIfModifiedSince'
  | 'CopySourceIfUnmodifiedSince'
  | 'ExpectedSourceBucketOwner'
>;

/** Objects that are made from others: by one call, or part by part. */
export function copyOperations(store: S3Store, notifications: BucketNotifications) {
  return {
    CopyObject: {
      actions: writing,
      resources: onObject,
      conditions: uploadConditions,
      run: (input, call) => copyObject(store, notifications, input, call),
    },
    UploadPartCopy: {
      actions: () => ['s3:PutObject'],
      resources: onObject,
      journaled: false,
      run: async (input, call) => {
        store.upload(input);
        const source = sourceOf(store, input, call);
        const ETag = await keepPart(store, input, await partOf(store, source, input.CopySourceRange));
        return { CopyPartResult: { ETag, LastModified: new Date(call.atMs) }, ...shownSource(source) };
      },
    },
  } satisfies OperationTable<'s3'>;
}

async function copyObject(
  store: S3Store,
  notifications: BucketNotifications,
  input: Input<'s3', 'CopyObject'>,
  call: Call,
) {
  const bucket = store.bucket(input);
  const source = sourceOf(store, input, call);
  const replaces = input.MetadataDirective === 'REPLACE';
  if (source === store.objects.get(bucket.name, input.Key ?? '') && !replaces && !changesItself(input)) {
    throw new AwsFault(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const copiesTags = input.TaggingDirective !== 'REPLACE' && source.tags !== undefined;
  if (copiesTags) {
    const [resource = ''] = onObject(input);
    call.authorize('s3:PutObjectTagging', resource, requestTagConditions(source.tags));
  }
  const encryption = encryptionOf(bucket, input);
  const tags = copiesTags ? source.tags : tagsInHeader(input.Tagging);
  const body = await store.objects.read(source);
  const attributes = {
    size: body.byteLength,
    // Of all bytes, also where the source came in parts.
    etag: await md5(body),
    ...(replaces ? describedBy(input) : source),
    encryption,
    tags,
  };
  const blob = await store.objects.writeBlob(body);
  const version = store.name(input, blob, attributes, isVersioned(bucket));
  notifications.publish({
    bucket: bucket.name,
    key: input.Key ?? '',
    name: 'ObjectCreated:Copy',
    version,
    call,
  });
  return {
    CopyObjectResult: { ETag: `"${version.etag}"`, LastModified: new Date(version.modifiedAtMs) },
    ...shownSource(source),
    ...shownEncryption(encryption),
    ...shownVersion(version),
  };
}

/** Whether what a copy asks for would be another object than its source. */
function changesItself(input: Input<'s3', 'CopyObject'>): boolean {
  const { ServerSideEncryption, WebsiteRedirectLocation } = input;
  return ServerSideEncryption !== undefined || WebsiteRedirectLocation !== undefined;
}

/** The source of a copy, which the caller must be allowed to read and which must be as the request says. */
function sourceOf(store: S3Store, input: FromSource, call: Call): ObjectVersion {
  const source = parsedSource(input.CopySource ?? '');
  const { Bucket, Key, VersionId } = source;
  const resource = `${bucketArn(Bucket)}/${Key}`;
  const ofVersion = VersionId === undefined ? '' : 'Version';
  const tags = store.tagsOf(source);
  call.authorize(`s3:GetObject${ofVersion}`, resource, existingTagConditions(tags));
  const version = store.objects.get(Bucket, Key, VersionId);
  if (VersionId !== undefined && version !== undefined && version.blob === undefined) {
    throw new AwsFault(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    );
  }
  const found = store.object({ ...source, ExpectedBucketOwner: input.ExpectedSourceBucketOwner });
  if (tags !== undefined) {
    call.authorize(`s3:GetObject${ofVersion}Tagging`, resource, existingTagConditions(tags));
  }
  checkSource(found, input);
  return found;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: of two headers, that about the tag decides. */
function checkSource(source: ObjectVersion, input: FromSource): void {
  const { CopySourceIfMatch, CopySourceIfNoneMatch } = input;
  const { CopySourceIfModifiedSince: after, CopySourceIfUnmodifiedSince: until } = input;
  // Headers know whole seconds.
  const modifiedAtMs = Math.floor(source.modifiedAtMs / 1000) * 1000;
  if (CopySourceIfMatch !== undefined) {
    if (!isTagOf(CopySourceIfMatch, source)) throw preconditionFailed('x-amz-copy-source-If-Match');
  } else if (until !== undefined && modifiedAtMs > until.getTime()) {
    throw preconditionFailed('x-amz-copy-source-If-Unmodified-Since');
  }
  if (CopySourceIfNoneMatch !== undefined && isTagOf(CopySourceIfNoneMatch, source)) {
    throw preconditionFailed('x-amz-copy-source-If-None-Match');
  }
  if (CopySourceIfNoneMatch === undefined && after !== undefined && modifiedAtMs <= after.getTime()) {
    throw preconditionFailed('x-amz-copy-source-If-Modified-Since');
  }
}

/** `bucket/key`, with a slash before it or not, encoded as in a URL; a version follows as a parameter. */
function parsedSource(text: string): { Bucket: string; Key: string; VersionId?: string } {
  if (text.startsWith('arn:')) {
    throw new AwsFault(
      'NotImplemented',
      'the local engine has no access points: name the source of a copy as bucket/key',
      501,
    );
  }
  const [, path = '', VersionId] = /^(.*?)(?:\?versionId=([^?]*))?$/s.exec(text) ?? [];
  const named = /^\/?([^/]+)\/(.+)$/s.exec(percentDecoded(path) ?? '');
  if (!named) {
    throw new AwsFault(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      400,
      {
        ArgumentName: 'x-amz-copy-source',
        ArgumentValue: text,
      },
    );
  }
  const [, Bucket = '', Key = ''] = named;
  return { Bucket, Key, ...(VersionId !== undefined && { VersionId }) };
}

function partOf(store: S3Store, source: ObjectVersion, range: string | undefined): Promise<Buffer> {
  if (range === undefined) return store.objects.read(source);
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  if (first === undefined || last === undefined || Number(first) > Number(last)) {
    throw new AwsFault(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  }
  if (Number(last) >= source.size) {
    throw new AwsFault(
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${source.size}`,
    );
  }
  return store.objects.read(source, Number(first), Number(last));
}

function shownSource({ versionId }: ObjectVersion): { CopySourceVersionId?: string } {
  return versionId === NO_VERSION ? {} : { CopySourceVersionId: versionId };
}
