import type { Margins } from './block.ts';
import { ConditionalLaw } from './conditional-law.ts';
import { Wealth } from './wealth.ts';

/** How much likelier than on the baseline a unit is to fail on the canary, by bet. */
const EXCESS = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
const WEIGHTS = [0.28, 0.18, 0.16, 0.14, 0.12, 0.08, 0.04];
const ODDS_RATIO_MAX = 1000;

/** What the baseline has done so far in a stratum. */
interface Past {
  units: number;
  failed: number;
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
  readonly #pasts = new Map<string, Past>();
  readonly #tolerance: number;

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  /** The e-process: by Ville's inequality it ever reaches 1/a with probability at most a under the null. */
  get value(): number {
    return this.#wealth.value;
  }

  /** Takes a block of one stratum; strata share the stake, so that their e-values multiply. */
  observe(stratum: string, { canary, baseline }: Margins, elapsed: number): void {
    let past = this.#pasts.get(stratum);
    if (past === undefined) {
      past = { units: 0, failed: 0 };
      this.#pasts.set(stratum, past);
    }
    const failures = canary.failed + baseline.failed;
    if (this.#law.load(canary.units, baseline.units, failures, this.#tolerance)) {
      const units = canary.units + baseline.units;
      const floor = (0.5 + past.failed) / (100.5 + past.units);
      for (let bet = 0; bet < EXCESS.length; bet += 1) {
        const oddsRatio = oddsRatioOf(EXCESS[bet]!, floor, canary.units, failures, units);
        this.#factors[bet] = this.#law.eValue(canary.failed, Math.max(oddsRatio, this.#tolerance));
      }
      this.#wealth.bet(this.#factors, elapsed);
    }
    past.units += baseline.units;
    past.failed += baseline.failed;
  }
}

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
