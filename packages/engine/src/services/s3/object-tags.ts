import { AwsFault } from '../../errors.ts';

/** Tags of one version of an object, by key. */
export type ObjectTags = Readonly<Record<string, string>>;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const TAGS_MAX = 10;
const KEY_CHARACTERS_MAX = 128;
const VALUE_CHARACTERS_MAX = 256;
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** The tags of the header `x-amz-tagging`, which has the form of a query string; `undefined` without one. */
export function tagsInHeader(header: string | undefined): ObjectTags | undefined {
  return header === undefined ? undefined : checkedTags([...new URLSearchParams(header)]);
}

/** The tags of a document. */
export function tagsInSet(
  tagging:
    | {
        readonly TagSet?: ReadonlyArray<{ Key?: string | undefined; Value?: string | undefined }> | undefined;
      }
    | undefined,
): ObjectTags {
  return checkedTags((tagging?.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

/** As a document shows them. */
export function tagSetOf(tags: ObjectTags | undefined): Array<{ Key: string; Value: string }> {
  return Object.entries(tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
}

/** Condition keys of the tags that a request brings. */
export function requestTagConditions(tags: ObjectTags | undefined): Record<string, string | string[]> {
  return tags === undefined
    ? {}
    : { ...conditionsOf('s3:RequestObjectTag', tags), 's3:RequestObjectTagKeys': Object.keys(tags) };
}

/** Condition keys of the tags that an object has. */
export function existingTagConditions(tags: ObjectTags | undefined): Record<string, string> {
  return conditionsOf('s3:ExistingObjectTag', tags ?? {});
}

function conditionsOf(name: string, tags: ObjectTags): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${name}/${key}`, value]));
}

function checkedTags(pairs: ReadonlyArray<readonly [string, string]>): ObjectTags {
  if (pairs.length > TAGS_MAX)
    throw new AwsFault('BadRequest', `Object tags cannot be greater than ${TAGS_MAX}`);
  for (const [key, value] of pairs) {
    if (key === '' || key.length > KEY_CHARACTERS_MAX || !CHARACTERS.test(key)) {
      throw new AwsFault('InvalidTag', 'The TagKey you have provided is invalid', 400, { TagKey: key });
    }
    if (value.length > VALUE_CHARACTERS_MAX || !CHARACTERS.test(value)) {
      throw new AwsFault('InvalidTag', 'The TagValue you have provided is invalid', 400, {
        TagKey: key,
        TagValue: value,
      });
    }
    if (key.startsWith('aws:')) {
      throw new AwsFault('InvalidTag', 'System tags cannot be added/updated by requester', 400, {
        TagKey: key,
      });
    }
  }
  const tags = Object.fromEntries(pairs);
  if (Object.keys(tags).length < pairs.length) {
    throw new AwsFault('InvalidTag', 'Cannot provide multiple Tags with the same key');
  }
  return tags;
}
