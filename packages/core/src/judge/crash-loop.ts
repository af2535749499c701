import { eValueMax, exp, ln } from './numerics.ts';
import { Wealth } from './wealth.ts';

/** A task of a healthy version may crash once in six hours. */
const HEALTHY_SECONDS = 6 * 3600;

/** Mean seconds between crashes of a task in a crash loop, by bet, from ECS's fastest restarts to a slow leak. */
const LOOPING_SECONDS = [20, 60, 300, 1800];
const WEIGHTS = [0.3, 0.3, 0.2, 0.2];

/**
 * The e-process against "a canary task crashes at most once in six task-hours".
 *
 * A Poisson likelihood ratio mixed over crash rates, all of them above the healthy one: with a prior that
 * reaches below it (such as a Gamma prior) a canary that never crashes at all gathers evidence against itself
 * over some sixty task-hours.
 */
export class CrashLoop {
  readonly #wealth = new Wealth(WEIGHTS);
  /** Factors of the last block: most blocks are as long as the last and without a crash, too. */
  readonly #factors = new Float64Array(LOOPING_SECONDS.length).fill(1);
  #count = 0;
  #taskSeconds = 0;

  get value(): number {
    return this.#wealth.value;
  }

  observe(
    { count, taskSeconds }: { readonly count: number; readonly taskSeconds: number },
    elapsed: number,
  ): void {
    if (count === 0 && taskSeconds === 0) return;
    if (count !== this.#count || taskSeconds !== this.#taskSeconds) {
      this.#count = count;
      this.#taskSeconds = taskSeconds;
      for (let bet = 0; bet < LOOPING_SECONDS.length; bet += 1) {
        const seconds = LOOPING_SECONDS[bet]!;
        const perSecond = 1 / seconds - 1 / HEALTHY_SECONDS;
        const factor = exp(count * ln(HEALTHY_SECONDS / seconds) - taskSeconds * perSecond);
        this.#factors[bet] = Math.min(factor, eValueMax);
      }
    }
    this.#wealth.bet(this.#factors, elapsed);
  }
}
