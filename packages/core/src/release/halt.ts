import { type Effect, isBarrier } from './effect.ts';
import type { Observed } from './observed.ts';
import type { Plan } from './phase.ts';
import { initialExecutionId } from './record.ts';

/** How long the controller stays halted before people are told: a single read that is throttled passes by itself. */
const patienceMs = 3 * 60_000;

/**
 * Notifies people once that the controller is halted, and forgets it when it is not any more.
 *
 * What was told is in the record, so a crash does not repeat it. It comes last, since a record that cannot be written keeps
 * what follows from being done; and not with another write, which it would conflict with. Without a readable record
 * nothing can be remembered: then the invocation fails, and the alarm on that notifies people.
 */
export function announcingHalt(observed: Observed, planned: Plan, nowMs: number): Plan {
  if (!observed.record.known || planned.effects.some(isBarrier)) return planned;
  const { record, version } = observed.record.value;
  const { halt, ...others } = record;
  const write = (next: typeof record): Effect => ({
    kind: 'recordHalt',
    executionId: planned.release?.executionId ?? record.lastGood?.executionId ?? initialExecutionId,
    next,
    ifVersion: version,
  });
  const now = new Date(nowMs).toISOString();
  const and = (...more: Effect[]): Plan => ({ ...planned, effects: [...planned.effects, ...more] });
  if (planned.phase !== 'halted') return halt === undefined ? planned : and(write(others));
  if (halt === undefined) return and(write({ ...others, halt: { since: now } }));
  if (halt.toldAt !== undefined || nowMs - Date.parse(halt.since) < patienceMs) return planned;
  return and(write({ ...others, halt: { ...halt, toldAt: now } }), {
    kind: 'notify',
    subject: 'Releases are halted: a person must act',
    message: `The release controller has been halted since ${halt.since}: ${planned.reasons.join('; ')}`,
  });
}
