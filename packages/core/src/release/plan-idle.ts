import { unlessDrifted } from './between-releases.ts';
import { followTaskDefinitions, lastGoodFrom, writeRecord } from './bookkeeping.ts';
import type { Effect } from './effect.ts';
import { openGate } from './gate.ts';
import type { Plan } from './phase.ts';
import { initialExecutionId } from './record.ts';
import { tracks } from './track.ts';
import { onOneImage, progress, type World } from './world.ts';

/** No release yet: adopts what both services were created with, so that the first release has a way back. */
export function planIdle(world: World): Plan {
  const { record } = world;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  if (record.lastGood === undefined) {
    const image = onOneImage(world);
    if (tracks.every((track) => world[track].imageDigest === undefined && world[track].desired === 0)) {
      reasons.push(
        'there is no image yet, and no task: push the worker, and its release starts both services',
      );
    } else if (image === undefined) {
      reasons.push('no last good release yet: the services are not steady on one image', ...progress(world));
    } else {
      const lastGood = lastGoodFrom(world, image, initialExecutionId, undefined);
      effects.push(writeRecord(world, 'recordLastGood', initialExecutionId, { ...record, lastGood }));
      reasons.push('both services run one image at steady state: it is the first last good release');
    }
  } else {
    effects.push(...followTaskDefinitions(world, effects));
    reasons.push('no release has reached the canary');
  }
  effects.push(...openGate(world, undefined));
  return unlessDrifted(world, undefined, { phase: 'idle', effects, reasons });
}
