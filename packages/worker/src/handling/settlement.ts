import type { Clock } from '../clock.ts';
import type { Lane } from '../delivery/fifo-lanes.ts';
import type { LeaseKeeper } from '../delivery/lease-keeper.ts';
import type { Outbox } from '../delivery/outbox.ts';
import { parkedMessage } from '../delivery/parking.ts';
import type { Delivery } from '../message/delivery.ts';
import type { NamedIdentity } from '../reporting/identity.ts';
import type { EndingDetails, OutcomeBook } from '../reporting/outcome-book.ts';
import type { Parking } from '../settings.ts';
import type { HandlerResult } from './handler-result.ts';
import type { Run } from './run.ts';

export interface SettlementParts {
  readonly clock: Clock;
  readonly book: OutcomeBook;
  readonly leases: LeaseKeeper;
  readonly outbox: Outbox;
  readonly identity: NamedIdentity;
  readonly parking: Parking | undefined;
}

/**
 * Whether the lane of a message must be blocked. After `passed` the lane goes on by itself, as soon as the delete is
 * confirmed.
 */
export type LaneStep = 'passed' | 'failed';

/** Decides what becomes of a message by the result of its handler, its lease and its timeout. */
export class Settlement {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  settle(run: Run, delivery: Delivery, result: HandlerResult, lane: Lane | undefined): LaneStep {
    this.#noteLateness(run, delivery);
    if (delivery.ending === 'Expired') return this.#settleExpired(delivery, result);
    if (delivery.ending === 'TimedOut') return this.#settleTimedOut(run, delivery, result, lane);
    const { book, outbox } = this.#parts;
    switch (result.kind) {
      case 'ok':
        outbox.delete(delivery, lane);
        return 'passed';
      case 'poison':
        return this.poison(delivery, lane, result.details);
      case 'retry':
        // Neither a stopping task nor a lease that another message of the batch lost speaks against the version.
        if (run.abortedBecause !== undefined) outbox.release(delivery);
        else {
          book.ended(delivery, 'Failed', result.details);
          outbox.retry(delivery, result.delaySeconds);
        }
        return 'failed';
    }
  }

  /** The message will never succeed: parks it where parking is on, else gives it back. */
  poison(delivery: Delivery, lane: Lane | undefined, details: EndingDetails): LaneStep {
    const { book, outbox, parking, identity } = this.#parts;
    book.ended(delivery, 'Poisoned', details);
    const copy = parking && parkedMessage(delivery, parking.deadLetterQueueUrl, identity, details.errorClass);
    if (copy !== undefined) {
      outbox.park(delivery, copy, lane);
      return 'passed';
    }
    if (parking !== undefined) {
      const { messageId } = delivery.message;
      book.event('error', 'not parked', { messageId, error: 'it has more than six attributes' });
    }
    outbox.retry(delivery);
    return 'failed';
  }

  /** While a handler blocked the event loop, the timers that watch leases and timeouts could not run. */
  #noteLateness(run: Run, delivery: Delivery): void {
    if (delivery.ending !== undefined) return;
    const { clock, book, leases } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs >= delivery.leaseEndMs) {
      leases.noteLate();
      book.expired(delivery, leases.causeOf(delivery));
    } else if (nowMs >= run.timeoutAtMs) book.timedOut(delivery);
  }

  #settleExpired(delivery: Delivery, result: HandlerResult): LaneStep {
    const { leases, outbox } = this.#parts;
    void leases.letGo(delivery);
    // It is done, and perhaps nobody has received it yet: an immediate delete may prevent a duplicate.
    if (result.kind === 'ok') outbox.delete(delivery, undefined, true);
    return 'failed';
  }

  #settleTimedOut(run: Run, delivery: Delivery, result: HandlerResult, lane: Lane | undefined): LaneStep {
    const { outbox } = this.#parts;
    if (result.kind === 'ok' && !run.stuck) {
      outbox.delete(delivery, lane);
      return 'passed';
    }
    if (result.kind === 'ok') outbox.delete(delivery, undefined, true);
    else if (!run.stuck) outbox.retry(delivery);
    return 'failed';
  }
}
