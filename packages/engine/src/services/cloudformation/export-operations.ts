import type { StackStore } from '../../cloudformation/stack-store.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

/** Values that stacks export, and who imports them. */
export function exportOperations(store: StackStore) {
  return {
    ListExports: {
      run: () => ({
        Exports: [...store.exports().entries()].map(([Name, { value, stackId }]) => ({
          ExportingStackId: stackId,
          Name,
          Value: value,
        })),
      }),
    },
    ListImports: {
      run: (input) => {
        const importers = store.importers(input.ExportName ?? '');
        if (importers.length === 0) {
          throw new AwsFault('ValidationError', `Export '${input.ExportName}' is not imported by any stack.`);
        }
        return { Imports: importers.map(({ name }) => name) };
      },
    },
  } satisfies OperationTable<'cloudformation'>;
}
