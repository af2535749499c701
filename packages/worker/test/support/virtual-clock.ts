import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/clock.ts';

interface Armed {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Time that a test moves, from timer to timer; work that a timer starts settles before time goes on. */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #armed: Armed[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const armed = { dueMs: this.#nowMs + Math.max(0, delayMs), run };
    const later = this.#armed.findIndex(({ dueMs }) => dueMs > armed.dueMs);
    this.#armed.splice(later < 0 ? this.#armed.length : later, 0, armed);
    return {
      cancel: () => {
        const index = this.#armed.indexOf(armed);
        if (index >= 0) this.#armed.splice(index, 1);
      },
    };
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await turn();
  }

  /** Moves on by `ms`, through every timer that falls due. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (let next = this.#armed[0]; next !== undefined && next.dueMs <= untilMs; next = this.#armed[0]) {
      this.#armed.shift();
      // A loop that was blocked runs its timers late.
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
      await this.settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass in which nothing can run, as while a handler computes. */
  block(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves on, timer by timer, until something holds; fails after `withinMs`. */
  async until(holds: () => boolean, withinMs = 600_000): Promise<void> {
    const deadlineMs = this.#nowMs + withinMs;
    await this.settle();
    while (!holds()) {
      const next = this.#armed[0];
      if (next === undefined || next.dueMs > deadlineMs) {
        throw new Error(`it did not hold within ${withinMs} ms: ${holds}`);
      }
      await this.advance(Math.max(0, next.dueMs - this.#nowMs));
    }
  }
}
