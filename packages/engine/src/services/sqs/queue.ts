import type { Clock, Timer } from '../../clock/clock.ts';
import type { Pace } from '../../clock/pace.ts';
import { AwsFault } from '../../errors.ts';
import type { Ids } from '../../ids.ts';
import type { Journal } from '../../journal/journal.ts';
import { ApproximateCounts } from './approximate-counts.ts';
import type { DeliveryOrder } from './delivery-order.ts';
import { DueHeap } from './due-heap.ts';
import { FifoOrder } from './fifo-order.ts';
import type { MessagePlace, MessageRow, MessageStore, NewMessage, Totals } from './message-store.ts';
import { QueueActivity } from './queue-activity.ts';
import { type QueueSettings, readSettings } from './queue-settings.ts';
import { type Receipt, receiptTag } from './receipt-handle.ts';
import { StandardOrder } from './standard-order.ts';

/** A queue as it is stored; its messages have tables of their own. */
export interface QueueRecord {
  /** Number of the queue in the message tables; never used for another queue. */
  readonly key: number;
  readonly name: string;
  readonly fifo: boolean;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly purgedAtMs?: number;
}

/** What a queue needs from around it. */
export interface QueueParts {
  readonly clock: Clock;
  readonly pace: Pace;
  readonly ids: Ids;
  readonly store: MessageStore;
  readonly journal: Journal;
  /** ARN of a queue of this account and region. */
  readonly arnOf: (name: string) => string;
  readonly find: (arn: string) => Queue | undefined;
}

/** A message handed to a receiver, with the handle of this delivery. */
export interface Delivery {
  readonly message: MessageRow;
  readonly receipt: Receipt;
  readonly receives: number;
  readonly firstReceivedAtMs: number;
}

export interface ReceiveRequest {
  readonly most: number;
  /** @default - the queue's visibility timeout */
  readonly visibilityMs?: number | undefined;
  /** How long to wait for a message when there is none. */
  readonly waitMs: number;
  /** Aborts when the receiver has left. */
  readonly signal: AbortSignal;
}

export interface QueueCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** What a client sends; the queue adds times. */
export type Posted = Omit<NewMessage, 'sentAtMs' | 'visibleFromMs' | 'sourceArn'>;

interface Lease {
  dueMs: number;
  readonly leasedAtMs: number;
  readonly receives: number;
  readonly receivesHere: number;
  readonly firstReceivedAtMs: number;
  readonly tag: string;
  readonly groupId: string | null;
}

interface Waiter {
  readonly request: ReceiveRequest;
  readonly finish: (deliveries: Delivery[]) => void;
  readonly fail: (error: AwsFault) => void;
}

/** AWS allows about this many messages in flight. */
const MOST_IN_FLIGHT = 120_000;
/** The longest that one receive may keep a message from others, however often it is extended. */
const LONGEST_LEASE_MS = 43_200_000;
const SWEPT_AT_ONCE = 2_000;
const DEDUPLICATION_MS = 300_000;
/** By so much a clock may be set back without more than a short wait, as a time service does. */
const UNNOTICED_MS = 1_000;

/**
 * One queue: which messages are visible, in flight and delayed, and who is waiting for them.
 *
 * Bodies and all durable facts are in the {@link MessageStore}; in memory are eight bytes for a waiting
 * message and one small object for one in flight, so that a receive costs the same whatever the depth. What
 * falls due (leases, delays, retention) is driven by one clock timer, and before every operation; so the
 * counts are right even when nobody polls.
 */
export class Queue {
  readonly arn: string;
  readonly activity: QueueActivity;
  readonly #parts: QueueParts;
  readonly #order: DeliveryOrder;
  readonly #inFlight = new Map<number, Lease>();
  readonly #leaseEnds = new DueHeap();
  readonly #delayEnds = new DueHeap();
  readonly #waiters = new Set<Waiter>();
  readonly #totals: Totals;
  readonly #approximate: ApproximateCounts;
  #record: QueueRecord;
  #settings: QueueSettings;
  #visible = 0;
  #delayed = 0;
  /** No message expires before. */
  #expiryMs = Number.POSITIVE_INFINITY;
  #nowMs: number;
  #uptimeMs: number;
  #timer: { readonly dueMs: number; readonly timer: Timer } | undefined;
  #duplicatesForgottenAtMs = 0;
  /** Waiters and the timer are served only while open. */
  #phase: 'restored' | 'open' | 'closed' = 'restored';

  constructor(parts: QueueParts, record: QueueRecord) {
    this.#parts = parts;
    this.#record = record;
    this.#settings = readSettings(record.attributes);
    this.arn = parts.arnOf(record.name);
    this.#nowMs = parts.clock.nowMs();
    this.#uptimeMs = parts.clock.uptimeMs();
    this.activity = new QueueActivity(parts.pace, parts.ids, this.#uptimeMs);
    this.#approximate = new ApproximateCounts(parts.pace, parts.ids);
    this.#totals = parts.store.totals(record.key);
    this.#order = record.fifo
      ? new FifoOrder(parts.store, record.key, () => this.#nowMs)
      : new StandardOrder(parts.store);
    this.#load();
  }

  get record(): QueueRecord {
    return this.#record;
  }

  get settings(): QueueSettings {
    return this.#settings;
  }

  get key(): number {
    return this.#record.key;
  }

  get name(): string {
    return this.#record.name;
  }

  get fifo(): boolean {
    return this.#record.fifo;
  }

  counts(): QueueCounts {
    this.#settle();
    this.#settled();
    return { visible: this.#visible, inFlight: this.#inFlight.size, delayed: this.#delayed };
  }

  /** The counts as SQS reports them, which are exact only of a FIFO queue. */
  approximateCounts(): QueueCounts {
    const exact = this.counts();
    return this.fifo ? exact : this.#approximate.read(this.#nowMs, exact);
  }

  /** Counts and totals of one instant. */
  ledger(): QueueCounts & Totals {
    return { ...this.counts(), ...this.#totals };
  }

  /** Age of the oldest message that is not deleted, in milliseconds; 0 for an empty queue. */
  oldestAgeMs(): number {
    this.#settle();
    this.#settled();
    const sentAtMs = this.#parts.store.oldestSentAtMs(this.key);
    return sentAtMs === undefined ? 0 : Math.max(0, this.#nowMs - sentAtMs);
  }

  /** Takes over a changed record. A new delay of a FIFO queue applies to the messages already in it, as on AWS. */
  update(record: QueueRecord): void {
    const before = this.#settings;
    this.#settle();
    this.#record = record;
    this.#settings = readSettings(record.attributes);
    if (this.fifo && before.delayMs !== this.#settings.delayMs) {
      this.#parts.store.redelay(this.key, this.#settings.delayMs);
      this.#load();
    }
    if (before.retentionMs !== this.#settings.retentionMs) this.#findExpiry();
    this.#settle();
    this.#settled();
  }

  /**
   * Accepts a message. On a FIFO queue one with the deduplication id of a message of the last five minutes is
   * accepted and not stored: the answer is that message's.
   */
  send(posted: Posted, delayMs: number | undefined): { messageId: string; seq: number } {
    this.#settle();
    const scope = this.#settings.deduplicatesByGroup ? (posted.groupId ?? '') : '';
    const { store } = this.#parts;
    if (this.fifo) {
      const duplicate = store.duplicate(this.key, scope, posted.deduplicationId ?? '', this.#nowMs);
      if (duplicate) return duplicate;
    }
    const sentAtMs = this.#nowMs;
    const visibleFromMs = sentAtMs + (delayMs ?? this.#settings.delayMs);
    const seq = store.insert(this.key, { ...posted, sentAtMs, visibleFromMs, sourceArn: null });
    if (this.fifo) {
      if (this.#duplicatesForgottenAtMs + DEDUPLICATION_MS <= sentAtMs) {
        store.forget(this.key, sentAtMs);
        this.#duplicatesForgottenAtMs = sentAtMs;
      }
      const message = { messageId: posted.id, seq };
      store.remember(this.key, scope, posted.deduplicationId ?? '', sentAtMs + DEDUPLICATION_MS, message);
    }
    this.#totals.sent++;
    this.#entered(seq, posted.groupId, sentAtMs, visibleFromMs);
    return { messageId: posted.id, seq };
  }

  /** Ends a call that sent messages: saves totals and serves who waits. Once for a batch. */
  sent(): void {
    this.#saveTotals();
    this.#settled();
  }

  /**
   * Hands out visible messages, at once or as soon as one comes. Among several who wait, the first gets what
   * comes and the others go on waiting. Who has left gets nothing.
   */
  receive(request: ReceiveRequest): Delivery[] | Promise<Delivery[]> {
    this.#settle();
    if (request.waitMs === 0 && !this.fifo && this.#inFlight.size >= MOST_IN_FLIGHT) {
      throw new AwsFault(
        'OverLimit',
        `Too many messages in flight: ${this.arn} has ${this.#inFlight.size} received and not deleted.`,
      );
    }
    const deliveries = request.signal.aborted ? [] : this.#take(request);
    this.#settled();
    if (deliveries.length > 0 || request.waitMs === 0 || request.signal.aborted || this.#phase === 'closed') {
      this.activity.received(deliveries.length);
      return deliveries;
    }
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiters.delete(waiter);
        timer.cancel();
        request.signal.removeEventListener('abort', leave);
      };
      const waiter: Waiter = {
        request,
        finish: (taken) => {
          end();
          this.activity.received(taken.length);
          resolve(taken);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      };
      const leave = () => waiter.finish([]);
      const timer = this.#parts.clock.setTimer(request.waitMs, () => waiter.finish([]));
      request.signal.addEventListener('abort', leave, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Undoes deliveries that their receiver never saw: the messages are visible again and were not received. */
  giveBack(deliveries: readonly Delivery[]): void {
    this.#settle();
    for (const { receipt } of deliveries) {
      const lease = this.#inFlight.get(receipt.seq);
      if (lease?.receives !== receipt.receives) continue;
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
    this.#settled();
  }

  /**
   * Deletes the message of a receipt. A handle that is not the latest, or whose message is gone, changes
   * nothing and is no error, as on AWS; on a FIFO queue the handle must not have lapsed.
   */
  delete(receipt: Receipt): void {
    this.#settle();
    const lease = this.#inFlight.get(receipt.seq);
    if (lease) {
      if (lease.receives !== receipt.receives || lease.tag !== receipt.tag) return;
      this.#inFlight.delete(receipt.seq);
      this.#parts.store.remove(receipt.seq);
      this.#order.released(lease.groupId);
      this.#totals.deleted++;
      return;
    }
    const place = this.#lapsed(receipt);
    if (!place) return;
    if (this.fifo) throw expiredHandle();
    this.#parts.store.remove(receipt.seq);
    this.#order.removed(receipt.seq, place.groupId);
    this.#visible--;
    this.#totals.deleted++;
  }

  /** Ends a call that deleted messages. Once for a batch. */
  deleted(): void {
    this.#saveTotals();
    this.#settled();
  }

  /**
   * Restarts the lease of a receipt with another length, counted from now; 0 makes the message visible. That of an earlier
   * receive is refused: on AWS it may succeed on a standard queue, which nobody can rely on
   * (https://repost.aws/knowledge-center/sqs-receipt-handle-error).
   */
  changeVisibility(receipt: Receipt, visibilityMs: number): void {
    this.#settle();
    const { seq } = receipt;
    const lease = this.#inFlight.get(seq);
    if (!lease || lease.receives !== receipt.receives || lease.tag !== receipt.tag) {
      if (!lease && this.#lapsed(receipt)) {
        if (this.fifo) throw expiredHandle();
        throw new AwsFault(
          'MessageNotInflight',
          'The message is not in flight: its visibility timeout is over.',
        );
      }
      throw new AwsFault(
        'InvalidParameterValue',
        'Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.',
      );
    }
    const dueMs = this.#nowMs + visibilityMs;
    if (dueMs > lease.leasedAtMs + LONGEST_LEASE_MS) {
      throw new AwsFault(
        'InvalidParameterValue',
        `Value ${visibilityMs / 1000} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].`,
      );
    }
    lease.dueMs = dueMs;
    this.#saveLease(seq, lease);
    this.#leaseEnds.push(dueMs, seq);
    this.#settle();
    this.#settled();
  }

  /** Deletes all messages, also those in flight and delayed. Returns how many. */
  purge(): number {
    this.#settle();
    const count = this.#visible + this.#inFlight.size + this.#delayed;
    this.#parts.store.clear(this.key);
    this.#totals.purged += count;
    this.#saveTotals();
    this.#load();
    return count;
  }

  /** Takes a dead-lettered message in from another queue. Its delay does not apply; nothing counts it as sent. */
  acceptDeadLetter(message: MessageRow, source: Queue): void {
    this.#settle();
    // The original enqueue time decides about retention on a standard queue; FIFO queues start it anew.
    const sentAtMs = this.fifo ? this.#nowMs : message.sentAtMs;
    const seq = this.#parts.store.relocate(message.seq, {
      queue: this.key,
      id: message.id,
      sentAtMs,
      sourceArn: source.arn,
      keepReceives: true,
    });
    this.#totals.deadLetteredIn++;
    this.#enteredVisible(seq, message.groupId, sentAtMs);
    this.#saveTotals();
    this.#settled();
  }

  /**
   * Moves the next visible message to the queue that `destination` names for it, as a new message with a new
   * id, enqueue time and retention. `undefined` when no message is visible.
   */
  moveNext(
    destination: (message: MessageRow) => Queue | undefined,
    newId: string,
  ): 'moved' | 'no-destination' | undefined {
    this.#settle();
    const message = this.#next();
    if (!message) {
      this.#order.endReceive();
      return undefined;
    }
    const target = destination(message);
    if (!target || target.fifo !== this.fifo) {
      this.#order.returned(message.seq, message.groupId, 0);
      this.#order.endReceive();
      return 'no-destination';
    }
    this.#visible--;
    this.#totals.movedOut++;
    target.#acceptMoved(message, newId);
    this.#order.endReceive();
    this.#saveTotals();
    this.#settled();
    return 'moved';
  }

  /** Begins to serve who waits and to act when something falls due. */
  open(): void {
    this.#phase = 'open';
    this.#settle();
    this.#settled();
  }

  /** Ends waiting receives with nothing and cancels the timer; memory is of no use afterwards. */
  close(): void {
    this.#phase = 'closed';
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    for (const waiter of [...this.#waiters]) waiter.finish([]);
  }

  /** Removes the queue and all its messages; who waits is told that it does not exist. */
  drop(fault: AwsFault): void {
    for (const waiter of [...this.#waiters]) waiter.fail(fault);
    this.close();
    this.#parts.store.drop(this.key);
  }

  /** Rebuilds what memory holds from the store; messages in flight stay so until their lease ends. */
  #load(): void {
    const { store } = this.#parts;
    this.#order.clear();
    this.#inFlight.clear();
    this.#leaseEnds.clear();
    this.#delayEnds.clear();
    this.#visible = 0;
    this.#delayed = 0;
    const groups = new Set<string>();
    let latestMs = 0;
    for (const row of store.standing(this.key)) {
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
        if (this.fifo) groups.add(groupId ?? '');
        else if (dueMs === null) this.#order.arrived(seq, groupId);
        else this.#order.returned(seq, groupId, row.receivesHere ?? 0);
      }
    }
    // What lies in the future was written before the clock was set back, while no engine ran.
    if (latestMs > this.#nowMs + UNNOTICED_MS) {
      this.#parts.store.setBack(this.key, latestMs - this.#nowMs);
      this.#load();
      return;
    }
    for (const group of groups) this.#order.restored(group);
    this.#findExpiry();
    this.#settled();
  }

  #acceptMoved(message: MessageRow, id: string): void {
    this.#settle();
    const seq = this.#parts.store.relocate(message.seq, {
      queue: this.key,
      id,
      sentAtMs: this.#nowMs,
      sourceArn: null,
      keepReceives: false,
    });
    this.#totals.movedIn++;
    this.#enteredVisible(seq, message.groupId, this.#nowMs);
    this.#saveTotals();
    this.#settled();
  }

  #entered(seq: number, groupId: string | null, sentAtMs: number, visibleFromMs: number): void {
    if (visibleFromMs <= this.#nowMs) {
      this.#enteredVisible(seq, groupId, sentAtMs);
      return;
    }
    this.#delayed++;
    this.#delayEnds.push(visibleFromMs, seq);
    this.#expiryMs = Math.min(this.#expiryMs, sentAtMs + this.#settings.retentionMs);
  }

  #enteredVisible(seq: number, groupId: string | null, sentAtMs: number): void {
    this.#visible++;
    this.#order.arrived(seq, groupId);
    this.#expiryMs = Math.min(this.#expiryMs, sentAtMs + this.#settings.retentionMs);
  }

  /** The next visible message that has not outlived its retention. */
  #next(): MessageRow | undefined {
    for (;;) {
      const message = this.#order.next();
      if (!message || message.sentAtMs + this.#settings.retentionMs > this.#nowMs) return message;
      this.#parts.store.remove(message.seq);
      this.#visible--;
      this.#expired(1);
    }
  }

  /** Leases up to `most` messages; those received too often go to the dead-letter queue instead. */
  #take(request: ReceiveRequest): Delivery[] {
    const deliveries: Delivery[] = [];
    const { redrive } = this.#settings;
    const deadLetters = redrive && this.#parts.find(redrive.deadLetterTargetArn);
    while (deliveries.length < request.most && this.#visible > 0 && this.#inFlight.size < MOST_IN_FLIGHT) {
      const message = this.#next();
      if (!message) break;
      this.#visible--;
      if (redrive && deadLetters && message.receivesHere >= redrive.maxReceiveCount) {
        this.#deadLetter(message, deadLetters);
      } else {
        deliveries.push(this.#lease(message, request.visibilityMs ?? this.#settings.visibilityMs));
      }
    }
    this.#order.endReceive();
    return deliveries;
  }

  #lease(message: MessageRow, visibilityMs: number): Delivery {
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
      receipt: { queue: this.key, seq, receives: lease.receives, tag: lease.tag },
      receives: lease.receives,
      firstReceivedAtMs: lease.firstReceivedAtMs,
    };
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

  #deadLetter(message: MessageRow, to: Queue): void {
    this.#totals.deadLetteredOut++;
    this.#saveTotals();
    to.acceptDeadLetter(message, this);
    this.#parts.journal.append('sqs', 'message.dead-lettered', {
      queue: this.name,
      deadLetterQueue: to.name,
      messageId: message.id,
      receiveCount: message.receivesHere,
    });
  }

  /** The place of a message whose latest handle this is, and whose lease is over. */
  #lapsed(receipt: Receipt): MessagePlace | undefined {
    const delivery = this.#parts.store.delivery(receipt.seq);
    if (delivery?.receives !== receipt.receives) return undefined;
    const place = this.#parts.store.place(receipt.seq);
    return place && receiptTag(place.id) === receipt.tag ? place : undefined;
  }

  #release(seq: number, lease: Lease, receivesHere: number): void {
    this.#inFlight.delete(seq);
    this.#visible++;
    this.#order.returned(seq, lease.groupId, receivesHere);
  }

  /** Brings the queue to the present: leases and delays that are over, messages that have expired. */
  #settle(): void {
    const nowMs = this.#present();
    this.#approximate.changing(nowMs, this.#visible, this.#inFlight.size, this.#delayed);
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

  /** Reads the clock. Where it was set back, all times of the queue are, so that leases and delays end when they would have. */
  #present(): number {
    const { clock } = this.#parts;
    const uptimeMs = clock.uptimeMs();
    const expectedMs = this.#nowMs + uptimeMs - this.#uptimeMs;
    this.#uptimeMs = uptimeMs;
    const setBackMs = Math.round(expectedMs - clock.nowMs());
    if (setBackMs <= UNNOTICED_MS) {
      this.#nowMs = Math.max(this.#nowMs, clock.nowMs());
      return this.#nowMs;
    }
    this.#nowMs = clock.nowMs();
    this.#duplicatesForgottenAtMs -= setBackMs;
    this.#approximate.forget();
    this.#parts.store.setBack(this.key, setBackMs);
    this.#load();
    return this.#nowMs;
  }

  /** Removes messages that have outlived their retention, whatever their state; a part at a time. */
  #sweep(): void {
    const { store } = this.#parts;
    const expired = store.sentBefore(this.key, this.#nowMs - this.#settings.retentionMs, SWEPT_AT_ONCE);
    for (const place of expired) {
      store.remove(place.seq);
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
    this.#findExpiry();
  }

  #expired(count: number): void {
    this.#totals.expired += count;
    this.#saveTotals();
    this.#parts.journal.append('sqs', 'messages.expired', {
      queue: this.name,
      count,
      retentionSeconds: this.#settings.retentionMs / 1000,
    });
  }

  #findExpiry(): void {
    const oldest = this.#parts.store.oldestSentAtMs(this.key);
    this.#expiryMs = oldest === undefined ? Number.POSITIVE_INFINITY : oldest + this.#settings.retentionMs;
  }

  #saveTotals(): void {
    this.#parts.store.saveTotals(this.key, this.#totals);
  }

  /** Ends every change: serves who waits, and arms the timer for what falls due next. */
  #settled(): void {
    if (this.#phase !== 'open') return;
    for (const waiter of this.#waiters) {
      if (this.#visible === 0) break;
      if (waiter.request.signal.aborted) continue;
      const deliveries = this.#take(waiter.request);
      if (deliveries.length === 0) break;
      waiter.finish(deliveries);
    }
    if (this.#leaseEnds.length > 2 * this.#inFlight.size + 1_000) {
      this.#leaseEnds.keep((dueMs, seq) => this.#inFlight.get(seq)?.dueMs === dueMs);
    }
    const dueMs = Math.min(this.#leaseEnds.dueMs, this.#delayEnds.dueMs, this.#expiryMs);
    if (this.#timer && this.#timer.dueMs <= dueMs) return;
    this.#timer?.timer.cancel();
    this.#timer =
      dueMs === Number.POSITIVE_INFINITY
        ? undefined
        : {
            dueMs,
            timer: this.#parts.clock.setTimer(dueMs - this.#nowMs, () => {
              this.#timer = undefined;
              this.#settle();
              this.#settled();
            }),
          };
  }
}

function expiredHandle(): AwsFault {
  return new AwsFault(
    'InvalidParameterValue',
    'Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.',
  );
}
