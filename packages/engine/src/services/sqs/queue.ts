import type { Clock, Timer } from '../../clock/clock.ts';
import type { Pace } from '../../clock/pace.ts';
import { AwsFault } from '../../errors.ts';
import type { Ids } from '../../ids.ts';
import type { Journal } from '../../journal/journal.ts';
import { ApproximateCounts, type QueueCounts } from './approximate-counts.ts';
import { Deduplication } from './deduplication.ts';
import type { MessageRow } from './message-row.ts';
import type { MessageStore, NewMessage, Totals } from './message-store.ts';
import { QueueActivity } from './queue-activity.ts';
import { QueueMessages } from './queue-messages.ts';
import type { QueueRecord } from './queue-record.ts';
import { type QueueSettings, readSettings } from './queue-settings.ts';
import type { Receipt } from './receipt-handle.ts';
import { type Delivery, type ReceiveRequest, Waiters } from './waiters.ts';

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

/** What a client sends; the queue adds times. */
export type Posted = Omit<NewMessage, 'sentAtMs' | 'visibleFromMs' | 'sourceArn'>;

/** AWS allows about this many messages in flight. */
const IN_FLIGHT_MAX = 120_000;
/** The longest that one receive may keep a message from others, however often it is extended. */
const LEASE_MS_MAX = 43_200_000;

/**
 * One queue: which messages are visible, in flight and delayed, and who is waiting for them.
 *
 * Bodies and all durable facts are in the {@link MessageStore}; {@link QueueMessages} has the little that memory
 * holds, so that a receive costs the same whatever the depth. What falls due (leases, delays, retention) is
 * driven by one clock timer, and before every operation; so the counts are right even when nobody polls.
 */
export class Queue {
  readonly arn: string;
  readonly activity: QueueActivity;
  readonly #parts: QueueParts;
  readonly #messages: QueueMessages;
  readonly #deduplication: Deduplication;
  readonly #approximate: ApproximateCounts;
  readonly #waiters: Waiters;
  #record: QueueRecord;
  #settings: QueueSettings;
  #timer: { readonly dueMs: number; readonly timer: Timer } | undefined;
  /** Waiters and the timer are served only while open. */
  #phase: 'restored' | 'open' | 'closed' = 'restored';

  constructor(parts: QueueParts, record: QueueRecord) {
    const { clock, pace, ids, store } = parts;
    this.#parts = parts;
    this.#record = record;
    this.#settings = readSettings(record.attributes);
    this.arn = parts.arnOf(record.name);
    this.activity = new QueueActivity(pace, ids, clock.uptimeMs());
    this.#approximate = new ApproximateCounts(pace, ids);
    this.#deduplication = new Deduplication(store, record.key);
    this.#waiters = new Waiters(clock);
    this.#messages = new QueueMessages({
      ...parts,
      key: record.key,
      name: record.name,
      fifo: record.fifo,
      settings: () => this.#settings,
      approximate: this.#approximate,
      deduplication: this.#deduplication,
      loaded: () => this.#settled(),
    });
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
    this.#messages.settle();
    this.#settled();
    const { visible, inFlight, delayed } = this.#messages;
    return { visible, inFlight, delayed };
  }

  /** The counts as SQS reports them, which are exact only of a FIFO queue. */
  approximateCounts(): QueueCounts {
    const exact = this.counts();
    return this.fifo ? exact : this.#approximate.read(this.#messages.nowMs, exact);
  }

  /** Counts and totals of one instant. */
  ledger(): QueueCounts & Totals {
    return { ...this.counts(), ...this.#messages.totals };
  }

  /** Age of the oldest message that is not deleted, in milliseconds; 0 for an empty queue. */
  oldestAgeMs(): number {
    this.#messages.settle();
    this.#settled();
    const sentAtMs = this.#parts.store.oldestSentAtMs(this.key);
    return sentAtMs === undefined ? 0 : Math.max(0, this.#messages.nowMs - sentAtMs);
  }

  /** Takes over a changed record. A new delay of a FIFO queue applies to the messages already in it, as on AWS. */
  update(record: QueueRecord): void {
    const before = this.#settings;
    this.#messages.settle();
    this.#record = record;
    this.#settings = readSettings(record.attributes);
    if (this.fifo && before.delayMs !== this.#settings.delayMs) {
      this.#parts.store.redelay(this.key, this.#settings.delayMs);
      this.#messages.load();
    }
    if (before.retentionMs !== this.#settings.retentionMs) this.#messages.findExpiry();
    this.#messages.settle();
    this.#settled();
  }

  /**
   * Accepts a message. On a FIFO queue one with the deduplication id of a message of the last five minutes is
   * accepted and not stored: the answer is that message's.
   */
  send(posted: Posted, delayMs: number | undefined): { messageId: string; seq: number } {
    this.#messages.settle();
    const scope = this.#settings.deduplicatesByGroup ? (posted.groupId ?? '') : '';
    const deduplicationId = posted.deduplicationId ?? '';
    const sentAtMs = this.#messages.nowMs;
    if (this.fifo) {
      const duplicate = this.#deduplication.find(scope, deduplicationId, sentAtMs);
      if (duplicate) return duplicate;
    }
    const visibleFromMs = sentAtMs + (delayMs ?? this.#settings.delayMs);
    const seq = this.#parts.store.insert(this.key, { ...posted, sentAtMs, visibleFromMs, sourceArn: null });
    if (this.fifo) {
      this.#deduplication.remember(scope, deduplicationId, sentAtMs, { messageId: posted.id, seq });
    }
    this.#messages.totals.sent++;
    this.#messages.entered(seq, posted.groupId, sentAtMs, visibleFromMs);
    return { messageId: posted.id, seq };
  }

  /** Ends a call that sent messages: saves totals and serves who waits. Once for a batch. */
  sent(): void {
    this.#messages.saveTotals();
    this.#settled();
  }

  /**
   * Hands out visible messages, at once or as soon as one comes. Among several who wait, the first gets what
   * comes and the others go on waiting. Who has left gets nothing.
   */
  receive(request: ReceiveRequest): Delivery[] | Promise<Delivery[]> {
    this.#messages.settle();
    if (request.waitMs === 0 && !this.fifo && this.#messages.inFlight >= IN_FLIGHT_MAX) {
      throw new AwsFault(
        'OverLimit',
        `Too many messages in flight: ${this.arn} has ${this.#messages.inFlight} received and not deleted.`,
      );
    }
    const deliveries = request.signal.aborted ? [] : this.#take(request);
    this.#settled();
    if (deliveries.length > 0 || request.waitMs === 0 || request.signal.aborted || this.#phase === 'closed') {
      this.activity.received(deliveries.length);
      return deliveries;
    }
    return this.#waiters.wait(request, (count) => this.activity.received(count));
  }

  /** Undoes deliveries that their receiver never saw: the messages are visible again and were not received. */
  giveBack(deliveries: readonly Delivery[]): void {
    this.#messages.settle();
    for (const { receipt } of deliveries) this.#messages.giveBack(receipt);
    this.#settled();
  }

  /**
   * Deletes the message of a receipt. A handle that is not the latest, or whose message is gone, changes
   * nothing and is no error, as on AWS; on a FIFO queue the handle must not have lapsed.
   */
  delete(receipt: Receipt): void {
    this.#messages.settle();
    const lease = this.#messages.leaseOf(receipt.seq);
    if (lease) {
      if (lease.receives !== receipt.receives || lease.tag !== receipt.tag) return;
      this.#messages.removeLeased(receipt.seq, lease);
      this.#messages.totals.deleted++;
      return;
    }
    const place = this.#messages.lapsed(receipt);
    if (!place) return;
    if (this.fifo) throw expiredHandle();
    this.#messages.removeVisible(place);
    this.#messages.totals.deleted++;
  }

  /** Ends a call that deleted messages. Once for a batch. */
  deleted(): void {
    this.#messages.saveTotals();
    this.#settled();
  }

  /**
   * Restarts the lease of a receipt with another length, counted from now; 0 makes the message visible. That of an earlier
   * receive is refused: on AWS it may succeed on a standard queue, which nobody can rely on
   * (https://repost.aws/knowledge-center/sqs-receipt-handle-error).
   */
  changeVisibility(receipt: Receipt, visibilityMs: number): void {
    this.#messages.settle();
    const { seq } = receipt;
    const lease = this.#messages.leaseOf(seq);
    if (!lease || lease.receives !== receipt.receives || lease.tag !== receipt.tag) {
      if (!lease && this.#messages.lapsed(receipt)) {
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
    const dueMs = this.#messages.nowMs + visibilityMs;
    if (dueMs > lease.leasedAtMs + LEASE_MS_MAX) {
      throw new AwsFault(
        'InvalidParameterValue',
        `Value ${visibilityMs / 1000} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].`,
      );
    }
    this.#messages.extend(seq, lease, dueMs);
    this.#messages.settle();
    this.#settled();
  }

  /** Deletes all messages, also those in flight and delayed. Returns how many. */
  purge(): number {
    this.#messages.settle();
    const { visible, inFlight, delayed } = this.#messages;
    const count = visible + inFlight + delayed;
    this.#parts.store.clear(this.key);
    this.#messages.totals.purged += count;
    this.#messages.saveTotals();
    this.#messages.load();
    return count;
  }

  /** Takes a dead-lettered message in from another queue. Its delay does not apply; nothing counts it as sent. */
  acceptDeadLetter(message: MessageRow, source: Queue): void {
    this.#messages.settle();
    // The original enqueue time decides about retention on a standard queue; FIFO queues start it again.
    const sentAtMs = this.fifo ? this.#messages.nowMs : message.sentAtMs;
    const as = { id: message.id, sentAtMs, sourceArn: source.arn, keepReceives: true };
    this.#messages.takeIn(message, as, 'deadLetteredIn');
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
    this.#messages.settle();
    const message = this.#messages.next();
    if (!message) {
      this.#messages.endReceive();
      return undefined;
    }
    const target = destination(message);
    if (!target || target.fifo !== this.fifo) {
      this.#messages.untaken(message);
      this.#messages.endReceive();
      return 'no-destination';
    }
    this.#messages.taken();
    this.#messages.totals.movedOut++;
    target.#acceptMoved(message, newId);
    this.#messages.endReceive();
    this.#messages.saveTotals();
    this.#settled();
    return 'moved';
  }

  /** Begins to serve who waits and to act when something falls due. */
  open(): void {
    this.#phase = 'open';
    this.#messages.settle();
    this.#settled();
  }

  /** Ends waiting receives with nothing and cancels the timer; memory is of no use afterwards. */
  close(): void {
    this.#phase = 'closed';
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    this.#waiters.finish();
  }

  /** Removes the queue and all its messages; who waits is told that it does not exist. */
  drop(fault: AwsFault): void {
    this.#waiters.fail(fault);
    this.close();
    this.#parts.store.drop(this.key);
  }

  #acceptMoved(message: MessageRow, id: string): void {
    this.#messages.settle();
    const as = { id, sentAtMs: this.#messages.nowMs, sourceArn: null, keepReceives: false };
    this.#messages.takeIn(message, as, 'movedIn');
    this.#settled();
  }

  /** Leases up to `most` messages; those received too often go to the dead-letter queue instead. */
  #take(request: ReceiveRequest): Delivery[] {
    const deliveries: Delivery[] = [];
    const { redrive } = this.#settings;
    const deadLetters = redrive && this.#parts.find(redrive.deadLetterTargetArn);
    while (
      deliveries.length < request.most &&
      this.#messages.visible > 0 &&
      this.#messages.inFlight < IN_FLIGHT_MAX
    ) {
      const message = this.#messages.next();
      if (!message) break;
      this.#messages.taken();
      if (redrive && deadLetters && message.receivesHere >= redrive.maxReceiveCount) {
        this.#deadLetter(message, deadLetters);
      } else {
        deliveries.push(this.#messages.lease(message, request.visibilityMs ?? this.#settings.visibilityMs));
      }
    }
    this.#messages.endReceive();
    return deliveries;
  }

  #deadLetter(message: MessageRow, to: Queue): void {
    this.#messages.totals.deadLetteredOut++;
    this.#messages.saveTotals();
    to.acceptDeadLetter(message, this);
    this.#parts.journal.append('sqs', 'message.dead-lettered', {
      queue: this.name,
      deadLetterQueue: to.name,
      messageId: message.id,
      receiveCount: message.receivesHere,
    });
  }

  /** Ends every change: serves who waits, and arms the timer for what falls due next. */
  #settled(): void {
    if (this.#phase !== 'open') return;
    this.#waiters.serve((request) => (this.#messages.visible === 0 ? [] : this.#take(request)));
    const dueMs = this.#messages.nextDueMs();
    if (this.#timer && this.#timer.dueMs <= dueMs) return;
    this.#timer?.timer.cancel();
    this.#timer =
      dueMs === Number.POSITIVE_INFINITY
        ? undefined
        : {
            dueMs,
            timer: this.#parts.clock.setTimer(dueMs - this.#messages.nowMs, () => {
              this.#timer = undefined;
              this.#messages.settle();
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
