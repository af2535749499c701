import { Wealth } from './wealth.ts';

/** How bad each task was, higher being worse. */
export interface Badness {
  readonly canary: readonly number[];
  readonly baseline: readonly number[];
}

/** How often a bad canary is the worst of all tasks in an interval, by bet. */
const WORST = [0.4, 0.6, 0.8, 0.95];
const WEIGHTS = [1, 1, 1, 1];

/** The canary counts as the worst by chance at least this often, so that no single interval is worth more than 4. */
const CHANCE_MIN = 0.25;

/**
 * The e-process against "in no interval is the canary's task likelier than any other to be the worst".
 *
 * The unit is a task's interval, not a message: what fails together (a reset connection, a pause, a batch) counts
 * once. It only needs that tasks of equal versions are alike within an interval, however their messages depend on
 * each other. Given how bad each task was, whichever these were, each task has the same chance to be the worst.
 */
export class WorstTask {
  /** Against the first baseline, and since there was a second, against that. */
  readonly #stakes = [new Wealth(WEIGHTS)];
  readonly #factors = new Float64Array(WORST.length);

  /** Where there are two baselines, each by itself is reason enough: the less of what there is against either. */
  get value(): number {
    return Math.min(...this.#stakes.map(({ value }) => value));
  }

  /**
   * Takes one interval: how bad each task was, higher being worse, in comparison with one baseline or two. One counts
   * in place of both. Each of the canary's tasks is compared with all of the baseline's; where there are several, the
   * mean counts.
   */
  observe(comparisons: readonly Badness[], elapsed: number): void {
    if (comparisons.length > this.#stakes.length) this.#stakes.push(this.#stakes[0]!.copy());
    for (const [index, { canary, baseline }] of comparisons.entries()) {
      if (canary.length === 0 || baseline.length === 0) continue;
      this.#compare(canary, baseline);
      if (comparisons.length > 1) this.#stakes[index]!.bet(this.#factors, elapsed);
      else for (const stake of this.#stakes) stake.bet(this.#factors, elapsed);
    }
  }

  #compare(canary: readonly number[], baseline: readonly number[]): void {
    let top = Number.NEGATIVE_INFINITY;
    let ties = 0;
    for (const other of baseline) {
      if (other > top) {
        top = other;
        ties = 1;
      } else if (other === top) ties += 1;
    }
    const factors = this.#factors.fill(0);
    for (const own of canary) {
      const isWorst = own >= top;
      const equal = own > top ? 1 : own === top ? ties + 1 : ties;
      const chance = Math.max(CHANCE_MIN, equal / (baseline.length + 1));
      for (let bet = 0; bet < WORST.length; bet += 1) {
        const often = Math.max(WORST[bet]!, chance);
        factors[bet]! += chance === 1 ? 1 : isWorst ? often / chance : (1 - often) / (1 - chance);
      }
    }
    for (let bet = 0; bet < factors.length; bet += 1) factors[bet]! /= canary.length;
  }
}
