/**
 * Counts by logarithmic bin of a duration, in ascending order of bins, each with a count above 0.
 *
 * Bin b holds durations from 2^(b/16) ms to below 2^((b+1)/16) ms, so that neighbouring bins are 4.4 % apart; bin 0 also
 * holds everything shorter, and {@link lastBin} everything longer. A shift by k bins is a factor of 2^(k/16).
 */
export type Histogram = readonly (readonly [bin: number, count: number])[];

/** Bins to a doubling of the duration. */
export const binsPerOctave = 16;

/** Holds all that took longer than 2^24 ms, some four and a half hours. */
export const lastBin = 384;

/** The bin of a duration in milliseconds. */
export function binOf(ms: number): number {
  if (!(ms > 1)) return 0;
  return Math.min(lastBin, Math.floor(Math.log2(ms) * binsPerOctave));
}

/** Where a bin begins, milliseconds. */
export function binStartMs(bin: number): number {
  return bin <= 0 ? 0 : 2 ** (bin / binsPerOctave);
}

/** Both histograms as one. */
export function merged(a: Histogram, b: Histogram): Histogram {
  const sum: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    const bin = Math.min(left?.[0] ?? Number.POSITIVE_INFINITY, right?.[0] ?? Number.POSITIVE_INFINITY);
    let count = 0;
    if (left?.[0] === bin) {
      count += left[1];
      i += 1;
    }
    if (right?.[0] === bin) {
      count += right[1];
      j += 1;
    }
    sum.push([bin, count]);
  }
  return sum;
}

/** How many durations there are. */
export function total(histogram: Histogram): number {
  let count = 0;
  for (const [, each] of histogram) count += each;
  return count;
}

/** How many durations lie in bins above `bin`. */
export function beyond(histogram: Histogram, bin: number): number {
  let count = 0;
  for (let index = histogram.length - 1; index >= 0; index -= 1) {
    const [at, each] = histogram[index]!;
    if (at <= bin) break;
    count += each;
  }
  return count;
}

/** The bin that holds the given quantile, 0 to 1; undefined where there is no duration. */
export function quantileBin(histogram: Histogram, quantile: number): number | undefined {
  const needed = quantile * total(histogram);
  let count = 0;
  for (const [bin, each] of histogram) {
    count += each;
    if (count >= needed) return bin;
  }
  return undefined;
}
