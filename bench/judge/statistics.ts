/**
 * The Clopper-Pearson upper bound, one-sided at 99 %, of a probability that came true `hits` times of `trials`.
 *
 * @param looks at how many moments, fixed beforehand, the trials may end; the bound holds at each of them (Bonferroni).
 */
export function upperBound(hits: number, trials: number, looks = 1): number {
  if (hits >= trials) return 1;
  let [low, high] = [hits / trials, 1];
  for (let halving = 0; halving < 60; halving += 1) {
    const p = (low + high) / 2;
    if (atMost(hits, trials, p) > 0.01 / looks) low = p;
    else high = p;
  }
  return high;
}

/** The Clopper-Pearson lower bound, one-sided at 99 %. */
export function lowerBound(hits: number, trials: number): number {
  return 1 - upperBound(trials - hits, trials);
}

/** Standard error of the mean of `values`. */
export function standardError(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) / values.length);
}

/** Probability of at most `hits` of `trials` at probability p. */
function atMost(hits: number, trials: number, p: number): number {
  let logTerm = trials * Math.log1p(-p);
  let sum = Math.exp(logTerm);
  for (let k = 0; k < hits; k += 1) {
    logTerm += Math.log(((trials - k) / (k + 1)) * (p / (1 - p)));
    sum += Math.exp(logTerm);
  }
  return sum;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The smallest value that at least the given part of the values do not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
