import type { Clock } from '../../clock/clock.ts';
import type { AwsFault } from '../../errors.ts';
import type { MessageRow } from './message-row.ts';
import type { Receipt } from './receipt-handle.ts';

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

interface Waiter {
  readonly request: ReceiveRequest;
  readonly finish: (deliveries: Delivery[]) => void;
  readonly fail: (error: AwsFault) => void;
}

/** Receivers who wait for a message. The first gets what comes, and the others go on waiting. */
export class Waiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits as long as the request says; `received` hears how many messages it got. */
  wait(request: ReceiveRequest, received: (count: number) => void): Promise<Delivery[]> {
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
          received(taken.length);
          resolve(taken);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      };
      const leave = () => waiter.finish([]);
      const timer = this.#clock.setTimer(request.waitMs, () => waiter.finish([]));
      request.signal.addEventListener('abort', leave, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Gives one after the other what `take` has for it, until it has nothing more. */
  serve(take: (request: ReceiveRequest) => Delivery[]): void {
    for (const waiter of this.#waiters) {
      if (waiter.request.signal.aborted) continue;
      const deliveries = take(waiter.request);
      if (deliveries.length === 0) break;
      waiter.finish(deliveries);
    }
  }

  /** Ends all waiting with nothing. */
  finish(): void {
    for (const waiter of [...this.#waiters]) waiter.finish([]);
  }

  fail(fault: AwsFault): void {
    for (const waiter of [...this.#waiters]) waiter.fail(fault);
  }
}
