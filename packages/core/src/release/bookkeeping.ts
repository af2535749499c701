import type { Track } from '../contract.ts';
import { hasArrived } from './candidate.ts';
import { type Effect, isBarrier, type RecordWrite } from './effect.ts';
import { type Health, isDepthUnsettled } from './health.ts';
import type { Journey } from './journey.ts';
import { type Baseline, initialExecutionId, type LastGood, type ReleaseRecord } from './record.ts';
import { isSteady, type World } from './world.ts';

/** Remembers what the release begins with and how its dead letters were taken, as soon as it is known. */
export function followBaseline(world: World, release: Journey, health: Health): Effect[] {
  const { record, canary, nowMs } = world;
  const { id } = release.execution;
  const recorded: Baseline = record.baseline?.executionId === id ? record.baseline : { executionId: id };
  const { deadLettersSeenAt, ...lasting } = recorded;
  // What one look does not see is gone, or was never there; a look that cannot see says nothing.
  const goesOn = health.deadLettersPending || health.deadLetters === undefined;
  const before: Baseline = deadLettersSeenAt === undefined || !goesOn ? lasting : recorded;
  const arrived = hasArrived(world, release) ? canary.imageDigest : undefined;
  const baseline: Baseline = {
    ...(arrived !== undefined &&
      before.candidateDigest === undefined && { candidateDigest: arrived, candidateSeenAt: nowMs }),
    ...(health.deadLettersPending && { deadLettersSeenAt: nowMs }),
    ...(release.stable &&
      !health.deadLettersPending && {
        deadLettersAccepted: health.deadLettersExcused ? (health.deadLetters ?? 0) : 0,
      }),
    ...before,
    ...depthAtStart(world, release, before.deadLetters),
  };
  const changed =
    'deadLettersSeenAt' in baseline !== 'deadLettersSeenAt' in recorded ||
    baseline.deadLetters !== recorded.deadLetters ||
    Object.keys(baseline).length > Object.keys(recorded).length;
  return changed ? [writeRecord(world, 'recordBaseline', id, { ...record, baseline })] : [];
}

/** The highest depth that is seen while SQS's counts may still miss what was there when the release began. */
function depthAtStart(
  { observed: { deadLetters: depth }, nowMs }: World,
  release: Journey,
  before: number | undefined,
): Pick<Baseline, 'deadLetters'> {
  if (!depth.known || (before !== undefined && !isDepthUnsettled(release, nowMs))) return {};
  const { visible, hidden } = depth.value ?? { visible: 0, hidden: 0 };
  return { deadLetters: Math.max(before ?? 0, visible + hidden) };
}

/**
 * The last good release of a pipeline whose first execution came to the canary before the controller ever looked: the
 * image that the services were created with, as long as stable runs nothing else. Without it the first release would
 * have no way back.
 */
export function adoptedLastGood(world: World): LastGood | undefined {
  const { observed, canary, stable, record } = world;
  const { imageDigest, imageUri } = stable;
  if (record.lastGood !== undefined || imageDigest === undefined || !isSteady(stable)) return undefined;
  if (!observed.image.known || observed.image.value !== imageUri) return undefined;
  const image = { imageDigest, imageUri };
  const { canaryTaskDefinitionArn, ...lastGood } = lastGoodFrom(world, image, initialExecutionId, undefined);
  return { ...lastGood, ...(canary.imageDigest === imageDigest && { canaryTaskDefinitionArn }) };
}

export function lastGoodFrom(
  world: World,
  image: { readonly imageUri: string; readonly imageDigest: string },
  executionId: string,
  commit: string | undefined,
): LastGood {
  return {
    executionId,
    ...(commit !== undefined && { commit }),
    ...image,
    canaryTaskDefinitionArn: world.canary.primary.taskDefinitionArn,
    stableTaskDefinitionArn: world.stable.primary.taskDefinitionArn,
    recordedAt: new Date(world.nowMs).toISOString(),
  };
}

/**
 * Keeps the record's task definitions current when only the configuration has changed.
 *
 * CloudFormation deregisters the revision that it replaces. The image is the same, so this is not a new release.
 */
export function followTaskDefinitions(world: World, before: readonly Effect[]): Effect[] {
  const { record } = world;
  const { lastGood } = record;
  if (lastGood === undefined || before.some(isBarrier)) return [];
  const current = <T extends string | undefined>(track: Track, recorded: T): T | string => {
    const service = world[track];
    return isSteady(service) && service.imageDigest === lastGood.imageDigest
      ? service.primary.taskDefinitionArn
      : recorded;
  };
  const canaryTaskDefinitionArn = current('canary', lastGood.canaryTaskDefinitionArn);
  const stableTaskDefinitionArn = current('stable', lastGood.stableTaskDefinitionArn);
  if (
    canaryTaskDefinitionArn === lastGood.canaryTaskDefinitionArn &&
    stableTaskDefinitionArn === lastGood.stableTaskDefinitionArn
  ) {
    return [];
  }
  return [
    writeRecord(world, 'recordLastGood', lastGood.executionId, {
      ...record,
      lastGood: {
        ...lastGood,
        ...(canaryTaskDefinitionArn !== undefined && { canaryTaskDefinitionArn }),
        stableTaskDefinitionArn,
      },
    }),
  ];
}

export function followImage(world: World, lastGood: LastGood): Effect[] {
  const { image } = world.observed;
  if (image.known && image.value === lastGood.imageUri) return [];
  return [{ kind: 'recordImage', imageUri: lastGood.imageUri }];
}

export function writeRecord(
  world: World,
  kind: RecordWrite['kind'],
  executionId: string,
  next: ReleaseRecord,
): RecordWrite {
  return { kind, executionId, next, ifVersion: world.recordVersion };
}
