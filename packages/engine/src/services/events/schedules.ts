import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import type { Rule } from './rule.ts';
import { parseSchedule } from './schedule.ts';

/**
 * Fires scheduled rules. Rates count from the rule's creation, cron expressions are UTC; `--pace` makes the
 * schedule's clock run faster from the rule's creation on. What fell due while the engine was down is not
 * made up for.
 */
export class Schedules {
  readonly #engine: Engine;
  readonly #fire: (rule: Rule) => void;
  readonly #find: (name: string) => Rule | undefined;
  readonly #timers = new Map<string, Timer>();

  constructor(
    engine: Engine,
    parts: { fire: (rule: Rule) => void; find: (name: string) => Rule | undefined },
  ) {
    this.#engine = engine;
    this.#fire = parts.fire;
    this.#find = parts.find;
  }

  /** Arms, re-arms or disarms a rule as it now stands. */
  arm(name: string): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
    const rule = this.#find(name);
    if (!rule?.enabled || rule.schedule === undefined) return;
    const dueMs = this.#nextMs(rule, rule.schedule);
    if (dueMs === undefined) return;
    const timer = this.#engine.clock.setTimer(dueMs - this.#engine.clock.nowMs(), () => {
      const current = this.#find(name);
      if (current?.enabled) this.#fire(current);
      this.arm(name);
    });
    this.#timers.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #nextMs(rule: Rule, expression: string): number | undefined {
    const { clock, pace } = this.#engine;
    const schedule = parseSchedule(expression);
    const passedMs = clock.nowMs() - rule.createdAtMs;
    if (schedule.kind === 'rate') {
      const intervalMs = pace.scaleSeconds('schedule-minute', schedule.seconds);
      return rule.createdAtMs + (Math.floor(passedMs / intervalMs) + 1) * intervalMs;
    }
    const realPerScheduled = pace.scaleSeconds('schedule-minute', 1) / 1000;
    const nextMs = schedule.nextAfter(rule.createdAtMs + passedMs / realPerScheduled);
    return nextMs === undefined
      ? undefined
      : rule.createdAtMs + (nextMs - rule.createdAtMs) * realPerScheduled;
  }
}
