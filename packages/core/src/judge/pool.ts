import type { Block, Cell } from './block.ts';
import { merged } from './histogram.ts';
import { addedNamed, type Named } from './named.ts';

/** Intervals wait for each other until they hold so many messages, or span so long: the split of a few says nothing. */
const MESSAGES = 16;
const SPAN_MS_MAX = 300_000;

/** Adds intervals up where traffic is thin. When it lets go depends on messages and time only, never on failures. */
export class Pool {
  readonly #spanMs: number;
  readonly #timed: boolean;
  #waiting: Block[] = [];
  #messages = 0;

  /**
   * @param spanMs how long a pool is at least.
   * @param timed whether durations are added up: that is most of the work, and amounts do not need them.
   */
  constructor(spanMs: number, timed = true) {
    this.#spanMs = spanMs;
    this.#timed = timed;
  }

  /** The interval itself where it has messages enough; all that waited, as one, once they have; undefined until then. */
  add(block: Block): Block | undefined {
    for (const { finished } of block.canary) this.#messages += finished;
    for (const { finished } of block.stable) this.#messages += finished;
    this.#waiting.push(block);
    const fromMs = this.#waiting[0]!.fromMs;
    const spanMs = block.toMs - fromMs;
    if (spanMs < this.#spanMs || (this.#messages < MESSAGES && spanMs < SPAN_MS_MAX)) return undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#messages = 0;
    if (waiting.length === 1) return block;
    return {
      fromMs,
      toMs: block.toMs,
      canary: byTask(
        waiting.flatMap(({ canary }) => canary),
        this.#timed,
      ),
      stable: byTask(
        waiting.flatMap(({ stable }) => stable),
        this.#timed,
      ),
      starts: byTask(
        waiting.flatMap(({ starts }) => starts),
        this.#timed,
      ),
    };
  }
}

/** One cell for each task, as old as its first was: a task that was young for a part of the time counts as young. */
function byTask(cells: readonly Cell[], timed: boolean): Cell[] {
  const tasks = new Map<string, Cell>();
  for (const cell of cells) {
    const known = tasks.get(cell.task);
    tasks.set(cell.task, known === undefined ? cell : added(known, cell, timed));
  }
  return [...tasks.values()];
}

function added(a: Cell, b: Cell, timed: boolean): Cell {
  const durations = timed ? both(a.durations, b.durations, merged) : undefined;
  const memoryMiB = b.memoryMiB ?? a.memoryMiB;
  const errors = both(a.errors, b.errors, addedAmounts);
  const types = both(a.types, b.types, addedTypes);
  const counters = both(a.counters, b.counters, addedAmounts);
  return {
    task: a.task,
    ageMs: a.ageMs,
    received: a.received + b.received,
    finished: a.finished + b.finished,
    failed: a.failed + b.failed,
    retried: a.retried + b.retried,
    retriedFailed: a.retriedFailed + b.retriedFailed,
    saturated: a.saturated && b.saturated,
    ...(durations && { durations }),
    ...(memoryMiB !== undefined && { memoryMiB }),
    ...(errors && { errors }),
    ...(types && { types }),
    ...(counters && { counters }),
  };
}

/** Both added up; the one where the other was not measured. */
function both<T>(a: T | undefined, b: T | undefined, add: (a: T, b: T) => T): T | undefined {
  return a === undefined || b === undefined ? (a ?? b) : add(a, b);
}

function addedAmounts(a: Named<number>, b: Named<number>): Named<number> {
  return addedNamed(a, b, (own, more) => own + more);
}

function addedTypes(
  a: NonNullable<Cell['types']>,
  b: NonNullable<Cell['types']>,
): NonNullable<Cell['types']> {
  return addedNamed(a, b, ([m, mBad], [n, nBad]) => [m + n, mBad + nBad]);
}
