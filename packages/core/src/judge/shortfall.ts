import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { WorstTask } from './rank.ts';

/** What is added up of a task's interval; undefined where it does not count. */
export type Amount = (cell: Cell) => number | undefined;

/** Evidence, by tasks' intervals, that the canary's tasks do less of something than each of stable's, by more than a factor. */
export class Shortfall {
  readonly #canary: Amount;
  readonly #stable: Amount;
  readonly #factor: number;
  readonly #worst = new WorstTask();

  /** @param factor how many times as much a task of stable may do as the canary's. */
  constructor(canary: Amount, stable: Amount, factor: number) {
    this.#canary = canary;
    this.#stable = stable;
    this.#factor = factor;
  }

  get value(): number {
    return this.#worst.value;
  }

  observe({ canary, baselines, elapsed }: Comparison): void {
    this.#worst.observe(
      baselines.map((cells) => ({
        canary: lacks(canary, this.#canary, this.#factor),
        baseline: lacks(cells, this.#stable, 1),
      })),
      elapsed,
    );
  }
}

function lacks(cells: readonly Cell[], amountOf: Amount, factor: number): number[] {
  return cells.flatMap((cell) => {
    const amount = amountOf(cell);
    return amount === undefined ? [] : [-amount * factor];
  });
}
