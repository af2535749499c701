import type { MessageRow } from './message-row.ts';

const MESSAGES_MAX = 1_000;
const CHARACTERS_MAX = 500_000;

/**
 * Messages that were just sent and not yet received, so that a queue whose receivers keep up reads nothing back
 * from the database. The oldest make room; whoever misses one here finds it there.
 */
export class RecentMessages {
  readonly #rows = new Map<number, MessageRow>();
  #characters = 0;

  add(row: MessageRow): void {
    this.#rows.set(row.seq, row);
    this.#characters += lengthOf(row);
    while (this.#rows.size > MESSAGES_MAX || this.#characters > CHARACTERS_MAX) {
      this.take(this.#rows.keys().next().value!);
    }
  }

  /** Gives a message and forgets it, as nothing here follows what becomes of it. */
  take(seq: number): MessageRow | undefined {
    const row = this.#rows.get(seq);
    if (!row) return undefined;
    this.#rows.delete(seq);
    this.#characters -= lengthOf(row);
    return row;
  }

  clear(): void {
    this.#rows.clear();
    this.#characters = 0;
  }
}

function lengthOf(row: MessageRow): number {
  return row.body.length + (row.attributes?.length ?? 0);
}
