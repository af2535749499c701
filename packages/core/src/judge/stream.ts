import type { Block } from './block.ts';
import type { Comparison, Comparisons } from './comparison.ts';
import type { Pool } from './pool.ts';

/** Blocks on their way to a signal: pooled, chosen, and kept for the effects. */
export class Stream {
  readonly comparisons: Comparisons;
  readonly compared: Comparison[] = [];
  readonly #pool: Pool;

  constructor(comparisons: Comparisons, pool: Pool) {
    this.comparisons = comparisons;
    this.#pool = pool;
  }

  next(block: Block): Comparison | 'left out' | undefined {
    const pooled = this.#pool.add(block);
    if (pooled === undefined) return undefined;
    const compared = this.comparisons.of(pooled);
    if (compared === undefined) return 'left out';
    this.compared.push(compared);
    return compared;
  }
}
