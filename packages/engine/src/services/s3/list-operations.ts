import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { ObjectVersion } from './object-store.ts';
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
  const {
    Prefix: prefix = '',
    Delimiter: delimiter,
    ContinuationToken: token,
    StartAfter: start = '',
  } = input;
  if ((input.MaxKeys ?? 0) < 0) {
    throw new AwsFault('InvalidArgument', 'Argument maxKeys must be an integer between 0 and 2147483647');
  }
  const limit = Math.min(input.MaxKeys ?? 1000, 1000);
  // An entry is a key, or a folder that stands for all keys in it; the token is the last entry of the page before.
  const after = token ? Buffer.from(token, 'base64').toString('utf8') : '';
  const entries = new Map<string, ObjectVersion | undefined>();
  for (const { key, versions } of store.objects.list(name)) {
    if (!key.startsWith(prefix) || key <= start || versions[0]?.blob === undefined) continue;
    const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    const entry = cut < 0 ? key : key.slice(0, cut + delimiter!.length);
    if (entry > after) entries.set(entry, cut < 0 ? versions[0] : undefined);
  }
  const page = [...entries].slice(0, limit);
  const contents = page.flatMap(([key, version]) => (version ? [{ key, version }] : []));
  const folders = page.filter(([, version]) => version === undefined).map(([folder]) => folder);
  // Who asks for no key is told that there are no more.
  const truncated = limit > 0 && entries.size > page.length;
  return {
    Name: name,
    Prefix: prefix,
    MaxKeys: limit,
    KeyCount: page.length,
    IsTruncated: truncated,
    Contents: contents.map(({ key, version }) => ({
      Key: key,
      Size: version.size,
      ETag: `"${version.etag}"`,
      LastModified: new Date(version.modifiedAtMs),
      StorageClass: 'STANDARD' as const,
    })),
    CommonPrefixes: folders.map((Prefix) => ({ Prefix })),
    ...(truncated ? { NextContinuationToken: Buffer.from(page.at(-1)![0]).toString('base64') } : {}),
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
