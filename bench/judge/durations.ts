import { binsPerOctave, type Histogram, lastBin } from '../../packages/core/src/judge/histogram.ts';
import type { Random } from './random.ts';

/** The usual work: a tenth of a second at the median, log-normal with this standard deviation. */
export const MEDIAN_MS = 100;
export const SPREAD = 0.5;

/** How many times the median the mean of the usual work is. */
export const MEAN = Math.exp(SPREAD ** 2 / 2);

const BINS = binsPerOctave / Math.LN2;

/** Quantiles of the standard normal law, all equally likely: drawing one takes twelve random bits. */
export const NORMAL = Float64Array.from({ length: 4096 }, (_, index) => normalQuantile((index + 0.5) / 4096));

/** Durations of one task's interval, being counted by bin. */
export class Durations {
  readonly #random: Random;
  readonly #bins = new Int32Array(lastBin + 1);
  #low = lastBin;
  #high = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Draws so many durations, which stand still for up to `pauseMs` besides. */
  draw(count: number, medianMs: number, spread: number, pauseMs = 0): void {
    const centre = Math.log(medianMs) * BINS;
    const scale = spread * BINS;
    for (let n = 0; n < count; n += 1) {
      let bin = centre + scale * NORMAL[this.#random.bits() >>> 20]!;
      if (pauseMs > 0) bin = Math.log(Math.exp(bin / BINS) + this.#random.uniform() * pauseMs) * BINS;
      this.#count(Math.floor(bin));
    }
  }

  /** What was counted since the last time. */
  take(): Histogram {
    const histogram: [number, number][] = [];
    for (let bin = this.#low; bin <= this.#high; bin += 1) {
      const count = this.#bins[bin]!;
      if (count === 0) continue;
      histogram.push([bin, count]);
      this.#bins[bin] = 0;
    }
    this.#low = lastBin;
    this.#high = 0;
    return histogram;
  }

  #count(bin: number): void {
    const at = bin < 0 ? 0 : bin > lastBin ? lastBin : bin;
    this.#bins[at]! += 1;
    if (at < this.#low) this.#low = at;
    if (at > this.#high) this.#high = at;
  }
}

/** By halving: it is asked a few thousand times, once. */
function normalQuantile(p: number): number {
  let [low, high] = [-8, 8];
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (normalProbability(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Abramowitz and Stegun 7.1.26: an error below 1e-7 is nothing compared with a bin. */
function normalProbability(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const series = coefficients.reduce((sum, each) => (sum + each) * t, 0);
  const beyond = (series * Math.exp((-x * x) / 2)) / 2;
  return x >= 0 ? 1 - beyond : beyond;
}
