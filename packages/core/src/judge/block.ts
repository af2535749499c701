import type { Histogram } from './histogram.ts';

/** What one task did over one interval. Deliveries are first deliveries unless the name says otherwise. */
export interface Cell {
  readonly task: string;
  /** Age of the task at the end of the interval, milliseconds since it began to work. */
  readonly ageMs: number;
  /** Messages that began. */
  readonly received: number;
  /** Messages that ended for or against the version, and how many of them against it. */
  readonly finished: number;
  readonly failed: number;
  /** Later deliveries that ended, and how many of them against the version. */
  readonly retried: number;
  readonly retriedFailed: number;
  /** Whether all receives brought messages, or none was made because every slot was taken: there was a backlog. */
  readonly saturated: boolean;
  /** Processing times of what finished; left out where they were not measured. */
  readonly durations?: Histogram;
  /** Resident memory at the end, MiB. */
  readonly memoryMiB?: number;
  /** What failed, by error class. */
  readonly errors?: Readonly<Record<string, number>>;
  /** Finished and failed by message type. */
  readonly types?: Readonly<Record<string, readonly [finished: number, failed: number]>>;
  /** The team's own counters. */
  readonly counters?: Readonly<Record<string, number>>;
}

/**
 * Tasks that ended by their own fault, and the time that tasks ran, those that crashed until the end of the interval;
 * not scheduler, Spot or deployment stops.
 */
export interface Crashes {
  readonly count: number;
  readonly taskSeconds: number;
}

/** What all tasks of both tracks did over one interval of the workers' reports, five seconds. */
export interface Block {
  readonly fromMs: number;
  readonly toMs: number;
  /** A cell for each task that reported. */
  readonly canary: readonly Cell[];
  readonly stable: readonly Cell[];
  /**
   * What stable's tasks did when they were as old as the canary is now: their first minutes, from the logs. Each of
   * these cells comes once in a release. Empty where there is no such past, or the canary is older.
   */
  readonly starts: readonly Cell[];
  readonly crashes?: { readonly canary: Crashes; readonly stable: Crashes };
}

/** Units, and how many of them failed. */
export interface Counts {
  readonly units: number;
  readonly failed: number;
}

/** Why a block cannot be judged, in words; undefined when it can. */
export function blockProblem({ fromMs, toMs, canary, stable, starts, crashes }: Block): string | undefined {
  if (!Number.isFinite(fromMs) || !Number.isFinite(toMs) || toMs <= fromMs) {
    return `a block must end after it begins, not run from ${fromMs} to ${toMs}`;
  }
  for (const cells of [canary, stable, starts]) {
    for (const cell of cells) {
      const problem = cellProblem(cell);
      if (problem !== undefined) return problem;
    }
  }
  for (const { count, taskSeconds } of crashes === undefined ? [] : [crashes.canary, crashes.stable]) {
    if (!isCount(count) || !(taskSeconds >= 0 && taskSeconds < Number.POSITIVE_INFINITY)) {
      return `crashes must be a count over a time, not ${count} in ${taskSeconds} task-seconds`;
    }
  }
  return undefined;
}

function cellProblem({ task, received, finished, failed, retried, retriedFailed }: Cell): string | undefined {
  if (![received, finished, failed, retried, retriedFailed].every(isCount)) {
    return `counts of task ${task} must be whole numbers, 0 or more; a count below 0 means that a counter went backwards`;
  }
  if (failed > finished || retriedFailed > retried) {
    return `task ${task} cannot have failed more messages than it finished`;
  }
  return undefined;
}

function isCount(value: number): boolean {
  return (value | 0) === value ? value >= 0 : Number.isSafeInteger(value) && value >= 0;
}
