import type { Journey } from './journey.ts';
import type { World } from './world.ts';

/** Where a release is that nothing has ended, and since when, epoch milliseconds. */
export interface Position {
  readonly phase: 'deploying' | 'baking' | 'awaitingApproval' | 'promoting' | 'succeeded';
  readonly since: number;
}

/** Where the release is by what the pipeline has done and what is recorded of it. */
export function positionOf({ record, nowMs }: World, release: Journey): Position {
  const { execution, canary, judge, approval, stable } = release;
  if (record.lastGood?.executionId === execution.id) {
    return { phase: 'succeeded', since: Date.parse(record.lastGood.recordedAt) };
  }
  if (release.record !== undefined) return { phase: 'promoting', since: release.record.startedAt };
  if (stable !== undefined || approval?.status === 'Succeeded') {
    return { phase: 'promoting', since: stable?.startedAt ?? approval?.updatedAt ?? nowMs };
  }
  if (canary.status !== 'Succeeded') return { phase: 'deploying', since: canary.startedAt };
  if (judge?.status === 'Succeeded') return { phase: 'awaitingApproval', since: judge.updatedAt };
  return { phase: 'baking', since: canary.updatedAt };
}
