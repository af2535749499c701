import { keeps } from './change-plan.ts';
import { deleteAll, deleteLeftover } from './delete-resources.ts';
import type { RunningOperation } from './running-operation.ts';
import type { OperationRecord, ResourceRecord } from './stack-store.ts';

/** Deletes a stack with all its resources, unless another stack imports what it exports. */
export async function deleteStack(run: RunningOperation, operation: OperationRecord): Promise<void> {
  const stack = run.stack;
  for (const { exportName } of stack.outputs) {
    const users =
      exportName === undefined ? [] : run.store.importers(exportName).filter(({ id }) => id !== stack.id);
    if (users.length > 0) {
      return run.finish(
        'DELETE_FAILED',
        `Delete canceled. Cannot delete export ${exportName} as it is in use by ${users.map(({ name }) => name).join(' and ')}.`,
      );
    }
  }
  const retained = (record: ResourceRecord) =>
    operation.retain.includes(record.logicalId) ||
    (operation.kind === 'create' ? record.deletionPolicy === 'Retain' : keeps(record));
  for (const leftover of run.store.leftovers(stack.id)) await deleteLeftover(run, leftover);
  const failed = await deleteAll(run, run.store.resources(stack.id), operation, retained);
  if (failed.length > 0) {
    return run.finish(
      'DELETE_FAILED',
      `The following resource(s) failed to delete: [${failed.join(', ')}]. `,
    );
  }
  for (const record of run.store.resources(stack.id)) run.store.dropResource(stack.id, record.logicalId);
  run.store.update(stack.id, { outputs: [], imports: [], deletedAtMs: run.engine.clock.nowMs() });
  for (const changeSet of [...run.store.changeSets.values()]) {
    if (changeSet.stackId === stack.id) run.store.changeSets.delete(changeSet.id);
  }
  run.finish('DELETE_COMPLETE');
}
