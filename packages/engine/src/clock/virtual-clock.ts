import type { Clock, Timer } from './clock.ts';

interface Entry {
  dueMs: number;
  sequence: number;
  run: () => void;
  cancelled: boolean;
}

/**
 * Time that moves only when told to. `advanceBy` steps *to* each due time in order of (due, sequence), runs
 * what is due, lets the work that it started settle, and only then goes on; so a 60 s timer that re-arms
 * itself fires five times over 300 s.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  #setBackMs = 0;
  #sequence = 0;
  readonly #heap: Entry[] = [];
  readonly #isBusy: (() => boolean) | undefined;

  /**
   * @param startMs milliseconds since the Unix epoch
   * @param isBusy whether something is under way that needs no virtual time, such as a file that is written: time stands still
   *   then. Without it, work settles within four turns of the event loop.
   */
  constructor(startMs = Date.UTC(2026, 0, 1), isBusy?: () => boolean) {
    this.#nowMs = startMs;
    this.#isBusy = isBusy;
  }

  nowMs(): number {
    return this.#nowMs - this.#setBackMs;
  }

  uptimeMs(): number {
    return this.#nowMs;
  }

  /** Sets the clock back, as somebody who corrects it does. What is waited for takes no longer. */
  setBack(durationMs: number): void {
    this.#setBackMs += durationMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const entry: Entry = {
      // Time moves by whole milliseconds, as the system's clock does, and no timer is early.
      dueMs: this.#nowMs + Math.ceil(Math.max(delayMs, 0)),
      sequence: this.#sequence++,
      run,
      cancelled: false,
    };
    this.#push(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** Moves time forward by `durationMs`, running every timer that falls due, including re-armed ones. */
  async advanceBy(durationMs: number): Promise<void> {
    const targetMs = this.#nowMs + Math.ceil(durationMs);
    await this.#settle();
    for (let next = this.#peek(); next && next.dueMs <= targetMs; next = this.#peek()) {
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = next.dueMs;
      next.run();
      await this.#settle();
    }
    this.#nowMs = targetMs;
  }

  /** Advances in steps until `condition` holds; gives up with an error after `withinMs` of virtual time. */
  async advanceUntil(condition: () => boolean, withinMs: number): Promise<void> {
    const deadlineMs = this.#nowMs + withinMs;
    await this.#settle();
    while (!condition()) {
      const next = this.#peek();
      if (!next || next.dueMs > deadlineMs) {
        throw new Error(`condition did not hold within ${withinMs} ms of virtual time`);
      }
      await this.advanceBy(next.dueMs - this.#nowMs);
    }
  }

  /** Moves time forward, timer by timer, until `work` is settled, and gives what came of it. */
  async outlast<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = () => {
      isSettled = true;
    };
    work.then(settled, settled);
    await this.#settle();
    while (!isSettled) await this.advanceBy(Math.max(0, (this.#peek()?.dueMs ?? 0) - this.#nowMs));
    return work;
  }

  /** Lets what is due and what it started run: without knowing more, four turns cover "commit, then reply, then react". */
  async #settle(): Promise<void> {
    if (this.#isBusy === undefined) {
      for (let turn = 0; turn < 4; turn++) await nextTurn();
      return;
    }
    do await nextTurn();
    while (this.#isBusy());
  }

  #peek(): Entry | undefined {
    while (this.#heap[0]?.cancelled) this.#pop();
    return this.#heap[0];
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
