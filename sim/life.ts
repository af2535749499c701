import type { Clock } from '@queue-canary/engine';

/** The time and the calls of one program: when it has ended, none of its timers fires, and none of its calls returns. */
export class Life implements Clock {
  readonly #clock: Clock;
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  uptimeMs(): number {
    return this.#clock.uptimeMs();
  }

  setTimer(delayMs: number, run: () => void) {
    return this.#clock.setTimer(delayMs, () => {
      if (!this.#over) run();
    });
  }

  /** What a call gives, or nothing ever. */
  async within<T>(call: Promise<T>): Promise<T> {
    const result = await call.then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    return this.#over ? new Promise<never>(() => {}) : result();
  }

  end(): void {
    this.#over = true;
  }
}
