import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { onBucket, type S3Store } from './store.ts';

/** Objects of a bucket and their versions, listed. */
export function listOperations(store: S3Store) {
  return {
    ListObjectsV2: {
      actions: () => ['s3:ListBucket'],
      resources: onBucket,
      run: (input) => listObjects(store, input),
    },
    ListObjectVersions: {
      actions: () => ['s3:ListBucketVersions'],
      resources: onBucket,
      run: (input) => listVersions(store, input),
    },
  } satisfies OperationTable<'s3'>;
}

function listObjects(store: S3Store, input: Input<'s3', 'ListObjectsV2'>) {
  const { name } = store.bucket(input);
  const prefix = input.Prefix ?? '';
  const after = input.ContinuationToken
    ? Buffer.from(input.ContinuationToken, 'base64').toString('utf8')
    : (input.StartAfter ?? '');
  const matching = store.objects
    .list(name)
    .filter(({ key, versions }) => key.startsWith(prefix) && key > after && versions[0]?.blob !== undefined);
  if ((input.MaxKeys ?? 0) < 0) {
    throw new AwsFault('InvalidArgument', 'Argument maxKeys must be an integer between 0 and 2147483647');
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
}

function listVersions(store: S3Store, input: Input<'s3', 'ListObjectVersions'>) {
  const { name } = store.bucket(input);
  const all = store.objects
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
}
