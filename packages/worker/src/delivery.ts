import type { Message } from './message.ts';

/** The first deliveries of one receive, or its later ones: the unit in which tracks are compared. */
export interface Unit {
  /** Deliveries without an ending. */
  open: number;
  /** Whether any has ended for or against the version; those given back say nothing. */
  judged: boolean;
  /** Whether any has spoken against the version. */
  failed: boolean;
}

/** The messages of one receive. They often fail together, so they are not counted one by one. */
export interface ReceiveBatch {
  readonly first: Unit;
  readonly retried: Unit;
}

/** How a delivery ended; the counters of the same names. */
export type Ending =
  | 'Succeeded'
  | 'Failed'
  | 'TimedOut'
  | 'Poisoned'
  | 'Released'
  | 'Expired'
  | 'DeleteFailed';

/** A message in the worker's hands: what is known of its lease and of its end. */
export interface Delivery {
  readonly message: Message;
  readonly receiptHandle: string;
  readonly batch: ReceiveBatch;
  /** When the lease ends, as far as the worker knows; on the worker's clock. */
  leaseEndMs: number;
  /** When to renew it next. */
  renewAtMs: number;
  /** SQS lets nobody keep a message longer than this. */
  readonly leaseLimitMs: number;
  /** Failed renewals in a row. */
  renewalFailures: number;
  /** A renewal on its way, which must arrive before a delete or a release is sent. */
  renewing: Promise<void> | undefined;
  /** The longest time for which the event loop was blocked since the lease was last extended. */
  loopLagMs: number;
  /** Its one counted ending, as soon as it has one. */
  ending: Ending | undefined;
}
