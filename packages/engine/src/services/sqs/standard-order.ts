import type { DeliveryOrder } from './delivery-order.ts';
import type { MessageRow } from './message-row.ts';
import type { MessageStore } from './message-store.ts';
import { SeqDeque } from './seq-deque.ts';

/** From this many receives on, a message that was not deleted goes to the back of the queue, as on AWS. */
const BACK_OF_QUEUE_RECEIVES = 3;

/**
 * Order of a standard queue: messages that came back first, then the others as they arrived. AWS promises no
 * order, but does move a message to the back when it was received three times without being deleted, so that
 * poisonous messages do not block the head.
 */
export class StandardOrder implements DeliveryOrder {
  readonly #store: MessageStore;
  readonly #fresh = new SeqDeque();
  readonly #back = new SeqDeque();

  constructor(store: MessageStore) {
    this.#store = store;
  }

  arrived(seq: number): void {
    this.#fresh.push(seq);
  }

  returned(seq: number, _groupId: string | null, receivesHere: number): void {
    (receivesHere < BACK_OF_QUEUE_RECEIVES ? this.#back : this.#fresh).push(seq);
  }

  next(): MessageRow | undefined {
    for (;;) {
      const seq = this.#back.shift() ?? this.#fresh.shift();
      if (seq === undefined) return undefined;
      const row = this.#store.read(seq);
      if (row) return row;
    }
  }

  restored(): void {}

  leased(): void {}

  released(): void {}

  removed(seq: number): void {
    if (this.#fresh.first() === seq) this.#fresh.shift();
    else if (this.#back.first() === seq) this.#back.shift();
  }

  endReceive(): void {}

  clear(): void {
    this.#fresh.clear();
    this.#back.clear();
  }
}
