import type { Cell, Counts } from './block.ts';
import type { Comparison } from './comparison.ts';
import { ExcessFailures } from './excess.ts';
import { type Badness, WorstTask } from './rank.ts';

/** What counts of a task's interval: units, and the bad ones among them. */
export type Counted = (cell: Cell) => Counts;

/** How bad a task's interval was, higher being worse; undefined where it says nothing. */
export type Scored = (cell: Cell) => number | undefined;

/** How a signal looks at the cells of each track: at the canary's with a tolerance, perhaps. */
export interface Signal {
  readonly canary: Counted;
  readonly baseline: Counted;
  /** By what tasks' intervals are compared. @default - by how far their counts are beyond what all did */
  readonly scores?: { readonly canary: Scored; readonly baseline: Scored };
}

/**
 * Evidence that the canary is worse than its baselines, by messages and by tasks' intervals, the weaker of the two.
 *
 * By messages the test is sharp, but takes ten messages that one reset connection failed for ten pieces of evidence;
 * by intervals it is robust, but knows no tolerance. The lesser is valid under the null hypothesis of either.
 */
export class Difference {
  readonly #signal: Signal;
  readonly #messages: ExcessFailures;
  readonly #intervals = new WorstTask();
  readonly #tasks = new Set<string>();

  /** @param alike whether tasks are taken for alike, so that only a spread of 0 will be asked for. */
  constructor(signal: Signal, alike = false) {
    this.#signal = signal;
    this.#messages = new ExcessFailures(alike);
  }

  /** @param spread standard deviation of log odds among tasks of one version. */
  value(spread: number): number {
    return Math.min(this.#messages.value(spread), this.#intervals.value);
  }

  /** Takes note of what stable's tasks did before the release. */
  learn(stable: readonly Cell[]): void {
    for (const cell of stable) this.#messages.learn(this.#signal.baseline(cell));
  }

  observe({ canary, baselines, elapsed }: Comparison): void {
    const { scores } = this.#signal;
    const own = canary.map(this.#signal.canary);
    const others = baselines.map((cells) => cells.map(this.#signal.baseline));
    const known = this.#tasks.size;
    for (const { task } of canary) this.#tasks.add(task);
    if (known > 0 && this.#tasks.size > known) this.#messages.newTasks();
    this.#messages.observe(sum(own), others.map(sum), elapsed);
    this.#intervals.observe(
      scores === undefined
        ? others.map((counts) => excessesOf(own, counts))
        : baselines.map((cells) => ({
            canary: present(canary.map(scores.canary)),
            baseline: present(cells.map(scores.baseline)),
          })),
      elapsed,
    );
  }
}

/** By how many standard deviations each task was beyond what all did: few units do not make a task stand out. */
function excessesOf(canary: readonly Counts[], baseline: readonly Counts[]): Badness {
  const [own, others] = [sum(canary), sum(baseline)];
  const rate = (own.failed + others.failed) / (own.units + others.units);
  const excess = (tasks: readonly Counts[]) => {
    const all: number[] = [];
    // Equal counts give equal digits, so ties are exact.
    for (const { units, failed } of tasks)
      if (units > 0) all.push((failed - units * rate) / Math.sqrt(units));
    return all;
  };
  return { canary: excess(canary), baseline: excess(baseline) };
}

function present(scores: readonly (number | undefined)[]): number[] {
  return scores.filter((score) => score !== undefined);
}

export function sum(all: readonly Counts[]): Counts {
  let [units, failed] = [0, 0];
  for (const each of all) {
    units += each.units;
    failed += each.failed;
  }
  return { units, failed };
}
