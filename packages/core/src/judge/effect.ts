import type { Cell, Counts } from './block.ts';
import type { Comparison } from './comparison.ts';
import { sum } from './difference.ts';
import { ExcessFailures } from './excess.ts';
import { beyond, binsPerOctave, total } from './histogram.ts';
import { QUANTILES, type SlowBins } from './latency.ts';
import { type Interval, RateDifference } from './rate-difference.ts';

/** By how much the canary differs from stable. */
export interface Effects {
  /** The canary's failure rate minus stable's; absent until both have finished messages. */
  readonly failures?: Interval & { readonly estimate: number };
  /** How many times as long as stable the canary takes, at each quantile; absent if latency is not measured. */
  readonly latency?: readonly (Interval & { readonly quantile: number })[];
}

/** Each end of an interval may be wrong in one of forty releases. */
const NEEDED = 40;

/** Factors of latency that are tried, as bins: from a quarter to four times. */
const BINS_MAX = 2 * binsPerOctave;

/**
 * The effects that the comparisons show. An interval holds whatever is not rejected: a difference of failure rates, or
 * a factor of latency, as if it were the null hypothesis. It takes messages of a task's interval for independent, so
 * where they fail in clumps it is too narrow; the verdict is not, see `Difference`.
 *
 * A young canary's comparisons enter only as long as there are no others: what being new explains is not the version's
 * effect.
 */
export function effectsOf(
  failures: readonly Comparison[],
  latency: readonly Comparison[],
  slow: SlowBins | undefined,
): Effects {
  const rates = rateDifference(warmIfAny(failures));
  const factors = slow && latencyFactors(warmIfAny(latency), slow);
  return { ...(rates && { failures: rates }), ...(factors && { latency: factors }) };
}

function warmIfAny(comparisons: readonly Comparison[]): readonly Comparison[] {
  const warm = comparisons.filter((comparison) => comparison.warm);
  return warm.length > 0 ? warm : comparisons;
}

function rateDifference(comparisons: readonly Comparison[]): Effects['failures'] {
  const process = new RateDifference();
  const all = { canary: { units: 0, failed: 0 }, stable: { units: 0, failed: 0 } };
  for (const { canary, baselines } of comparisons) {
    const own = sum(canary.map(failed));
    const others = sum((baselines[0] ?? []).map(failed));
    add(all.canary, own);
    add(all.stable, others);
    process.add(own, others);
  }
  if (all.canary.units === 0 || all.stable.units === 0) return undefined;
  const estimate = all.canary.failed / all.canary.units - all.stable.failed / all.stable.units;
  return { estimate, ...process.interval(NEEDED) };
}

function latencyFactors(comparisons: readonly Comparison[], slow: SlowBins): Effects['latency'] {
  if (!comparisons.some(({ canary }) => canary.some(({ durations = [] }) => durations.length > 0))) {
    return undefined;
  }
  return slow.map((bin, index) => ({
    quantile: QUANTILES[index]!,
    // Evidence falls as the factor grows in the one direction, so the last factor that is rejected is found by halving.
    low: 2 ** (rejected(comparisons, bin, false) / binsPerOctave),
    high: 2 ** (rejected(comparisons, bin, true) / binsPerOctave),
  }));
}

/** The outermost factor, in bins, that is rejected for being too small, or too large. */
function rejected(comparisons: readonly Comparison[], bin: number, tooLarge: boolean): number {
  // Stable's are the same at every factor.
  const stable = comparisons.map(({ baselines }) => slower(baselines[0] ?? [], bin));
  let [outer, inner] = tooLarge ? [BINS_MAX, -BINS_MAX] : [-BINS_MAX, BINS_MAX];
  while (Math.abs(outer - inner) > 1) {
    const middle = Math.trunc((outer + inner) / 2);
    if (isRejected(comparisons, stable, bin + middle, tooLarge)) outer = middle;
    else inner = middle;
  }
  return outer;
}

function isRejected(
  comparisons: readonly Comparison[],
  stable: readonly Counts[],
  bin: number,
  tooLarge: boolean,
): boolean {
  const process = new ExcessFailures(true);
  for (const [index, { canary, elapsed }] of comparisons.entries()) {
    const own = slower(canary, bin);
    const others = stable[index]!;
    if (tooLarge) process.observe(others, [own], elapsed);
    else process.observe(own, [others], elapsed);
    if (process.value(0) >= NEEDED) return true;
  }
  return false;
}

function failed({ finished, failed: bad }: Cell): Counts {
  return { units: finished, failed: bad };
}

function slower(cells: readonly Cell[], bin: number): Counts {
  let [units, slow] = [0, 0];
  for (const { durations = [] } of cells) {
    units += total(durations);
    slow += beyond(durations, bin);
  }
  return { units, failed: slow };
}

function add(into: { units: number; failed: number }, { units, failed: bad }: Counts): void {
  into.units += units;
  into.failed += bad;
}
