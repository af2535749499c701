import { intruders, isActive, type Journey } from './journey.ts';
import { stages } from './observed.ts';
import { ownStopReason } from './stop-reason.ts';
import type { Track } from './track.ts';
import type { World } from './world.ts';

/**
 * How old an answer of AWS may be. List and describe calls are eventually consistent, each by itself: one may not show
 * yet what another shows, nor what an earlier answer of its own has shown. AWS names no time.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
 */
export const consistentWithinMs = 15_000;

/** Whether an answer that is read now may be of a time before the given one, epoch milliseconds. */
export function mayBeFromBefore(atMs: number, nowMs: number): boolean {
  return nowMs - atMs < consistentWithinMs;
}

/**
 * Whether the answers about the track, the pipeline and the record may be of different times, since one of them is known
 * to have changed a moment ago. Then they do not say who has changed the track.
 */
export function isUnsettled({ pipeline, record, nowMs, ...seen }: World, track: Track): boolean {
  const { stage, action } = stages[track];
  const deployments = pipeline.actions.filter((run) => run.stage === stage && run.action === action);
  const { lastGood, decision, drift } = record;
  const changedAt = [
    seen[track].primary.createdAt ?? 0,
    ...deployments.map(({ updatedAt }) => updatedAt),
    ...[lastGood?.recordedAt, decision?.restoredAt, drift?.restoredAt].flatMap((at) =>
      at === undefined ? [] : [Date.parse(at)],
    ),
  ];
  return changedAt.some((at) => mayBeFromBefore(at, nowMs));
}

/**
 * In which way the answers about the pipeline do not agree yet. They will in a moment, or mean what they say: somebody has
 * let a second release onto the canary, or the pipeline does not know why it has failed.
 */
export function disagreement(
  { pipeline, record: known, nowMs }: World,
  release: Journey,
): string | undefined {
  const { execution, canary, judge, approval, stable, record } = release;
  const others = intruders(pipeline, release);
  const newest = [release, ...others].find(({ canaryLastStartedAt }) =>
    mayBeFromBefore(canaryLastStartedAt, nowMs),
  );
  if (isActive(execution) && others.length > 0 && newest !== undefined) {
    return `the answers about the pipeline do not agree yet: two executions are active on the canary, and ${newest.execution.id} has come to it just now`;
  }
  const isDecided = known.decision?.executionId === execution.id;
  const mayBeNew = mayBeFromBefore(execution.updatedAt, nowMs);
  if (!isActive(execution) && !isDecided && mayBeNew && ownStopReason(execution) !== undefined) {
    return `the answers about the release do not agree yet: execution ${execution.id} was stopped by the controller, and the record does not show why`;
  }
  const isExplained = [canary, judge, approval, stable, record].some(
    (run) => run?.status === 'Failed' || run?.status === 'Abandoned',
  );
  if (execution.status === 'Failed' && !isExplained && mayBeNew) {
    return `the answers about the pipeline do not agree yet: execution ${execution.id} has failed, and none of its actions has`;
  }
  return undefined;
}
