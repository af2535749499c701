import type { Queue } from './queue.ts';

/**
 * Name of a queue attribute that only the local engine has: the queue's ledger as JSON, one consistent reading
 * of {@link QueueLedger}. `GetQueueAttributes` returns it when it is named, never for `All`; so AWS clients
 * see nothing that AWS does not have, and a conservation check needs no other interface.
 */
export const LEDGER_ATTRIBUTE = 'QueueCanary.Ledger';

/**
 * What came into a queue, what left it and what is in it, all at one instant and all durable. Always
 * `sent + deadLetteredIn + movedIn = visible + inFlight + delayed + deleted + deadLetteredOut + movedOut +
 * expired + purged`. Purging and move tasks are counted apart from deletion by workers.
 */
export interface QueueLedger {
  readonly sent: number;
  readonly deadLetteredIn: number;
  readonly movedIn: number;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly deleted: number;
  readonly deadLetteredOut: number;
  readonly movedOut: number;
  readonly expired: number;
  readonly purged: number;
}

/** The ledger of a queue as the attribute carries it. */
export function ledgerOf(queue: Queue): string {
  const ledger: QueueLedger = queue.ledger();
  return JSON.stringify(ledger);
}
