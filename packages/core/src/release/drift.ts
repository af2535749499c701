import { type Track, tracks } from '../contract.ts';
import { writeRecord } from './bookkeeping.ts';
import { isUnsettled } from './consistency.ts';
import type { Effect } from './effect.ts';
import { isBeingDeployed, type Journey, mayBeEnteringCanary } from './journey.ts';
import type { Drift, LastGood, ReleaseRecord } from './record.ts';
import { restoration } from './restoration.ts';
import { commitText, isSteady, progress, type World } from './world.ts';

/** How often a track is restored before the controller takes it for impossible, or for somebody's wish. */
const restorationsMax = 3;

/** What is to be done about a track that was changed from outside. */
export interface DriftPlan {
  /** Whether it is left to a person, since restoring has not helped. */
  readonly halted: boolean;
  /** When it was first seen, epoch milliseconds. */
  readonly since: number;
  readonly effects: readonly Effect[];
  readonly reasons: readonly string[];
}

/**
 * Brings back the given tracks, which no release is to change now, where they run something else than the last good
 * release; undefined where none does.
 *
 * A stack update that changes any property of a service, and the rollback of a stack update, hand ECS the revision
 * that CloudFormation registered itself, which may be months old
 * (https://github.com/aws/containers-roadmap/issues/117). A person can do the same in the console. Whoever it was is
 * left to finish: a deployment that is under way is only reported. One that has just begun may be of a release that the
 * pipeline does not show yet, and what is seen just after a restoration may be what was seen before it.
 */
export function planDrift(
  world: World,
  release: Journey | undefined,
  kept: readonly Track[],
): DriftPlan | undefined {
  const { record, pipeline, nowMs } = world;
  const { lastGood } = record;
  if (lastGood === undefined) return undefined;
  const open = openDrift(record);
  const astray = kept.filter(
    (track) => !isUnsettled(world, track) && isAstray(world, lastGood, open, track, release),
  );
  if (astray.length === 0 && open === undefined) return undefined;

  const over = astray.filter(
    (track) => world[track].primary.rolloutState !== 'IN_PROGRESS' && !isBeingDeployed(pipeline, track),
  );
  const changed = over.filter((track) => open?.[track]?.deploymentId !== world[track].primary.id);
  const drift: Drift = {
    ...(open ?? { seenAt: new Date(nowMs).toISOString() }),
    ...Object.fromEntries(changed.map((track) => [track, driftedTrack(world, track, open)])),
  };
  const left = over.filter((track) => (drift[track]?.times ?? 0) > restorationsMax);
  const { restores } = restoration(world, release);
  const halted = left.length > 0;
  const reasons = [
    ...astray.map((track) => {
      if (left.includes(track)) return leftSentence(world, track, lastGood);
      return changedSentence(world, track, lastGood, over.includes(track));
    }),
    ...kept.flatMap((track) => {
      const ran = drift[track];
      if (ran === undefined || astray.includes(track)) return [];
      return [`${track} ran ${imageText(ran.imageDigest)}: ${fromOutside}; it is being restored`];
    }),
    ...progress(world),
  ];
  const effects: Effect[] = [];
  if (changed.length > 0) {
    effects.push(writeRecord(world, 'recordDrift', lastGood.executionId, { ...record, drift }));
  }
  // Of what is left as it is, people are told as of everything that halts the controller.
  const restored = changed.filter((track) => !left.includes(track));
  if (restored.length > 0) {
    effects.push({
      kind: 'notify',
      subject: `${restored.join(' and ')} changed from outside: being restored`,
      message: `${restored.map((track) => changedSentence(world, track, lastGood, true)).join('. ')}.`,
    });
  }
  effects.push(...restores.filter(({ track }) => over.includes(track) && !left.includes(track)));
  return { halted, since: Date.parse(drift.seenAt), effects, reasons };
}

/** The record with the drift closed, once both services run the last good release at steady state again. */
export function withoutDrift(world: World): ReleaseRecord {
  const { record, nowMs } = world;
  const open = openDrift(record);
  const back = tracks.every(
    (track) => isSteady(world[track]) && world[track].imageDigest === record.lastGood?.imageDigest,
  );
  if (open === undefined || !back) return record;
  return { ...record, drift: { ...open, restoredAt: new Date(nowMs).toISOString() } };
}

/** One sentence about a drift that is over, for as long as its release is the last good one. */
export function driftHistory({ drift, lastGood }: ReleaseRecord): readonly string[] {
  if (drift?.restoredAt === undefined || lastGood === undefined) return [];
  if (Date.parse(drift.seenAt) < Date.parse(lastGood.recordedAt)) return [];
  return tracks.flatMap((track) => {
    const ran = drift[track];
    if (ran === undefined) return [];
    return [
      `at ${drift.seenAt} ${track} ran ${imageText(ran.imageDigest)}: ${fromOutside}; it was restored at ${drift.restoredAt}`,
    ];
  });
}

const fromOutside = 'it was changed from outside, for example by a stack update, by its rollback or by hand';

function openDrift({ drift }: ReleaseRecord): Drift | undefined {
  return drift?.restoredAt === undefined ? drift : undefined;
}

/** Whether the track is told to run something else than the last good release, or could not be brought back to it. */
function isAstray(
  world: World,
  lastGood: LastGood,
  open: Drift | undefined,
  track: Track,
  release: Journey | undefined,
): boolean {
  const { imageDigest, primary } = world[track];
  if (imageDigest === lastGood.imageDigest)
    return open?.[track] !== undefined && primary.rolloutState === 'FAILED';
  return !(track === 'canary' && mayBeEnteringCanary(world.pipeline, release));
}

function driftedTrack(world: World, track: Track, open: Drift | undefined): Drift[Track] {
  const { imageDigest, primary } = world[track];
  return {
    deploymentId: primary.id,
    ...(imageDigest !== undefined && { imageDigest }),
    times: (open?.[track]?.times ?? 0) + 1,
  };
}

function changedSentence(world: World, track: Track, lastGood: LastGood, isOver: boolean): string {
  const { imageUri } = world[track];
  const wanted = `${lastGood.imageUri}${commitText(lastGood.commit)}`;
  if (imageUri === lastGood.imageUri) return `${failedSentence(world, track)}; it is deployed again`;
  return isOver
    ? `${track} runs ${imageUri} instead of the last good release: ${fromOutside}. It returns to ${wanted}`
    : `${track} is being brought to ${imageUri} instead of the last good release: ${fromOutside}. When that deployment is over, it returns to ${wanted}`;
}

function leftSentence(world: World, track: Track, lastGood: LastGood): string {
  const { imageUri } = world[track];
  const what =
    imageUri === lastGood.imageUri
      ? failedSentence(world, track)
      : `${track} runs ${imageUri} again, after it was brought back to ${lastGood.imageUri} ${restorationsMax} times`;
  return `${what}: the last good release does not start any more, or somebody changes ${track} again and again. It is left as it is. Find out who changes it, or release a version that starts`;
}

function failedSentence(world: World, track: Track): string {
  const { imageUri, primary } = world[track];
  return `${track} could not be brought back to ${imageUri}${primary.rolloutReason ? ` (${primary.rolloutReason})` : ''}`;
}

function imageText(digest: string | undefined): string {
  return digest === undefined ? 'an image without a digest' : `the image ${digest}`;
}
