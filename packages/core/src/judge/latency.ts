import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { type Counted, Difference, type Scored } from './difference.ts';
import { beyond, mergedAll, quantileBin, total } from './histogram.ts';

/** Quantiles of stable's past at which durations are compared. */
export const QUANTILES = [0.5, 0.9, 0.99] as const;

/** Part of the stake on each quantile. */
export const QUANTILE_WEIGHTS = [0.5, 0.25, 0.25];

/** Fewer durations than this do not tell what is slow. */
const DURATIONS_MIN = 100;

/** What is slow, by stable's own past: the bin of each quantile. Fixed before the first comparison. */
export type SlowBins = readonly number[];

/** The bins, or undefined where the past is too short. */
export function slowBins(
  past: readonly Cell[],
  quantiles: readonly number[] = QUANTILES,
): SlowBins | undefined {
  const all = mergedAll(past);
  if (total(all) < DURATIONS_MIN) return undefined;
  return quantiles.map((quantile) => quantileBin(all, quantile)!);
}

/**
 * Evidence that the canary is slower than stable by more than a factor: its messages beyond the factor times stable's
 * past quantile, compared with stable's beyond the quantile itself. If the canary were slower by just the factor, both
 * would be equally many, whatever the law of the durations.
 */
export class Slower {
  readonly #quantiles: readonly Difference[];
  readonly #weights: readonly number[];

  /**
   * @param toleranceBins the factor, in bins of the histogram.
   * @param weights parts of the stake on each quantile; those behind the last are not compared.
   */
  constructor(bins: SlowBins, toleranceBins: number, past: readonly Cell[], weights: readonly number[]) {
    this.#weights = weights;
    this.#quantiles = bins.slice(0, weights.length).map((bin, index) => {
      const difference = new Difference(
        {
          canary: slowerThan(bin + toleranceBins),
          baseline: slowerThan(bin),
          // In the middle, how slow a task was on average says more than how many of its messages were slow.
          ...(index === 0 && { scores: { canary: meanBin(-toleranceBins), baseline: meanBin(0) } }),
        },
        true,
      );
      difference.learn(past);
      return difference;
    });
  }

  get value(): number {
    let mean = 0;
    for (const [index, quantile] of this.#quantiles.entries())
      mean += this.#weights[index]! * quantile.value(0);
    return mean;
  }

  observe(comparison: Comparison): void {
    for (const quantile of this.#quantiles) quantile.observe(comparison);
  }
}

const slowerThan =
  (bin: number): Counted =>
  ({ durations }) =>
    durations === undefined
      ? { units: 0, failed: 0 }
      : { units: total(durations), failed: beyond(durations, bin) };

const meanBin =
  (shift: number): Scored =>
  ({ durations }) => {
    if (durations === undefined || durations.length === 0) return undefined;
    let [count, sum] = [0, 0];
    for (const each of durations) {
      count += each[1];
      sum += each[1] * each[0];
    }
    return sum / count + shift;
  };
