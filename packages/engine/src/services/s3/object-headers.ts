import type { Input } from '../../sdk/services.ts';
import { shownEncryption } from './encryption.ts';
import { NO_VERSION, type ObjectDescription, type ObjectVersion } from './object-store.ts';

export function describedBy(
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

/** An object as `GetObject` and `HeadObject` show it. */
export function shownObject(version: ObjectVersion) {
  return {
    ETag: `"${version.etag}"`,
    ContentLength: version.size,
    ContentType: version.contentType,
    ...(version.contentEncoding === undefined ? {} : { ContentEncoding: version.contentEncoding }),
    ...version.headers,
    LastModified: new Date(version.modifiedAtMs),
    Metadata: { ...version.metadata },
    ...(version.tags === undefined ? {} : { TagCount: Object.keys(version.tags).length }),
    ...shownEncryption(version.encryption),
    ...(version.versionId === NO_VERSION ? {} : { VersionId: version.versionId }),
  };
}

/** The id of a version, where the bucket had versions when it was made. */
export function shownVersion(version: ObjectVersion): { VersionId?: string } {
  return version.versionId === NO_VERSION ? {} : { VersionId: version.versionId };
}
