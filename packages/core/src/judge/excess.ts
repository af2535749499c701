import type { Margins } from './block.ts';
import { ConditionalLaw } from './conditional-law.ts';
import { Wealth } from './wealth.ts';

/** How much likelier than on the baseline a unit is to fail on the canary, by bet. */
const EXCESS = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
const WEIGHTS = [0.28, 0.18, 0.16, 0.14, 0.12, 0.08, 0.04];
const ODDS_RATIO_MAX = 1000;

/** A stratum's blocks are pooled until they hold this many units or span this long. */
const POOL_UNITS = 16;
const POOL_MS = 15_000;

/** What the baseline has done so far in a stratum, and what waits to be judged. */
interface Stratum {
  units: number;
  failed: number;
  pooledFromMs: number;
  canaryUnits: number;
  canaryFailed: number;
  baselineUnits: number;
  baselineFailed: number;
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
  readonly #factors = new Float64Array(EXCESS.length);
  readonly #strata = new Map<string, Stratum>();
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
  observe(name: string, { canary, baseline }: Margins, fromMs: number, toMs: number, elapsed: number): void {
    let stratum = this.#strata.get(name);
    if (stratum === undefined) {
      stratum = { ...noPast, pooledFromMs: fromMs };
      this.#strata.set(name, stratum);
    }
    if (stratum.canaryUnits + stratum.baselineUnits === 0) stratum.pooledFromMs = fromMs;
    else if (toMs - stratum.pooledFromMs > POOL_MS) {
      this.#judge(stratum, elapsed);
      stratum.pooledFromMs = fromMs;
    }
    stratum.canaryUnits += canary.units;
    stratum.canaryFailed += canary.failed;
    stratum.baselineUnits += baseline.units;
    stratum.baselineFailed += baseline.failed;
    const units = stratum.canaryUnits + stratum.baselineUnits;
    if (units >= POOL_UNITS || toMs - stratum.pooledFromMs >= POOL_MS) this.#judge(stratum, elapsed);
  }

  #judge(stratum: Stratum, elapsed: number): void {
    const { canaryUnits, canaryFailed, baselineUnits, baselineFailed } = stratum;
    const failures = canaryFailed + baselineFailed;
    if (this.#law.load(canaryUnits, baselineUnits, failures, this.#tolerance)) {
      const units = canaryUnits + baselineUnits;
      const floor = (0.5 + stratum.failed) / (100.5 + stratum.units);
      for (let bet = 0; bet < EXCESS.length; bet += 1) {
        const oddsRatio = oddsRatioOf(EXCESS[bet]!, floor, canaryUnits, failures, units);
        this.#factors[bet] = this.#law.eValue(canaryFailed, Math.max(oddsRatio, this.#tolerance));
      }
      this.#wealth.bet(this.#factors, elapsed);
    }
    stratum.units += baselineUnits;
    stratum.failed += baselineFailed;
    stratum.canaryUnits = 0;
    stratum.canaryFailed = 0;
    stratum.baselineUnits = 0;
    stratum.baselineFailed = 0;
  }
}

const noPast: Stratum = {
  units: 0,
  failed: 0,
  pooledFromMs: 0,
  canaryUnits: 0,
  canaryFailed: 0,
  baselineUnits: 0,
  baselineFailed: 0,
};

/** The odds ratio that an excess amounts to, given a block's margins and the baseline's past. */
function oddsRatioOf(
  excess: number,
  floor: number,
  canaryUnits: number,
  failures: number,
  units: number,
): number {
  const implied = (failures - canaryUnits * excess) / units;
  const baseline = Math.max(implied, floor);
  const raised = baseline + excess * (1 - baseline);
  const canary = Math.min(raised, 0.999);
  const ratio = (canary * (1 - baseline)) / ((1 - canary) * baseline);
  return Math.min(ratio, ODDS_RATIO_MAX);
}
