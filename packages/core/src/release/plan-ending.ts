import { restoringWakeMs, unlessDrifted } from './between-releases.ts';
import { followTaskDefinitions } from './bookkeeping.ts';
import { mayBeFromBefore } from './consistency.ts';
import type { Effect } from './effect.ts';
import { confirmRestored, decide, type End, endExecution, endIntruders, failingVerdict } from './ending.ts';
import { closeGate, openGate } from './gate.ts';
import type { Health } from './health.ts';
import { isActive, type Journey } from './journey.ts';
import { recordedVerdict } from './judgement.ts';
import { type Plan, summarise } from './phase.ts';
import { positionOf } from './position.ts';
import type { Decision } from './record.ts';
import { restoration } from './restoration.ts';
import { progress, type World } from './world.ts';

/** Ends what is still active, and brings both services back to the last good release. */
export function planEnding(world: World, release: Journey, health: Health, end: End): Plan {
  const { record } = world;
  const { id } = release.execution;
  const active = isActive(release.execution);
  const decided = record.decision?.executionId === id ? record.decision : undefined;
  const reasons = [end.reason];
  const undecided = decided === undefined && active ? { undecided: positionOf(world, release) } : {};
  const summary = summarise(release, health, decided ? Date.parse(decided.decidedAt) : world.nowMs);
  const phase = end.kind === 'abort' ? 'aborted' : 'rolledBack';
  if (decided !== undefined && !active && wasRestored(decided, release)) {
    const effects = [...followTaskDefinitions(world, []), ...openGate(world, release)];
    return unlessDrifted(world, release, { phase, release: summary, effects, reasons });
  }

  const stops = active ? endExecution(world, release, end.reason) : [];
  const { restores, obstacles, ...seen } = restoration(world, release);
  // An answer may not show yet how the execution changed the services just before it ended.
  const restored = seen.restored && !mayBeFromBefore(release.execution.updatedAt, world.nowMs);
  const effects: Effect[] = [];
  if (decided === undefined) {
    const failing = end.by === 'judge' ? failingVerdict(world)?.verdict : undefined;
    const verdict = failing && recordedVerdict(failing, id, world.nowMs);
    effects.push(...decide(release, end, record, world.recordVersion, world.nowMs, verdict));
  }
  if (decided !== undefined && restored && !active) effects.push(...confirmRestored(world, decided));
  const going = obstacles.length === 0 && (active || !restored);
  // The stage is closed before the execution ends, or the next one would enter it at that very moment.
  if (going) effects.push(...closeGate(world, release));
  effects.push(...stops, ...endIntruders(world, release), ...restores);

  if (obstacles.length > 0) {
    if (!active) effects.push(...openGate(world, release));
    return { phase: 'halted', ...undecided, release: summary, effects, reasons: [...reasons, ...obstacles] };
  }
  if (going) {
    return {
      phase: 'rollingBack',
      ...undecided,
      release: summary,
      effects,
      nextWakeMs: restoringWakeMs,
      reasons: [...reasons, ...progress(world)],
    };
  }
  effects.push(...followTaskDefinitions(world, effects), ...openGate(world, release));
  return { phase, release: summary, effects, reasons };
}

/**
 * Whether both services were seen restored since the release last touched them. From then on tasks that come and go
 * are ECS's business, and what else runs was changed from outside.
 */
function wasRestored({ restoredAt }: Decision, { canaryLastStartedAt, stable }: Journey): boolean {
  const touchedAt = Math.max(canaryLastStartedAt, stable?.startedAt ?? 0);
  return restoredAt !== undefined && Date.parse(restoredAt) >= touchedAt;
}
