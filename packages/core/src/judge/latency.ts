import type { LatencyCounts } from './block.ts';
import { ExcessFailures, newExcessStratum } from './excess.ts';

/**
 * The e-process against "the canary is no slower than the baseline": units beyond the baseline's own past p50,
 * p90 and p99, each compared like failures. The weighted mean of the three is valid however they depend on
 * each other.
 */
export class SlowerUnits {
  readonly #p50: ExcessFailures;
  readonly #p90: ExcessFailures;
  readonly #p99: ExcessFailures;
  readonly #beyond50 = newExcessStratum();
  readonly #beyond90 = newExcessStratum();
  readonly #beyond99 = newExcessStratum();

  constructor(tolerance: number) {
    this.#p50 = new ExcessFailures(tolerance);
    this.#p90 = new ExcessFailures(tolerance);
    this.#p99 = new ExcessFailures(tolerance);
  }

  get value(): number {
    return 0.4 * this.#p50.value + 0.3 * this.#p90.value + 0.3 * this.#p99.value;
  }

  observe({ p50, p90, p99 }: LatencyCounts, fromMs: number, toMs: number, elapsed: number): void {
    this.#p50.observe(this.#beyond50, p50.canary, p50.baseline, fromMs, toMs, elapsed);
    this.#p90.observe(this.#beyond90, p90.canary, p90.baseline, fromMs, toMs, elapsed);
    this.#p99.observe(this.#beyond99, p99.canary, p99.baseline, fromMs, toMs, elapsed);
  }
}
