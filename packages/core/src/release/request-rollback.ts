import type { Effect } from './effect.ts';
import { decide, type End } from './ending.ts';
import { currentRelease, isActive } from './journey.ts';
import type { Observed } from './observed.ts';

/**
 * The writes that make a person's wish to roll back durable, or why there is nothing to roll back.
 *
 * Carry them out, then plan as after any wake. An answer of AWS may be old, and so may a refusal be: ask again for a while.
 */
export function requestRollback(
  observed: Observed,
  request: { readonly executionId?: string; readonly reason: string },
  nowMs: number,
):
  | { readonly ok: true; readonly effects: readonly Effect[]; readonly executionId: string }
  | { readonly ok: false; readonly problem: string } {
  const { pipeline, record } = observed;
  if (!pipeline.known) return { ok: false, problem: pipeline.problem };
  if (!record.known) return { ok: false, problem: record.problem };
  const release = currentRelease(pipeline.value);
  const { executionId } = request;
  if (release === undefined) {
    return { ok: false, problem: 'no release has reached the canary, so there is nothing to roll back' };
  }
  const { id } = release.execution;
  if (executionId !== undefined && executionId !== id) {
    return {
      ok: false,
      problem: `execution ${executionId} is not the current release; that is ${id}. Look at its status and ask again`,
    };
  }
  if (record.value.record.lastGood?.executionId === id) {
    return {
      ok: false,
      problem: `release ${id} is already the last good release, so there is nothing to return to; release an earlier version instead`,
    };
  }
  if (record.value.record.decision?.executionId === id) return { ok: true, effects: [], executionId: id };
  if (!isActive(release.execution)) {
    return { ok: false, problem: `release ${id} has already ended (${release.execution.status})` };
  }
  const { reason } = request;
  const requestedAt = new Date(nowMs).toISOString();
  const end: End = { kind: 'rollback', by: 'person', reason };
  return {
    ok: true,
    executionId: id,
    effects: [
      // Other writers may write over the decision, but not over the request. The decision stops what they have planned.
      { kind: 'requestRollback', request: { executionId: id, reason, requestedAt } },
      ...decide(release, end, record.value.record, record.value.version, nowMs),
    ],
  };
}
