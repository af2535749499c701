import type { Cell } from './block.ts';
import { eValueMax, exp, ln } from './numerics.ts';

/** A good version may fail this part of its first messages, while its tasks are young. */
const TOLERATED = 0.25;

/** What a version that does not work fails of its messages, by bet; mostly it is everything. */
const FAILING = [0.5, 0.7, 0.9, 0.98];
const WEIGHTS = [0.15, 0.15, 0.2, 0.5];

/** What a message that fails wins, and what another one loses, by bet, as logarithms. */
const WON = FAILING.map((rate) => ln(rate / TOLERATED));
const LOST = FAILING.map((rate) => ln((1 - rate) / (1 - TOLERATED)));

/** What fails in one line beyond so much counts no more: a reset connection fails many messages at once. */
const FAILED_MAX = 4;

/**
 * The e-process against "the canary fails at most a quarter of what it receives": the quick way out for a version that does
 * not work at all. It looks at the canary alone.
 *
 * Its stake is bet at once and never renewed, so what it has lost on a version that works it cannot win back on
 * failures later. Of long work only the failures have ended at first, so what is under way counts as well.
 */
export class GrossFailures {
  #failed = 0;
  #others = 0;

  get value(): number {
    return this.with([]);
  }

  /** Its value if the canary's tasks reported these lines as well. */
  with(lines: readonly Cell[]): number {
    const { failed, others } = countsOf(lines);
    let mean = 0;
    for (let bet = 0; bet < FAILING.length; bet += 1) {
      const grown = (this.#failed + failed) * WON[bet]! + (this.#others + others) * LOST[bet]!;
      mean += WEIGHTS[bet]! * Math.min(eValueMax, exp(grown));
    }
    return mean;
  }

  observe(lines: readonly Cell[]): void {
    const { failed, others } = countsOf(lines);
    this.#failed += failed;
    this.#others += others;
  }
}

function countsOf(lines: readonly Cell[]): { readonly failed: number; readonly others: number } {
  let [failed, others] = [0, 0];
  for (const line of lines) {
    failed += Math.min(FAILED_MAX, line.failed);
    others += Math.max(0, Math.max(line.received, line.finished) - line.failed);
  }
  return { failed, others };
}
