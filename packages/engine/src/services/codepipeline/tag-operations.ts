import type { OperationTable } from '../../dispatch/service.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Pipelines } from './pipelines.ts';
import type { PipelineStore } from './store.ts';

/** Tags of pipelines. */
export function tagOperations({ store, pipelines }: { store: PipelineStore; pipelines: Pipelines }) {
  const byArn = (input: { resourceArn?: string | undefined }) => [input.resourceArn ?? '*'];

  return {
    TagResource: {
      resources: byArn,
      run: (input) => {
        const pipeline = pipelines.findByArn(input.resourceArn);
        store.pipelines.put(pipeline.name, {
          ...pipeline,
          tags: { ...pipeline.tags, ...tagMap(input.tags) },
        });
        return {};
      },
    },
    UntagResource: {
      resources: byArn,
      run: (input) => {
        const pipeline = pipelines.findByArn(input.resourceArn);
        const gone = new Set(input.tagKeys ?? []);
        store.pipelines.put(pipeline.name, {
          ...pipeline,
          tags: Object.fromEntries(Object.entries(pipeline.tags).filter(([key]) => !gone.has(key))),
        });
        return {};
      },
    },
    ListTagsForResource: {
      resources: byArn,
      run: (input) => ({
        tags: Object.entries(pipelines.findByArn(input.resourceArn).tags).map(([key, value]) => ({
          key,
          value,
        })),
      }),
    },
  } satisfies OperationTable<'codepipeline'>;
}
