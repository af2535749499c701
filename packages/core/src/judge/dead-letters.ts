import { Wealth } from './wealth.ts';

/** How much more often than its share a dead letter was received by the canary, as odds, by bet. */
const ODDS_RATIOS = [2, 5, 20];

/** Room for the share to have been larger when the message was received than it has been measured since. */
const SHARE_ALLOWANCE = 1.25;
const SHARE_MAX = 0.99;

/**
 * The e-process against "dead letters were received by the canary no more often than its share of receives".
 *
 * Secondary evidence: with a maximum receive count of 3, a message that only the canary fails dead-letters with
 * a probability of one in sixteen per first failure, because stable takes most retries.
 */
export class DeadLetters {
  readonly #wealth = new Wealth(ODDS_RATIOS.map(() => 1));
  readonly #factors = new Float64Array(ODDS_RATIOS.length);
  #canary = 1;
  #all = 2;

  get value(): number {
    return this.#wealth.value;
  }

  /** Takes note of who received what; a dead letter is judged by the share measured before its block. */
  received(canaryUnits: number, allUnits: number): void {
    this.#canary += canaryUnits;
    this.#all += allUnits;
  }

  observe(
    arrivals: readonly { readonly receives: number; readonly canaryReceives: number }[],
    elapsed: number,
  ): void {
    const allowed = (SHARE_ALLOWANCE * this.#canary) / this.#all;
    const share = Math.min(allowed, SHARE_MAX);
    for (const { receives, canaryReceives } of arrivals) {
      for (let bet = 0; bet < ODDS_RATIOS.length; bet += 1) {
        const oddsRatio = ODDS_RATIOS[bet]!;
        const mean = 1 + share * (oddsRatio - 1);
        let factor = 1;
        for (let receive = 0; receive < receives; receive += 1) {
          factor *= (receive < canaryReceives ? oddsRatio : 1) / mean;
        }
        this.#factors[bet] = factor;
      }
      this.#wealth.bet(this.#factors, elapsed);
    }
  }
}
