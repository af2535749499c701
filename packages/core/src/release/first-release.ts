import type { Effect } from './effect.ts';
import type { Journey } from './journey.ts';
import type { RecordedVerdict } from './record.ts';
import { tracks } from './track.ts';
import { isSteady, type World } from './world.ts';

/**
 * Starts the services of a stack that was made before there was an image: each once the pipeline has brought the first
 * image to it. Until then it has no task, so that deployment was over at once.
 */
export function starts(world: World, release: Journey): Effect[] {
  if (world.record.lastGood !== undefined) return [];
  return tracks
    .filter(
      (track) =>
        release[track]?.status === 'Succeeded' &&
        world[track].imageDigest !== undefined &&
        world[track].desired === 0,
    )
    .map((track) => ({ kind: 'startService', executionId: release.execution.id, track }));
}

/** Whether stable has never had a version: nothing runs alongside the canary that it could be compared with. */
export function hasNothingAlongside({ record, stable }: World): boolean {
  return record.lastGood === undefined && stable.imageDigest === undefined;
}

/** The verdict on the first version of all: a pass when its canary runs and reports, and none of its tasks has crashed. */
export function firstVerdict(world: World, executionId: string): RecordedVerdict | undefined {
  const { canary, observed, nowMs } = world;
  if (!hasNothingAlongside(world) || !isSteady(canary) || canary.running === 0) return undefined;
  const seen = observed.outcomes.known ? observed.outcomes.value?.canary : undefined;
  if (seen === undefined || seen.lines.length === 0) return undefined;
  if (seen.tasks.some(({ crash }) => crash !== undefined)) return undefined;
  return {
    executionId,
    kind: 'pass',
    code: 'first',
    summary: 'Pass: stable has not run any version yet, so there is nothing to judge this one alongside.',
    decidedAt: new Date(nowMs).toISOString(),
    canaryUnits: 0,
    canaryFailed: 0,
  };
}
