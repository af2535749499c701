/** A cancellable timer armed on a {@link Clock}. */
export interface Timer {
  cancel(): void;
}

/**
 * The engine's only source of time. Everything that waits takes one of these, so that the same code runs in
 * real time and in virtual time.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Milliseconds since some instant, for what only has to last: unlike {@link nowMs} it is never set. */
  uptimeMs(): number;
  /** Runs `run` once, `delayMs` milliseconds from now; a negative or zero delay runs it as soon as possible. */
  setTimer(delayMs: number, run: () => void): Timer;
}

/** Resolves after `delayMs` on the given clock, or earlier when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
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

const TIMEOUT_MS_MAX = 2_147_483_647;

/** Real time. Timers never keep the process alive on their own: the listening socket does. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  uptimeMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    let handle: NodeJS.Timeout;
    const arm = (remainingMs: number) => {
      const stepMs = Math.min(Math.max(remainingMs, 0), TIMEOUT_MS_MAX);
      handle = setTimeout(() => (remainingMs > stepMs ? arm(remainingMs - stepMs) : run()), stepMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  }
}
