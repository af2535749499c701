import { tracks } from '../contract.ts';
import { isUnsettled } from './consistency.ts';
import type { Effect } from './effect.ts';
import { type Journey, mayBeEnteringCanary } from './journey.ts';
import { initialExecutionId } from './record.ts';
import { isSteady, type World } from './world.ts';

type Restore = Extract<Effect, { kind: 'restoreService' }>;

/**
 * What brings both services back, whether they are told to run the last good release (`inPlace`), whether they
 * do so at steady state (`restored`), and what stands in the way.
 */
export function restoration(
  world: World,
  release: Journey | undefined,
): { restores: Restore[]; inPlace: boolean; restored: boolean; obstacles: string[] } {
  const { lastGood } = world.record;
  if (lastGood === undefined) {
    return {
      restores: [],
      inPlace: false,
      restored: false,
      obstacles: [
        'there is no last good release to return to: both services are left as they are. Release a version that fixes the worker and approve it, or deploy a task definition by hand',
      ],
    };
  }
  const restores: Restore[] = [];
  let deferred = false;
  for (const track of tracks) {
    const service = world[track];
    const onImage = service.imageDigest === lastGood.imageDigest;
    const broken = onImage && service.primary.rolloutState === 'FAILED';
    if (onImage && !broken) continue;
    if (track === 'canary' && mayBeEnteringCanary(world.pipeline, release)) {
      deferred = true;
      continue;
    }
    const taskDefinitionArn = onImage
      ? service.primary.taskDefinitionArn
      : track === 'canary'
        ? lastGood.canaryTaskDefinitionArn
        : lastGood.stableTaskDefinitionArn;
    restores.push({
      kind: 'restoreService',
      executionId: release?.execution.id ?? initialExecutionId,
      track,
      imageUri: lastGood.imageUri,
      ...(taskDefinitionArn !== undefined && { taskDefinitionArn }),
      observedTaskDefinitionArn: service.primary.taskDefinitionArn,
      forceNew: broken,
    });
  }
  const inPlace = !deferred && restores.length === 0;
  const restored = inPlace && tracks.every((track) => isSteady(world[track]));
  return { restores, inPlace, restored, obstacles: [] };
}

/**
 * Brings stable back for an earlier release whose rollback was overtaken by this one. The closed Canary stage
 * prevents that; a person who opens it does not.
 */
export function finishEarlierRollback(world: World, release: Journey): Effect[] {
  if (isUnsettled(world, 'stable')) return [];
  return restoration(world, release).restores.filter(({ track }) => track === 'stable');
}
