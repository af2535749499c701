import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Queues } from './queues.ts';

/** Tags of queues. */
export function tagOperations(queues: Queues) {
  const resources = (input: { QueueUrl?: string | undefined }) => [queues.arnOfUrl(input.QueueUrl)];

  return {
    TagQueue: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        if (Object.keys(input.Tags ?? {}).length === 0) throw missing('Tags');
        queues.update(queue, { tags: { ...queue.record.tags, ...input.Tags } });
        return {};
      },
    },
    UntagQueue: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const gone = new Set(input.TagKeys);
        if (gone.size === 0) throw missing('TagKeys');
        const left = Object.entries(queue.record.tags).filter(([key]) => !gone.has(key));
        queues.update(queue, { tags: Object.fromEntries(left) });
        return {};
      },
    },
    ListQueueTags: {
      resources,
      run: (input) => {
        const { tags } = queues.byUrl(input.QueueUrl).record;
        return { Tags: Object.keys(tags).length === 0 ? undefined : { ...tags } };
      },
    },
  } satisfies OperationTable<'sqs'>;
}

function missing(parameter: string): AwsFault {
  return new AwsFault('MissingParameter', `The request must contain the parameter ${parameter}.`);
}
