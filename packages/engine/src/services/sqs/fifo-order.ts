import type { DeliveryOrder } from './delivery-order.ts';
import { DueHeap } from './due-heap.ts';
import type { MessageRow } from './message-row.ts';
import type { MessageStore } from './message-store.ts';

/**
 * Order of a FIFO queue: the group whose first message is oldest comes next, and gives as many messages as
 * the receive has room for, in order. A group with a message in flight gives none.
 *
 * In memory are only the first message of each available group and the groups in flight; what follows in a
 * group is looked up.
 */
export class FifoOrder implements DeliveryOrder {
  readonly #store: MessageStore;
  readonly #nowMs: () => number;
  readonly #queue: number;
  /** First messages of groups that are not blocked. May hold messages that are gone or no longer first. */
  readonly #heads = new DueHeap();
  /** Number of messages in flight by group. */
  readonly #inFlight = new Map<string, number>();
  #serving: { groupId: string; after: number } | undefined;

  constructor(store: MessageStore, queue: number, nowMs: () => number) {
    this.#store = store;
    this.#queue = queue;
    this.#nowMs = nowMs;
  }

  arrived(seq: number, groupId: string | null): void {
    const group = groupId ?? '';
    if (this.#inFlight.has(group)) return;
    if (this.#store.headOfGroup(this.#queue, group)?.seq === seq) this.#heads.push(seq, seq);
  }

  returned(_seq: number, groupId: string | null): void {
    this.released(groupId);
  }

  restored(groupId: string): void {
    if (!this.#inFlight.has(groupId)) this.#offer(groupId);
  }

  next(): MessageRow | undefined {
    for (;;) {
      if (this.#serving) {
        const { groupId, after } = this.#serving;
        const row = this.#store.nextOfGroup(this.#queue, groupId, after);
        if (row && row.visibleFromMs <= this.#nowMs()) {
          this.#serving = { groupId, after: row.seq };
          return row;
        }
        this.endReceive();
      }
      const seq = this.#heads.pop();
      if (seq === undefined) return undefined;
      const groupId = this.#store.place(seq)?.groupId ?? undefined;
      if (groupId === undefined || this.#inFlight.has(groupId)) continue;
      this.#serving = { groupId, after: 0 };
    }
  }

  leased(groupId: string | null): void {
    const group = groupId ?? '';
    this.#inFlight.set(group, (this.#inFlight.get(group) ?? 0) + 1);
  }

  released(groupId: string | null): void {
    const group = groupId ?? '';
    const left = (this.#inFlight.get(group) ?? 1) - 1;
    if (left > 0) {
      this.#inFlight.set(group, left);
    } else {
      this.#inFlight.delete(group);
      this.#offer(group);
    }
  }

  removed(_seq: number, groupId: string | null): void {
    const group = groupId ?? '';
    if (!this.#inFlight.has(group) && this.#serving?.groupId !== group) this.#offer(group);
  }

  endReceive(): void {
    const group = this.#serving?.groupId;
    this.#serving = undefined;
    if (group !== undefined && !this.#inFlight.has(group)) this.#offer(group);
  }

  clear(): void {
    this.#heads.clear();
    this.#inFlight.clear();
    this.#serving = undefined;
  }

  /** Makes a group available again from its first message, unless that is still delayed. */
  #offer(groupId: string): void {
    const head = this.#store.headOfGroup(this.#queue, groupId);
    if (head && head.visibleFromMs <= this.#nowMs()) this.#heads.push(head.seq, head.seq);
  }
}
