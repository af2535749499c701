import type { Comparison } from './comparison.ts';

interface Observing {
  observe(comparison: Comparison): void;
}

/**
 * The same evidence at several tolerances: how much worse the canary may be.
 *
 * Which tolerance applies is learnt while the release is judged, from how much stable's tasks differ, so what has been
 * seen is seen again under another one when it is asked for.
 */
export class Levels<E extends Observing> {
  readonly tolerances: readonly number[];
  readonly #create: (tolerance: number) => E;
  readonly #seen: Comparison[] = [];
  readonly #evidence = new Map<number, { readonly evidence: E; seen: number }>();

  /** @param tolerances in ascending order. */
  constructor(tolerances: readonly number[], create: (tolerance: number) => E) {
    this.tolerances = tolerances;
    this.#create = create;
  }

  observe(comparison: Comparison): void {
    this.#seen.push(comparison);
  }

  /** The least tolerance of at least `needed`; undefined where even the largest is less. */
  atLeast(needed: number): number | undefined {
    return this.tolerances.find((tolerance) => tolerance >= needed);
  }

  /** The evidence at a tolerance. */
  at(tolerance: number): E {
    let level = this.#evidence.get(tolerance);
    if (level === undefined) {
      level = { evidence: this.#create(tolerance), seen: 0 };
      this.#evidence.set(tolerance, level);
    }
    for (; level.seen < this.#seen.length; level.seen += 1) level.evidence.observe(this.#seen[level.seen]!);
    return level.evidence;
  }
}
