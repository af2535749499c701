import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { nextDueMs, parseSchedule } from '../../schedule.ts';
import type { Rule } from './rule.ts';

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
    const dueMs = nextDueMs(this.#engine, parseSchedule(rule.schedule), rule.createdAtMs);
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
}
