import type { Cell, Counts } from './block.ts';
import { Clumping } from './clumping.ts';
import type { Comparison } from './comparison.ts';
import { failuresOf, slowOf, totalOf } from './counts.ts';
import type { CertificationEvidence } from './evidence.ts';
import type { Heterogeneity } from './heterogeneity.ts';
import type { JudgePolicy } from './judge-policy.ts';
import type { SlowBins } from './latency.ts';
import { Levels } from './levels.ts';
import { NonInferiority } from './non-inferiority.ts';
import { exp, ln } from './numerics.ts';

/** Parts of the margin that are certified where stable's tasks differ. */
const MARGIN_PARTS = [0.25, 0.5, 0.75, 1];

/** By how many standard deviations the canary's task may be luckier than its version: 1 in 20. */
const LUCK = 2;

class Certification {
  readonly #process: NonInferiority;
  readonly #count: (cell: Cell) => Counts;

  constructor(margin: number, count: (cell: Cell) => Counts) {
    this.#process = new NonInferiority(margin);
    this.#count = count;
  }

  /** The evidence, as weak as failures that come in clumps make it: a power of it of at most 1 has a mean of at most 1. */
  value(clumping: number): number {
    return exp(ln(this.#process.value) / clumping);
  }

  observe({ fromMs, toMs, canary, baselines: [stable = []] }: Comparison): void {
    const own = totalOf(canary, this.#count);
    const others = totalOf(stable, this.#count);
    this.#process.add(fromMs, own.units, own.failed, others.units, others.failed);
    this.#process.settle(toMs);
  }
}

/** What a pass needs: for each required metric, that the canary is not worse than stable by the margin. */
export class Certifications {
  readonly #policy: JudgePolicy;
  readonly #failures: Levels<Certification>;
  readonly #latency: Certification | undefined;
  /** Of the canary, and of all tasks: a version may fail in clumps that stable does not have. */
  readonly #clumping = { canary: new Clumping(), all: new Clumping() };

  constructor(policy: JudgePolicy, slow: SlowBins | undefined) {
    this.#policy = policy;
    this.#failures = new Levels(MARGIN_PARTS, (part) => new Certification(part * policy.margin, failuresOf));
    this.#latency =
      slow && policy.required.includes('latency')
        ? new Certification(policy.latencyMargin, (cell) => slowOf(cell, slow[1]!))
        : undefined;
  }

  /** Takes what warm tasks did. */
  observe(comparison: Comparison): void {
    this.#failures.observe(comparison);
    this.#clumping.canary.observe(comparison.canary);
    this.#clumping.all.observe([...comparison.canary, ...(comparison.baselines[0] ?? [])]);
  }

  /** Takes how long warm tasks took. */
  observeDurations(comparison: Comparison): void {
    this.#latency?.observe(comparison);
  }

  evidence({ failureRateSpread: { sd, tasks } }: Heterogeneity): CertificationEvidence[] {
    const { beta, required, margin, latencyMargin } = this.#policy;
    const eValueNeeded = 1 / beta;
    const clumping = Math.max(this.#clumping.canary.factor, this.#clumping.all.factor);
    return required.map((metric) => {
      if (metric === 'latency') {
        const eValue = this.#latency?.value(1) ?? 1;
        return { metric, margin: latencyMargin, eValue, eValueNeeded, certified: eValue >= eValueNeeded };
      }
      // A task may be luckier than its version: so much less than the margin must be shown.
      const luck = LUCK * sd * Math.sqrt(1 + 1 / Math.max(1, tasks));
      const part = MARGIN_PARTS.findLast((each) => each * margin <= margin - luck);
      const eValue = part === undefined ? 1 : this.#failures.at(part).value(clumping);
      return {
        metric,
        margin,
        eValue,
        eValueNeeded,
        certified: part !== undefined && eValue >= eValueNeeded,
      };
    });
  }
}
