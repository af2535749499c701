import { backoffMs, type Random } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { LoopLag } from '../loop-lag.ts';
import type { Delivery } from '../message/delivery.ts';
import type { OutcomeBook } from '../reporting/outcome-book.ts';
import { type Settings, VISIBILITY_SECONDS_MAX } from '../settings.ts';
import { asFault, type SendMessageInput, type SqsFault, type Transport } from '../transport/transport.ts';
import { type BatchEntry, BatchSender } from './batch-sender.ts';
import type { Lane } from './fifo-lanes.ts';
import type { LeaseKeeper } from './lease-keeper.ts';

interface DeleteEntry extends BatchEntry {
  readonly delivery: Delivery;
  readonly lane: Lane | undefined;
  /** Whether it had to wait for a renewal to arrive. */
  readonly delayed: boolean;
}

interface VisibilityEntry extends BatchEntry {
  readonly delivery: Delivery;
  readonly seconds: number;
}

export interface OutboxParts {
  readonly queueUrl: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Pick<Settings, 'lingerMs' | 'retryFirstSeconds' | 'retryLongestSeconds'>;
  readonly leases: LeaseKeeper;
  readonly book: OutcomeBook;
  readonly lag: LoopLag;
  /** Something is no longer on its way. */
  readonly onProgress: () => void;
}

/** With more messages than this waiting for their delete, no more are received. */
const DELETES_MAX = 1_000;

/**
 * Sends to SQS what is to become of each message: deletes, changes of visibility that give it back, and copies to the
 * dead-letter queue. It lets go of the lease first, and waits for a renewal that is on its way: one that arrived later
 * would hide the message again.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #deletes: BatchSender<DeleteEntry>;
  readonly #returns: BatchSender<VisibilityEntry>;
  /** Renewals and copies on their way, after which a delete or a return follows. */
  readonly #pending = new Set<Promise<void>>();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#deletes = this.#sendDeletes();
    this.#returns = this.#sendReturns();
  }

  /** Deletes and returns that are neither confirmed nor given up. */
  get size(): number {
    return this.#deletes.size + this.#returns.size;
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0 && this.size === 0;
  }

  /** A promise for when there is room for more deletes; `undefined` while there is. */
  room(): Promise<void> | undefined {
    return this.#deletes.size < DELETES_MAX ? undefined : this.#deletes.atMost(DELETES_MAX / 2);
  }

  /** Deletes a message and then goes on with its lane; `urgent` does not wait for others to share the call. */
  delete(delivery: Delivery, lane: Lane | undefined, urgent = false): void {
    this.#afterRenewal(delivery, (delayed) => {
      const entry = { ...entryOf(delivery), delivery, lane, delayed };
      this.#deletes.add(entry, urgent || lane?.isWaiting === true);
    });
  }

  /** Gives a message back that nobody has handled; it is visible again at once. */
  release(delivery: Delivery): void {
    this.#parts.book.released(delivery);
    this.#giveBack(delivery, 0);
  }

  /** Gives a failed message back, visible again after a delay; by default the backoff of its receive count. */
  retry(delivery: Delivery, delaySeconds?: number): void {
    const seconds = delaySeconds ?? this.#backoffSeconds(delivery.message.receiveCount);
    this.#giveBack(delivery, Math.min(Math.max(Math.ceil(seconds), 0), VISIBILITY_SECONDS_MAX));
  }

  /** Sends a copy of a poison message to the dead-letter queue, and then deletes the message. */
  park(delivery: Delivery, copy: SendMessageInput, lane: Lane | undefined): void {
    const { transport, book } = this.#parts;
    this.#track(
      transport.sendMessage(copy).then(
        () => {
          book.parked(delivery);
          this.delete(delivery, lane);
        },
        (error: unknown) => {
          book.fault('park', asFault(error));
          this.retry(delivery);
          lane?.block();
        },
      ),
    );
  }

  /**
   * Sends deletes without lingering, and keeps returns until {@link hurry}: a message that is given back while a poll
   * of this worker is open comes straight back to it, and each time costs a receive of the few that the redrive policy
   * allows.
   */
  hold(): void {
    this.#deletes.hurry();
    this.#returns.hold();
  }

  /** From now on nothing lingers. */
  hurry(): void {
    this.#deletes.hurry();
    this.#returns.hurry();
  }

  /** Resolves when every delete and return is confirmed or given up. */
  sent(): Promise<unknown> {
    return Promise.all([this.#deletes.atMost(0), this.#returns.atMost(0)]);
  }

  /** Gives up everything that is on its way, for want of time; returns how much it was. */
  giveUpAll(): number {
    const unconfirmed = this.size;
    this.#deletes.giveUpAll();
    this.#returns.giveUpAll();
    return unconfirmed;
  }

  #sendDeletes(): BatchSender<DeleteEntry> {
    const { queueUrl: QueueUrl, transport, clock, random, settings, book, onProgress } = this.#parts;
    return new BatchSender({
      clock,
      random,
      lingerMs: settings.lingerMs,
      send: (entries) =>
        transport.deleteMessageBatch({
          QueueUrl,
          Entries: entries.map(([Id, { receiptHandle }]) => ({ Id, ReceiptHandle: receiptHandle })),
        }),
      onDone: (entry, sentAtMs) => this.#deleted(entry, sentAtMs),
      onGivenUp: ({ delivery, lane }, fault) => {
        book.ended(delivery, 'DeleteFailed', {
          attribution: 'infrastructure',
          errorClass: fault.code,
          error: fault,
        });
        lane?.block();
        onProgress();
      },
      onFault: (fault) => book.fault('delete', fault),
    });
  }

  #sendReturns(): BatchSender<VisibilityEntry> {
    const { queueUrl: QueueUrl, transport, clock, random, settings, book, onProgress } = this.#parts;
    return new BatchSender({
      clock,
      random,
      lingerMs: settings.lingerMs,
      send: (entries) =>
        transport.changeMessageVisibilityBatch({
          QueueUrl,
          Entries: entries.map(([Id, { receiptHandle, seconds }]) => ({
            Id,
            ReceiptHandle: receiptHandle,
            VisibilityTimeout: seconds,
          })),
        }),
      onDone: onProgress,
      onGivenUp: ({ delivery }, { code, message: error }: SqsFault) => {
        const { messageId } = delivery.message;
        book.event('error', 'give back failed', { messageId, code, error });
        onProgress();
      },
      onFault: (fault) => book.fault('give back', fault),
    });
  }

  #deleted({ delivery, lane, giveUpAtMs, attempts, delayed }: DeleteEntry, sentAtMs: number): void {
    const { clock, lag, book, onProgress } = this.#parts;
    // SQS confirms a delete whose lease has lapsed even if somebody else has the message by then. It is certain only
    // when the confirmation was there in time, though it may have been unread for a while.
    const inTime = sentAtMs < giveUpAtMs;
    const certain = inTime && clock.nowMs() - lag.blockedMs() < giveUpAtMs;
    // Nothing but a blocked event loop keeps a first attempt waiting until the lease is over.
    const blocked = !inTime && attempts === 1 && !delayed;
    if (certain) book.succeeded(delivery);
    else book.expired(delivery, blocked ? 'blocked' : 'sqs');
    if (certain) lane?.next();
    else lane?.block();
    onProgress();
  }

  #giveBack(delivery: Delivery, seconds: number): void {
    this.#afterRenewal(delivery, () => {
      this.#returns.add({ ...entryOf(delivery), delivery, seconds });
    });
  }

  #backoffSeconds(receiveCount: number): number {
    const { settings, random } = this.#parts;
    const { retryFirstSeconds, retryLongestSeconds } = settings;
    const shape = { firstMs: retryFirstSeconds * 1000, maxMs: retryLongestSeconds * 1000 };
    return backoffMs(shape, receiveCount, random) / 1000;
  }

  #afterRenewal(delivery: Delivery, send: (delayed: boolean) => void): void {
    const renewing = this.#parts.leases.letGo(delivery);
    if (renewing === undefined) send(false);
    else this.#track(renewing.then(() => send(true)));
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => {
      this.#pending.delete(work);
      this.#parts.onProgress();
    });
  }
}

function entryOf({ receiptHandle, leaseEndMs }: Delivery): BatchEntry {
  return { receiptHandle, giveUpAtMs: leaseEndMs, attempts: 0 };
}
