import type { Block, Cell } from '../src/judge/block.ts';
import type { Verdict } from '../src/judge/evidence.ts';
import { binOf, type Histogram } from '../src/judge/histogram.ts';
import { judgeBlocks } from '../src/judge/judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from '../src/judge/judge-policy.ts';

/** When the canary is steady in every scene, and how long a block is. */
export const START = 100_000_000;
export const STEP = 5000;

/** Old enough to be warm under any policy. */
export const OLD_MS = 6 * 60 * 60_000;

/** A small generator of its own: tests replay the same trace for ever. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Evenly between 0 and 1. */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From the standard normal law. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** How many of `n` happen, each with this probability. */
  binomial(n: number, probability: number): number {
    let count = 0;
    for (let trial = 0; trial < n; trial += 1) if (this.uniform() < probability) count += 1;
    return count;
  }

  /** One of them, by their probabilities, which sum to 1. */
  pick<T>(from: readonly T[], probabilities: ArrayLike<number>): T {
    let left = this.uniform();
    for (const [index, each] of from.entries()) {
      left -= probabilities[index]!;
      if (left < 0) return each;
    }
    return from.at(-1)!;
  }

  /** Durations of so many messages, log-normal around a median. */
  durations(n: number, medianMs: number, sd = 0.5): Histogram {
    const bins = new Map<number, number>();
    for (let message = 0; message < n; message += 1) {
      const bin = binOf(medianMs * Math.exp(sd * this.normal()));
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    return [...bins].sort(([a], [b]) => a - b);
  }
}

/** What a task did in an interval: ten messages, all well, unless said otherwise. */
export function cell(change: Partial<Cell> = {}): Cell {
  const finished = change.finished ?? 10;
  return {
    task: 'a task',
    ageMs: OLD_MS,
    received: finished,
    finished,
    failed: 0,
    retried: 0,
    retriedFailed: 0,
    saturated: false,
    ...change,
  };
}

/** So many tasks that all did the same. */
export function cells(count: number, change: Partial<Cell> = {}, name = 'stable'): Cell[] {
  return times(count, (index) => cell({ task: `${name} ${index}`, ...change }));
}

/** The index-th block since the start: a canary alongside three tasks of stable. */
export function block(index: number, change: Partial<Block> = {}): Block {
  return {
    fromMs: START + index * STEP,
    toMs: START + (index + 1) * STEP,
    canary: [cell({ task: 'canary 0' })],
    stable: cells(3),
    starts: [],
    ...change,
  };
}

export function times<T>(n: number, make: (index: number) => T): T[] {
  return Array.from({ length: n }, (_, index) => make(index));
}

/** The probability of `k` of `n`. */
export function binomial(n: number, k: number, probability: number): number {
  let result = 1;
  for (let i = 1; i <= k; i += 1) result *= ((n - k + i) / i) * probability;
  return result * (1 - probability) ** (n - k);
}

/** What a task does: messages in an interval, the part of them that fails, how long they take, and whatever else. */
export interface Work {
  readonly messages?: number;
  readonly failing?: number;
  readonly medianMs?: number;
  readonly rest?: (cell: Cell) => Partial<Cell>;
}

/** A release to judge: everything is well unless said otherwise. */
export interface Scene {
  readonly seed?: number;
  readonly blocks: number;
  readonly past?: number;
  readonly stableTasks?: number;
  /** Age of the canary at the start, ms. @default - old */
  readonly canaryAgeMs?: number;
  /** What each task does in the index-th block since the start; the past has indices below 0. */
  readonly canary?: (index: number, ageMs: number) => Work;
  readonly stable?: (index: number, ageMs: number, task: number) => Work;
  /** Whether the first minutes of stable's tasks are on record. */
  readonly starts?: boolean;
  readonly rest?: (index: number) => Partial<Block>;
}

/** Stable's past, and the blocks of the release. */
export function played(scene: Scene): { readonly past: Block[]; readonly blocks: Block[] } {
  const { seed = 1, past = 60, stableTasks = 3, canaryAgeMs = OLD_MS, starts = false } = scene;
  const dice = new Dice(seed);
  const work = (
    task: string,
    ageMs: number,
    { messages = 20, failing = 0.01, medianMs = 100, rest }: Work,
  ) => {
    const did = cell({
      task,
      ageMs,
      finished: messages,
      failed: dice.binomial(messages, failing),
      durations: dice.durations(messages, medianMs),
    });
    return { ...did, ...rest?.(did) };
  };
  const stable = (index: number, ageMs: number) =>
    times(stableTasks, (task) => work(`stable ${task}`, ageMs, scene.stable?.(index, ageMs, task) ?? {}));
  const make = (index: number) => {
    const ageMs = canaryAgeMs + (index + 1) * STEP;
    return block(index, {
      canary: index < 0 ? [] : [work('canary 0', ageMs, scene.canary?.(index, ageMs) ?? {})],
      stable: stable(index, OLD_MS + index * STEP),
      starts: starts && index >= 0 && ageMs < 600_000 ? stable(index, ageMs) : [],
      ...scene.rest?.(index),
    });
  };
  return { past: times(past, (index) => make(index - past)), blocks: times(scene.blocks, make) };
}

/** Odds ratio `ratio` applied to a probability. */
export function shifted(probability: number, ratio: number): number {
  return (probability * ratio) / (1 - probability + probability * ratio);
}

/** What the judge says of a scene when its last block has ended, or later. */
export function judged(scene: Scene, policy: Partial<JudgePolicy> = {}, afterMs = 0): Verdict {
  const { past, blocks } = played(scene);
  const nowMs = (blocks.at(-1)?.toMs ?? START) + afterMs;
  return judgeBlocks({ ...defaultJudgePolicy, ...policy }, START, { past, blocks }, nowMs);
}
