/** A cancellable timer armed on a {@link Clock}. */
export interface Timer {
  cancel(): void;
}

/**
 * The worker's only source of time, so that the same code runs in real time and in virtual time.
 *
 * `nowMs` must never step: leases and timeouts are measured with it, and a wall clock that is set back would
 * let the worker believe in leases that it has lost. How far it is from SQS's own clock does not matter.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, monotonic. */
  nowMs(): number;
  /** Runs `run` once, `delayMs` milliseconds from now; a negative or zero delay runs it as soon as possible. */
  setTimer(delayMs: number, run: () => void): Timer;
}

/** Resolves after `delayMs` on the given clock, or as soon as `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    const abort = () => {
      timer.cancel();
      done();
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Resolves with `true` when `work` does, or with `false` once `delayMs` are over. `work` must not reject. */
export function within(clock: Clock, delayMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(delayMs, () => resolve(false));
    void work.then(() => {
      timer.cancel();
      resolve(true);
    });
  });
}
