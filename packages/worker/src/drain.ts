import { type Clock, within } from './clock.ts';
import type { FifoLanes } from './delivery/fifo-lanes.ts';
import type { Outbox } from './delivery/outbox.ts';
import type { Receiver } from './delivery/receiver.ts';
import type { Runs } from './handling/runs.ts';
import type { Quiet } from './quiet.ts';
import type { OutcomeBook } from './reporting/outcome-book.ts';

/** The result of a drain. */
export interface DrainReport {
  readonly durationMs: number;
  /** Handlers that still ran; their messages come back when their leases lapse. */
  readonly handlersLeft: number;
  /** Messages whose delete or release was not confirmed in time. */
  readonly unconfirmed: number;
}

export interface DrainParts {
  readonly clock: Clock;
  readonly stopTimeoutMs: number;
  readonly receiver: Receiver;
  readonly lanes: FifoLanes;
  readonly runs: Runs;
  readonly outbox: Outbox;
  readonly book: OutcomeBook;
  readonly quiet: Quiet;
  /** Stops timers: nothing is received, handled or sent any more. */
  readonly onEnd: () => void;
  /** Writes the last outcome line. */
  readonly report: () => void;
  /** Drops the task's protection. */
  readonly dropProtection: (() => Promise<void>) | undefined;
}

/** The part of the stop timeout that is kept for giving messages back, after handlers were asked to stop. */
const RESERVE_MS = 5_000;
/** The part of the reserve in which handlers may still settle, once their signal has aborted. */
const GRACE_MS = 2_000;
/** The part of the reserve for dropping the task's protection and writing the last line. */
const EXIT_RESERVE_MS = 1_000;

/**
 * Time for which a draining worker handles what its open polls bring rather than giving it back. Giving it back costs
 * one of the few receives that the redrive policy allows, and when many tasks drain at once their open polls hand a
 * message round until none are left: a message that nobody ever tried would go to the dead-letter queue.
 */
export function lateIntakeMs(stopTimeoutMs: number): number {
  return (stopTimeoutMs - RESERVE_MS) / 2;
}

/** Lets messages in work finish within the stop timeout, and ends the rest, in the order that `Worker.drain` documents. */
export async function drain(parts: DrainParts): Promise<DrainReport> {
  const { clock, receiver, lanes, runs, outbox, quiet } = parts;
  const startedAtMs = clock.nowMs();
  const endAtMs = startedAtMs + parts.stopTimeoutMs;
  const before = (reserveMs: number, work: Promise<unknown>) =>
    within(clock, Math.max(0, endAtMs - reserveMs - clock.nowMs()), work);

  const polls = receiver.stop();
  outbox.hold();
  void polls.then(() => outbox.hurry());
  lanes.giveBackWaiting();
  const finished = polls.then(() => quiet.reached());
  if (!(await before(RESERVE_MS, finished))) {
    receiver.abandon();
    outbox.hurry();
    runs.abort('drain');
    await before(RESERVE_MS - GRACE_MS, quiet.reached());
  }
  await before(EXIT_RESERVE_MS, outbox.sent());
  const left = leave(parts);
  const durationMs = Math.round(clock.nowMs() - startedAtMs);
  parts.report();
  if (parts.dropProtection !== undefined) await before(EXIT_RESERVE_MS / 2, parts.dropProtection());
  return { durationMs, ...left };
}

/** Ends everything that has not ended by itself. Messages whose handlers still run are not given back. */
function leave({ runs, outbox, book, onEnd }: DrainParts): Omit<DrainReport, 'durationMs'> {
  const handlersLeft = runs.size;
  let unconfirmed = outbox.giveUpAll();
  for (const delivery of runs.close()) {
    book.ended(delivery, 'Expired', { attribution: 'neutral', errorClass: 'LeftOnDrain' });
  }
  // A message that is still open waits for a renewal on its way, after which it would be deleted.
  for (const delivery of [...book.open]) {
    unconfirmed++;
    book.ended(delivery, 'DeleteFailed', {
      attribution: 'infrastructure',
      errorClass: 'DrainTimeout',
      error: 'its renewal was not answered before the task had to stop',
    });
  }
  onEnd();
  return { handlersLeft, unconfirmed };
}
