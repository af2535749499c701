import { driftHistory, planDrift } from './drift.ts';
import { holdGate, openGate } from './gate.ts';
import type { Journey } from './journey.ts';
import type { Plan } from './phase.ts';
import { initialExecutionId } from './record.ts';
import { tracks } from './track.ts';
import type { World } from './world.ts';

/** The plan of a time in which no release is under way, unless a service was changed from outside. */
export function unlessDrifted(world: World, release: Journey | undefined, planned: Plan): Plan {
  const drift = planDrift(world, release, tracks);
  if (drift === undefined)
    return { ...planned, reasons: [...planned.reasons, ...driftHistory(world.record)] };
  const { halted, since, effects, reasons } = drift;
  const id = release?.execution.id ?? initialExecutionId;
  // The next release would be compared with what should not run. A halt lets in the one that may mend it.
  const gate = halted ? openGate(world, release) : holdGate(world, id, 'is being restored');
  return {
    phase: halted ? 'halted' : 'drifted',
    ...(planned.release && { release: { ...planned.release, since } }),
    effects: [...effects, ...gate],
    nextWakeMs: restoringWakeMs,
    reasons,
  };
}

/** How soon to look again at services that are being restored; ECS events usually come first. */
export const restoringWakeMs = 10_000;
