import { eValueMax } from './numerics.ts';

const BIG = 2 ** 256;
const SMALL = 2 ** -256;

/** Splits of a block up to which sums need no scaling. */
const STEPS_MAX = 40;

/**
 * How a block's failures would split between the tracks if the version did not matter.
 *
 * Given the block's margins the canary's failures are hypergeometric, whatever the failure rate and whatever
 * share of the traffic the canary gets: both cancel. Sums run over ratios of neighbouring terms, nested from
 * the far end (1 + a(1 + b(1 + ...))), so that every term is positive, nothing cancels, and the digits need no
 * logarithm. One object is loaded again for each block.
 */
export class ConditionalLaw {
  /** Each split's probability over its predecessor's, where they are equally likely to fail. */
  #ratios = new Float64Array(64);
  /** Each split's over the first's, while that is far from overflow. */
  readonly #terms = new Float64Array(STEPS_MAX + 1).fill(1);
  #first = 0;
  #steps = 0;
  #mayOverflow = false;
  #informative = false;
  /** Sum over all splits, relative to the first, at odds ratio 1 or at the tolerance. */
  #nullMantissa = 1;
  #nullExponent = 0;
  #tolerance = 1;
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
    const last = Math.min(failures, canaryUnits);
    const steps = last - first;
    if (this.#ratios.length < steps) this.#ratios = new Float64Array(2 * steps);
    const ratios = this.#ratios;
    const terms = this.#terms;
    const succeeded = baselineUnits - failures + 1;
    for (let step = 0; step < steps; step += 1) {
      const k = first + step;
      ratios[step] = ((canaryUnits - k) * (failures - k)) / ((k + 1) * (succeeded + k));
    }
    this.#first = first;
    this.#steps = steps;
    this.#tolerance = tolerance;
    this.#mayOverflow = steps > STEPS_MAX || units > 400;
    this.#exponent = 0;
    if (this.#mayOverflow) {
      this.#nullMantissa = this.#scaledSum(tolerance);
    } else {
      let term = 1;
      for (let step = 0; step < steps; step += 1) {
        term *= ratios[step]!;
        terms[step + 1] = term;
      }
      let sum = terms[steps]!;
      for (let step = steps - 1; step >= 0; step -= 1) sum = sum * tolerance + terms[step]!;
      this.#nullMantissa = sum;
    }
    this.#nullExponent = this.#exponent;
    return true;
  }

  /**
   * The e-value psi^K / E0[psi^K], over the same at the tolerance, of the canary having had `canaryFailed` of
   * the failures, for each odds ratio psi. Its mean is exactly 1 when the odds ratio is the tolerance, and below
   * 1 under it.
   */
  eValues(canaryFailed: number, oddsRatios: Float64Array, into: Float64Array): void {
    const above = canaryFailed - this.#first;
    if (this.#mayOverflow || !this.#informative) {
      for (let index = 0; index < oddsRatios.length; index += 1) {
        into[index] = this.#scaled(above, oddsRatios[index]!);
      }
      return;
    }
    const terms = this.#terms;
    const perTolerance = 1 / this.#tolerance;
    for (let index = 0; index < oddsRatios.length; index += 1) {
      const oddsRatio = oddsRatios[index]!;
      const base = oddsRatio * perTolerance;
      let power = this.#nullMantissa;
      for (let n = 0; n < above; n += 1) power *= base;
      let sum = terms[this.#steps]!;
      for (let step = this.#steps - 1; step >= 0; step -= 1) sum = sum * oddsRatio + terms[step]!;
      into[index] = power / sum;
    }
  }

  /** The e-value at one odds ratio. */
  eValue(canaryFailed: number, oddsRatio: number): number {
    const value = Float64Array.of(1);
    this.eValues(canaryFailed, Float64Array.of(oddsRatio), value);
    return value[0]!;
  }

  #scaled(above: number, oddsRatio: number): number {
    if (!this.#informative || oddsRatio === this.#tolerance) return 1;
    const base = oddsRatio / this.#tolerance;
    const sum = this.#scaledSum(oddsRatio);
    let exponent = this.#nullExponent - this.#exponent;
    let value = this.#nullMantissa / sum;
    for (let n = 0; n < above; n += 1) {
      value *= base;
      if (value > BIG) {
        value *= SMALL;
        exponent += 1;
      }
    }
    for (; exponent > 0 && value < eValueMax; exponent -= 1) value *= BIG;
    for (; exponent < 0 && value > 0; exponent += 1) value *= SMALL;
    return Math.min(value, eValueMax);
  }

  /** Sum of C(n_c,k) C(n_b,x-k) psi^k over k, relative to its first term, nested; times 2^(256 exponent). */
  #scaledSum(oddsRatio: number): number {
    const ratios = this.#ratios;
    let sum = 1;
    let exponent = 0;
    for (let step = this.#steps - 1; step >= 0; step -= 1) {
      sum *= ratios[step]! * oddsRatio;
      if (exponent === 0) sum += 1;
      if (sum > BIG) {
        sum *= SMALL;
        exponent += 1;
      } else if (exponent > 0 && sum < 1) {
        sum *= BIG;
        exponent -= 1;
      }
    }
    this.#exponent = exponent;
    return sum;
  }
}
