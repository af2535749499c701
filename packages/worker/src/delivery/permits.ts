import type { Clock, Timer } from '../clock.ts';
import { InvariantError } from '../errors.ts';

interface Waiter {
  readonly max: number;
  readonly resolve: (granted: number) => void;
}

/**
 * The handlers that may run at once, as permits that pollers reserve before they ask SQS for messages.
 *
 * A permit that leaks makes a worker deaf for good, and one that is returned twice makes it take more than it
 * can hold; so giving back more than was taken is an error, never ignored.
 *
 * A reservation waits up to `lingerMs` for a full receive rather than asking for messages one by one, since a
 * call for one message costs what a call for ten costs. It never waits longer: a slow handler keeps its own
 * permit and nobody else's.
 */
export class Permits {
  readonly capacity: number;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #waiters: Waiter[] = [];
  #free: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(capacity: number, clock: Clock, lingerMs: number) {
    this.capacity = capacity;
    this.#free = capacity;
    this.#clock = clock;
    this.#lingerMs = lingerMs;
  }

  get taken(): number {
    return this.capacity - this.#free;
  }

  /** Takes up to `max` permits, at least one; 0 once closed. Reservations are served in order. */
  reserve(max: number): Promise<number> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(0);
      this.#waiters.push({ max, resolve });
      this.#serve();
    });
  }

  release(count: number): void {
    if (count < 0 || this.#free + count > this.capacity) {
      throw new InvariantError(`${count} permits returned, of which only ${this.taken} were taken`);
    }
    this.#free += count;
    this.#serve();
  }

  /** Grants nothing more: every waiting and later reservation gets 0. Releases stay welcome. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(0);
  }

  #serve(): void {
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (this.#free < Math.min(first.max, this.capacity)) break;
      this.#grant(first);
    }
    if (this.#waiters.length > 0 && this.#free > 0) {
      this.#timer ??= this.#clock.setTimer(this.#lingerMs, () => {
        this.#timer = undefined;
        const first = this.#waiters[0];
        if (first !== undefined && this.#free > 0) this.#grant(first);
        this.#serve();
      });
    } else if (this.#timer !== undefined) {
      this.#timer.cancel();
      this.#timer = undefined;
    }
  }

  #grant(waiter: Waiter): void {
    const granted = Math.min(waiter.max, this.#free);
    this.#waiters.shift();
    this.#free -= granted;
    waiter.resolve(granted);
  }
}
