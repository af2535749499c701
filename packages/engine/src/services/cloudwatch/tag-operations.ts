import type { OperationTable } from '../../dispatch/service.ts';
import { tagMap } from '../../iam/tags.ts';
import { alarmNameOf } from './alarm-arn.ts';
import type { Alarms } from './alarms.ts';

/** Tags of alarms. */
export function tagOperations(alarms: Alarms) {
  const resources = (input: { ResourceARN?: string | undefined }) => [input.ResourceARN ?? '*'];

  return {
    TagResource: {
      resources,
      run: (input) => {
        alarms.tag(alarmNameOf(input.ResourceARN), (tags) => ({ ...tags, ...tagMap(input.Tags) }));
        return {};
      },
    },
    UntagResource: {
      resources,
      run: (input) => {
        const removed = new Set(input.TagKeys ?? []);
        alarms.tag(alarmNameOf(input.ResourceARN), (tags) =>
          Object.fromEntries(Object.entries(tags).filter(([key]) => !removed.has(key))),
        );
        return {};
      },
    },
    ListTagsForResource: {
      resources,
      run: (input) => ({
        Tags: Object.entries(alarms.require(alarmNameOf(input.ResourceARN)).tags).map(([Key, Value]) => ({
          Key,
          Value,
        })),
      }),
    },
  } satisfies OperationTable<'cloudwatch'>;
}
