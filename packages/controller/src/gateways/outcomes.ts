import {
  type CloudWatchClient,
  GetMetricDataCommand,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';
import {
  type Bucket,
  fineMetricsMs,
  type PastQuantiles,
  reportMs,
  type Thresholds,
  type Track,
  thresholdsFrom,
  tracks,
} from '@queue-canary/core';
import type { OutcomeGateway, Outcomes } from '../gateways.ts';
import { UserError } from '../user-error.ts';

const namespace = 'QueueCanary';

/** How far back the baseline's past durations are looked at. */
const pastMs = 10 * 60_000;

/** The period of past quantiles: long enough for a p99, short enough for a stable that has just begun. */
const pastPeriodMs = 30_000;

const minuteMs = 60_000;

/** Counters whose sums make up a bucket. */
const counters = [
  'BatchesReceived',
  'FirstBatches',
  'FirstBatchesFailed',
  'RetriedBatches',
  'RetriedBatchesFailed',
  'Received',
  'Succeeded',
  'Failed',
  'TimedOut',
  'Poisoned',
  'Released',
  'Expired',
  'DeleteFailed',
] as const;

const durations = 'ProcessingTimeMs';
const quantiles: readonly (keyof Thresholds)[] = ['p50', 'p90', 'p99'];

/** What the workers reported, through CloudWatch's API. */
export class AwsOutcomeGateway implements OutcomeGateway {
  readonly #client: CloudWatchClient;
  readonly #app: string;

  constructor(client: CloudWatchClient, app: string) {
    this.#client = client;
    this.#app = app;
  }

  /**
   * Buckets of five seconds, which CloudWatch keeps for three hours; of a minute for a release that is judged
   * for longer.
   */
  async read(span: {
    readonly fromMs: number;
    readonly fixedAtMs: number;
    readonly nowMs: number;
  }): Promise<Outcomes> {
    const { fixedAtMs, nowMs } = span;
    const fine = nowMs - span.fromMs < fineMetricsMs;
    const bucketMs = fine ? reportMs : minuteMs;
    const fromMs = Math.ceil(span.fromMs / bucketMs) * bucketMs;
    const thresholds = await this.#thresholds(Math.min(fixedAtMs, nowMs), fine ? pastPeriodMs : minuteMs);
    const series = await this.#series(
      tracks.flatMap((track) => this.#queries(track, bucketMs, thresholds)),
      fromMs,
      nowMs,
    );
    return {
      bucketMs,
      fromMs,
      toMs: Math.floor(nowMs / bucketMs) * bucketMs,
      canary: bucketsOf('canary', series),
      stable: bucketsOf('stable', series),
      ...(thresholds && { thresholds }),
    };
  }

  /** Fixed before the first duration is judged, by what stable took until then. */
  async #thresholds(untilMs: number, periodMs: number): Promise<Thresholds | undefined> {
    const until = Math.floor(untilMs / periodMs) * periodMs;
    const series = await this.#series(
      ['SampleCount', ...quantiles].map((stat) =>
        this.#query(stat.toLowerCase(), 'stable', durations, stat, periodMs),
      ),
      until - pastMs,
      until,
    );
    const counts = series.get('samplecount') ?? new Map<number, number>();
    const past: PastQuantiles[] = [...counts].map(([at, count]) => ({
      count,
      p50: series.get('p50')?.get(at) ?? 0,
      p90: series.get('p90')?.get(at) ?? 0,
      p99: series.get('p99')?.get(at) ?? 0,
    }));
    return thresholdsFrom(past);
  }

  #queries(track: Track, bucketMs: number, thresholds: Thresholds | undefined): MetricDataQuery[] {
    const query = (name: string, metric: string, stat: string) =>
      this.#query(idOf(track, name), track, metric, stat, bucketMs);
    return [
      ...counters.map((counter) => query(counter, counter, 'Sum')),
      query('InFlight', 'InFlight', 'Sum'),
      query('Reports', 'InFlight', 'SampleCount'),
      ...(thresholds === undefined
        ? []
        : [
            query('Durations', durations, 'SampleCount'),
            ...quantiles.map((quantile) => query(quantile, durations, `TC(${thresholds[quantile]}:)`)),
          ]),
    ];
  }

  #query(id: string, track: Track, metric: string, stat: string, periodMs: number): MetricDataQuery {
    return {
      Id: id,
      MetricStat: {
        Metric: {
          Namespace: namespace,
          MetricName: metric,
          Dimensions: [
            { Name: 'App', Value: this.#app },
            { Name: 'Track', Value: track },
          ],
        },
        Period: periodMs / 1000,
        Stat: stat,
      },
    };
  }

  /** Values by query and by the beginning of their period. */
  async #series(
    queries: MetricDataQuery[],
    fromMs: number,
    toMs: number,
  ): Promise<ReadonlyMap<string, ReadonlyMap<number, number>>> {
    const series = new Map<string, Map<number, number>>();
    if (fromMs >= toMs) return series;
    const incomplete = new Map<string, string>();
    let nextToken: string | undefined;
    do {
      const output = await this.#client.send(
        new GetMetricDataCommand({
          StartTime: new Date(fromMs),
          EndTime: new Date(toMs),
          ScanBy: 'TimestampAscending',
          MetricDataQueries: queries,
          ...(nextToken !== undefined && { NextToken: nextToken }),
        }),
      );
      for (const {
        Id: id = '',
        StatusCode: status = 'Complete',
        Timestamps: timestamps = [],
        Values: values = [],
      } of output.MetricDataResults ?? []) {
        const known = series.get(id) ?? new Map<number, number>();
        series.set(id, known);
        if (status === 'Complete') incomplete.delete(id);
        else incomplete.set(id, status);
        for (const [index, timestamp] of timestamps.entries()) {
          known.set(timestamp.getTime(), values[index] ?? 0);
        }
      }
      nextToken = output.NextToken;
    } while (nextToken !== undefined);
    // What CloudWatch could not read must not be taken for zeros.
    const [first] = incomplete;
    if (first !== undefined) {
      const [id, status] = first;
      throw new UserError(
        'MetricsIncomplete',
        `CloudWatch answered ${status} for ${incomplete.size} of ${queries.length} metrics of ${this.#app} (${id} first); the next look asks again`,
      );
    }
    return series;
  }
}

/**
 * A bucket for each period in which lines arrived with every counter. Workers write all of them on each line, zeros
 * included, so one that is missing is still on its way or is not written at all; it is not zero.
 */
function bucketsOf(
  track: Track,
  series: ReadonlyMap<string, ReadonlyMap<number, number>>,
): ReadonlyMap<number, Bucket> {
  const valuesOf = (name: string) => series.get(idOf(track, name));
  const buckets = new Map<number, Bucket>();
  for (const [at, reports] of valuesOf('Reports') ?? []) {
    if (!counters.every((counter) => valuesOf(counter)?.has(at))) continue;
    const sum = (...names: readonly ((typeof counters)[number] | 'InFlight')[]) =>
      names.reduce((total, name) => total + (valuesOf(name)?.get(at) ?? 0), 0);
    const count = valuesOf('Durations')?.get(at);
    const beyond = (quantile: keyof Thresholds) => Math.round(valuesOf(quantile)?.get(at) ?? 0);
    buckets.set(at, {
      reports,
      receives: sum('BatchesReceived'),
      firstUnits: sum('FirstBatches'),
      firstUnitsFailed: sum('FirstBatchesFailed'),
      retriedUnits: sum('RetriedBatches'),
      retriedUnitsFailed: sum('RetriedBatchesFailed'),
      received: sum('Received'),
      ended: sum('Succeeded', 'Failed', 'TimedOut', 'Poisoned', 'Released', 'Expired', 'DeleteFailed'),
      failed: sum('Failed', 'TimedOut', 'Poisoned'),
      inFlight: sum('InFlight'),
      ...(count !== undefined && {
        durations: { count, beyond: { p50: beyond('p50'), p90: beyond('p90'), p99: beyond('p99') } },
      }),
    });
  }
  return buckets;
}

/** Ids of queries begin with a small letter. */
function idOf(track: Track, name: string): string {
  return `${track}_${name}`;
}
