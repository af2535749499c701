import { deleteAll } from './delete-resources.ts';
import { inParallel } from './in-parallel.ts';
import { existing, type RunningOperation } from './running-operation.ts';
import type { OperationRecord, ResourceRecord } from './stack-store.ts';
import { Stopped } from './stopped.ts';

/** Deletes what a failed creation made; what `DeletionPolicy` retains stays. */
export async function rollbackCreate(run: RunningOperation, operation: OperationRecord): Promise<void> {
  const records = run.store.resources(run.stackId);
  const failed = await deleteAll(run, records, operation, (record) => record.deletionPolicy === 'Retain');
  if (failed.length > 0) {
    run.finish('ROLLBACK_FAILED', `The following resource(s) failed to delete: [${failed.join(', ')}]. `);
  } else {
    run.store.update(run.stackId, { outputs: [], imports: [] });
    run.finish('ROLLBACK_COMPLETE');
  }
}

/** Puts a stack back to what it was before an update, and sets aside what the update made, to be deleted. */
export async function rollbackUpdate(run: RunningOperation, operation: OperationRecord): Promise<void> {
  const { resources, input, outputs, imports } = operation.before!;
  const previous = new Map(resources.map((record) => [record.logicalId, record]));
  const failed: string[] = [];
  run.store.update(run.stackId, { ...input, outputs, imports });
  for (const record of run.store.resources(run.stackId)) {
    if (previous.has(record.logicalId)) continue;
    if (record.id !== undefined || record.creatingId) {
      run.store.putLeftover({ stackId: run.stackId, origin: 'new', record });
    }
    run.store.dropResource(run.stackId, record.logicalId);
  }
  await inParallel(
    [...previous.keys()],
    (id) => previous.get(id)!.needs.filter((need) => previous.has(need)),
    async (id) => {
      const done = await restore(run, operation, previous.get(id)!);
      if (!done) failed.push(id);
      return true;
    },
  );
  run.checkStop();
  for (const leftover of run.store.leftovers(run.stackId)) {
    if (leftover.origin === 'old') run.store.dropLeftover(leftover);
  }
  if (failed.length > 0) {
    run.store.update(run.stackId, { stuck: operation });
    run.finish(
      'UPDATE_ROLLBACK_FAILED',
      `The following resource(s) failed to update: [${failed.join(', ')}]. `,
    );
  } else run.enter(operation, 'rollback-cleanup', 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS');
}

/** Puts one resource back to what it was before the update; `false` if that failed. */
async function restore(
  run: RunningOperation,
  operation: OperationRecord,
  before: ResourceRecord,
): Promise<boolean> {
  const current = run.store.resource(run.stackId, before.logicalId);
  if (!current) {
    run.store.putResource(run.stackId, before);
    return true;
  }
  if (current.operation !== operation.token) return true;
  const restored: ResourceRecord = { ...before, updatedAtMs: run.engine.clock.nowMs() };
  const type = run.typeOf(before.type)!;
  const replaced = current.id !== before.id && !type.choosesId;
  if (replaced || current.creatingId !== undefined) {
    if (current.id !== before.id || current.creatingId) {
      run.store.putLeftover({
        stackId: run.stackId,
        origin: 'new',
        record: { ...current, id: current.id === before.id ? undefined : current.id },
      });
    }
    run.report(restored, 'UPDATE_COMPLETE');
    return true;
  }
  run.report({ ...current, operation: operation.token }, 'UPDATE_IN_PROGRESS');
  try {
    const { id, attributes } = await type.update(
      run.context(before, run.stop),
      before.properties,
      existing(current),
    );
    run.checkStop();
    if (id !== current.id) run.store.putLeftover({ stackId: run.stackId, origin: 'new', record: current });
    run.report({ ...restored, id, attributes }, 'UPDATE_COMPLETE');
    return true;
  } catch (error) {
    if (error instanceof Stopped) throw error;
    run.failed({ ...current }, 'UPDATE_FAILED', error, run.stop);
    return false;
  }
}
