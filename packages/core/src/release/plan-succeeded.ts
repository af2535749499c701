import { unlessDrifted } from './between-releases.ts';
import { followImage, followTaskDefinitions, lastGoodFrom, writeRecord } from './bookkeeping.ts';
import { hasArrived } from './candidate.ts';
import type { Effect } from './effect.ts';
import { openGate } from './gate.ts';
import type { Health } from './health.ts';
import type { Journey } from './journey.ts';
import { type Plan, summarise } from './phase.ts';
import { onOneImage, progress, type World } from './world.ts';

/** A release that is over and good: keeps the record true to what runs, and lets the next one in. */
export function planSucceeded(world: World, release: Journey, health: Health): Plan {
  const { record } = world;
  const { execution } = release;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  const image = onOneImage(world);
  if (record.lastGood?.executionId === execution.id) {
    effects.push(...followTaskDefinitions(world, effects), ...followImage(world, record.lastGood));
  } else if (release.record?.status === 'Succeeded' && image !== undefined && hasArrived(world, release)) {
    const lastGood = lastGoodFrom(world, image, execution.id, execution.commit);
    effects.push(writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }));
    reasons.push('the pipeline has finished it, and both services are steady on its image');
  } else {
    reasons.push('the pipeline has finished it, but it is not recorded as the last good release');
  }
  effects.push(...openGate(world, release));
  if (world.observed.alarms.known) {
    for (const alarm of world.observed.alarms.value) {
      if (alarm.value === 'ALARM') {
        reasons.push(`alarm ${alarm.name} is in ALARM, but no release is under way: nothing is rolled back`);
      }
    }
  }
  const stuck =
    record.lastGood?.executionId !== execution.id &&
    release.record?.status === 'Succeeded' &&
    image === undefined;
  const planned: Plan = {
    phase: stuck ? 'halted' : 'succeeded',
    release: summarise(release, health, execution.updatedAt),
    effects,
    reasons: stuck ? [...reasons, ...progress(world)] : reasons,
  };
  // Both services may be on their way to what the record does not hold yet.
  const unrecorded = record.lastGood?.executionId !== execution.id && release.record?.status === 'Succeeded';
  return unrecorded ? planned : unlessDrifted(world, release, planned);
}
