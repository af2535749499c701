import type { Counts } from './block.ts';

import { exp, ln, lnGamma } from './numerics.ts';

/** Counts are pooled until there are so many messages: each pool is coded by what the ones before it failed. */
const POOL = 200;

/** What a track is taken to fail before anything is known. */
const PRIOR_FAILED = 0.5;
const PRIOR_UNITS = 100.5;

/**
 * The confidence sequence of the difference between two failure rates: differences for which the likelihood of what
 * was seen, as it was expected beforehand, over the greatest of all pairs of rates that differ by so much, has not
 * reached what an error needs. Both rates may be anything; they are taken as constant.
 *
 * What was expected beforehand is the mean of two: rates that are learnt from pool to pool, which is sharp where little
 * fails, and rates of which nothing is known (uniform in the arcsine), which is sharp where much does.
 */
export class RateDifference {
  readonly #canary = new Track();
  readonly #stable = new Track();
  #pooled = 0;

  add(canary: Counts, stable: Counts): void {
    this.#canary.add(canary);
    this.#stable.add(stable);
    this.#pooled += canary.units + stable.units;
    if (this.#pooled < POOL) return;
    this.#canary.learn();
    this.#stable.learn();
    this.#pooled = 0;
  }

  /** The differences that are not rejected at `needed` to 1, each end by itself. */
  interval(needed: number): Interval {
    const [canary, stable] = [this.#canary.all, this.#stable.all];
    if (canary.units === 0 || stable.units === 0) return { low: -1, high: 1 };
    const expected = lnMean(this.#canary.learnt + this.#stable.learnt, lnUnknown(canary) + lnUnknown(stable));
    const estimate = canary.failed / canary.units - stable.failed / stable.units;
    const isRejected = (difference: number) => expected - likeliest(canary, stable, difference) >= ln(needed);
    return { low: bisect(-1, estimate, isRejected), high: bisect(1, estimate, isRejected) };
  }
}

class Track {
  readonly all = { units: 0, failed: 0 };
  #coded = 0;
  #rate = PRIOR_FAILED / PRIOR_UNITS;

  /** Logarithm of the likelihood of all at the rates that were learnt beforehand. */
  get learnt(): number {
    return this.#coded;
  }

  add(counts: Counts): void {
    this.#coded += likelihood(counts, this.#rate);
    this.all.units += counts.units;
    this.all.failed += counts.failed;
  }

  learn(): void {
    this.#rate = (this.all.failed + PRIOR_FAILED) / (this.all.units + PRIOR_UNITS);
  }
}

/** Logarithm of the mean of two numbers that are given as logarithms. */
function lnMean(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + ln((exp(a - most) + exp(b - most)) / 2);
}

/** Logarithm of the likelihood of the counts where the rate may be anything: the mean over a Beta(1/2, 1/2) law. */
function lnUnknown({ units, failed }: Counts): number {
  return lnGamma(failed + 0.5) + lnGamma(units - failed + 0.5) - lnGamma(units + 1) - ln(Math.PI);
}

/** Logarithm of the likelihood of the counts at a failure rate. */
function likelihood({ units, failed }: Counts, rate: number): number {
  const failing = failed === 0 ? 0 : failed * ln(rate);
  const succeeding = units === failed ? 0 : (units - failed) * ln(1 - rate);
  return failing + succeeding;
}

/** The greatest likelihood of all pairs of rates that differ by so much: concave in the one rate, so its slope falls. */
function likeliest(canary: Counts, stable: Counts, difference: number): number {
  let [low, high] = [Math.max(0, -difference), Math.min(1, 1 - difference)];
  for (let step = 0; step < 50; step += 1) {
    const rate = (low + high) / 2;
    if (slope(canary, clamped(rate + difference)) + slope(stable, clamped(rate)) > 0) low = rate;
    else high = rate;
  }
  const rate = (low + high) / 2;
  return likelihood(canary, clamped(rate + difference)) + likelihood(stable, clamped(rate));
}

/** By how much the likelihood's logarithm grows with the rate. */
function slope({ units, failed }: Counts, rate: number): number {
  return failed / rate - (units - failed) / (1 - rate);
}

const TINY = exp(-500);

function clamped(rate: number): number {
  return rate < TINY ? TINY : rate > 1 - 1e-16 ? 1 - 1e-16 : rate;
}

/** The last difference between `outer` and `inner` that is rejected; `outer` where none is. */
function bisect(outer: number, inner: number, isRejected: (difference: number) => boolean): number {
  let [out, within] = [outer, inner];
  for (let step = 0; step < 40; step += 1) {
    const middle = (out + within) / 2;
    if (isRejected(middle)) out = middle;
    else within = middle;
  }
  return out;
}

/** A confidence interval that holds at every look, at 95 %. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}
