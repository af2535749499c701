import { eValueMax, exp, ln } from './numerics.ts';

/** Part of the stake that is bet from the start; the rest is paid in over the horizon. */
const INVESTED = 0.9;

/** Wealth beyond this is held in units of its own: no double holds what thousands of failures are worth. */
const FORTUNE = 1e50;

/**
 * A stake of 1 spread over bets against one null hypothesis: an e-process as long as every bet's factor has a
 * mean of at most 1 under it.
 *
 * Part of the stake stays in cash and is paid in evenly over the horizon, because money that has been at stake
 * through a long quiet time is mostly lost: without the drip a regression that begins late is found late.
 */
export class Wealth {
  readonly #weights: Float64Array;
  readonly #bets: Float64Array;
  #cash = 1 - INVESTED;
  /** Bets and the sum are in units of e to this power. */
  #scale = 0;
  #sum = 1;

  /** @param weights parts of the stake by bet; they are scaled to sum to 1. */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#weights = Float64Array.from(weights, (weight) => weight / total);
    this.#bets = this.#weights.map((weight) => INVESTED * weight);
  }

  /** The e-process: cash and bets together, 1 at the start. */
  get value(): number {
    return this.#scale === 0 ? this.#sum : Math.min(exp(this.ln), eValueMax);
  }

  /** Its logarithm, however large it is. */
  get ln(): number {
    return this.#scale + ln(this.#sum);
  }

  /**
   * Multiplies each bet by its factor.
   *
   * Cash that is due by then is paid in first; paying in over blocks that say nothing makes no difference to
   * the value, so it waits for one that does.
   *
   * @param factors in units of e to the power of `scale`, below 1e200.
   * @param elapsed part of the horizon that has passed, from 0 to 1; may depend on time, never on outcomes.
   */
  bet(factors: ArrayLike<number>, elapsed: number, scale = 0): void {
    const cashLeft = (1 - INVESTED) * Math.max(0, 1 - elapsed);
    const payment = this.#cash > cashLeft ? this.#cash - cashLeft : 0;
    this.#cash -= payment;
    const paid = this.#scale === 0 ? payment : payment * exp(-this.#scale);
    this.#scale += scale;
    let sum = this.#scale === 0 ? this.#cash : this.#cash * exp(-this.#scale);
    for (let index = 0; index < this.#bets.length; index += 1) {
      const bet = (this.#bets[index]! + paid * this.#weights[index]!) * factors[index]!;
      this.#bets[index] = bet;
      sum += bet;
    }
    this.#sum = sum;
    if (sum > FORTUNE || (this.#scale !== 0 && sum > 0 && sum < 1 / FORTUNE)) this.#rescale();
  }

  /** The same of factors that are given as logarithms, and may be larger than any number. */
  betLn(lnFactors: Float64Array, elapsed: number): void {
    let scale = 0;
    for (let index = 0; index < this.#bets.length; index += 1) scale = Math.max(scale, lnFactors[index]!);
    // Exact wherever digits are few enough to matter.
    if (scale < 100) scale = 0;
    const factors = this.#bets.map((_, index) => exp(lnFactors[index]! - scale));
    this.bet(factors, elapsed, scale);
  }

  /** The same stake, to go on by itself. */
  copy(): Wealth {
    const copy = new Wealth([...this.#weights]);
    copy.#bets.set(this.#bets);
    copy.#cash = this.#cash;
    copy.#scale = this.#scale;
    copy.#sum = this.#sum;
    return copy;
  }

  #rescale(): void {
    const by = this.#sum;
    for (let index = 0; index < this.#bets.length; index += 1) this.#bets[index]! /= by;
    this.#scale += ln(by);
    this.#sum = 1;
  }
}
