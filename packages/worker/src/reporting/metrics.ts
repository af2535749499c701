import type { Random } from '../backoff.ts';
import { Durations } from './durations.ts';
import type { NamedIdentity } from './identity.ts';
import { NamedCounts } from './named-counts.ts';
import { OwnCounters } from './own-counters.ts';
import { REPORT_MS, reportIntervalMs } from './rhythm.ts';
import { Samples } from './samples.ts';

/**
 * Counters between two lines. A received message ends in exactly one of Succeeded, Failed, TimedOut,
 * Poisoned, Released, Expired and DeleteFailed; messages that are missing when the task has died were abandoned.
 *
 * A delivery *finished* when it ended for or against the version, and failed when it ended against it: Failed,
 * TimedOut, Poisoned, or Expired by the version's own doing.
 */
export const COUNTERS = [
  /** Messages received. */
  'Received',
  /** Of these, delivered for the first time: two tracks are best compared on them. */
  'FirstReceived',
  /** Handled, and the delete confirmed. */
  'Succeeded',
  /** The handler threw, asked for a retry or answered nonsense. */
  'Failed',
  /** The handler ran longer than its timeout. */
  'TimedOut',
  /** Not decodable, or called poison by the handler. */
  'Poisoned',
  /** Given back unharmed: on drain, or behind a failed message of its FIFO group. Neutral. */
  'Released',
  /** The lease was lost before the message was done. */
  'Expired',
  /** Handled, but the delete was never confirmed: the message will come again. */
  'DeleteFailed',
  /** First deliveries that finished, and those that failed. */
  'FirstFinished',
  'FirstFailed',
  /** The same for later deliveries. */
  'RetriedFinished',
  'RetriedFailed',
  /** Deliveries that failed and were a message's last, and messages that were parked. */
  'DeadLettered',
  /** Receives that were answered and brought nothing. */
  'EmptyReceives',
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Durations of which a line has an even sample. */
const VALUES = ['ProcessingTimeMs', 'QueueAgeMs'] as const;

type ValueMetric = (typeof VALUES)[number];

/** Enough for a dashboard's percentiles; all values of a line are an EMF metric's hundred at most. */
const SAMPLES_MAX = 25;
const ERRORS_MAX = 20;
const TYPES_MAX = 30;

const count = (Name: string) => ({ Name, Unit: 'Count', StorageResolution: 1 });
const duration = (Name: string) => ({ Name, Unit: 'Milliseconds', StorageResolution: 1 });

/** The metrics of CloudWatch, which are paid for: those that people set alarms on. The rest is read from the lines. */
const METRICS = [count('Received'), count('FirstFinished'), count('FirstFailed')];

export interface MetricsParts {
  readonly identity: NamedIdentity;
  readonly random: Random;
  /** Memory that the process holds. */
  readonly residentBytes: () => number;
  /** How long the worker has asked for messages since this was last called, milliseconds. */
  readonly pollingMs: () => number;
  readonly emit: (line: string) => void;
}

/**
 * Sums outcomes and writes them as numbered lines, one for each interval. A line is also in CloudWatch's embedded
 * metric format, for the few of its numbers that dashboards show.
 */
export class Metrics {
  readonly #parts: MetricsParts;
  #counts = zeros();
  readonly #values: Readonly<Record<ValueMetric, Samples>>;
  readonly #durations = new Durations();
  readonly #errors = new NamedCounts(ERRORS_MAX, 0);
  readonly #types = new NamedCounts<readonly [finished: number, failed: number]>(TYPES_MAX, [0, 0]);
  readonly #own = new OwnCounters();
  #loopLagMs = 0;
  #memoryMiB = 0;
  #sequence = 0;
  #startedAtMs = 0;
  #lastMs = 0;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#values = {
      ProcessingTimeMs: new Samples(SAMPLES_MAX, parts.random),
      QueueAgeMs: new Samples(SAMPLES_MAX, parts.random),
    };
  }

  /** Where the last line ended, or the first begins; epoch milliseconds. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** The function that handlers count with. */
  get countOwn(): OwnCounters['count'] {
    return this.#own.count;
  }

  /** The worker begins to work. */
  start(nowMs: number): void {
    this.#startedAtMs = Math.floor(nowMs);
    this.#lastMs = this.#startedAtMs;
  }

  count(counter: Counter, by = 1): void {
    this.#counts[counter] += by;
  }

  value(metric: ValueMetric, ms: number): void {
    this.#values[metric].add(ms);
  }

  /** How long a first delivery that finished took. */
  duration(ms: number): void {
    this.#durations.add(ms);
  }

  /** A first delivery failed. */
  error(errorClass: string): void {
    this.#errors.add(errorClass, (times) => times + 1);
  }

  /** A first delivery of a message of some type finished. */
  type(name: string, hasFailed: boolean): void {
    this.#types.add(name, ([finished, failed]) => [finished + 1, failed + (hasFailed ? 1 : 0)]);
  }

  /** Keeps the longest time that the event loop was blocked. */
  loopLag(ms: number): void {
    if (ms > this.#loopLagMs) this.#loopLagMs = ms;
  }

  /**
   * Writes the line of the interval that ends. Counters are written even when they are zero: a worker that is
   * alive and gets nothing must not look like one that is dead.
   */
  flush(endMs: number, inFlight: number, final = false): void {
    const { app, track, revision, version, taskId } = this.#parts.identity;
    const { fromMs, toMs } = this.#interval(Math.round(endMs));
    const values = present({
      ProcessingTimeMs: this.#values.ProcessingTimeMs.take(),
      QueueAgeMs: this.#values.QueueAgeMs.take(),
    });
    const definitions = [...METRICS, ...Object.keys(values).map(duration)];
    const counts = this.#counts;
    this.#counts = zeros();
    const loopLagMs = this.#loopLagMs;
    this.#loopLagMs = 0;
    this.#lastMs = toMs;
    this.#parts.emit(
      JSON.stringify({
        _aws: {
          // Within the interval, so that one period of CloudWatch holds what both tracks did at the same time.
          Timestamp: toMs - 1,
          CloudWatchMetrics: [
            { Namespace: 'QueueCanary', Dimensions: [['App', 'Track']], Metrics: definitions },
          ],
        },
        QueueCanary: 'outcomes',
        App: app,
        Track: track,
        Revision: revision,
        ...(version === undefined ? {} : { Version: version }),
        TaskId: taskId,
        Sequence: this.#sequence++,
        Final: final,
        StartedAt: this.#startedAtMs,
        From: fromMs,
        To: toMs,
        ...counts,
        InFlight: inFlight,
        PollingMs: this.#parts.pollingMs(),
        LoopLagMs: Math.round(loopLagMs * 100) / 100,
        MemoryMiB: this.#readMemory(),
        ...values,
        ...present({
          Durations: this.#durations.take(),
          Errors: this.#errors.take(),
          Types: this.#types.take(),
          Counters: this.#own.take(),
        }),
      }),
    );
  }

  /**
   * The interval of a line: from where the last one ended, but within one of the wall-clock intervals in which
   * workers are compared. It is never empty, whenever a worker stops and whatever becomes of its clock.
   */
  #interval(endMs: number): { readonly fromMs: number; readonly toMs: number } {
    const last = this.#lastMs;
    const toMs = endMs <= last && last - endMs < REPORT_MS ? last + 1 : endMs;
    const earliestMs = reportIntervalMs(toMs);
    return { fromMs: last >= earliestMs && last < toMs ? last : earliestMs, toMs };
  }

  #readMemory(): number {
    try {
      this.#memoryMiB = Math.round((this.#parts.residentBytes() / 2 ** 20) * 10) / 10;
    } catch {
      // The system may refuse, for want of file descriptors. The outcomes must be written all the same.
    }
    return this.#memoryMiB;
  }
}

/** Only what is not empty: most lines have little to say. */
function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0),
  ) as Partial<T>;
}

function zeros(): Record<Counter, number> {
  return Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Record<Counter, number>;
}
