import type { Crashes } from './block.ts';
import { eValueMax, exp, ln } from './numerics.ts';
import { Wealth } from './wealth.ts';

/** How many times as often as stable's a canary's task may crash. */
const TOLERATED = 1.5;

/** How many times as often a bad version's tasks crash as stable's, by bet. */
const OFTEN = [5, 30, 300];
const WEIGHTS = [1, 1, 1];

/** A good version's task may die before it has processed anything, once in so many lives. */
const STILLBORN = 0.1;

/** How many of a bad version's lives end so, by bet. */
const DYING = [0.5, 0.9];

/** What a life that ends so wins, and what another one loses, by bet, as logarithms. */
const WON = DYING.map((dying) => ln(dying / STILLBORN));
const LOST = DYING.map((dying) => ln((1 - dying) / (1 - STILLBORN)));

/**
 * The e-process against "a task of the canary crashes no oftener than a task of stable", given how many crash in all:
 * messages that kill any version, and tasks that die every so often whatever they run, hit both tracks by their tasks' time.
 */
export class CrashLoop {
  readonly #wealth = new Wealth(WEIGHTS);
  readonly #lnFactors = new Float64Array(OFTEN.length);
  #lives = 0;
  #stillborn = 0;

  get value(): number {
    let stillborn = 0;
    for (let bet = 0; bet < DYING.length; bet += 1) {
      const won = this.#stillborn * WON[bet]!;
      const lost = (this.#lives - this.#stillborn) * LOST[bet]!;
      stillborn += Math.min(eValueMax, exp(won + lost)) / DYING.length;
    }
    return (this.#wealth.value + stillborn) / 2;
  }

  observe(canary: Crashes, stable: Crashes, elapsed: number): void {
    const crashes = canary.count + stable.count;
    if (crashes === 0 || canary.taskSeconds <= 0 || stable.taskSeconds <= 0) return;
    const odds = canary.taskSeconds / stable.taskSeconds;
    const chance = share(TOLERATED * odds);
    for (let bet = 0; bet < OFTEN.length; bet += 1) {
      const often = share(OFTEN[bet]! * odds);
      this.#lnFactors[bet] =
        canary.count * ln(often / chance) + stable.count * ln((1 - often) / (1 - chance));
    }
    this.#wealth.betLn(this.#lnFactors, elapsed);
  }

  /** A task of the canary began: until it dies stillborn, it counts as one that lives. */
  began(): void {
    this.#lives += 1;
  }

  /** A task of the canary that began crashed before it had processed a single message. */
  diedStillborn(): void {
    this.#stillborn += 1;
  }
}

function share(odds: number): number {
  return odds / (1 + odds);
}
