import type { Clock } from './clock.ts';
import type { Delivery, Ending, ReceiveBatch, Unit } from './delivery.ts';
import { classOf, textOf } from './errors.ts';
import type { Identity } from './identity.ts';
import type { Message } from './message.ts';
import type { Metrics } from './metrics.ts';
import { type Attribution, attributionOf, type SqsFault } from './transport.ts';

/** How a delivery ended, and why. */
export interface EndingDetails {
  /** Whom it speaks against. */
  readonly attribution: Attribution;
  /** One word for the log: an error's class, a cause. */
  readonly errorClass: string;
  readonly error?: unknown;
}

export interface OutcomeBookParts {
  readonly identity: Identity;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** SQS's time minus the worker's. */
  readonly clockOffsetMs: () => number;
  readonly log: (line: string) => void;
}

/**
 * Gives every received message exactly one ending, counts it, and writes one line to the log for each that is
 * neither a success nor given back: SQS cannot edit a message, so these lines are the only record of which
 * version failed it, from which a redrive chooses.
 */
export class OutcomeBook {
  readonly #parts: OutcomeBookParts;
  #open = 0;

  constructor(parts: OutcomeBookParts) {
    this.#parts = parts;
  }

  /** Messages received that have no ending yet. */
  get open(): number {
    return this.#open;
  }

  /** SQS's time, as well as it is known. */
  serverNowMs(): number {
    return this.#parts.clock.nowMs() + this.#parts.clockOffsetMs();
  }

  received(deliveries: readonly Delivery[]): void {
    const { metrics } = this.#parts;
    const nowMs = this.serverNowMs();
    metrics.count('BatchesReceived');
    metrics.count('Received', deliveries.length);
    for (const { message, batch } of deliveries) {
      unitOf(message, batch).open++;
      this.#open++;
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
    if (delivery.message.receiveCount === 1) this.#parts.metrics.count('FirstSucceeded');
    this.#close(delivery, 'for');
  }

  released(delivery: Delivery): void {
    if (delivery.ending !== undefined) return;
    delivery.ending = 'Released';
    this.#parts.metrics.count('Released');
    this.#close(delivery, 'neither');
  }

  /** Any other ending. Only the first of a delivery counts. */
  ended(delivery: Delivery, ending: Exclude<Ending, 'Succeeded' | 'Released'>, details: EndingDetails): void {
    if (delivery.ending !== undefined) return;
    delivery.ending = ending;
    const { metrics } = this.#parts;
    const { messageId, receiveCount, groupId } = delivery.message;
    metrics.count(ending);
    const against = details.attribution === 'version';
    if (against && receiveCount === 1) metrics.count('FirstFailed');
    this.#close(delivery, against ? 'against' : 'neither');
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

  /** Counts a unit once all of it has ended, so that failed and other units are counted at the same moment. */
  #close({ message, batch }: Delivery, speaks: 'for' | 'against' | 'neither'): void {
    const unit = unitOf(message, batch);
    unit.open--;
    this.#open--;
    unit.judged ||= speaks !== 'neither';
    unit.failed ||= speaks === 'against';
    if (unit.open > 0 || !unit.judged) return;
    const { metrics } = this.#parts;
    const counter = message.receiveCount === 1 ? 'FirstBatches' : 'RetriedBatches';
    metrics.count(counter);
    if (unit.failed) metrics.count(`${counter}Failed`);
  }

  /** A call to SQS failed. */
  fault(operation: string, fault: SqsFault, fields: Readonly<Record<string, string | number>> = {}): void {
    this.#parts.metrics.count('SqsError');
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
        ...(taskId === undefined ? {} : { taskId }),
        ...fields,
      }),
    );
  }
}

function unitOf(message: Message, batch: ReceiveBatch): Unit {
  return message.receiveCount === 1 ? batch.first : batch.retried;
}

/** The details of something that a handler threw, whatever it is. */
export function thrown(error: unknown): EndingDetails {
  return { attribution: 'version', errorClass: classOf(error), error };
}
