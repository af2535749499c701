import type { Clock, Timer } from './clock.ts';

const SAMPLE_MS = 500;
/** Less is the ordinary imprecision of timers. */
const SIGNIFICANT_MS = 100;

/** Measures how long the event loop was blocked, by how late a timer runs. */
export class LoopLag {
  readonly #clock: Clock;
  readonly #onSample: (lagMs: number) => void;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #lastBlock = { atMs: Number.NEGATIVE_INFINITY, ms: 0 };
  #maxMs = 0;

  /** `onSample` gets the lag of each sample, every half second. */
  constructor(clock: Clock, onSample: (lagMs: number) => void) {
    this.#clock = clock;
    this.#onSample = onSample;
  }

  /** The longest lag since {@link resetMax}. */
  get maxMs(): number {
    return this.#maxMs;
  }

  resetMax(): void {
    this.#maxMs = 0;
  }

  start(): void {
    const dueMs = this.#clock.nowMs() + SAMPLE_MS;
    this.#dueMs = dueMs;
    this.#timer = this.#clock.setTimer(SAMPLE_MS, () => {
      const nowMs = this.#clock.nowMs();
      const lagMs = Math.max(0, nowMs - dueMs);
      if (lagMs >= SIGNIFICANT_MS) this.#lastBlock = { atMs: nowMs, ms: lagMs };
      if (lagMs > this.#maxMs) this.#maxMs = lagMs;
      this.#onSample(lagMs);
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /**
   * The longest time for which the event loop may have been blocked until just now, milliseconds; 0 when it was not.
   * A reply may have been unread for so long, while the leases that it brought ran on.
   */
  blockedMs(): number {
    const nowMs = this.#clock.nowMs();
    const overdueMs = nowMs - this.#dueMs;
    const { atMs, ms } = this.#lastBlock;
    const lagMs = Math.max(overdueMs, nowMs - atMs < SIGNIFICANT_MS ? ms : 0);
    // The block may have begun at any time since the sample before.
    return lagMs < SIGNIFICANT_MS ? 0 : lagMs + SAMPLE_MS;
  }
}
