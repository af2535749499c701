import type { Timer } from '../clock/clock.ts';
import type { Engine } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import type { Table } from '../state/state.ts';

/** How far an item has come. */
export interface Progress {
  /** Attempts that failed. */
  readonly attempts: number;
  readonly dueAtMs: number;
}

/** What a service does with the items of its {@link DeliveryQueue}. */
export interface Carrier<T> {
  /** Brings an item to its receiver; throws the `AwsFault` that kept it from arriving. */
  readonly deliver: (item: T) => Promise<void>;
  /** Pause after a failed attempt, in milliseconds, by the number of attempts that failed before it. */
  readonly pauseMs: (failedBefore: number) => number;
  /**
   * Told of each failed attempt and when the next one would be. Answers whether the item is given up, after
   * having dead-lettered it or recorded its loss.
   */
  readonly givesUp: (item: T & Progress, fault: AwsFault, nextAtMs: number) => Promise<boolean>;
}

/**
 * Carries items to their receivers, at least once and in no particular order.
 *
 * An item is durable from the turn in which it was added, so it survives `kill -9`; it stays until it arrived
 * or its carrier gave it up.
 */
export class DeliveryQueue<T extends object> {
  readonly #engine: Pick<Engine, 'clock' | 'state'>;
  readonly #carrier: Carrier<T>;
  readonly #table: Table<T & Progress>;
  readonly #timers = new Map<string, Timer>();
  readonly #underway = new Set<Promise<void>>();
  #sequence = 0;
  #running = false;

  /** @param table name of the state's table that holds the items */
  constructor(engine: Pick<Engine, 'clock' | 'state'>, table: string, carrier: Carrier<T>) {
    this.#engine = engine;
    this.#carrier = carrier;
    this.#table = engine.state.table<T & Progress>(table);
    for (const key of this.#table.keys()) this.#sequence = Math.max(this.#sequence, Number(key));
  }

  /** @param delayMs not to be delivered before so many milliseconds */
  add(item: T, delayMs = 0): void {
    const key = String(++this.#sequence);
    this.#table.put(key, { ...item, attempts: 0, dueAtMs: this.#engine.clock.nowMs() + delayMs });
    this.#schedule(key, delayMs);
  }

  /** Takes up delivering, with what an earlier engine left. */
  start(): void {
    this.#running = true;
    const nowMs = this.#engine.clock.nowMs();
    for (const [key, { dueAtMs }] of this.#table.entries()) this.#schedule(key, dueAtMs - nowMs);
  }

  /** Resolves when the attempts under way have ended. */
  async stop(): Promise<void> {
    this.#running = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#underway);
  }

  #schedule(key: string, delayMs: number): void {
    if (!this.#running) return;
    this.#timers.get(key)?.cancel();
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(key);
      const attempt = this.#attempt(key).finally(() => this.#underway.delete(attempt));
      this.#underway.add(attempt);
    });
    this.#timers.set(key, timer);
  }

  async #attempt(key: string): Promise<void> {
    const item = this.#table.get(key);
    if (!item) return;
    try {
      await this.#carrier.deliver(item);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      const pauseMs = this.#carrier.pauseMs(item.attempts);
      const dueAtMs = this.#engine.clock.nowMs() + pauseMs;
      if (!(await this.#carrier.givesUp(item, error, dueAtMs))) {
        this.#table.put(key, { ...item, attempts: item.attempts + 1, dueAtMs });
        this.#schedule(key, pauseMs);
        return;
      }
    }
    this.#table.delete(key);
  }
}
