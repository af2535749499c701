import type { OperationTable } from '../../dispatch/service.ts';
import { tagMap } from '../../iam/tags.ts';
import type { ParameterStore } from './parameter-store.ts';

/** Tags of parameters. */
export function tagOperations(store: ParameterStore) {
  return {
    AddTagsToResource: {
      resources: (input) => store.arnsOf([input.ResourceId]),
      run: (input) => {
        const parameter = store.tagged(input.ResourceType, input.ResourceId);
        store.parameters.put(parameter.name, {
          ...parameter,
          tags: { ...parameter.tags, ...tagMap(input.Tags) },
        });
        return {};
      },
    },
    RemoveTagsFromResource: {
      resources: (input) => store.arnsOf([input.ResourceId]),
      run: (input) => {
        const parameter = store.tagged(input.ResourceType, input.ResourceId);
        const tags = Object.entries(parameter.tags ?? {}).filter(([key]) => !input.TagKeys?.includes(key));
        store.parameters.put(parameter.name, { ...parameter, tags: Object.fromEntries(tags) });
        return {};
      },
    },
    ListTagsForResource: {
      resources: (input) => store.arnsOf([input.ResourceId]),
      run: (input) => ({
        TagList: Object.entries(store.tagged(input.ResourceType, input.ResourceId).tags ?? {}).map(
          ([Key, Value]) => ({ Key, Value }),
        ),
      }),
    },
  } satisfies OperationTable<'ssm'>;
}
