import type { Timer } from '../clock.ts';
import type { Delivery } from '../message/delivery.ts';
import { type AbortCause, HandlerAborted, type HandlerContext } from '../message/handler.ts';

/** One call of a handler, with the messages that it was given; also what the handler sees of it. */
export class Run implements HandlerContext {
  readonly deliveries: readonly Delivery[];
  readonly receiveCount: number;
  readonly ageMs: number;
  readonly startedAtMs: number;
  readonly timeoutAtMs: number;
  /** Its time was over before it settled. */
  timedOut = false;
  /** It did not even settle after its signal; its permits were given to others. */
  stuck = false;
  /** Ends the time that it has to settle after its timeout. */
  grace: Timer | undefined;
  abortedBecause: AbortCause | undefined;
  /** A function, not a method: handlers take it out of their context. */
  readonly count: HandlerContext['count'];
  #controller: AbortController | undefined;

  constructor(
    deliveries: readonly Delivery[],
    startedAtMs: number,
    timeoutMs: number,
    serverNowMs: number,
    count: HandlerContext['count'],
  ) {
    this.deliveries = deliveries;
    this.startedAtMs = startedAtMs;
    this.count = count;
    this.timeoutAtMs = startedAtMs + timeoutMs;
    let receiveCount = 0;
    let sentAtMs = serverNowMs;
    for (const { message } of deliveries) {
      if (message.receiveCount > receiveCount) receiveCount = message.receiveCount;
      if (message.sentAtMs !== undefined && message.sentAtMs < sentAtMs) sentAtMs = message.sentAtMs;
    }
    this.receiveCount = receiveCount;
    this.ageMs = serverNowMs - sentAtMs;
  }

  get leaseUntilMs(): number {
    return Math.min(...this.deliveries.map(({ leaseEndMs }) => leaseEndMs));
  }

  /** Made when a handler asks for it: most never do, and a controller costs more than the rest of a run. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortedBecause !== undefined) this.#controller.abort(new HandlerAborted(this.abortedBecause));
    }
    return this.#controller.signal;
  }

  /** Asks the handler to stop; the first cause stays. */
  abort(why: AbortCause): void {
    if (this.abortedBecause !== undefined) return;
    this.abortedBecause = why;
    this.#controller?.abort(new HandlerAborted(why));
  }
}
