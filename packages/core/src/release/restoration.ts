import type { Effect } from './effect.ts';
import { hasReachedStable, type Journey, mayBeEnteringCanary } from './journey.ts';
import { tracks } from './observed.ts';
import { isSteady, type World } from './world.ts';

/**
 * What brings both services back, whether they are told to run the last good release (`inPlace`), whether they
 * do so at steady state (`restored`), and what stands in the way.
 */
export function restoration(
  world: World,
  release: Journey,
): { restores: Effect[]; inPlace: boolean; restored: boolean; obstacles: string[] } {
  const { record, observed } = world;
  const { lastGood } = record;
  if (lastGood === undefined) {
    return {
      restores: [],
      inPlace: false,
      restored: false,
      obstacles: [
        'there is no last good release to return to: both services are left as they are. Push a commit that fixes the worker and approve its release, or deploy a task definition by hand',
      ],
    };
  }
  const restores: Effect[] = [];
  const obstacles: string[] = [];
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
    const points = observed.restorePoints;
    const taskDefinitionArn = onImage
      ? service.primary.taskDefinitionArn
      : track === 'canary'
        ? lastGood.canaryTaskDefinitionArn
        : lastGood.stableTaskDefinitionArn;
    if (!onImage && points.known && !points.value[track]) {
      obstacles.push(
        `${track} cannot return to ${taskDefinitionArn}: it has been deregistered. Push a commit that fixes the worker and approve its release, or deploy a task definition with ${lastGood.imageUri} by hand`,
      );
      continue;
    }
    restores.push({
      kind: 'restoreService',
      executionId: release.execution.id,
      track,
      taskDefinitionArn,
      observedTaskDefinitionArn: service.primary.taskDefinitionArn,
      forceNew: broken,
    });
  }
  const inPlace = !deferred && restores.length === 0 && obstacles.length === 0;
  const restored = inPlace && tracks.every((track) => isSteady(world[track]));
  return { restores, inPlace, restored, obstacles };
}

/**
 * Brings stable back for an earlier release whose rollback was overtaken by this one. The closed Canary stage
 * prevents that; a person who opens it does not.
 */
export function finishEarlierRollback(world: World, release: Journey): Effect[] {
  const { decision } = world.record;
  if (decision === undefined || decision.restoredAt !== undefined) return [];
  if (hasReachedStable(release) || release.approval?.status === 'Succeeded') return [];
  return restoration(world, release).restores.filter(
    (effect) => effect.kind === 'restoreService' && effect.track === 'stable',
  );
}
