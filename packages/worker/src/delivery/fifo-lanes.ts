import type { Delivery } from '../message/delivery.ts';

/** The FIFO group of a delivery. */
export function groupOf({ message: { groupId = '' } }: Delivery): string {
  return groupId;
}

export interface LaneParts {
  /** Handles the next message; it ends with a call of {@link Lane.next} or {@link Lane.block}. */
  readonly handle: (delivery: Delivery, lane: Lane) => void;
  readonly giveBack: (delivery: Delivery) => void;
  /** No message is left. */
  readonly onEnd: () => void;
}

/**
 * Messages of one FIFO group, handled one after the other. The next one follows when the one before is deleted or
 * parked, and not before: otherwise SQS could deliver the one before again, after its successor.
 */
export class Lane {
  readonly #parts: LaneParts;
  readonly #waiting: Delivery[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(...deliveries: readonly Delivery[]): void {
    this.#waiting.push(...deliveries);
  }

  /** Goes on with the next message, or ends. */
  next(): void {
    const delivery = this.#waiting.shift();
    if (delivery === undefined) this.#parts.onEnd();
    else this.#parts.handle(delivery, this);
  }

  /** A message was not done, so those behind it go back to keep their order. */
  block(): void {
    this.giveBackWaiting();
    this.next();
  }

  /** Gives back all messages that wait, but for one whose lease is lost. */
  giveBackWaiting(lost?: Delivery): void {
    for (const delivery of this.#waiting.splice(0)) if (delivery !== lost) this.#parts.giveBack(delivery);
  }
}

/** The groups of a FIFO queue that have messages in work: one lane and one permit for each. */
export class FifoLanes {
  readonly #parts: LaneParts;
  readonly #lanes = new Map<string, Lane>();

  /** `onEnd` runs for each lane that ends. */
  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Adds messages to the lanes of their groups and returns how many lanes began. */
  add(deliveries: readonly Delivery[]): number {
    const begun: Lane[] = [];
    for (const delivery of deliveries) {
      const groupId = groupOf(delivery);
      let lane = this.#lanes.get(groupId);
      if (lane === undefined) {
        lane = this.#begin(groupId);
        begun.push(lane);
      }
      lane.add(delivery);
    }
    for (const lane of begun) lane.next();
    return begun.length;
  }

  /** Gives back the messages that wait in the group of a message: none may overtake it. */
  giveBackBehind(delivery: Delivery): void {
    this.#lanes.get(groupOf(delivery))?.giveBackWaiting(delivery);
  }

  /** Ends the lane of a message whose handler is stuck; `onEnd` does not run. */
  abandon(delivery: Delivery): void {
    this.giveBackBehind(delivery);
    this.#lanes.delete(groupOf(delivery));
  }

  /** Gives back all messages that wait. */
  giveBackWaiting(): void {
    for (const lane of this.#lanes.values()) lane.giveBackWaiting();
  }

  #begin(groupId: string): Lane {
    const lane = new Lane({
      ...this.#parts,
      onEnd: () => {
        this.#lanes.delete(groupId);
        this.#parts.onEnd();
      },
    });
    this.#lanes.set(groupId, lane);
    return lane;
  }
}
