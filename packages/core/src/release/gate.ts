import { stages } from '../contract.ts';
import { isReleaseTime } from '../policy/release-window.ts';
import type { Effect } from './effect.ts';
import { type Journey, mayBeEnteringCanary, stageNamed } from './journey.ts';
import { initialExecutionId } from './record.ts';
import type { World } from './world.ts';

/**
 * Begins the reason of every transition that the controller disabled, so that it opens no one else's.
 * CodePipeline allows only letters, digits, spaces and `!@().*?-` in it.
 */
export const holdPrefix = 'queue-canary release ';

/**
 * Keeps newer executions out of the Canary stage. Stage locks alone do not: the canary's stage is free again
 * as soon as a release waits for its verdict, and the next execution would replace what is being judged.
 */
export function closeGate(world: World, { execution }: Journey): Effect[] {
  return holdGate(world, execution.id, 'is under way');
}

/** Closes the gate while what has become of a release is put right. */
export function holdGate(world: World, executionId: string, why: string): Effect[] {
  if (stageNamed(world.pipeline, stages.canary.stage)?.transitionEnabled !== true) return [];
  return [{ kind: 'closeCanaryStage', executionId, reason: `${holdPrefix}${executionId} ${why}` }];
}

/** Opens the gate while releases may begin, and closes it when they may not any more. */
export function openGate(world: World, release: Journey | undefined): Effect[] {
  if (isBeyondWindows(world)) {
    const id = release?.execution.id ?? world.record.lastGood?.executionId ?? initialExecutionId;
    return holdGate(world, id, 'ended and the next waits for a window');
  }
  const stage = stageNamed(world.pipeline, stages.canary.stage);
  if (stage === undefined || stage.transitionEnabled || mayBeEnteringCanary(world.pipeline, release))
    return [];
  return stage.transitionDisabledReason?.startsWith(holdPrefix) ? [{ kind: 'openCanaryStage' }] : [];
}

/** Whether the next release has to wait for a window. The first of all need not: until then nothing runs. */
export function isBeyondWindows({ policy, record, nowMs }: World): boolean {
  return record.lastGood !== undefined && !isReleaseTime(policy.releaseWindows, nowMs);
}
