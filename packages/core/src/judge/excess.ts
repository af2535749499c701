import type { Counts } from './block.ts';
import { ConditionalLaw } from './conditional-law.ts';
import { Wealth } from './wealth.ts';

/** How much likelier than on the baseline a unit is to fail on the canary, by bet. */
const EXCESS = Float64Array.of(1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001);
const WEIGHTS = [0.28, 0.18, 0.16, 0.14, 0.12, 0.08, 0.04];
const ODDS_RATIO_MAX = 1000;

/** Excesses as odds; a canary that fails everything is taken to fail 999 of 1000. */
const EXCESS_ODDS = EXCESS.map((excess) => Math.min(excess / (1 - excess), 999));

/** A stratum's blocks are pooled until they hold this many units or span this long. */
const POOL_UNITS = 16;
const POOL_MS = 15_000;

/** What a baseline is taken to have failed before anything is known of it, and of how many units. */
const PRIOR_FAILED = 0.5;
const PRIOR_UNITS = 100.5;

/** How many units the baseline's past counts as, in the guess at its failure rate within one block. */
const PAST_UNITS = 100;

/** What the baseline has done so far in a stratum, and what waits to be judged. */
export interface ExcessStratum {
  units: number;
  failed: number;
  pooledFromMs: number;
  canaryUnits: number;
  canaryFailed: number;
  baselineUnits: number;
  baselineFailed: number;
}

/** A stratum of which nothing is known yet. */
export function newExcessStratum(): ExcessStratum {
  return {
    units: PRIOR_UNITS,
    failed: PRIOR_FAILED,
    pooledFromMs: 0,
    canaryUnits: 0,
    canaryFailed: 0,
    baselineUnits: 0,
    baselineFailed: 0,
  };
}

/**
 * The conditional e-process against "the canary's odds of failing are at most `tolerance` times the
 * baseline's". Holds at any stopping time, for any failure rate and traffic share, constant or not, as long as
 * units are assigned to tracks exchangeably within a block.
 *
 * A bet looks at the block's margins and at the past, never at how the block's failures split.
 */
export class ExcessFailures {
  readonly #wealth = new Wealth(WEIGHTS);
  readonly #law = new ConditionalLaw();
  readonly #oddsRatios = new Float64Array(EXCESS.length);
  readonly #factors = new Float64Array(EXCESS.length);
  readonly #tolerance: number;

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  /** The e-process: by Ville's inequality it ever reaches 1/a with probability at most a under the null. */
  get value(): number {
    return this.#wealth.value;
  }

  /**
   * Takes a block of one stratum; strata share the stake, so that their e-values multiply.
   *
   * The split of a few units says little or nothing (of a single one, nothing), so where messages are rare
   * blocks wait for each other, some seconds. When they are judged depends on units and time only.
   *
   * @param elapsed part of the horizon that has passed at `toMs`.
   */
  observe(
    stratum: ExcessStratum,
    canary: Counts,
    baseline: Counts,
    fromMs: number,
    toMs: number,
    elapsed: number,
  ): void {
    const waiting = stratum.canaryUnits + stratum.baselineUnits;
    if (waiting === 0) {
      if (canary.units + baseline.units >= POOL_UNITS || toMs - fromMs >= POOL_MS) {
        this.#judge(stratum, canary.units, canary.failed, baseline.units, baseline.failed, elapsed);
        return;
      }
      stratum.pooledFromMs = fromMs;
    } else if (toMs - stratum.pooledFromMs > POOL_MS) {
      this.#judgePooled(stratum, elapsed);
      stratum.pooledFromMs = fromMs;
    }
    stratum.canaryUnits += canary.units;
    stratum.canaryFailed += canary.failed;
    stratum.baselineUnits += baseline.units;
    stratum.baselineFailed += baseline.failed;
    const units = stratum.canaryUnits + stratum.baselineUnits;
    if (units >= POOL_UNITS || toMs - stratum.pooledFromMs >= POOL_MS) this.#judgePooled(stratum, elapsed);
  }

  #judgePooled(stratum: ExcessStratum, elapsed: number): void {
    const { canaryUnits, canaryFailed, baselineUnits, baselineFailed } = stratum;
    this.#judge(stratum, canaryUnits, canaryFailed, baselineUnits, baselineFailed, elapsed);
    stratum.canaryUnits = 0;
    stratum.canaryFailed = 0;
    stratum.baselineUnits = 0;
    stratum.baselineFailed = 0;
  }

  #judge(
    stratum: ExcessStratum,
    canaryUnits: number,
    canaryFailed: number,
    baselineUnits: number,
    baselineFailed: number,
    elapsed: number,
  ): void {
    const failures = canaryFailed + baselineFailed;
    if (failures > 0 && this.#law.load(canaryUnits, baselineUnits, failures, this.#tolerance)) {
      this.#chooseBets(stratum.failed / stratum.units, canaryUnits, canaryUnits + baselineUnits, failures);
      this.#law.eValues(canaryFailed, this.#oddsRatios, this.#factors);
      this.#wealth.bet(this.#factors, elapsed);
    }
    stratum.units += baselineUnits;
    stratum.failed += baselineFailed;
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
    for (let bet = 0; bet < EXCESS.length; bet += 1) {
      const shared = failures - canaryUnits * EXCESS[bet]!;
      const now = (weightedPast + shared) * perUnit;
      const ratio = 1 + EXCESS_ODDS[bet]! / (now > past ? now : past);
      const capped = ratio < ODDS_RATIO_MAX ? ratio : ODDS_RATIO_MAX;
      this.#oddsRatios[bet] = capped > this.#tolerance ? capped : this.#tolerance;
    }
  }
}
