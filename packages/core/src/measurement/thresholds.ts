import type { Thresholds } from './measurement.ts';

/** Quantiles of the baseline's durations over one period. */
export interface PastQuantiles extends Thresholds {
  /** Durations that they summarise. */
  readonly count: number;
}

/** Fewer durations than this say nothing about a p99. */
const COUNT_MIN = 50;

/**
 * The thresholds beyond which a duration counts as slow: for each quantile the median of the baseline's past
 * periods, weighted by what each has seen.
 *
 * Quantiles of several periods cannot be merged exactly, and need not be: whatever is fixed before the first
 * judged block is a valid threshold. It should only lie where durations do.
 *
 * @returns undefined when the past is too short to say.
 */
export function thresholdsFrom(past: readonly PastQuantiles[]): Thresholds | undefined {
  const usable = past.filter(({ count }) => count > 0);
  const total = usable.reduce((sum, { count }) => sum + count, 0);
  if (total < COUNT_MIN) return undefined;
  const median = (quantile: keyof Thresholds): number => {
    const sorted = [...usable].sort((a, b) => a[quantile] - b[quantile]);
    let below = 0;
    const middle = sorted.find(({ count }) => {
      below += count;
      return below * 2 >= total;
    });
    return (middle ?? sorted[sorted.length - 1]!)[quantile];
  };
  return { p50: median('p50'), p90: median('p90'), p99: median('p99') };
}
