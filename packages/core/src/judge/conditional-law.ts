import { eValueMax, exp, ln } from './numerics.ts';

const BIG = 2 ** 256;
const SMALL = 2 ** -256;
const LN_BIG = 256 * Math.LN2;

/** Of numbers as mantissa times 2^(256 exponent): below, with any mantissa in use, they are 0. */
const EXPONENT_MIN = -8;

/** Blocks of up to so many units and so many splits are summed split by split, without scaling. */
const FEW_UNITS = 400;
const FEW_SPLITS = 40;

/** Part of a sum below which a split, and all splits beyond it, make no difference to its digits. */
const NEGLIGIBLE = 1e-18;

/**
 * How a block's failures would split between the tracks if the version did not matter.
 *
 * Given the block's margins the canary's failures are hypergeometric, whatever the failure rate and whatever
 * share of the traffic the canary gets: both cancel. Sums run over terms relative to one split's, each got from
 * its neighbour by a ratio, so that every term is positive, nothing cancels, and the digits need no logarithm.
 * One object is loaded again for each block.
 */
export class ConditionalLaw {
  #canaryUnits = 0;
  #failures = 0;
  /** The baseline's successes when it has all of the failures, and one more; less than 1 if it cannot have them. */
  #succeeded = 0;
  #first = 0;
  #last = 0;
  #tolerance = 1;
  #informative = false;
  #few = false;
  /** Of few splits: each one's probability over the first's, where units of both tracks are equally likely to fail. */
  readonly #terms = new Float64Array(FEW_SPLITS + 1).fill(1);
  /** Sum over all splits at the tolerance, relative to the first of few or to the likeliest of many. */
  #nullSum = 1;
  #exponent = 0;

  /**
   * Takes a block's margins: units of each track and failures of both together.
   *
   * @returns whether the split can say anything: not when a track is empty or all or none failed.
   */
  load(canaryUnits: number, baselineUnits: number, failures: number, tolerance: number): boolean {
    const units = canaryUnits + baselineUnits;
    this.#informative = canaryUnits > 0 && baselineUnits > 0 && failures > 0 && failures < units;
    if (!this.#informative) return false;
    const first = failures > baselineUnits ? failures - baselineUnits : 0;
    const last = failures < canaryUnits ? failures : canaryUnits;
    this.#canaryUnits = canaryUnits;
    this.#failures = failures;
    this.#succeeded = baselineUnits - failures + 1;
    this.#first = first;
    this.#last = last;
    this.#tolerance = tolerance;
    this.#few = units <= FEW_UNITS && last - first <= FEW_SPLITS;
    if (!this.#few) {
      this.#nullSum = this.#sumAround(this.#likeliest(tolerance), tolerance);
      return true;
    }
    const terms = this.#terms;
    const succeeded = this.#succeeded;
    let term = 1;
    for (let k = first; k < last; k += 1) {
      term *= ((canaryUnits - k) * (failures - k)) / ((k + 1) * (succeeded + k));
      terms[k + 1 - first] = term;
    }
    let sum = term;
    for (let split = last - first - 1; split >= 0; split -= 1) sum = sum * tolerance + terms[split]!;
    this.#nullSum = sum;
    return true;
  }

  /**
   * The e-value psi^K / E0[psi^K], over the same at the tolerance, of the canary having had `canaryFailed` of
   * the failures, for each odds ratio psi, as a logarithm. Its mean is exactly 1 when the odds ratio is the
   * tolerance, and below 1 under it.
   */
  lnEValues(canaryFailed: number, oddsRatios: Float64Array, into: Float64Array): void {
    if (!this.#informative || !this.#few) {
      const expected = this.#informative ? this.#expected(canaryFailed) : 1;
      const exponent = this.#exponent;
      for (let index = 0; index < oddsRatios.length; index += 1) {
        this.#exponent = -exponent;
        into[index] = this.#lnOfMany(canaryFailed, oddsRatios[index]!, expected);
      }
      return;
    }
    const terms = this.#terms;
    const splits = this.#last - this.#first;
    const above = canaryFailed - this.#first;
    const perTolerance = 1 / this.#tolerance;
    for (let index = 0; index < oddsRatios.length; index += 1) {
      const oddsRatio = oddsRatios[index]!;
      const base = oddsRatio * perTolerance;
      let power = this.#nullSum;
      for (let n = 0; n < above; n += 1) power *= base;
      let sum = terms[splits]!;
      for (let split = splits - 1; split >= 0; split -= 1) sum = sum * oddsRatio + terms[split]!;
      into[index] = ln(power / sum);
    }
  }

  /** The e-value at one odds ratio. */
  eValue(canaryFailed: number, oddsRatio: number): number {
    const value = Float64Array.of(0);
    this.lnEValues(canaryFailed, Float64Array.of(oddsRatio), value);
    return Math.min(exp(value[0]!), eValueMax);
  }

  /**
   * Of many splits only those within some standard deviations of the likeliest count. The one that came true is
   * compared with the likeliest by way of all between the two.
   */
  #lnOfMany(canaryFailed: number, oddsRatio: number, expected: number): number {
    if (!this.#informative || oddsRatio === this.#tolerance) return 0;
    const likeliest = this.#likeliest(oddsRatio);
    const value = this.#over(canaryFailed, likeliest, oddsRatio, 1 / expected, EXPONENT_MIN);
    return ln(value * (this.#nullSum / this.#sumAround(likeliest, oddsRatio))) + this.#exponent * LN_BIG;
  }

  /** The probability of the split over that of the likeliest at the tolerance, times 2^(256 exponent). */
  #expected(canaryFailed: number): number {
    this.#exponent = 0;
    return this.#over(
      canaryFailed,
      this.#likeliest(this.#tolerance),
      this.#tolerance,
      1,
      Number.NEGATIVE_INFINITY,
    );
  }

  /** How much likelier than split `k` the next one is at odds ratio 1. */
  #rising(k: number): number {
    return ((this.#canaryUnits - k) * (this.#failures - k)) / ((k + 1) * (this.#succeeded + k));
  }

  /** How much likelier than split `k` the one before is at odds ratio 1. */
  #falling(k: number): number {
    return (k * (this.#succeeded + k - 1)) / ((this.#canaryUnits - k + 1) * (this.#failures - k + 1));
  }

  /** The split that is likeliest at an odds ratio. */
  #likeliest(oddsRatio: number): number {
    let [low, high] = [this.#first, this.#last];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#rising(middle) * oddsRatio > 1) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * `value` times the probability of split `k` over that of the likeliest, times 2^(256 exponent); 0 as soon as
   * that exponent is below the least.
   */
  #over(k: number, likeliest: number, oddsRatio: number, value: number, exponentMin: number): number {
    const perOddsRatio = 1 / oddsRatio;
    let result = value;
    const step = k < likeliest ? 1 : -1;
    for (let at = k; at !== likeliest; at += step) {
      result *= step > 0 ? this.#falling(at + 1) * perOddsRatio : this.#rising(at - 1) * oddsRatio;
      if (result < SMALL) {
        result *= BIG;
        this.#exponent -= 1;
        if (this.#exponent < exponentMin) return 0;
      }
    }
    return result;
  }

  /** Sum of all splits' probabilities at an odds ratio over that of the likeliest. */
  #sumAround(likeliest: number, oddsRatio: number): number {
    const perOddsRatio = 1 / oddsRatio;
    let sum = 1;
    let term = 1;
    for (let k = likeliest; k < this.#last && term > NEGLIGIBLE * sum; k += 1) {
      term *= this.#rising(k) * oddsRatio;
      sum += term;
    }
    term = 1;
    for (let k = likeliest; k > this.#first && term > NEGLIGIBLE * sum; k -= 1) {
      term *= this.#falling(k) * perOddsRatio;
      sum += term;
    }
    return sum;
  }
}
