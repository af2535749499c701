import type { Pace } from '../../clock/pace.ts';
import type { Ids } from '../../ids.ts';

/** Smallest, largest, sum and number of values, as CloudWatch takes them. */
export interface ValueSet {
  readonly SampleCount: number;
  readonly Sum: number;
  readonly Minimum: number;
  readonly Maximum: number;
}

/** What was done with a queue since the last publication of its metrics. A crash forgets at most one interval. */
export class QueueActivity {
  #sent = 0;
  #bytes = 0;
  #smallest = Number.POSITIVE_INFINITY;
  #largest = 0;
  #received = 0;
  #deleted = 0;
  #emptyReceives = 0;
  readonly #pace: Pace;
  readonly #ids: Ids;
  #calledAtMs: number;
  #awakeAtMs: number;

  constructor(pace: Pace, ids: Ids, nowMs: number) {
    this.#pace = pace;
    this.#ids = ids;
    this.#calledAtMs = nowMs;
    this.#awakeAtMs = nowMs;
  }

  /** Somebody called an operation on the queue, which wakes it. */
  called(nowMs: number): void {
    if (this.#isAsleep(nowMs)) this.#awakeAtMs = nowMs + this.#pace.drawMs('sqs-waking', this.#ids);
    this.#calledAtMs = nowMs;
  }

  /** Whether the queue publishes metrics: a while after it was woken, until nobody has called it for six hours. */
  isReported(nowMs: number): boolean {
    return nowMs >= this.#awakeAtMs && !this.#isAsleep(nowMs);
  }

  #isAsleep(nowMs: number): boolean {
    return nowMs - this.#calledAtMs >= this.#pace.ms('sqs-asleep');
  }

  sent(bytes: number): void {
    this.#sent++;
    this.#bytes += bytes;
    this.#smallest = Math.min(this.#smallest, bytes);
    this.#largest = Math.max(this.#largest, bytes);
  }

  received(count: number): void {
    if (count === 0) this.#emptyReceives++;
    this.#received += count;
  }

  deleted(): void {
    this.#deleted++;
  }

  /** Gives the interval's numbers and starts the next one. */
  take(): {
    sent: number;
    received: number;
    deleted: number;
    emptyReceives: number;
    sizes: ValueSet | undefined;
  } {
    const taken = {
      sent: this.#sent,
      received: this.#received,
      deleted: this.#deleted,
      emptyReceives: this.#emptyReceives,
      sizes:
        this.#sent === 0
          ? undefined
          : {
              SampleCount: this.#sent,
              Sum: this.#bytes,
              Minimum: this.#smallest,
              Maximum: this.#largest,
            },
    };
    this.#sent = 0;
    this.#bytes = 0;
    this.#smallest = Number.POSITIVE_INFINITY;
    this.#largest = 0;
    this.#received = 0;
    this.#deleted = 0;
    this.#emptyReceives = 0;
    return taken;
  }
}
