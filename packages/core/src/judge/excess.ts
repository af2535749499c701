import type { Counts } from './block.ts';
import { ConditionalLaw } from './conditional-law.ts';
import { eValueMax, exp, ln } from './numerics.ts';
import { Wealth } from './wealth.ts';

/** What is bet on: how much likelier than on the baseline a unit is to fail on the canary, or how many times the odds. */
interface Bets {
  readonly excesses: readonly number[];
  /** Odds ratios. */
  readonly ratios: readonly number[];
  readonly weights: readonly number[];
}

/** Where tasks are alike, the smallest excess is found in the end. */
const ON_ALIKE: Bets = {
  excesses: [1, 0.3, 0.1, 0.05, 0.02, 0.008, 0.002],
  ratios: [],
  weights: [0.06, 0.1, 0.18, 0.2, 0.26, 0.14, 0.06],
};

/** Where they are not, odds that are a few times stable's are a task's luck, and nothing is bet on them. */
const ON_UNLIKE: Bets = {
  excesses: [1, 0.3, 0.1, 0.05],
  ratios: [16, 9, 6],
  weights: [0.06, 0.08, 0.11, 0.13, 0.14, 0.34, 0.14],
};

const ODDS_RATIO_MAX = 1000;

/** An excess as odds; a canary that fails everything is taken to fail 999 of 1000. */
const oddsOf = (excess: number) => Math.min(excess / (1 - excess), 999);

/** What a baseline is taken to have failed before anything is known of it, and of how many units. */
const PRIOR_FAILED = 0.5;
const PRIOR_UNITS = 100.5;

/** How many units the baseline's past counts as, in the guess at its failure rate within one block. */
const PAST_UNITS = 400;

/** What the ratios of the null law have won over a ratio of 1, for one luck of the canary's tasks. */
class Explained {
  /** As logarithms, by ratio. */
  readonly #won: Float64Array;
  /** Most intervals tell nothing new, and are asked about all the same. */
  #mean: { readonly law: Float64Array; readonly ln: number } | undefined;

  constructor(won: Float64Array) {
    this.#won = won;
  }

  get isUntouched(): boolean {
    return this.#won.every((each) => each === 0);
  }

  /** The logarithm of what all ratios of the law together have won. */
  lnMean(law: Float64Array): number {
    if (this.#mean?.law !== law) this.#mean = { law, ln: lnMean(law, this.#won) };
    return this.#mean.ln;
  }

  /** @param lnFactors of the bets, and behind them of the null law's ratios. */
  add(lnFactors: Float64Array): void {
    const bets = lnFactors.length - this.#won.length;
    for (let step = 0; step < this.#won.length; step += 1) this.#won[step]! += lnFactors[bets + step]!;
    this.#mean = undefined;
  }

  copy(): Explained {
    return new Explained(this.#won.slice());
  }
}

/** What has been won against one baseline. */
class Stake {
  readonly #wealth: Wealth;
  /** For each luck of the canary's tasks. */
  readonly #nulls: Explained[];

  /** @param nulls empty where tasks are taken for alike. */
  constructor(wealth: Wealth, nulls: Explained[]) {
    this.#wealth = wealth;
    this.#nulls = nulls;
  }

  value(spread: number): number {
    if (spread === 0 || this.#nulls.length === 0) return this.#wealth.value;
    const law = lawOf(spread);
    let lnExplained = 0;
    for (const explained of this.#nulls) lnExplained += explained.lnMean(law);
    return Math.min(eValueMax, exp(this.#wealth.ln - lnExplained));
  }

  /** @param lnFactors of the bets, and behind them of the null law's ratios. */
  bet(lnFactors: Float64Array, elapsed: number): void {
    this.#wealth.betLn(lnFactors, elapsed);
    this.#nulls.at(-1)?.add(lnFactors);
  }

  /** From now on the null law's ratio is another draw. */
  draw(): void {
    if (this.#nulls.at(-1)?.isUntouched === false) this.#nulls.push(newLuck());
  }

  copy(): Stake {
    return new Stake(
      this.#wealth.copy(),
      this.#nulls.map((explained) => explained.copy()),
    );
  }
}

function newLuck(): Explained {
  return new Explained(new Float64Array(ODDS_RATIOS_OF_NULL.length));
}

/** The logarithm of the mean, by the law, of what is given as logarithms. */
function lnMean(law: Float64Array, won: Float64Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let step = 0; step < won.length; step += 1) top = Math.max(top, mostAt(won, step));
  let mean = 0;
  for (let step = 0; step < law.length; step += 1) {
    // What the law excludes would add nothing.
    if (law[step]! > 0) mean += law[step]! * exp(mostAt(won, step) - top);
  }
  return top + ln(mean);
}

/**
 * What the likeliest ratio around a step has won. Once thousands have failed, the likeliest of all may lie so far from
 * any step that none explains them: there the logarithm is a parabola, whose top is between the steps.
 */
function mostAt(won: Float64Array, step: number): number {
  const here = won[step]!;
  if (step === 0 || step === won.length - 1) return here;
  const [before, after] = [won[step - 1]!, won[step + 1]!];
  const slope = (after - before) / 2;
  const bend = 2 * here - before - after;
  return bend > 0 && Math.abs(slope) < TOP_WITHIN * bend ? here + (slope * slope) / (2 * bend) : here;
}

/** Odds ratios at which a good canary may lie, as logarithms: steps that are small compared with how much tasks differ. */
const LOG_ODDS_RATIOS = Float64Array.from({ length: 23 }, (_, step) => (step - 6) / 4);
const ODDS_RATIOS_OF_NULL = LOG_ODDS_RATIOS.map(exp);

/** How far from a step its top may lie, in steps: half way to the next, and a little over so that none is lost between. */
const TOP_WITHIN = 0.55;

/**
 * The conditional e-process against "the canary is a task like stable's". Given how many failed in all, how failures
 * split between the tracks depends on neither the failure rate nor the traffic share, constant or not; only on the
 * ratio of the tracks' odds of failing. Equal tasks have a ratio of 1; real ones differ, so under the null hypothesis
 * the ratio's logarithm is drawn from a normal law around 0, whose standard deviation is the *spread* of tasks. A task
 * that replaces another is drawn again.
 *
 * The evidence is what bets on an excess of the canary have won, over what all ratios of the null law together would
 * have won. A bet looks at an interval's margins and at the past, never at how its failures split. Where there are two
 * baselines, each by itself is reason enough: the evidence is the less of what there is against either.
 */
export class ExcessFailures {
  readonly #law = new ConditionalLaw();
  readonly #excessOdds: readonly number[];
  /** Odds ratios of the bets, those on an excess first, and behind them those of the null law. */
  readonly #oddsRatios: Float64Array;
  readonly #lnFactors: Float64Array;
  /** Against the first baseline, and since there was a second, against that. */
  readonly #stakes: Stake[];
  #units = PRIOR_UNITS;
  #failed = PRIOR_FAILED;

  /** @param alike whether tasks are taken for alike, so that only a spread of 0 will be asked for. */
  constructor(alike = false) {
    const { excesses, ratios, weights } = alike ? ON_ALIKE : ON_UNLIKE;
    const nulls = alike ? [] : ODDS_RATIOS_OF_NULL;
    this.#excessOdds = excesses.map(oddsOf);
    this.#oddsRatios = Float64Array.from([...excesses, ...ratios, ...nulls]);
    this.#lnFactors = new Float64Array(this.#oddsRatios.length);
    this.#stakes = [new Stake(new Wealth(weights), alike ? [] : [newLuck()])];
  }

  /**
   * The evidence against a canary whose tasks differ by the given standard deviation of log odds, 0 or more. By
   * Ville's inequality it ever reaches 1/a with probability at most a under the null.
   */
  value(spread: number): number {
    let least = eValueMax;
    for (const stake of this.#stakes) least = Math.min(least, stake.value(spread));
    return least;
  }

  /** The canary has tasks that it had not before: they have a luck of their own. */
  newTasks(): void {
    for (const stake of this.#stakes) stake.draw();
  }

  /** Takes note of what a baseline did before: bets are chosen by it. */
  learn(baseline: Counts): void {
    this.#units += baseline.units;
    this.#failed += baseline.failed;
  }

  /**
   * Takes an interval with one baseline or two. One counts in place of both.
   *
   * @param elapsed part of the horizon that has passed at the interval's end.
   */
  observe(canary: Counts, baselines: readonly Counts[], elapsed: number): void {
    const past = this.#failed / this.#units;
    if (baselines.length > this.#stakes.length) this.#stakes.push(this.#stakes[0]!.copy());
    for (const [index, baseline] of baselines.entries()) {
      const failures = canary.failed + baseline.failed;
      if (failures > 0 && this.#law.load(canary.units, baseline.units, failures, 1)) {
        this.#chooseBets(past, canary.units, canary.units + baseline.units, failures);
        this.#law.lnEValues(canary.failed, this.#oddsRatios, this.#lnFactors);
        if (baselines.length > 1) this.#stakes[index]!.bet(this.#lnFactors, elapsed);
        else for (const stake of this.#stakes) stake.bet(this.#lnFactors, elapsed);
      }
      this.learn(baseline);
    }
  }

  /**
   * The odds ratio that each excess d amounts to, (p + d (1 - p)) / ((1 - d) p) = 1 + d / ((1 - d) p), where p is
   * the baseline's rate in this block.
   *
   * Where many units fail together, as in a burst of poison, p is far above the past. But one failure among
   * sixteen units is no burst: whatever the rate, it is what a block with any failure looks like. So the past
   * weighs in like so many units, and p is never below it.
   */
  #chooseBets(past: number, canaryUnits: number, units: number, failures: number): void {
    const weightedPast = PAST_UNITS * past;
    const perUnit = 1 / (PAST_UNITS + units);
    for (let bet = 0; bet < this.#excessOdds.length; bet += 1) {
      const odds = this.#excessOdds[bet]!;
      const shared = failures - canaryUnits * (odds / (1 + odds));
      const now = (weightedPast + shared) * perUnit;
      const ratio = 1 + odds / (now > past ? now : past);
      this.#oddsRatios[bet] = ratio < ODDS_RATIO_MAX ? ratio : ODDS_RATIO_MAX;
    }
  }
}

/** Now and then a task differs by much more, on a bad host: this part of tasks, evenly up to so many times the spread. */
const ODD_TASKS = 0.01;
const ODD_SPREADS = 5;

/**
 * The law of a good canary's odds ratio where tasks differ by `spread`, a standard deviation of log odds above 0: the
 * ratios that it may be, and the probability of each.
 */
export function nullLaw(spread: number): {
  readonly ratios: Float64Array;
  readonly probabilities: Float64Array;
} {
  return { ratios: ODDS_RATIOS_OF_NULL.slice(), probabilities: lawOf(spread).slice() };
}

const laws = new Map<number, Float64Array>();

/** Probabilities of the null law's ratios; the spread to two digits, so that few are computed. */
function lawOf(spread: number): Float64Array {
  const key = Math.ceil(spread * 50);
  let law = laws.get(key);
  if (law === undefined) {
    const sd = key / 50;
    // No task is beyond: a law with tails explains everything once enough has failed, better than any bet.
    const within = (density: (ratio: number) => number) => {
      return normalized(
        LOG_ODDS_RATIOS.map((ratio) => (Math.abs(ratio) <= ODD_SPREADS * sd ? density(ratio) : 0)),
      );
    };
    const usual = within((ratio) => exp(-((ratio / sd) ** 2) / 2));
    const odd = within(() => 1);
    law = usual.map((each, step) => (1 - ODD_TASKS) * each + ODD_TASKS * odd[step]!);
    laws.set(key, law);
  }
  return law;
}

function normalized(weights: Float64Array): Float64Array {
  const total = weights.reduce((sum, each) => sum + each, 0);
  return weights.map((each) => each / total);
}
