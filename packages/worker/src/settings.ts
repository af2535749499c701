import type { Random } from './backoff.ts';
import type { Clock } from './clock.ts';
import { UserError } from './errors.ts';
import type { BatchHandler, Decode, Handler, MessageType } from './message/handler.ts';
import type { Identity } from './reporting/identity.ts';
import { PROTECTED_MINUTES, PROTECTED_MINUTES_MAX, type TaskProtectionOptions } from './task-protection.ts';
import type { Transport } from './transport/transport.ts';

/** How a worker works. Times are in the unit of their name. */
export interface WorkerTuning {
  /**
   * Messages in work at once; on a FIFO queue, groups in work at once.
   * @default 10
   */
  readonly concurrency?: number | undefined;
  /**
   * Receives that may be open at once.
   * @default - one for every ten of the concurrency
   */
  readonly pollers?: number | undefined;
  /** Messages asked for in one receive, 1 to 10. @default 10 */
  readonly receiveMax?: number | undefined;
  /**
   * Wait of a long poll, 0 to 20. A stopping worker waits for its open poll, so more than 5 costs draining time.
   * @default 5
   */
  readonly waitSeconds?: number | undefined;
  /** How long a message stays hidden from others unless renewed, 2 to 43,200. @default 30 */
  readonly visibilitySeconds?: number | undefined;
  /** When leases are renewed. @default - half of the visibility */
  readonly renewEverySeconds?: number | undefined;
  /** How long a message is held at most; SQS's own limit is the default. @default 43200 */
  readonly leaseMaximumSeconds?: number | undefined;
  /** Time after which a handler's signal aborts and its messages count as timed out. @default 60000 */
  readonly handlerTimeoutMs?: number | undefined;
  /**
   * Time that a handler has to settle after its signal aborted. Then its lease is no longer renewed and its
   * permit goes to another message.
   * @default 5000
   */
  readonly abortGraceMs?: number | undefined;
  /** How long a delete, or a message to be given back, waits for others to share its call. @default 100 */
  readonly lingerMs?: number | undefined;
  /** How long a receive waits for a full ten free permits. @default 2 */
  readonly refillLingerMs?: number | undefined;
  /** Delay of the second delivery; doubles with each one, jittered. @default 1 */
  readonly retryFirstSeconds?: number | undefined;
  /** Longest delay between deliveries. @default 300 */
  readonly retryLongestSeconds?: number | undefined;
  /**
   * Time from SIGTERM to SIGKILL, the container's `stopTimeout`. Handlers may run until five seconds before.
   * @default 30000
   */
  readonly stopTimeoutMs?: number | undefined;
}

/** Parking of poison messages: they are copied to a dead-letter queue and deleted at once. */
export interface Parking {
  /** Receives the copies, with attributes that name the version that called the message poison. */
  readonly deadLetterQueueUrl: string;
}

interface Work<T> {
  /** Processes one message. Exactly one of `handler` and `batchHandler` is needed. */
  readonly handler?: Handler<T> | undefined;
  /** Processes the messages of one receive. */
  readonly batchHandler?: BatchHandler<T> | undefined;
  /** @default - all messages are of one kind */
  readonly messageType?: MessageType<T> | undefined;
}

/** A body that stays a string needs no decoding. */
type Decoding<T> = string extends T
  ? { readonly decode?: Decode<T> | undefined }
  : { readonly decode: Decode<T> };

/** The part of {@link WorkerOptions} that the user of a worker writes; the rest is its surroundings. */
export type WorkerDefinition<T> = Work<T> &
  Decoding<T> &
  WorkerTuning & {
    /** Opt-in. @default - poison is delivered again until the redrive policy moves it */
    readonly parking?: Parking | undefined;
  };

export type WorkerOptions<T = string> = WorkerDefinition<T> & {
  readonly queueUrl: string;
  readonly identity: Identity;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Takes each line of the log. */
  readonly log: (line: string) => void;
  /** Memory that the process holds. */
  readonly residentBytes: () => number;
  /**
   * Deliveries after which the queue moves a message to its dead-letter queue, 1 to 1,000.
   * @default - not known, and deliveries that were a message's last are not counted as such
   */
  readonly maxReceiveCount?: number | undefined;
  /** Takes each outcome line. @default - the log */
  readonly metricSink?: ((line: string) => void) | undefined;
  /** @default - the task may be stopped at any time, and drains */
  readonly taskProtection?: TaskProtectionOptions | undefined;
};

/** All settings, checked, with defaults filled in. */
export interface Settings {
  readonly fifo: boolean;
  readonly concurrency: number;
  readonly pollers: number;
  readonly receiveMax: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
  readonly renewEverySeconds: number;
  readonly leaseMaximumSeconds: number;
  readonly handlerTimeoutMs: number;
  readonly abortGraceMs: number;
  readonly lingerMs: number;
  readonly refillLingerMs: number;
  readonly retryFirstSeconds: number;
  readonly retryLongestSeconds: number;
  readonly stopTimeoutMs: number;
  readonly maxReceiveCount: number | undefined;
}

export const VISIBILITY_SECONDS_MAX = 43_200;

type Options = WorkerTuning &
  Pick<WorkerOptions<never>, 'queueUrl' | 'identity' | 'maxReceiveCount' | 'parking' | 'taskProtection'> & {
    readonly handler?: unknown;
    readonly batchHandler?: unknown;
  };

/**
 * The settings of a worker, with defaults filled in. Throws one {@link UserError} that lists every problem, so that one
 * start shows all of them.
 */
export function readSettings(options: Options): Settings {
  const problems: string[] = [];
  checkWork(options, problems);
  const settings = readTuning(options, problems);
  checkTimes(settings, options.taskProtection, problems);
  if (problems.length > 0) {
    throw new UserError('InvalidWorkerOptions', `The worker cannot start: ${problems.join('; ')}.`);
  }
  return settings;
}

/** Checks the queues, the identity and the handler. */
function checkWork(
  { queueUrl, parking, identity, handler, batchHandler }: Options,
  problems: string[],
): void {
  const url = (name: string, value: string): void => {
    if (!URL.canParse(value)) problems.push(`${name} must be a queue URL, not "${value}"`);
  };
  url('queueUrl', queueUrl);
  if (parking !== undefined) {
    url('parking.deadLetterQueueUrl', parking.deadLetterQueueUrl);
    if (parking.deadLetterQueueUrl.endsWith('.fifo') !== queueUrl.endsWith('.fifo')) {
      problems.push(
        'parking.deadLetterQueueUrl must be of the same type as the queue: both FIFO, or neither',
      );
    }
  }
  for (const name of ['app', 'track', 'revision'] as const) {
    if (identity[name] === '') problems.push(`identity.${name} must not be empty`);
  }
  if ((handler === undefined) === (batchHandler === undefined)) {
    problems.push('exactly one of handler and batchHandler is needed');
  }
}

/** Reads the numbers, each by its own range. */
function readTuning(options: Options, problems: string[]): Settings {
  const number = (
    name: keyof WorkerTuning | 'maxReceiveCount',
    fallback: number,
    min: number,
    max: number,
    whole = true,
  ): number => {
    const value = options[name] ?? fallback;
    if (typeof value !== 'number' || !(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      problems.push(`${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not ${value}`);
    }
    return value;
  };
  const concurrency = number('concurrency', 10, 1, 10_000);
  const visibilitySeconds = number('visibilitySeconds', 30, 2, VISIBILITY_SECONDS_MAX);
  return {
    fifo: options.queueUrl.endsWith('.fifo'),
    concurrency,
    pollers: number('pollers', Math.ceil(concurrency / 10), 1, 1_000),
    receiveMax: number('receiveMax', 10, 1, 10),
    waitSeconds: number('waitSeconds', 5, 0, 20),
    visibilitySeconds,
    renewEverySeconds: number('renewEverySeconds', visibilitySeconds / 2, 0.5, visibilitySeconds, false),
    leaseMaximumSeconds: number('leaseMaximumSeconds', VISIBILITY_SECONDS_MAX, 1, VISIBILITY_SECONDS_MAX),
    handlerTimeoutMs: number('handlerTimeoutMs', 60_000, 1, VISIBILITY_SECONDS_MAX * 1000, false),
    abortGraceMs: number('abortGraceMs', 5_000, 0, 3_600_000, false),
    lingerMs: number('lingerMs', 100, 0, 10_000, false),
    refillLingerMs: number('refillLingerMs', 2, 0, 10_000, false),
    retryFirstSeconds: number('retryFirstSeconds', 1, 0, VISIBILITY_SECONDS_MAX),
    retryLongestSeconds: number('retryLongestSeconds', 300, 0, VISIBILITY_SECONDS_MAX),
    stopTimeoutMs: number('stopTimeoutMs', 30_000, 1_000, 3_600_000, false),
    maxReceiveCount:
      options.maxReceiveCount === undefined ? undefined : number('maxReceiveCount', 1, 1, 1_000),
  };
}

/** Checks times that depend on each other. */
function checkTimes(
  { visibilitySeconds, renewEverySeconds, lingerMs, handlerTimeoutMs }: Settings,
  protection: TaskProtectionOptions | undefined,
  problems: string[],
): void {
  if (renewEverySeconds >= visibilitySeconds) {
    problems.push(
      'renewEverySeconds must be less than visibilitySeconds, or each lease is lost before it is renewed',
    );
  }
  if (lingerMs >= visibilitySeconds * 500) {
    problems.push(
      'lingerMs must be less than half of the visibility, or leases lapse before deletes are sent',
    );
  }
  if (protection === undefined) return;
  const minutes = protection.maximumMinutes ?? PROTECTED_MINUTES;
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > PROTECTED_MINUTES_MAX) {
    problems.push(
      `taskProtection.maximumMinutes must be a whole number from 1 to ${PROTECTED_MINUTES_MAX}, not ${minutes}`,
    );
  } else if (handlerTimeoutMs > minutes * 60_000) {
    problems.push(
      `handlerTimeoutMs must not exceed the ${minutes} minutes for which the task may be protected, or a message would lose its protection while it is in work`,
    );
  }
}
