import type { Line } from '../measurement/line.ts';
import { Names, PackedLines } from './packed-lines.ts';

/** One life of one of stable's tasks, as its lines tell it. A container that is started again begins another. */
export interface Life {
  readonly task: string;
  readonly revision: string;
  readonly startedAt: number;
  /** What its first and last lines are about. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Whether its first line is there. */
  readonly fromItsStart: boolean;
  /** Whether it ended without its last line, with messages in hand. */
  readonly diedInHand: boolean;
}

/** Lines take this many words of four bytes before tasks are left out: some three million lines. */
const WORDS_MAX = 100_000_000;

/** A task that has not written for so long before the end has ended. */
const OPEN_MS = 60_000;

/**
 * What stable's tasks reported over days, in little memory.
 *
 * Where there are more lines than it may hold, it keeps those of a part of the tasks: the ones with the smallest hashes
 * of their names.
 */
export class History {
  readonly fromMs: number;
  readonly toMs: number;
  readonly #wordsMax: number;
  readonly #names = new Names();
  readonly #lives = new Map<string, PackedLines>();
  readonly #tasks = new Set<string>();
  #hashMax = 2 ** 32;
  #words = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param toMs what is later is not part of it; at most 24 days after `fromMs`. */
  constructor(fromMs: number, toMs: number, wordsMax = WORDS_MAX) {
    this.fromMs = fromMs;
    this.toMs = toMs;
    this.#wordsMax = wordsMax;
  }

  /** Lines may come in any order, and one may come twice. Those of the canary, and of other times, do not count. */
  add(line: Line): void {
    if (line.track !== 'stable' || line.fromMs < this.fromMs || line.toMs > this.toMs) return;
    this.#tasks.add(line.task);
    this.#firstMs = Math.min(this.#firstMs, line.fromMs);
    this.#lastMs = Math.max(this.#lastMs, line.toMs);
    if (hashOf(line.task) >= this.#hashMax) return;
    const key = `${line.task} ${line.startedAt}`;
    let life = this.#lives.get(key);
    if (life === undefined) {
      life = new PackedLines(line, this.fromMs, this.#names);
      this.#lives.set(key, life);
      this.#words += life.words;
    }
    const before = life.words;
    life.add(line);
    this.#words += life.words - before;
    while (this.#words > this.#wordsMax) this.#leaveOutHalf();
  }

  /** The time from the first line to the last; undefined while there is none. */
  get covered(): { readonly fromMs: number; readonly toMs: number } | undefined {
    return this.#tasks.size === 0 ? undefined : { fromMs: this.#firstMs, toMs: this.#lastMs };
  }

  get lines(): number {
    let lines = 0;
    for (const life of this.#lives.values()) lines += life.length;
    return lines;
  }

  /** All tasks that wrote, and those of them whose lines are kept. */
  get tasks(): { readonly all: number; readonly kept: number } {
    const kept = new Set([...this.#lives.values()].map(({ identity }) => identity.task));
    return { all: this.#tasks.size, kept: kept.size };
  }

  /** All lives that are kept, the earliest first. */
  lives(): Life[] {
    const lives = [...this.#lives.values()].map((life): Life => {
      const { task, revision, startedAt } = life.identity;
      const [first, last] = [life.first!, life.last!];
      return {
        task,
        revision,
        startedAt,
        fromMs: first.fromMs,
        toMs: last.toMs,
        fromItsStart: first.sequence === 0,
        diedInHand: !last.final && last.inFlight > 0 && last.toMs < this.#lastMs - OPEN_MS,
      };
    });
    return lives.sort((a, b) => a.fromMs - b.fromMs || compare(a.task, b.task) || a.startedAt - b.startedAt);
  }

  /** What lives report that ends after `fromMs` and by `toMs`; of each in order. */
  between(lives: readonly Life[], fromMs: number, toMs: number): Line[] {
    return lives.flatMap(
      ({ task, startedAt }) => this.#lives.get(`${task} ${startedAt}`)?.between(fromMs, toMs) ?? [],
    );
  }

  #leaveOutHalf(): void {
    this.#hashMax /= 2;
    for (const [key, life] of this.#lives) {
      if (hashOf(life.identity.task) < this.#hashMax) continue;
      this.#words -= life.words;
      this.#lives.delete(key);
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** FNV-1a, and its bits mixed: names that differ in their last letter only must not lie next to each other. */
export function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
