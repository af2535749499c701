import { eValueMax } from './numerics.ts';

/** Part of the stake that is bet from the start; the rest is paid in over the horizon. */
const INVESTED = 0.6;

/**
 * A stake of 1 spread over bets against one null hypothesis: an e-process as long as every bet's factor has a
 * mean of at most 1 under it.
 *
 * Part of the stake stays in cash and is paid in evenly over the horizon, because money that has been at stake
 * through a long quiet time is mostly lost: without the drip a regression that begins late is found late.
 */
export class Wealth {
  /** The e-process: cash and bets together, 1 at the start. */
  value = 1;
  readonly #weights: Float64Array;
  readonly #bets: Float64Array;
  #cash = 1 - INVESTED;

  /** @param weights parts of the stake by bet; they are scaled to sum to 1. */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#weights = Float64Array.from(weights, (weight) => weight / total);
    this.#bets = this.#weights.map((weight) => INVESTED * weight);
  }

  /**
   * Multiplies each bet by its factor.
   *
   * Cash that is due by then is paid in first; paying in over blocks that say nothing makes no difference to
   * the value, so it waits for one that does.
   *
   * @param elapsed part of the horizon that has passed, from 0 to 1; may depend on time, never on outcomes.
   */
  bet(factors: ArrayLike<number>, elapsed: number): void {
    const cashLeft = (1 - INVESTED) * (1 - elapsed);
    const payment = this.#cash > cashLeft ? this.#cash - cashLeft : 0;
    this.#cash -= payment;
    let value = this.#cash;
    for (let index = 0; index < this.#bets.length; index += 1) {
      const grown = (this.#bets[index]! + payment * this.#weights[index]!) * factors[index]!;
      const bet = Math.min(grown, eValueMax);
      this.#bets[index] = bet;
      value += bet;
    }
    this.value = Math.min(value, eValueMax);
  }
}
