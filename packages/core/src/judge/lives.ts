import type { Block } from './block.ts';
import type { CrashLoop } from './crashes.ts';

/** Reports to the crash loop which tasks of the canary began, and which died before they had processed anything. */
export class Lives {
  readonly #crashLoop: CrashLoop;
  readonly #begun = new Set<string>();
  readonly #successful = new Set<string>();
  readonly #stillborn = new Set<string>();

  constructor(crashLoop: CrashLoop) {
    this.#crashLoop = crashLoop;
  }

  observe({ canary, crashes }: Pick<Block, 'canary' | 'crashes'>): void {
    for (const { task, finished, failed } of canary) if (finished > failed) this.#successful.add(task);
    if (crashes === undefined) return;
    for (const { task } of canary) {
      if (this.#begun.has(task)) continue;
      this.#begun.add(task);
      this.#crashLoop.began();
    }
    if (crashes.canary.count === 0) return;
    // A task that dies with messages in hand has one failed message more than it has finished.
    let died = 0;
    for (const { task, finished, failed } of canary) {
      if (died === crashes.canary.count || this.#successful.has(task) || this.#stillborn.has(task)) continue;
      if (finished > 0 && finished === failed) {
        this.#stillborn.add(task);
        this.#crashLoop.diedStillborn();
        died += 1;
      }
    }
  }
}
