import type { Tag } from '@aws-sdk/client-ecs';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
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

/** The tags of what an ARN names, if it exists. */
export function tagsOfArn(store: EcsStore, arn: string): Record<string, string> | undefined {
  const found = find(store, arn);
  return found && tagMap(found.tags);
}

interface Tagged {
  readonly tags: readonly Tag[];
  readonly save: (tags: readonly Tag[]) => void;
}

function taggable(store: EcsStore, arn: string): Tagged {
  if (kindOf(arn) === undefined) {
    throw new AwsFault('InvalidParameterException', `${arn} cannot be tagged.`);
  }
  const found = find(store, arn);
  if (!found) throw new AwsFault('InvalidParameterException', 'The specified resource could not be found.');
  return found;
}

function kindOf(arn: string): string | undefined {
  return /^arn:aws:ecs:[^:]*:[^:]*:(cluster|service|task-definition|task)\//.exec(arn)?.[1];
}

function find(store: EcsStore, arn: string): Tagged | undefined {
  switch (kindOf(arn)) {
    case 'cluster':
      return stored(store.clusters, nameOf(arn));
    case 'service':
      return stored(store.services, arn);
    case 'task-definition':
      return stored(store.taskDefinitions, nameOf(arn));
    case 'task':
      return stored(store.tasks, nameOf(arn));
    default:
      return undefined;
  }
}

function stored<T extends { readonly tags: readonly Tag[] }>(
  table: { get(key: string): T | undefined; put(key: string, value: T): T },
  key: string,
): Tagged | undefined {
  const value = table.get(key);
  return value && { tags: value.tags, save: (tags) => table.put(key, { ...value, tags }) };
}
