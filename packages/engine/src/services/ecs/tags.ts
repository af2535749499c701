import type { Tag } from '@aws-sdk/client-ecs';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type EcsStore, nameOf } from './store.ts';

/** Tags of clusters, services, task definitions and tasks. */
export function tagOperations(
  store: EcsStore,
): Pick<OperationTable<'ecs'>, 'TagResource' | 'UntagResource' | 'ListTagsForResource'> {
  return {
    TagResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => {
        const { tags, save } = taggable(store, input.resourceArn ?? '');
        const added = input.tags ?? [];
        save([...tags.filter(({ key }) => !added.some((tag) => tag.key === key)), ...added]);
        return {};
      },
    },
    UntagResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => {
        const { tags, save } = taggable(store, input.resourceArn ?? '');
        save(tags.filter(({ key }) => !input.tagKeys?.includes(key ?? '')));
        return {};
      },
    },
    ListTagsForResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => ({ tags: [...taggable(store, input.resourceArn ?? '').tags] }),
    },
  };
}

function taggable(
  store: EcsStore,
  arn: string,
): { tags: readonly Tag[]; save: (tags: readonly Tag[]) => void } {
  const kind = /^arn:aws:ecs:[^:]*:[^:]*:([a-z-]+)\//.exec(arn)?.[1];
  switch (kind) {
    case 'cluster':
      return stored(store.clusters, nameOf(arn));
    case 'service':
      return stored(store.services, arn);
    case 'task-definition':
      return stored(store.taskDefinitions, nameOf(arn));
    case 'task':
      return stored(store.tasks, nameOf(arn));
    default:
      throw new AwsFault('InvalidParameterException', `${arn} cannot be tagged.`);
  }
}

function stored<T extends { readonly tags: readonly Tag[] }>(
  table: { get(key: string): T | undefined; put(key: string, value: T): T },
  key: string,
): { tags: readonly Tag[]; save: (tags: readonly Tag[]) => void } {
  const value = table.get(key);
  if (!value) {
    throw new AwsFault('InvalidParameterException', 'The specified resource could not be found.');
  }
  return { tags: value.tags, save: (tags) => table.put(key, { ...value, tags }) };
}
