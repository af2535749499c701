import type { Cell, Counts } from './block.ts';
import { beyond, total } from './histogram.ts';

/** Counts that grow. */
export interface Tally {
  units: number;
  failed: number;
}

export function tally(): Tally {
  return { units: 0, failed: 0 };
}

export function count(into: Tally, { units, failed }: Counts): void {
  into.units += units;
  into.failed += failed;
}

export function totalOf(cells: readonly Cell[], counted: (cell: Cell) => Counts): Counts {
  const sum = tally();
  for (const cell of cells) count(sum, counted(cell));
  return sum;
}

export function failuresOf({ finished, failed }: Cell): Counts {
  return { units: finished, failed };
}

export function retriesOf({ retried, retriedFailed }: Cell): Counts {
  return { units: retried, failed: retriedFailed };
}

/** Messages, and how many of them took longer than what the bin holds. */
export function slowOf({ durations = [] }: Cell, bin: number): Counts {
  return { units: total(durations), failed: beyond(durations, bin) };
}
