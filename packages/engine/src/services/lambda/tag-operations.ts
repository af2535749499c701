import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { readReference } from './function-reference.ts';
import type { Functions } from './functions.ts';

/** Tags of functions. */
export function tagOperations(engine: Engine, functions: Functions) {
  const tagged = (arn: string | undefined) => functions.find(readReference(engine, arn)).name;

  return {
    TagResource: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource, Tags }) => {
        const name = tagged(Resource);
        functions.putExtras(name, { tags: { ...functions.extras(name).tags, ...Tags } });
        return {};
      },
    },
    UntagResource: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource, TagKeys }) => {
        const name = tagged(Resource);
        const kept = Object.entries(functions.extras(name).tags).filter(([key]) => !TagKeys?.includes(key));
        functions.putExtras(name, { tags: Object.fromEntries(kept) });
        return {};
      },
    },
    ListTags: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource }) => ({ Tags: { ...functions.extras(tagged(Resource)).tags } }),
    },
  } satisfies OperationTable<'lambda'>;
}
