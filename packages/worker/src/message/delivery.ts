import type { SqsMessage } from '../transport/transport.ts';
import { type Message, toMessage } from './message.ts';

/** How a delivery ended; the counters of the same names. */
export type Ending =
  | 'Succeeded'
  | 'Failed'
  | 'TimedOut'
  | 'Poisoned'
  | 'Released'
  | 'Expired'
  | 'DeleteFailed';

/** Why a lease was lost. */
export type LossCause =
  /** The event loop was blocked when the lease should have been renewed: the version's own doing. */
  | 'blocked'
  /** The message was held for as long as is allowed: the handler is too slow. */
  | 'maximum'
  /** Renewals failed or were refused. */
  | 'sqs';

/** A message in the worker's hands: its lease, its handler and its end. */
export interface Delivery {
  readonly message: Message;
  readonly receiptHandle: string;
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
  /** The name that the worker's user gives messages of this kind; asked for first deliveries only. */
  messageType: string | undefined;
  /** When its handler began, and when it settled. */
  beganAtMs: number | undefined;
  settledAtMs: number | undefined;
  /** Its one counted ending, as soon as it has one. */
  ending: Ending | undefined;
}

/** For how long a message is kept, and when it is renewed. */
export interface LeaseTimes {
  readonly visibilitySeconds: number;
  readonly renewEverySeconds: number;
  readonly leaseMaximumSeconds: number;
}

/** A message that has just been received, with a lease that began at `leasedAtMs`. */
export function toDelivery(message: SqsMessage, leasedAtMs: number, times: LeaseTimes): Delivery {
  return {
    message: toMessage(message),
    receiptHandle: message.ReceiptHandle ?? '',
    leaseEndMs: leasedAtMs + times.visibilitySeconds * 1000,
    renewAtMs: leasedAtMs + times.renewEverySeconds * 1000,
    leaseLimitMs: leasedAtMs + times.leaseMaximumSeconds * 1000,
    renewalFailures: 0,
    renewing: undefined,
    loopLagMs: 0,
    messageType: undefined,
    beganAtMs: undefined,
    settledAtMs: undefined,
    ending: undefined,
  };
}
