import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import type { JudgePolicy } from './judge-policy.ts';
import { named } from './named.ts';
import { odds } from './required-sample.ts';
import { Shortfall } from './shortfall.ts';

/** The evidence of the team's own counters; each has an equal part of the stake. */
export class Counters {
  readonly #counters: readonly { readonly words: string; readonly shortfall: Shortfall }[];

  constructor(counters: JudgePolicy['counters']) {
    this.#counters = Object.entries(counters).map(([name, { worse, tolerance }]) => ({
      words: `too ${worse === 'less' ? 'little' : 'much'} of "${name}"`,
      shortfall: shortfallOf(name, worse, tolerance),
    }));
  }

  observe(amounts: Comparison): void {
    for (const { shortfall } of this.#counters) shortfall.observe(amounts);
  }

  get value(): number {
    const all = this.#counters.map(({ shortfall }) => shortfall.value);
    return all.length === 0 ? 1 : all.reduce((sum, value) => sum + value, 0) / all.length;
  }

  /** What each counter shows; undefined where the policy names none. */
  get words(): string | undefined {
    if (this.#counters.length === 0) return undefined;
    return this.#counters.map(({ words, shortfall }) => `${words} (${odds(shortfall.value)})`).join(', ');
  }
}

function shortfallOf(name: string, worse: 'less' | 'more', tolerance: number): Shortfall {
  const amount = perMessage(name, worse);
  return new Shortfall(amount, amount, 1 / (worse === 'less' ? 1 - tolerance : 1 + tolerance));
}

function perMessage(name: string, worse: 'less' | 'more'): (cell: Cell) => number | undefined {
  return ({ counters, finished }) => {
    if (finished === 0) return undefined;
    const each = (named(counters, name) ?? 0) / finished;
    return worse === 'less' ? each : -each;
  };
}
