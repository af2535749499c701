/** Counts by bin, in ascending order of bins, each with a count above 0. */
export type Histogram = ReadonlyArray<readonly [bin: number, count: number]>;

/** Bins to a doubling of the duration: neighbours are 4.4 % apart. */
const BINS_PER_OCTAVE = 16;

/** Holds all that took longer than 2^24 ms, some four and a half hours. */
export const LAST_BIN = 384;

/** The bin of a duration: bin b is from 2^(b/16) ms to below 2^((b+1)/16) ms, and bin 0 includes all shorter ones. */
export function binOf(ms: number): number {
  if (!(ms > 1)) return 0;
  return Math.min(LAST_BIN, Math.floor(Math.log2(ms) * BINS_PER_OCTAVE));
}

/** Counts durations by bin: small however many there are, and bins of several tasks can be added up. */
export class Durations {
  readonly #counts = new Uint32Array(LAST_BIN + 1);

  add(ms: number): void {
    this.#counts[binOf(ms)]!++;
  }

  /** The durations added since the last call. */
  take(): Histogram {
    const bins: [number, number][] = [];
    for (const [bin, count] of this.#counts.entries()) if (count > 0) bins.push([bin, count]);
    this.#counts.fill(0);
    return bins;
  }
}
