import { type BackoffShape, backoffMs, type Random } from '../backoff.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Delivery, LossCause } from '../message/delivery.ts';
import { asFault, type SqsFault, type Transport } from '../transport/transport.ts';

interface LeaseSettings {
  readonly visibilitySeconds: number;
  readonly renewEverySeconds: number;
  readonly maximumSeconds: number;
}

export interface LeaseKeeperParts {
  readonly settings: LeaseSettings;
  readonly queueUrl: string;
  readonly transport: Pick<Transport, 'changeMessageVisibilityBatch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly onLost: (delivery: Delivery, cause: LossCause) => void;
  readonly onFault: (fault: SqsFault) => void;
}

const RENEWAL_BACKOFF: BackoffShape = { firstMs: 500, maxMs: 5_000 };
const ENTRIES_MAX = 10;
/** Visibility is set in whole seconds, and setting zero would give the message away. */
const RENEWAL_MS_MIN = 1_000;

/**
 * Renews the leases of all messages in work, in batches, and says when one is lost.
 *
 * A lease counts from the moment at which its renewal was sent, so the worker never believes in a lease that
 * SQS no longer keeps. One timer serves all messages; without messages there is none.
 */
export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts;
  readonly #held = new Set<Delivery>();
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#held.size;
  }

  hold(delivery: Delivery): void {
    this.#held.add(delivery);
    this.#arm(Math.min(delivery.renewAtMs, delivery.leaseEndMs));
  }

  /** Stops renewing. The promise, if any, is a renewal on its way, after which the handle may be used. */
  letGo(delivery: Delivery): Promise<void> | undefined {
    this.#held.delete(delivery);
    return delivery.renewing;
  }

  /** Records a stall of the event loop, milliseconds, against every held lease. */
  loopLag(ms: number): void {
    for (const delivery of this.#held) if (ms > delivery.loopLagMs) delivery.loopLagMs = ms;
  }

  /** Records how late the timer is, for a caller that runs before it. */
  noteLate(): void {
    if (this.#timer !== undefined) this.loopLag(this.#parts.clock.nowMs() - this.#dueMs);
  }

  /** Whether a lease that was lost now was lost because the event loop was blocked. */
  causeOf(delivery: Delivery): LossCause {
    const { visibilitySeconds, renewEverySeconds } = this.#parts.settings;
    // Half of the time left for renewing: a block this long took the attempts away that would have helped.
    const significantMs = ((visibilitySeconds - renewEverySeconds) * 1000) / 2;
    if (delivery.loopLagMs >= significantMs) return 'blocked';
    return delivery.leaseLimitMs - delivery.leaseEndMs <= RENEWAL_MS_MIN ? 'maximum' : 'sqs';
  }

  close(): void {
    this.#held.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#dueMs && this.#timer !== undefined) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#parts.clock.setTimer(dueMs - this.#parts.clock.nowMs(), () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.loopLag(nowMs - this.#dueMs);
    this.#timer = undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    const due: Delivery[] = [];
    for (const delivery of this.#held) {
      if (nowMs >= delivery.leaseEndMs) {
        this.#lose(delivery, this.causeOf(delivery));
        continue;
      }
      if (delivery.leaseLimitMs - nowMs < RENEWAL_MS_MIN) delivery.renewAtMs = Number.POSITIVE_INFINITY;
      if (nowMs >= delivery.renewAtMs && delivery.renewing === undefined) due.push(delivery);
      nextMs = Math.min(
        nextMs,
        delivery.leaseEndMs,
        delivery.renewAtMs > nowMs ? delivery.renewAtMs : delivery.leaseEndMs,
      );
    }
    // Arms first: a renewal that answers at once arms an earlier time by itself.
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    // A lost lease may have made the worker let go of others.
    const still = due.filter((delivery) => this.#held.has(delivery));
    for (let start = 0; start < still.length; start += ENTRIES_MAX) {
      this.#renew(still.slice(start, start + ENTRIES_MAX), nowMs);
    }
  }

  #renew(deliveries: readonly Delivery[], nowMs: number): void {
    const entries = deliveries.map((delivery, index) => ({
      Id: String(index),
      ReceiptHandle: delivery.receiptHandle,
      VisibilityTimeout: Math.min(
        this.#parts.settings.visibilitySeconds,
        Math.floor((delivery.leaseLimitMs - nowMs) / 1000),
      ),
    }));
    // Deferred, so that `renewing` is set before the attempt can clear it.
    const renewal = Promise.resolve().then(() => this.#attempt(deliveries, entries, nowMs));
    for (const delivery of deliveries) delivery.renewing = renewal;
  }

  async #attempt(
    deliveries: readonly Delivery[],
    Entries: readonly { Id: string; ReceiptHandle: string; VisibilityTimeout: number }[],
    sentAtMs: number,
  ): Promise<void> {
    const { queueUrl: QueueUrl, transport, onFault } = this.#parts;
    const refused = new Set<string | undefined>();
    const renewed = new Set<string | undefined>();
    try {
      const { Successful = [], Failed = [] } = await transport.changeMessageVisibilityBatch({
        QueueUrl,
        Entries,
      });
      for (const { Id } of Successful) renewed.add(Id);
      for (const { Id, SenderFault } of Failed) if (SenderFault === true) refused.add(Id);
    } catch (error) {
      onFault(asFault(error));
    }
    for (const [index, delivery] of deliveries.entries()) {
      delivery.renewing = undefined;
      const id = String(index);
      // A message that is done meanwhile no longer needs the lease, and SQS may not know its handle any more.
      if (!this.#held.has(delivery)) continue;
      if (renewed.has(id)) this.#extend(delivery, sentAtMs, Entries[index]!.VisibilityTimeout);
      else if (refused.has(id))
        this.#lose(delivery, this.causeOf(delivery) === 'blocked' ? 'blocked' : 'sqs');
      else this.#tryAgain(delivery);
    }
  }

  #extend(delivery: Delivery, sentAtMs: number, seconds: number): void {
    const { renewEverySeconds, visibilitySeconds } = this.#parts.settings;
    delivery.leaseEndMs = sentAtMs + seconds * 1000;
    const full = seconds === visibilitySeconds;
    // The last renewal before the limit is shorter; there is nothing to renew after it.
    delivery.renewAtMs = full ? sentAtMs + renewEverySeconds * 1000 : Number.POSITIVE_INFINITY;
    delivery.renewalFailures = 0;
    delivery.loopLagMs = 0;
    this.#arm(Math.min(delivery.renewAtMs, delivery.leaseEndMs));
  }

  #tryAgain(delivery: Delivery): void {
    delivery.renewalFailures++;
    const delayMs = backoffMs(RENEWAL_BACKOFF, delivery.renewalFailures, this.#parts.random);
    delivery.renewAtMs = this.#parts.clock.nowMs() + delayMs;
    this.#arm(Math.min(delivery.renewAtMs, delivery.leaseEndMs));
  }

  #lose(delivery: Delivery, cause: LossCause): void {
    this.#held.delete(delivery);
    this.#parts.onLost(delivery, cause);
  }
}
