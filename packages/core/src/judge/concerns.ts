import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { Difference, type Signal } from './difference.ts';
import type { Concern } from './evidence.ts';
import { beyond, total } from './histogram.ts';
import { slowBins } from './latency.ts';
import { named } from './named.ts';
import { WorstTask } from './rank.ts';
import { odds } from './required-sample.ts';

/** Classes and types beyond so many are not followed: each takes a part of what an error may cost. */
const PARTS_MAX = 50;

/** How many times as much memory as stable's tasks took at its age a task of the canary may take. */
const MEMORY = 1.5;

/** Durations below this quantile of stable's past are quick; work that is dropped is quick. */
const QUICK = 0.1;

/** By how many bins the canary may be quicker: a third of the time. */
const QUICK_BINS = 25;

/**
 * What a rate cannot show and a person should see: a kind of error or a type of message that fails on the canary alone,
 * work that is done suspiciously fast, memory that grows. None of it fails a release; each holds back its promotion.
 */
export class Concerns {
  readonly #parts = new Map<
    string,
    { readonly about: 'errorClass' | 'messageType'; readonly name: string; readonly difference: Difference }
  >();
  readonly #quick: Difference | undefined;
  readonly #memory = new WorstTask();

  constructor(past: readonly Cell[]) {
    const quick = slowBins(past, [QUICK])?.[0];
    this.#quick = quick === undefined ? undefined : quickerThan(quick);
  }

  observe(comparison: Comparison): void {
    this.#quick?.observe(comparison);
    const { canary, baselines, starts, elapsed } = comparison;
    // On either track: what is followed from its first failure on the canary would begin with a loss of the canary's.
    for (const { errors, types } of [canary, ...baselines].flat()) {
      for (const name in errors) this.#follow('errorClass', name);
      for (const name in types) if (types[name]![1] > 0) this.#follow('messageType', name);
    }
    for (const { difference } of this.#parts.values()) difference.observe(comparison);
    const memory = (cells: readonly Cell[]) => cells.flatMap(({ memoryMiB }) => memoryMiB ?? []);
    if (starts.length > 0) {
      const own = memory(canary).map((used) => used / MEMORY);
      this.#memory.observe([{ canary: own, baseline: memory(starts) }], elapsed);
    }
  }

  /** What stands at `needed` to 1. Each of the followed parts needs as many times more as there are. */
  concerns(needed: number): Concern[] {
    const concerns: Concern[] = [];
    for (const { about, name, difference } of this.#parts.values()) {
      const eValue = difference.value(PART_SPREAD);
      if (eValue < needed * this.#parts.size) continue;
      const what = about === 'errorClass' ? `errors of class ${name} come` : `messages of type ${name} fail`;
      concerns.push({
        about,
        eValue,
        summary: `${what} more often on the canary than on stable (${odds(eValue)})`,
      });
    }
    const quick = this.#quick?.value(0) ?? 1;
    if (quick >= needed) {
      concerns.push({
        about: 'faster',
        eValue: quick,
        summary: `the canary finishes messages in less than a third of the time that stable's quickest take (${odds(quick)}); check that it does the work`,
      });
    }
    if (this.#memory.value >= needed) {
      concerns.push({
        about: 'memory',
        eValue: this.#memory.value,
        summary: `the canary takes more than ${MEMORY} times the memory that stable's tasks took at its age (${odds(this.#memory.value)})`,
      });
    }
    return concerns;
  }

  #follow(about: 'errorClass' | 'messageType', name: string): void {
    const key = `${about} ${name}`;
    if (this.#parts.has(key) || this.#parts.size >= PARTS_MAX) return;
    const signal = about === 'errorClass' ? ofClass(name) : ofType(name);
    this.#parts.set(key, { about, name, difference: new Difference(signal) });
  }
}

/** How much tasks of one version may differ in one class or type. */
const PART_SPREAD = 0.3;

function ofClass(name: string): Signal {
  const counts = ({ finished, errors }: Cell) => ({
    units: finished,
    failed: Math.min(finished, named(errors, name) ?? 0),
  });
  return { canary: counts, baseline: counts };
}

function ofType(name: string): Signal {
  const counts = ({ types }: Cell) => {
    const [units, failed] = named(types, name) ?? [0, 0];
    return { units, failed };
  };
  return { canary: counts, baseline: counts };
}

function quickerThan(bin: number): Difference {
  const quicker =
    (limit: number) =>
    ({ durations = [] }: Cell) => {
      const units = total(durations);
      return { units, failed: units - beyond(durations, limit) };
    };
  return new Difference({ canary: quicker(bin - QUICK_BINS), baseline: quicker(bin) }, true);
}
