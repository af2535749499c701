import type { Block, Cell } from './block.ts';

/**
 * What may be compared in one interval. Tasks are compared with tasks of their age: a new task is slow and fails a
 * little, and the canary is always newer than stable.
 */
export interface Comparison {
  readonly fromMs: number;
  readonly toMs: number;
  /** Part of the horizon that has passed at the end. */
  readonly elapsed: number;
  /** Whether the canary's tasks are warm; its young ones are left out as soon as it has a warm one. */
  readonly warm: boolean;
  readonly canary: readonly Cell[];
  /**
   * Stable's warm tasks now; for a young canary also what stable's tasks did when they were as young. Each baseline by
   * itself is reason enough: being new explains the one, what goes on now the other.
   */
  readonly baselines: readonly (readonly Cell[])[];
  /** What stable's tasks did when they were as old as the canary, also where it is warm. */
  readonly starts: readonly Cell[];
}

/** Stable is disturbed while at least this part of its messages fails, or this many times what did before. */
const DISTURBED_PART = 0.2;
const DISTURBED_TIMES = 4;
const DISTURBED_FAILURES = 3;

/** Tasks recover from a disturbance each in its own time: so long nothing is compared any more. */
const RECOVERY_MS = 90_000;

/**
 * Chooses what may be compared. What it leaves out depends on time, on how much failed in all, and on the past, never
 * on how an interval's failures split.
 */
export class Comparisons {
  readonly #startedAtMs: number;
  readonly #horizonMs: number;
  readonly #warmUpMs: number;
  #undisturbedFromMs = Number.NEGATIVE_INFINITY;
  #stableUnits = 100;
  #stableFailed = 0.5;

  constructor(startedAtMs: number, horizonMs: number, warmUpMs: number) {
    this.#startedAtMs = startedAtMs;
    this.#horizonMs = horizonMs;
    this.#warmUpMs = warmUpMs;
  }

  /** Whether tasks are still recovering from something that hit stable. */
  isDisturbed(fromMs: number): boolean {
    return fromMs < this.#undisturbedFromMs;
  }

  /** Takes note of an interval before the judging began. */
  learn(block: Block): void {
    this.#takeNote(block.stable, block.toMs);
  }

  /** What may be compared in the interval; undefined where nothing may be. */
  of(block: Block): Comparison | undefined {
    const { fromMs, toMs, canary, stable, starts } = block;
    const left = this.isDisturbed(fromMs) || this.#failsTooMuch(canary, stable);
    this.#takeNote(stable, toMs);
    if (left) return undefined;
    const isWarm = ({ ageMs }: Cell) => ageMs >= this.#warmUpMs;
    const elapsed = Math.min(1, (toMs - this.#startedAtMs) / this.#horizonMs);
    const now = stable.filter(isWarm);
    const warm = canary.filter(isWarm);
    if (warm.length > 0) return { fromMs, toMs, elapsed, warm: true, canary: warm, baselines: [now], starts };
    // Nobody knows what a young task does where stable's first minutes are not on record.
    if (starts.length === 0) return undefined;
    return { fromMs, toMs, elapsed, warm: false, canary, baselines: [now, starts], starts };
  }

  /** Whether more failed in the interval than the canary alone and stable's habit explain, however it was split. */
  #failsTooMuch(canary: readonly Cell[], stable: readonly Cell[]): boolean {
    let [canaryUnits, stableUnits, failed] = [0, 0, 0];
    for (const cell of canary) {
      canaryUnits += cell.finished;
      failed += cell.failed;
    }
    for (const cell of stable) {
      stableUnits += cell.finished;
      failed += cell.failed;
    }
    return failed - canaryUnits >= Math.max(DISTURBED_FAILURES, this.#tooMuch * stableUnits);
  }

  /** Where many of stable's tasks fail too much, the intervals that follow are left out. */
  #takeNote(stable: readonly Cell[], toMs: number): void {
    let [units, failed, disturbed] = [0, 0, 0];
    for (const cell of stable) {
      units += cell.finished;
      failed += cell.failed;
      if (cell.failed > this.#tooMuch * cell.finished) disturbed += 1;
    }
    if (failed >= DISTURBED_FAILURES && disturbed >= Math.max(2, stable.length / 2)) {
      this.#undisturbedFromMs = toMs + RECOVERY_MS;
    } else {
      this.#stableUnits += units;
      this.#stableFailed += failed;
    }
  }

  get #tooMuch(): number {
    return Math.max(DISTURBED_PART, (DISTURBED_TIMES * this.#stableFailed) / this.#stableUnits);
  }
}
