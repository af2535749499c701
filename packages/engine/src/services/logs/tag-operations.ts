import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { invalid } from './faults.ts';
import { checkedArn, nameInArn } from './log-arn.ts';
import { type LogGroup, type LogStore, TAGS_MAX } from './log-store.ts';

/** Tags of log groups, by today's operations and by the older ones. */
export function tagOperations(engine: Engine, store: LogStore) {
  const byName = (input: { logGroupName?: string | undefined }) => [checkedArn(engine, input.logGroupName)];
  const byArn = (input: { resourceArn?: string | undefined }) => [
    (input.resourceArn ?? '*').replace(/:\*$/, ''),
  ];
  const findByArn = (arn: string | undefined) => {
    const name = nameInArn(arn ?? '');
    if (name === undefined) throw invalid(`${arn} is not the ARN of a log group.`);
    return store.findGroup(name);
  };
  const tag = (group: LogGroup, added: Record<string, string>) => {
    const tags = { ...group.tags, ...added };
    if (Object.keys(tags).length > TAGS_MAX) {
      throw new AwsFault('TooManyTagsException', `A resource can have no more than ${TAGS_MAX} tags.`);
    }
    store.changeGroup({ ...group, tags });
    return {};
  };
  const untag = (group: LogGroup, removed: readonly string[]) => {
    const kept = Object.entries(group.tags).filter(([key]) => !removed.includes(key));
    store.changeGroup({ ...group, tags: Object.fromEntries(kept) });
    return {};
  };

  return {
    TagResource: { resources: byArn, run: (input) => tag(findByArn(input.resourceArn), input.tags ?? {}) },
    UntagResource: {
      resources: byArn,
      run: (input) => untag(findByArn(input.resourceArn), input.tagKeys ?? []),
    },
    ListTagsForResource: {
      resources: byArn,
      run: (input) => ({ tags: { ...findByArn(input.resourceArn).tags } }),
    },
    TagLogGroup: {
      resources: byName,
      run: (input) => tag(store.findGroup(input.logGroupName), input.tags ?? {}),
    },
    UntagLogGroup: {
      resources: byName,
      run: (input) => untag(store.findGroup(input.logGroupName), input.tags ?? []),
    },
    ListTagsLogGroup: {
      resources: byName,
      run: (input) => ({ tags: { ...store.findGroup(input.logGroupName).tags } }),
    },
  } satisfies OperationTable<'logs'>;
}
