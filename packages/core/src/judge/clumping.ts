import type { Cell } from './block.ts';

/** What tasks are taken to fail before anything is known. */
const PRIOR_FAILED = 0.5;
const PRIOR_UNITS = 100.5;

/**
 * How many messages fail together: the variance of what tasks fail within an interval, over what it would be if each
 * message failed by itself. Evidence for a pass is worth so much less.
 */
export class Clumping {
  #units = PRIOR_UNITS;
  #failed = PRIOR_FAILED;
  #squares = 1;
  #variance = 1;

  /** 1 where messages fail by themselves. */
  get factor(): number {
    return Math.max(1, this.#squares / this.#variance);
  }

  observe(cells: readonly Cell[]): void {
    const rate = this.#failed / this.#units;
    for (const { finished, failed } of cells) {
      this.#squares += (failed - finished * rate) ** 2;
      this.#variance += finished * rate * (1 - rate);
      this.#units += finished;
      this.#failed += failed;
    }
  }
}
