import type { Random } from './backoff.ts';
import type { Identity } from './identity.ts';
import { Samples } from './samples.ts';

/**
 * Counters between two flushes. A received message ends in exactly one of Succeeded, Failed, TimedOut,
 * Poisoned, Released, Expired and DeleteFailed; what is missing when the task has died was abandoned.
 */
export const COUNTERS = [
  /** Messages received. */
  'Received',
  /** Of these, delivered for the first time: the only ones on which two tracks may be compared. */
  'FirstReceived',
  /** Handled, and the delete confirmed. */
  'Succeeded',
  'FirstSucceeded',
  /** The handler threw, asked for a retry or answered nonsense. */
  'Failed',
  /** First deliveries that speak against the version: Failed, TimedOut, Poisoned, Expired by its own doing. */
  'FirstFailed',
  /** The handler ran longer than its timeout. */
  'TimedOut',
  /** Not decodable, or called poison by the handler. */
  'Poisoned',
  /** Given back unharmed: on drain, or behind a failed message of its FIFO group. Neutral. */
  'Released',
  /** The lease was lost before the message was done. */
  'Expired',
  /** Receives that brought messages. */
  'BatchesReceived',
  /** Receives of which every first delivery has ended, at least one for or against the version. */
  'FirstBatches',
  /** Of these, with a first delivery that speaks against the version. */
  'FirstBatchesFailed',
  /** The same for later deliveries. */
  'RetriedBatches',
  'RetriedBatchesFailed',
  /** Handled, but the delete was never confirmed: the message will come again. */
  'DeleteFailed',
  /** Calls to SQS that failed. */
  'SqsError',
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Metrics of which every value counts, or an even sample of them. */
const VALUES = ['ProcessingTimeMs', 'QueueAgeMs', 'AckDelayMs'] as const;

export type ValueMetric = (typeof VALUES)[number];

/** An EMF metric takes at most this many values a line. */
const VALUES_PER_LINE = 100;

interface Definition {
  readonly Name: string;
  readonly Unit: 'Count' | 'Milliseconds';
  readonly StorageResolution: 1;
}

const count = (Name: string): Definition => ({ Name, Unit: 'Count', StorageResolution: 1 });
const duration = (Name: string): Definition => ({ Name, Unit: 'Milliseconds', StorageResolution: 1 });

const GAUGES = [count('InFlight'), duration('LoopLagMs')];

/** Sums outcomes and writes them as lines in CloudWatch's embedded metric format. */
export class Metrics {
  readonly #identity: Identity;
  readonly #emit: (line: string) => void;
  #counts = zeros();
  readonly #values: Readonly<Record<ValueMetric, Samples>>;
  #loopLagMs = 0;

  constructor(identity: Identity, samplesMax: number, random: Random, emit: (line: string) => void) {
    this.#identity = identity;
    this.#emit = emit;
    this.#values = {
      ProcessingTimeMs: new Samples(samplesMax, random),
      QueueAgeMs: new Samples(samplesMax, random),
      AckDelayMs: new Samples(samplesMax, random),
    };
  }

  count(counter: Counter, by = 1): void {
    this.#counts[counter] += by;
  }

  value(metric: ValueMetric, ms: number): void {
    this.#values[metric].add(ms);
  }

  /** Keeps the longest time that the event loop was blocked. */
  loopLag(ms: number): void {
    if (ms > this.#loopLagMs) this.#loopLagMs = ms;
  }

  /**
   * Writes everything since the last flush. Counters are written even when they are zero: a worker that is
   * alive and gets nothing must not look like one that is dead.
   */
  flush(nowMs: number, inFlight: number): void {
    const values = new Map(VALUES.map((metric) => [metric, this.#values[metric].take()]));
    const counts = this.#counts;
    this.#counts = zeros();
    const gauges = { InFlight: inFlight, LoopLagMs: Math.round(this.#loopLagMs * 100) / 100 };
    this.#loopLagMs = 0;
    for (let page = 0, more = true; more; page++) {
      const arrays: Record<string, number[]> = {};
      more = false;
      for (const [metric, all] of values) {
        const slice = all.slice(page * VALUES_PER_LINE, (page + 1) * VALUES_PER_LINE);
        if (slice.length > 0) arrays[metric] = slice;
        more ||= all.length > (page + 1) * VALUES_PER_LINE;
      }
      const first = page === 0;
      const definitions = [
        ...(first ? [...COUNTERS.map(count), ...GAUGES] : []),
        ...Object.keys(arrays).map(duration),
      ];
      this.#line(nowMs, definitions, { ...(first ? { ...counts, ...gauges } : {}), ...arrays });
    }
  }

  #line(nowMs: number, Metrics: readonly Definition[], fields: object): void {
    const { app, track, revision, version, taskId } = this.#identity;
    this.#emit(
      JSON.stringify({
        _aws: {
          Timestamp: Math.round(nowMs),
          CloudWatchMetrics: [{ Namespace: 'QueueCanary', Dimensions: [['App', 'Track']], Metrics }],
        },
        App: app,
        Track: track,
        Revision: revision,
        ...(version === undefined ? {} : { Version: version }),
        ...(taskId === undefined ? {} : { TaskId: taskId }),
        ...fields,
      }),
    );
  }
}

function zeros(): Record<Counter, number> {
  return {
    Received: 0,
    FirstReceived: 0,
    Succeeded: 0,
    FirstSucceeded: 0,
    Failed: 0,
    FirstFailed: 0,
    TimedOut: 0,
    Poisoned: 0,
    Released: 0,
    Expired: 0,
    BatchesReceived: 0,
    FirstBatches: 0,
    FirstBatchesFailed: 0,
    RetriedBatches: 0,
    RetriedBatchesFailed: 0,
    DeleteFailed: 0,
    SqsError: 0,
  };
}
