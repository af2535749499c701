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
  const sum: (readonly [bin: number, count: number])[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const left = a[i]!;
    const right = b[j]!;
    if (left[0] < right[0]) {
      sum.push(left);
      i += 1;
    } else if (left[0] > right[0]) {
      sum.push(right);
      j += 1;
    } else {
      sum.push([left[0], left[1] + right[1]]);
      i += 1;
      j += 1;
    }
  }
  for (; i < a.length; i += 1) sum.push(a[i]!);
  for (; j < b.length; j += 1) sum.push(b[j]!);
  return sum;
}

/** All durations of very many cells as one histogram. */
export function mergedAll(all: Iterable<{ readonly durations?: Histogram }>): Histogram {
  const counts = new Float64Array(lastBin + 1);
  for (const { durations = [] } of all) {
    for (const each of durations) counts[each[0]]! += each[1];
  }
  const sum: (readonly [bin: number, count: number])[] = [];
  for (let bin = 0; bin <= lastBin; bin += 1) if (counts[bin]! > 0) sum.push([bin, counts[bin]!]);
  return sum;
}

/** How many durations there are. */
export function total(histogram: Histogram): number {
  let count = 0;
  // Taken apart by index: there are very many, and patterns of arrays are slow.
  for (const each of histogram) count += each[1];
  return count;
}

/** How many durations lie in bins above `bin`. */
export function beyond(histogram: Histogram, bin: number): number {
  let count = 0;
  for (let index = histogram.length - 1; index >= 0; index -= 1) {
    const each = histogram[index]!;
    if (each[0] <= bin) break;
    count += each[1];
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
