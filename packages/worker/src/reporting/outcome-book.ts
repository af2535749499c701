import type { Clock } from '../clock.ts';
import { classOf, textOf } from '../errors.ts';
import type { Delivery, Ending, LossCause } from '../message/delivery.ts';
import { type Attribution, attributionOf, type SqsFault } from '../transport/transport.ts';
import type { NamedIdentity } from './identity.ts';
import type { Metrics } from './metrics.ts';

/** How a delivery ended, and why. */
export interface EndingDetails {
  /** Whom it speaks against. */
  readonly attribution: Attribution;
  /** One word for the log: an error's class, a cause. */
  readonly errorClass: string;
  readonly error?: unknown;
}

export interface OutcomeBookParts {
  readonly identity: NamedIdentity;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** SQS's time minus the worker's. */
  readonly clockOffsetMs: () => number;
  /** Deliveries after which the queue moves a message to its dead-letter queue, where known. */
  readonly maxReceiveCount: number | undefined;
  readonly log: (line: string) => void;
}

const LOSSES: Readonly<Record<LossCause, EndingDetails>> = {
  blocked: { attribution: 'version', errorClass: 'EventLoopBlocked' },
  maximum: { attribution: 'version', errorClass: 'LeaseMaximum' },
  sqs: { attribution: 'infrastructure', errorClass: 'LeaseLost' },
};

/**
 * Gives every received message exactly one ending, counts it, and writes one line to the log for each that is
 * neither a success nor given back: SQS cannot edit a message, so these lines are the only record of which
 * version failed it, from which a redrive chooses.
 */
export class OutcomeBook {
  readonly #parts: OutcomeBookParts;
  readonly #open = new Set<Delivery>();

  constructor(parts: OutcomeBookParts) {
    this.#parts = parts;
  }

  /** Messages received that have no ending yet. */
  get open(): ReadonlySet<Delivery> {
    return this.#open;
  }

  /** SQS's time, as well as it is known. */
  serverNowMs(): number {
    return this.#parts.clock.nowMs() + this.#parts.clockOffsetMs();
  }

  received(deliveries: readonly Delivery[]): void {
    const { metrics } = this.#parts;
    const nowMs = this.serverNowMs();
    metrics.count('Received', deliveries.length);
    for (const delivery of deliveries) {
      this.#open.add(delivery);
      const { message } = delivery;
      if (message.receiveCount > 1) continue;
      metrics.count('FirstReceived');
      // Later deliveries would count the time that their failures took.
      if (message.sentAtMs !== undefined) metrics.value('QueueAgeMs', Math.max(0, nowMs - message.sentAtMs));
    }
  }

  succeeded(delivery: Delivery): void {
    if (delivery.ending !== undefined) return;
    delivery.ending = 'Succeeded';
    this.#parts.metrics.count('Succeeded');
    this.#open.delete(delivery);
    this.#finished(delivery, undefined);
  }

  released(delivery: Delivery): void {
    if (delivery.ending !== undefined) return;
    delivery.ending = 'Released';
    this.#parts.metrics.count('Released');
    this.#open.delete(delivery);
  }

  /** Any other ending. Only the first of a delivery counts. */
  ended(delivery: Delivery, ending: Exclude<Ending, 'Succeeded' | 'Released'>, details: EndingDetails): void {
    if (delivery.ending !== undefined) return;
    delivery.ending = ending;
    this.#open.delete(delivery);
    this.#parts.metrics.count(ending);
    if (details.attribution === 'version') this.#finished(delivery, details.errorClass);
    const { messageId, receiveCount, groupId } = delivery.message;
    this.event('error', 'message failed', {
      messageId,
      receiveCount,
      outcome: ending,
      attribution: details.attribution,
      errorClass: details.errorClass,
      ...(groupId === undefined ? {} : { groupId }),
      ...('error' in details ? { error: textOf(details.error) } : {}),
    });
  }

  /** The handler took longer than its timeout. */
  timedOut(delivery: Delivery): void {
    this.ended(delivery, 'TimedOut', { attribution: 'version', errorClass: 'Timeout' });
  }

  /** The lease was lost before the message was done. */
  expired(delivery: Delivery, cause: LossCause): void {
    this.ended(delivery, 'Expired', LOSSES[cause]);
  }

  /** A poison message was sent to the dead-letter queue. */
  parked(delivery: Delivery): void {
    if (!this.#isLast(delivery)) this.#parts.metrics.count('DeadLettered');
  }

  /** Counts a delivery that ended for the version or, with an error class, against it. */
  #finished(delivery: Delivery, errorClass: string | undefined): void {
    const { metrics, clock } = this.#parts;
    const hasFailed = errorClass !== undefined;
    if (hasFailed && this.#isLast(delivery)) metrics.count('DeadLettered');
    if (delivery.message.receiveCount > 1) {
      metrics.count('RetriedFinished');
      if (hasFailed) metrics.count('RetriedFailed');
      return;
    }
    metrics.count('FirstFinished');
    if (hasFailed) {
      metrics.count('FirstFailed');
      metrics.error(errorClass);
    }
    const { messageType, beganAtMs, settledAtMs } = delivery;
    if (messageType !== undefined) metrics.type(messageType, hasFailed);
    // A message that never reached a handler took no time. A handler that still runs has taken the time until now.
    if (beganAtMs !== undefined) metrics.duration((settledAtMs ?? clock.nowMs()) - beganAtMs);
  }

  /** Whether the queue moves the message to its dead-letter queue unless it is deleted. */
  #isLast({ message }: Delivery): boolean {
    const { maxReceiveCount } = this.#parts;
    return maxReceiveCount !== undefined && message.receiveCount >= maxReceiveCount;
  }

  /** A call to SQS failed. */
  fault(operation: string, fault: SqsFault, fields: Readonly<Record<string, string | number>> = {}): void {
    this.event('error', 'sqs call failed', {
      operation,
      code: fault.code,
      kind: fault.kind,
      attribution: attributionOf(fault),
      error: fault.message,
      ...fields,
    });
  }

  /** A line about anything. */
  event(
    level: 'info' | 'error',
    event: string,
    fields: Readonly<Record<string, string | number | boolean>> = {},
  ): void {
    const { app, track, revision, version, taskId } = this.#parts.identity;
    this.#parts.log(
      JSON.stringify({
        level,
        event,
        timestamp: Math.round(this.serverNowMs()),
        app,
        track,
        revision,
        ...(version === undefined ? {} : { version }),
        taskId,
        ...fields,
      }),
    );
  }
}

/** The details of a value that a handler threw, whatever it is. */
export function thrown(error: unknown): EndingDetails {
  return { attribution: 'version', errorClass: classOf(error), error };
}
