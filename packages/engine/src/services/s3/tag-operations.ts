import type { Call, OperationTable } from '../../dispatch/service.ts';
import type { BucketNotifications } from './notifications.ts';
import { shownVersion } from './object-headers.ts';
import {
  existingTagConditions,
  type ObjectTags,
  requestTagConditions,
  tagSetOf,
  tagsInSet,
} from './object-tags.ts';
import { type OfObject, onObject, type S3Store } from './store.ts';

const ofVersion =
  (verb: 'Get' | 'Put' | 'Delete') =>
  ({ VersionId }: { readonly VersionId?: string | undefined }) => [
    `s3:${verb}Object${VersionId === undefined ? '' : 'Version'}Tagging`,
  ];

/** Tags of objects, of each version its own. */
export function tagOperations(store: S3Store, notifications: BucketNotifications) {
  const existing = (input: OfObject) => existingTagConditions(store.tagsOf(input));
  const retag = (input: OfObject, tags: ObjectTags, call: Call, name: string) => {
    const version = store.retag(input, tags);
    notifications.publish({ bucket: input.Bucket ?? '', key: input.Key ?? '', name, version, call });
    return shownVersion(version);
  };

  return {
    GetObjectTagging: {
      actions: ofVersion('Get'),
      resources: onObject,
      conditions: existing,
      run: (input) => {
        const version = store.object(input);
        return { TagSet: tagSetOf(version.tags), ...shownVersion(version) };
      },
    },
    PutObjectTagging: {
      actions: ofVersion('Put'),
      resources: onObject,
      conditions: (input) => ({ ...existing(input), ...requestTagConditions(tagsInSet(input.Tagging)) }),
      run: (input, call) => retag(input, tagsInSet(input.Tagging), call, 'ObjectTagging:Put'),
    },
    DeleteObjectTagging: {
      actions: ofVersion('Delete'),
      resources: onObject,
      conditions: existing,
      run: (input, call) => retag(input, {}, call, 'ObjectTagging:Delete'),
    },
  } satisfies OperationTable<'s3'>;
}
