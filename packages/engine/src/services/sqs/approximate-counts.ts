import type { Pace } from '../../clock/pace.ts';
import type { Ids } from '../../ids.ts';

export interface QueueCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** How finely the past is kept: the longest lag is cut into so many parts. */
const PARTS = 16;

/**
 * Share of the readings of an empty queue that see a message in flight. That there are such readings is known from
 * https://github.com/cdklabs/construct-hub/pull/1779; how many is assumed.
 */
const PHANTOMS = 0.05;

/**
 * The counts of a standard queue as SQS reports them. Each lags behind by a time of its own, so that a message on its
 * way from one count to another is in both for a while, or in neither; a minute after the last change they are right.
 * An empty queue has a message in flight now and then.
 */
export class ApproximateCounts {
  readonly #pace: Pace;
  readonly #ids: Pick<Ids, 'random'>;
  readonly #partMs: number;
  /** Counts before the first change of each part of time in which there was one, oldest first. */
  readonly #before: Array<QueueCounts & { readonly part: number }> = [];

  constructor(pace: Pace, ids: Pick<Ids, 'random'>) {
    this.#pace = pace;
    this.#ids = ids;
    this.#partMs = pace.worstMs('sqs-counts') / PARTS;
  }

  /** Takes down the counts before a change. Only the first call of each part of time does something. */
  changing(nowMs: number, visible: number, inFlight: number, delayed: number): void {
    const part = Math.floor(nowMs / this.#partMs);
    if (this.#before.at(-1)?.part === part) return;
    while (this.#before[0] !== undefined && this.#before[0].part < part - PARTS) this.#before.shift();
    this.#before.push({ part, visible, inFlight, delayed });
  }

  /** Forgets the past, whose times mean nothing any more. */
  forget(): void {
    this.#before.length = 0;
  }

  /** A reading at `nowMs` of a queue that really has `exact`. */
  read(nowMs: number, exact: QueueCounts): QueueCounts {
    const empty = exact.visible + exact.inFlight + exact.delayed === 0;
    const inFlight = this.#lagging('inFlight', nowMs, exact);
    return {
      visible: this.#lagging('visible', nowMs, exact),
      inFlight: empty && this.#ids.random() < PHANTOMS ? Math.max(1, inFlight) : inFlight,
      delayed: this.#lagging('delayed', nowMs, exact),
    };
  }

  #lagging(count: keyof QueueCounts, nowMs: number, exact: QueueCounts): number {
    const part = Math.floor((nowMs - this.#pace.drawMs('sqs-counts', this.#ids)) / this.#partMs);
    return (this.#before.find((counts) => counts.part > part) ?? exact)[count];
  }
}
