import type { Track } from '../contract.ts';
import type { Histogram } from '../judge/histogram.ts';

/**
 * One outcome line of a worker: what one task did over one interval.
 *
 * A task numbers its lines from 0 on, without gaps, so that a lost line is noticed and one that arrives twice counts
 * once. Deliveries are *first* when SQS has delivered the message once; later ones are retries.
 */
export interface Line {
  /** The ECS task, or a name that the worker gave itself where it knows none. */
  readonly task: string;
  readonly track: Track;
  readonly revision: string;
  /** Position among the task's lines, from 0 on. */
  readonly sequence: number;
  /** Whether it is the task's last: it has drained and goes. */
  readonly final: boolean;
  /** When the task began to work, epoch milliseconds. */
  readonly startedAt: number;
  /** The interval, epoch milliseconds; within one of the wall-clock intervals of {@link reportMs}. */
  readonly fromMs: number;
  readonly toMs: number;
  /** First deliveries that began. */
  readonly received: number;
  /** First deliveries that ended for or against the version, and how many of them against it. */
  readonly finished: number;
  readonly failed: number;
  /** The same for later deliveries. */
  readonly retried: number;
  readonly retriedFailed: number;
  /** Deliveries that failed and were a message's last: it goes to the dead-letter queue. */
  readonly deadLettered: number;
  /** How long the task asked for messages, milliseconds: it had room for more. */
  readonly pollingMs: number;
  /** Deliveries in hand at the end. */
  readonly inFlight: number;
  /** Processing times of the first deliveries that finished. */
  readonly durations: Histogram;
  /** Resident memory at the end, MiB. */
  readonly memoryMiB: number;
  /** First deliveries that ended against the version, by error class. */
  readonly errors: Readonly<Record<string, number>>;
  /** First deliveries by message type where the worker names types: finished, and of these failed. */
  readonly types: Readonly<Record<string, readonly [finished: number, failed: number]>>;
  /** Counters of the team's own. */
  readonly counters: Readonly<Record<string, number>>;
  /** When the log took it in, epoch milliseconds, as the log says; absent where it does not. */
  readonly ingestedAt?: number;
}

/** How often a worker reports: a line for each wall-clock interval of this length. */
export const reportMs = 5_000;

/** A task that is younger reports each second, so that a version that fails everything is found sooner. */
export const reportsEachSecondMs = 120_000;

/** Selects outcome lines among whatever else a container logs; in the syntax of CloudWatch Logs. */
export const outcomeLinePattern = '{ $.QueueCanary = "outcomes" }';

/** Selects those of them that report failures. */
export const failureLinePattern =
  '{ $.QueueCanary = "outcomes" && ($.FirstFailed > 0 || $.RetriedFailed > 0 || $.DeadLettered > 0) }';
