import type { Block } from '@queue-canary/core';

/** Another way to judge a release, on the same blocks. */
export interface Comparator {
  readonly name: string;
  observe(block: Block): void;
  /** When it rolls the release back, with its own delays; known beforehand. */
  readonly decidedAtMs: number | undefined;
}
