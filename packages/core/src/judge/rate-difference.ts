import type { Counts } from './block.ts';
import type { Interval } from './effect.ts';
import { exp, ln } from './numerics.ts';

/** Counts are pooled until there are so many messages: what is computed for each pool is much. */
const POOL = 200;

/** What a track is taken to fail before anything is known. */
const PRIOR_FAILED = 0.5;
const PRIOR_UNITS = 100.5;

interface Pooled {
  readonly canary: Counts;
  readonly stable: Counts;
}

/**
 * The confidence sequence of the difference between two failure rates: differences for which the likelihood ratio of
 * the rates as they were guessed beforehand, over the likeliest pair of rates that differ by so much, has not
 * reached what an error needs. Both rates may be anything; they are taken as constant.
 */
export class RateDifference {
  readonly #pools: Pooled[] = [];
  #canary = { units: 0, failed: 0 };
  #stable = { units: 0, failed: 0 };

  add(canary: Counts, stable: Counts, _toMs: number): void {
    this.#canary = { units: this.#canary.units + canary.units, failed: this.#canary.failed + canary.failed };
    this.#stable = { units: this.#stable.units + stable.units, failed: this.#stable.failed + stable.failed };
    if (this.#canary.units + this.#stable.units >= POOL) this.#close();
  }

  /** The differences that are not rejected at `needed` to 1, each end by itself. */
  interval(needed: number): Interval {
    this.#close();
    const pools = this.#pools;
    let guessed = 0;
    const all = { canaryUnits: 0, canaryFailed: 0, stableUnits: 0, stableFailed: 0 };
    for (const { canary, stable } of pools) {
      const p = guess(all.canaryFailed, all.canaryUnits);
      const q = guess(all.stableFailed, all.stableUnits);
      guessed += likelihood(canary, p) + likelihood(stable, q);
      all.canaryUnits += canary.units;
      all.canaryFailed += canary.failed;
      all.stableUnits += stable.units;
      all.stableFailed += stable.failed;
    }
    const canary = { units: all.canaryUnits, failed: all.canaryFailed };
    const stable = { units: all.stableUnits, failed: all.stableFailed };
    if (canary.units === 0 || stable.units === 0) return { low: -1, high: 1 };
    const estimate = canary.failed / canary.units - stable.failed / stable.units;
    const isRejected = (difference: number) => guessed - likeliest(canary, stable, difference) >= ln(needed);
    return { low: bisect(-1, estimate, isRejected), high: bisect(1, estimate, isRejected) };
  }

  #close(): void {
    if (this.#canary.units + this.#stable.units === 0) return;
    this.#pools.push({ canary: this.#canary, stable: this.#stable });
    this.#canary = { units: 0, failed: 0 };
    this.#stable = { units: 0, failed: 0 };
  }
}

function guess(failed: number, units: number): number {
  return (failed + PRIOR_FAILED) / (units + PRIOR_UNITS);
}

/** Logarithm of the likelihood of the counts at a failure rate. */
function likelihood({ units, failed }: Counts, rate: number): number {
  const failing = failed === 0 ? 0 : failed * ln(rate);
  const succeeding = units === failed ? 0 : (units - failed) * ln(1 - rate);
  return failing + succeeding;
}

/** The greatest likelihood of all pairs of rates that differ by so much: concave in the one rate, by golden sections. */
function likeliest(canary: Counts, stable: Counts, difference: number): number {
  let [low, high] = [Math.max(0, -difference), Math.min(1, 1 - difference)];
  const at = (rate: number) =>
    likelihood(canary, clamped(rate + difference)) + likelihood(stable, clamped(rate));
  for (let step = 0; step < 60; step += 1) {
    const [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (at(a) > at(b)) high = b;
    else low = a;
  }
  return at((low + high) / 2);
}

const GOLDEN = 0.6180339887498949;
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
