import type { Clock } from '../../clock/clock.ts';
import type { Journal } from '../../journal/journal.ts';
import type { ApproximateCounts } from './approximate-counts.ts';
import type { Deduplication } from './deduplication.ts';
import type { DeliveryOrder } from './delivery-order.ts';
import { DueHeap } from './due-heap.ts';
import { FifoOrder } from './fifo-order.ts';
import type { MessageRow } from './message-row.ts';
import type { MessagePlace, MessageStore, Totals } from './message-store.ts';
import type { QueueSettings } from './queue-settings.ts';
import { type Receipt, receiptTag } from './receipt-handle.ts';
import { StandardOrder } from './standard-order.ts';
import type { Delivery } from './waiters.ts';

const SWEPT_AT_ONCE = 2_000;
/** By so much a clock may be set back without more than a short wait, as a time service does. */
const UNNOTICED_MS = 1_000;

/** A message in flight: until when nobody else sees it, and which handle is its latest. */
export interface Lease {
  dueMs: number;
  readonly leasedAtMs: number;
  readonly receives: number;
  readonly receivesHere: number;
  readonly firstReceivedAtMs: number;
  readonly tag: string;
  readonly groupId: string | null;
}

interface QueueMessagesParts {
  readonly key: number;
  readonly name: string;
  readonly fifo: boolean;
  readonly clock: Clock;
  readonly store: MessageStore;
  readonly journal: Journal;
  readonly settings: () => QueueSettings;
  readonly approximate: ApproximateCounts;
  readonly deduplication: Deduplication;
  /** Called whenever memory was built again from the store. */
  readonly loaded: () => void;
}

/**
 * The messages of one queue at the present: which are visible, in flight and delayed, and when that changes.
 *
 * In memory are eight bytes for a waiting message and one small object for one in flight; {@link load} builds
 * that from the store.
 */
export class QueueMessages {
  readonly totals: Totals;
  readonly #parts: QueueMessagesParts;
  readonly #order: DeliveryOrder;
  readonly #inFlight = new Map<number, Lease>();
  readonly #leaseEnds = new DueHeap();
  readonly #delayEnds = new DueHeap();
  #visible = 0;
  #delayed = 0;
  /** No message expires before. */
  #expiryMs = Number.POSITIVE_INFINITY;
  #nowMs: number;
  #uptimeMs: number;

  constructor(parts: QueueMessagesParts) {
    this.#parts = parts;
    this.#nowMs = parts.clock.nowMs();
    this.#uptimeMs = parts.clock.uptimeMs();
    this.totals = parts.store.totals(parts.key);
    this.#order = parts.fifo
      ? new FifoOrder(parts.store, parts.key, () => this.#nowMs)
      : new StandardOrder(parts.store);
    this.load();
  }

  /** The instant to which the queue was brought last. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get visible(): number {
    return this.#visible;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get delayed(): number {
    return this.#delayed;
  }

  /** When something falls due next; `Infinity` for never. */
  nextDueMs(): number {
    if (this.#leaseEnds.length > 2 * this.#inFlight.size + 1_000) {
      this.#leaseEnds.keep((dueMs, seq) => this.#inFlight.get(seq)?.dueMs === dueMs);
    }
    return Math.min(this.#leaseEnds.dueMs, this.#delayEnds.dueMs, this.#expiryMs);
  }

  /** Rebuilds what memory holds from the store; messages in flight stay so until their lease ends. */
  load(): void {
    this.#order.clear();
    this.#inFlight.clear();
    this.#leaseEnds.clear();
    this.#delayEnds.clear();
    this.#visible = 0;
    this.#delayed = 0;
    const groups = new Set<string>();
    let latestMs = 0;
    for (const row of this.#parts.store.standing(this.#parts.key)) {
      latestMs = Math.max(latestMs, row.sentAtMs, row.leasedAtMs ?? 0);
      const { seq, groupId, dueMs } = row;
      if (dueMs !== null && dueMs > this.#nowMs) {
        this.#inFlight.set(seq, {
          dueMs,
          leasedAtMs: row.leasedAtMs ?? 0,
          receives: row.receives ?? 0,
          receivesHere: row.receivesHere ?? 0,
          firstReceivedAtMs: row.firstReceivedAtMs ?? 0,
          tag: receiptTag(row.id),
          groupId,
        });
        this.#leaseEnds.push(dueMs, seq);
        this.#order.leased(groupId);
      } else if (row.visibleFromMs > this.#nowMs) {
        this.#delayed++;
        this.#delayEnds.push(row.visibleFromMs, seq);
      } else {
        this.#visible++;
        if (this.#parts.fifo) groups.add(groupId ?? '');
        else if (dueMs === null) this.#order.arrived(seq, groupId);
        else this.#order.returned(seq, groupId, row.receivesHere ?? 0);
      }
    }
    // Times in the future were written before the clock was set back, while no engine ran.
    if (latestMs > this.#nowMs + UNNOTICED_MS) {
      this.#parts.store.setBack(this.#parts.key, latestMs - this.#nowMs);
      this.load();
      return;
    }
    for (const group of groups) this.#order.restored(group);
    this.findExpiry();
    this.#parts.loaded();
  }

  entered(seq: number, groupId: string | null, sentAtMs: number, visibleFromMs: number): void {
    if (visibleFromMs <= this.#nowMs) {
      this.#enteredVisible(seq, groupId, sentAtMs);
      return;
    }
    this.#delayed++;
    this.#delayEnds.push(visibleFromMs, seq);
    this.#expiryMs = Math.min(this.#expiryMs, sentAtMs + this.#parts.settings().retentionMs);
  }

  /** Takes a message of another queue in, visible at once. */
  takeIn(
    message: MessageRow,
    as: { id: string; sentAtMs: number; sourceArn: string | null; keepReceives: boolean },
    total: 'deadLetteredIn' | 'movedIn',
  ): void {
    const seq = this.#parts.store.relocate(message.seq, { queue: this.#parts.key, ...as });
    this.totals[total]++;
    this.#enteredVisible(seq, message.groupId, as.sentAtMs);
    this.saveTotals();
  }

  /** The next visible message that has not outlived its retention. */
  next(): MessageRow | undefined {
    for (;;) {
      const message = this.#order.next();
      if (!message || message.sentAtMs + this.#parts.settings().retentionMs > this.#nowMs) return message;
      this.#parts.store.remove(message.seq);
      this.#visible--;
      this.#expired(1);
    }
  }

  /** The message that {@link next} gave is no longer visible. */
  taken(): void {
    this.#visible--;
  }

  /** The message that {@link next} gave stays where it was. */
  untaken(message: MessageRow): void {
    this.#order.returned(message.seq, message.groupId, 0);
  }

  /** Ends a receive call, in which several messages of one group may be given. */
  endReceive(): void {
    this.#order.endReceive();
  }

  lease(message: MessageRow, visibilityMs: number): Delivery {
    const { seq } = message;
    const lease: Lease = {
      dueMs: this.#nowMs + visibilityMs,
      leasedAtMs: this.#nowMs,
      receives: message.receives + 1,
      receivesHere: message.receivesHere + 1,
      firstReceivedAtMs: message.firstReceivedAtMs || this.#nowMs,
      tag: receiptTag(message.id),
      groupId: message.groupId,
    };
    this.#inFlight.set(seq, lease);
    this.#leaseEnds.push(lease.dueMs, seq);
    this.#saveLease(seq, lease);
    this.#order.leased(message.groupId);
    return {
      message,
      receipt: { queue: this.#parts.key, seq, receives: lease.receives, tag: lease.tag },
      receives: lease.receives,
      firstReceivedAtMs: lease.firstReceivedAtMs,
    };
  }

  leaseOf(seq: number): Lease | undefined {
    return this.#inFlight.get(seq);
  }

  extend(seq: number, lease: Lease, dueMs: number): void {
    lease.dueMs = dueMs;
    this.#saveLease(seq, lease);
    this.#leaseEnds.push(dueMs, seq);
  }

  /** The place of a message whose latest handle this is, and whose lease is over. */
  lapsed(receipt: Receipt): MessagePlace | undefined {
    const delivery = this.#parts.store.delivery(receipt.seq);
    if (delivery?.receives !== receipt.receives) return undefined;
    const place = this.#parts.store.place(receipt.seq);
    return place && receiptTag(place.id) === receipt.tag ? place : undefined;
  }

  /** Undoes a delivery that its receiver never saw. */
  giveBack(receipt: Receipt): void {
    const lease = this.#inFlight.get(receipt.seq);
    if (lease?.receives !== receipt.receives) return;
    const { seq } = receipt;
    const first = lease.receives === 1;
    if (first) this.#parts.store.dropDelivery(seq);
    else {
      this.#parts.store.saveDelivery({
        seq,
        dueMs: 0,
        leasedAtMs: lease.leasedAtMs,
        receives: lease.receives - 1,
        receivesHere: lease.receivesHere - 1,
        firstReceivedAtMs: lease.firstReceivedAtMs,
      });
    }
    this.#release(seq, lease, lease.receivesHere - 1);
  }

  removeLeased(seq: number, lease: Lease): void {
    this.#inFlight.delete(seq);
    this.#parts.store.remove(seq);
    this.#order.released(lease.groupId);
  }

  removeVisible({ seq, groupId }: MessagePlace): void {
    this.#parts.store.remove(seq);
    this.#order.removed(seq, groupId);
    this.#visible--;
  }

  /** Brings the queue to the present: leases and delays that are over, messages that have expired. */
  settle(): void {
    const nowMs = this.#present();
    this.#parts.approximate.changing(nowMs, this.#visible, this.#inFlight.size, this.#delayed);
    while (this.#leaseEnds.dueMs <= nowMs) {
      const dueMs = this.#leaseEnds.dueMs;
      const seq = this.#leaseEnds.pop()!;
      const lease = this.#inFlight.get(seq);
      if (lease?.dueMs === dueMs) this.#release(seq, lease, lease.receivesHere);
    }
    while (this.#delayEnds.dueMs <= nowMs) {
      const seq = this.#delayEnds.pop()!;
      const place = this.#parts.store.place(seq);
      if (!place) continue;
      this.#delayed--;
      this.#visible++;
      this.#order.arrived(seq, place.groupId);
    }
    if (this.#expiryMs <= nowMs) this.#sweep();
  }

  findExpiry(): void {
    const oldest = this.#parts.store.oldestSentAtMs(this.#parts.key);
    this.#expiryMs =
      oldest === undefined ? Number.POSITIVE_INFINITY : oldest + this.#parts.settings().retentionMs;
  }

  saveTotals(): void {
    this.#parts.store.saveTotals(this.#parts.key, this.totals);
  }

  /** Reads the clock. Where it was set back, all times of the queue are, so that leases and delays end when they would have. */
  #present(): number {
    const { clock } = this.#parts;
    const uptimeMs = clock.uptimeMs();
    const expectedMs = this.#nowMs + uptimeMs - this.#uptimeMs;
    this.#uptimeMs = uptimeMs;
    const nowMs = clock.nowMs();
    const setBackMs = Math.round(expectedMs - nowMs);
    if (setBackMs <= UNNOTICED_MS) {
      this.#nowMs = Math.max(this.#nowMs, nowMs);
      return this.#nowMs;
    }
    this.#nowMs = nowMs;
    this.#parts.deduplication.setBack(setBackMs);
    this.#parts.approximate.forget();
    this.#parts.store.setBack(this.#parts.key, setBackMs);
    this.load();
    return this.#nowMs;
  }

  /** Removes messages that have outlived their retention, whatever their state; a part at a time. */
  #sweep(): void {
    const expired = this.#parts.store.sentBefore(
      this.#parts.key,
      this.#nowMs - this.#parts.settings().retentionMs,
      SWEPT_AT_ONCE,
    );
    for (const place of expired) {
      this.#parts.store.remove(place.seq);
      const lease = this.#inFlight.get(place.seq);
      if (lease) {
        this.#inFlight.delete(place.seq);
        this.#order.released(lease.groupId);
        continue;
      }
      if (place.visibleFromMs > this.#nowMs) this.#delayed--;
      else this.#visible--;
      this.#order.removed(place.seq, place.groupId);
    }
    if (expired.length > 0) this.#expired(expired.length);
    this.findExpiry();
  }

  #expired(count: number): void {
    this.totals.expired += count;
    this.saveTotals();
    this.#parts.journal.append('sqs', 'messages.expired', {
      queue: this.#parts.name,
      count,
      retentionSeconds: this.#parts.settings().retentionMs / 1000,
    });
  }

  #enteredVisible(seq: number, groupId: string | null, sentAtMs: number): void {
    this.#visible++;
    this.#order.arrived(seq, groupId);
    this.#expiryMs = Math.min(this.#expiryMs, sentAtMs + this.#parts.settings().retentionMs);
  }

  #release(seq: number, lease: Lease, receivesHere: number): void {
    this.#inFlight.delete(seq);
    this.#visible++;
    this.#order.returned(seq, lease.groupId, receivesHere);
  }

  #saveLease(seq: number, lease: Lease): void {
    this.#parts.store.saveDelivery({
      seq,
      dueMs: lease.dueMs,
      leasedAtMs: lease.leasedAtMs,
      receives: lease.receives,
      receivesHere: lease.receivesHere,
      firstReceivedAtMs: lease.firstReceivedAtMs,
    });
  }
}
