import { keeps } from './change-plan.ts';
import { inParallel } from './in-parallel.ts';
import { existing, type RunningOperation, reasonOf } from './running-operation.ts';
import type { OperationRecord, ResourceRecord, ResourceStatus } from './stack-store.ts';
import { Stopped } from './stopped.ts';

/** Deletes resources, each after those that need it. Returns the logical ids that could not be deleted. */
export async function deleteAll(
  run: RunningOperation,
  records: readonly ResourceRecord[],
  operation: OperationRecord,
  retained: (record: ResourceRecord) => boolean,
): Promise<string[]> {
  const failed: string[] = [];
  const byId = new Map(records.map((record) => [record.logicalId, record]));
  const neededBy = new Map<string, string[]>(records.map(({ logicalId }) => [logicalId, []]));
  for (const record of records) {
    for (const need of record.needs) neededBy.get(need)?.push(record.logicalId);
  }
  await inParallel(
    [...byId.keys()],
    (id) => neededBy.get(id)!,
    async (id) => {
      const record = byId.get(id)!;
      if (record.status === 'DELETE_COMPLETE' || record.status === 'DELETE_SKIPPED') return true;
      if (record.id === undefined && !record.creatingId) return true;
      const marked = { ...record, operation: operation.token };
      if (retained(record)) {
        run.report(marked, 'DELETE_SKIPPED');
        return true;
      }
      const done = await deleteResource(run, marked, (next, status, reason) =>
        run.report(next, status, reason),
      );
      if (!done) failed.push(id);
      return done;
    },
  );
  run.checkStop();
  return failed;
}

export async function deleteLeftovers(
  run: RunningOperation,
  operation: OperationRecord,
  origin: 'old' | 'new',
): Promise<void> {
  const leftovers = run.store.leftovers(run.stackId).filter((leftover) => leftover.origin === origin);
  const byId = new Map(leftovers.map((leftover) => [leftover.record.logicalId, leftover]));
  await inParallel(
    [...byId.keys()],
    (id) => leftovers.filter(({ record }) => record.needs.includes(id)).map(({ record }) => record.logicalId),
    async (id) => {
      await deleteLeftover(run, byId.get(id)!, operation);
      return true;
    },
  );
  run.checkStop();
}

/** Deletes what an update replaced, removed or gave up. A failure is reported and does not fail the stack. */
export async function deleteLeftover(
  run: RunningOperation,
  leftover: { stackId: string; origin: 'old' | 'new'; record: ResourceRecord },
  operation?: OperationRecord,
): Promise<void> {
  const { record, origin } = leftover;
  const replaced =
    operation?.kind === 'update' && run.store.resource(run.stackId, record.logicalId) !== undefined;
  // What a failed update made stays with Retain, and goes with RetainExceptOnCreate:
  // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
  const isNew = origin === 'new' && run.store.resource(run.stackId, record.logicalId) === undefined;
  const kept =
    origin === 'old'
      ? replaced
        ? record.updateReplacePolicy === 'Retain'
        : keeps(record)
      : isNew && record.deletionPolicy === 'Retain' && record.id !== undefined;
  if (kept) run.event(record, 'DELETE_SKIPPED');
  else await deleteResource(run, record, (next, status, reason) => run.event(next, status, reason));
  run.store.dropLeftover(leftover);
}

async function deleteResource(
  run: RunningOperation,
  record: ResourceRecord,
  report: (record: ResourceRecord, status: ResourceStatus, reason?: string) => void,
): Promise<boolean> {
  const type = run.typeOf(record.type)!;
  const id = record.id ?? record.creatingId;
  report(record, 'DELETE_IN_PROGRESS');
  try {
    if (id !== undefined && id !== '') {
      await type.delete(run.context(record, run.stop), existing({ ...record, id }));
    }
    run.checkStop();
    report(record, 'DELETE_COMPLETE');
    return true;
  } catch (error) {
    run.checkStop();
    if (error instanceof Stopped) throw error;
    report(record, 'DELETE_FAILED', reasonOf(error));
    return false;
  }
}
