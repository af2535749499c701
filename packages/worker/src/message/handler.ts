import type { Message } from './message.ts';

/** The outcome of a message, as its handler reports it. */
export type Outcome =
  | { readonly kind: 'ok' }
  /** To be delivered again, after `delaySeconds` or the backoff of its receive count. */
  | { readonly kind: 'retry'; readonly delaySeconds?: number; readonly error?: unknown }
  /** Will never succeed: parked where parking is on, else delivered again until the redrive policy moves it. */
  | { readonly kind: 'poison'; readonly reason: string; readonly error?: unknown };

/** Why a handler is asked to stop. */
export type AbortCause = 'timeout' | 'drain' | 'lease-lost';

/** The reason of a handler's abort signal. */
export class HandlerAborted extends Error {
  override readonly name = 'HandlerAborted';
  readonly why: AbortCause;

  constructor(why: AbortCause) {
    super(
      {
        timeout: 'the handler ran longer than its timeout',
        drain: 'the task is stopping and its time for draining is over',
        'lease-lost': 'the lease of the message was lost: another worker may have it by now',
      }[why],
    );
    this.why = why;
  }
}

/** The run of a handler, as the handler sees it. For a batch: the highest count, the greatest age, the first lease. */
export interface HandlerContext {
  /** Aborts on timeout, when draining runs out of time, and when the lease is lost. */
  readonly signal: AbortSignal;
  /** Why the signal aborted, once it has. */
  readonly abortedBecause: AbortCause | undefined;
  readonly receiveCount: number;
  /** Time from sending to the start of the handler; 0 when SQS did not say. */
  readonly ageMs: number;
  /** When the lease ends unless it is renewed, on the worker's clock. Moves with each renewal. */
  readonly leaseUntilMs: number;
  /**
   * Counts something of your own, once or `by` a number, which may be negative or a fraction. It is on the outcome
   * line of the interval in which it was counted. Throws on a name that is not 1 to 64 letters, digits, spaces and
   * characters of `_.:-`, on the 21st name of a worker, and when `by` is not finite.
   */
  readonly count: (name: string, by?: number) => void;
}

/** Processes one message. Returning nothing is `ok`; throwing is `retry`. */
export type Handler<T> = (
  body: T,
  message: Message,
  context: HandlerContext,
) => Promise<Outcome | undefined> | Promise<void>;

/** One message of a batch. */
export interface Item<T> {
  readonly body: T;
  readonly message: Message;
}

/**
 * Processes the messages of one receive. The answer has an outcome for each message id; a message without one
 * is retried, and throwing retries them all.
 */
export type BatchHandler<T> = (
  items: readonly Item<T>[],
  context: HandlerContext,
) => Promise<ReadonlyMap<string, Outcome>>;

/**
 * Names the kind of a message, so that like is compared with like; `undefined` where it has none, as when this
 * throws. It must be quick, and name few kinds: the first 30 of each interval are counted separately.
 */
export type MessageType<T> = (body: T, message: Message) => string | undefined;

/** Makes a body of the raw text. Throwing makes the message poison: it would never decode. */
export type Decode<T> = (rawBody: string, message: Message) => T;
