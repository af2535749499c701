import type { Block, Cell, Counts } from '../../packages/core/src/judge/block.ts';
import { ExcessFailures } from '../../packages/core/src/judge/excess.ts';
import { beyond, total } from '../../packages/core/src/judge/histogram.ts';
import { slowBins } from '../../packages/core/src/judge/latency.ts';
import type { Comparator } from './comparator.ts';
import { HORIZON_MS } from './fleet.ts';

const FAILURES = 0.5;
const LATENCY = 0.15;
const QUANTILES = [0.4, 0.3, 0.3];
const LATENCY_FROM_MS = 30_000;
const NEEDED = 100;

/** Blocks waited for each other until they held so many messages, or spanned so long. */
const MESSAGES = 16;
const SPAN_MS = 15_000;

/**
 * The judge as it was before it read cells: all messages of both tracks, pooled, whatever the age of the tasks, and no
 * tolerance. Failures, and messages beyond stable's past p50, p90 and p99.
 */
export class Before implements Comparator {
  readonly name = 'before';
  decidedAtMs: number | undefined;
  readonly #failures = new ExcessFailures(true);
  readonly #bins: readonly number[];
  readonly #slower: readonly ExcessFailures[];
  readonly #canary: Cell[] = [];
  readonly #stable: Cell[] = [];
  #messages = 0;
  #fromMs: number | undefined;

  constructor(past: readonly Block[]) {
    this.#bins = slowBins(past.flatMap(({ stable }) => stable)) ?? [];
    this.#slower = this.#bins.map(() => new ExcessFailures(true));
  }

  observe({ fromMs, toMs, canary, stable }: Block): void {
    if (this.decidedAtMs !== undefined) return;
    this.#canary.push(...canary);
    this.#stable.push(...stable);
    for (const { finished } of canary) this.#messages += finished;
    for (const { finished } of stable) this.#messages += finished;
    this.#fromMs ??= fromMs;
    if (this.#messages < MESSAGES && toMs - this.#fromMs < SPAN_MS) return;
    this.#judge(toMs);
    this.#canary.length = 0;
    this.#stable.length = 0;
    this.#messages = 0;
    this.#fromMs = undefined;
  }

  #judge(toMs: number): void {
    const elapsed = toMs / HORIZON_MS;
    const compare = (evidence: ExcessFailures, counts: (cell: Cell) => Counts) => {
      evidence.observe(sum(this.#canary, counts), [sum(this.#stable, counts)], elapsed);
      return evidence.value(0);
    };
    let evidence =
      FAILURES * compare(this.#failures, ({ finished, failed }) => ({ units: finished, failed }));
    for (const [index, slower] of this.#slower.entries()) {
      const value = toMs <= LATENCY_FROM_MS ? 1 : compare(slower, slowerThan(this.#bins[index]!));
      evidence += LATENCY * QUANTILES[index]! * value;
    }
    if (evidence >= NEEDED) this.decidedAtMs = toMs;
  }
}

const slowerThan =
  (bin: number) =>
  ({ durations = [] }: Cell): Counts => ({ units: total(durations), failed: beyond(durations, bin) });

function sum(cells: readonly Cell[], counts: (cell: Cell) => Counts): Counts {
  let [units, failed] = [0, 0];
  for (const cell of cells) {
    const each = counts(cell);
    units += each.units;
    failed += each.failed;
  }
  return { units, failed };
}
