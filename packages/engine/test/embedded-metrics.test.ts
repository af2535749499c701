import { CloudWatch, type MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { type TestEngine, testEngine } from './harness.ts';

const NOON_MS = Date.UTC(2026, 0, 20, 12);
const HOUR_MS = 3_600_000;
/** At the tests' pace the metrics in a line have been recorded by then. */
const RECORDED_MS = 180_000 / 60;

type Fields = Readonly<Record<string, number | readonly number[]>>;

/** One flush of a worker: its instant in milliseconds after noon, and its metrics. */
type Flush = readonly [afterMs: number, fields: Fields];

/** A line of the worker's embedded metric format. */
function emfLine(track: string, [afterMs, fields]: Flush): string {
  return JSON.stringify({
    _aws: {
      Timestamp: NOON_MS + afterMs,
      CloudWatchMetrics: [
        {
          Namespace: 'QueueCanary',
          Dimensions: [['App', 'Track']],
          Metrics: Object.keys(fields).map((Name) => ({
            Name,
            Unit: Name.endsWith('Ms') ? 'Milliseconds' : 'Count',
            StorageResolution: 1,
          })),
        },
      ],
    },
    App: 'shop',
    Track: track,
    Revision: 'abc',
    ...fields,
  });
}

/** An engine one minute after noon, and a way to log there what the workers of a track flush. */
async function world() {
  const clock = new VirtualClock(NOON_MS + 60_000);
  const engine = await testEngine({ clock });
  const logs = new CloudWatchLogs(engine.client);
  const flush = async (track: string, flushes: readonly Flush[]) => {
    const where = { logGroupName: `/shop/${track}`, logStreamName: 'task' };
    await logs.createLogGroup(where).catch(already);
    await logs.createLogStream(where).catch(already);
    await logs.putLogEvents({
      ...where,
      logEvents: flushes.map((one) => ({ timestamp: NOON_MS + one[0], message: emfLine(track, one) })),
    });
    await clock.advanceBy(RECORDED_MS);
  };
  return { clock, engine, flush, cloudWatch: new CloudWatch(engine.client), read: reader(engine) };
}

function already(error: Error): void {
  if (error.name !== 'ResourceAlreadyExistsException') throw error;
}

function metric(
  Id: string,
  MetricName: string,
  { track = 'canary', Stat = 'Sum', Period = 5, ReturnData = true } = {},
): MetricDataQuery {
  return {
    Id,
    ReturnData,
    MetricStat: {
      Metric: {
        Namespace: 'QueueCanary',
        MetricName,
        Dimensions: [
          { Name: 'Track', Value: track },
          { Name: 'App', Value: 'shop' },
        ],
      },
      Period,
      Stat,
    },
  };
}

/** Points of each query as [seconds after noon, value], oldest first. */
function reader(engine: TestEngine) {
  const cloudWatch = new CloudWatch(engine.client);
  return async (queries: MetricDataQuery[], { fromMs = 0, toMs = 60_000 } = {}) => {
    const { MetricDataResults, NextToken } = await cloudWatch.getMetricData({
      MetricDataQueries: queries,
      StartTime: new Date(NOON_MS + fromMs),
      EndTime: new Date(NOON_MS + toMs),
      ScanBy: 'TimestampAscending',
    });
    expect(NextToken).toBeUndefined();
    return Object.fromEntries(
      MetricDataResults!.map(({ Id, Timestamps, Values, StatusCode }) => {
        expect(StatusCode).toBe('Complete');
        return [Id, Timestamps!.map((at, index) => [(at.getTime() - NOON_MS) / 1000, Values![index]])];
      }),
    );
  };
}

/** What each statistic is by its definition, of values in ascending order. */
const STATISTICS: Readonly<Record<string, (sorted: readonly number[]) => number>> = {
  SampleCount: (sorted) => sorted.length,
  Sum: (sorted) => sorted.reduce((sum, value) => sum + value, 0),
  Maximum: (sorted) => sorted.at(-1)!,
  p50: (sorted) => sorted[Math.ceil(sorted.length * 0.5) - 1]!,
  p90: (sorted) => sorted[Math.ceil(sorted.length * 0.9) - 1]!,
  p99: (sorted) => sorted[Math.ceil(sorted.length * 0.99) - 1]!,
  'TC(:40)': (sorted) => sorted.filter((value) => value <= 40).length,
  'TC(40:)': (sorted) => sorted.filter((value) => value > 40).length,
  'TC(40:400.5)': (sorted) => sorted.filter((value) => value > 40 && value <= 400.5).length,
  'PR(40:)': (sorted) => (100 * sorted.filter((value) => value > 40).length) / sorted.length,
};

describe('metrics that a worker logs', () => {
  test('have every statistic in every period', async () => {
    const { flush, read } = await world();
    // 40 flushes, one each second, whose sizes and values differ.
    const flushes = Array.from({ length: 40 }, (_, second): Flush => {
      const values = Array.from({ length: 1 + (second % 7) }, (_, index) => second * 13 + index * 40);
      return [second * 1000 + 137, { ProcessingTimeMs: values }];
    });
    await flush('canary', flushes);
    const cases = [1, 5, 10, 30, 60].flatMap((Period) =>
      Object.keys(STATISTICS).map((Stat, index) => ({ Id: `s${index}_${Period}`, Period, Stat })),
    );
    const found = await read(
      cases.map(({ Id, Period, Stat }) => metric(Id, 'ProcessingTimeMs', { Stat, Period })),
    );
    for (const { Id, Period, Stat } of cases) {
      const byStart = Map.groupBy(flushes, ([afterMs]) => Math.floor(afterMs / 1000 / Period) * Period);
      const expected = [...byStart].map(([start, within]) => {
        const values = within.flatMap(([, { ProcessingTimeMs }]) => ProcessingTimeMs as number[]);
        return [start, STATISTICS[Stat]!(values.sort((a, b) => a - b))];
      });
      expect(found[Id], `${Stat} by ${Period} s`).toEqual(expected);
    }
  });

  test('tell zero from nothing', async () => {
    const { flush, read } = await world();
    await flush('canary', [
      [0, { FirstFailed: 0, ProcessingTimeMs: [5, 7] }],
      [20_000, { FirstFailed: 3 }],
    ]);
    expect(
      await read([
        metric('failed', 'FirstFailed'),
        metric('flushes', 'FirstFailed', { Stat: 'SampleCount' }),
        metric('slow', 'ProcessingTimeMs', { Stat: 'TC(100:)' }),
        metric('unheard', 'FirstReceived'),
      ]),
    ).toEqual({
      failed: [
        [0, 0],
        [20, 3],
      ],
      flushes: [
        [0, 1],
        [20, 1],
      ],
      slow: [[0, 0]],
      unheard: [],
    });
  });

  test('are kept apart by track, and computed with across tracks', async () => {
    const { flush, read } = await world();
    await flush('canary', [
      [1000, { FirstReceived: 4 }],
      [6000, { FirstReceived: 5 }],
    ]);
    await flush('stable', [
      [2000, { FirstReceived: 30 }],
      [11_000, { FirstReceived: 60 }],
    ]);
    const both = [metric('m1', 'FirstReceived'), metric('m2', 'FirstReceived', { track: 'stable' })];
    expect(
      await read(
        [
          ...both,
          { Id: 'common', Expression: 'm1 + m2' },
          { Id: 'all', Expression: 'FILL(m1, 0) + FILL(m2, 0)' },
          { Id: 'share', Expression: 'FILL(m1, 0) / (FILL(m1, 0) + FILL(m2, 0))' },
          { Id: 'total', Expression: 'SUM([m1, m2])' },
        ],
        { toMs: 20_000 },
      ),
    ).toEqual({
      m1: [
        [0, 4],
        [5, 5],
      ],
      m2: [
        [0, 30],
        [10, 60],
      ],
      common: [[0, 34]],
      all: [
        [0, 34],
        [5, 5],
        [10, 60],
        [15, 0],
      ],
      share: [
        [0, 4 / 34],
        [5, 1],
        [10, 0],
      ],
      total: [
        [0, 34],
        [5, 5],
        [10, 60],
      ],
    });
  });

  test('count twice when their line comes twice', async () => {
    const { flush, read } = await world();
    const line: Flush = [1000, { FirstReceived: 4, ProcessingTimeMs: [10, 10, 90] }];
    await flush('canary', [line, line]);
    await flush('canary', [line]);
    const queries = [
      metric('received', 'FirstReceived'),
      metric('lines', 'FirstReceived', { Stat: 'SampleCount' }),
      metric('handled', 'ProcessingTimeMs', { Stat: 'SampleCount' }),
      metric('slow', 'ProcessingTimeMs', { Stat: 'TC(50:)' }),
    ];
    expect(await read(queries)).toEqual({
      received: [[0, 12]],
      lines: [[0, 3]],
      handled: [[0, 9]],
      slow: [[0, 3]],
    });
  });

  test('are read by the second for three hours, and by the minute afterwards', async () => {
    const { clock, flush, read } = await world();
    await flush('canary', [
      [1000, { FirstReceived: 4, ProcessingTimeMs: [10, 20] }],
      [40_000, { FirstReceived: 5, ProcessingTimeMs: [30] }],
    ]);
    const by = (Period: number) => [
      metric('received', 'FirstReceived', { Period }),
      metric('median', 'ProcessingTimeMs', { Period, Stat: 'p50' }),
    ];
    const bySecond = {
      received: [
        [1, 4],
        [40, 5],
      ],
      median: [
        [1, 10],
        [40, 30],
      ],
    };
    await clock.advanceBy(3 * HOUR_MS - 60_000 - RECORDED_MS);
    expect(await read(by(1))).toEqual(bySecond);
    await clock.advanceBy(120_000);
    expect(await read(by(1))).toEqual({ received: [], median: [] });
    expect((await read(by(60))).received).toEqual([[0, 9]]);
  });

  test('come in pages that lose and repeat nothing, also while more arrives', async () => {
    const { flush, cloudWatch } = await world();
    const received: Flush[] = Array.from({ length: 7 }, (_, index) => [
      index * 5000 + 5000,
      { FirstReceived: index },
    ]);
    await flush('canary', received);
    await flush('stable', received.slice(0, 3));
    const query = {
      MetricDataQueries: [
        metric('canary', 'FirstReceived'),
        metric('silent', 'FirstFailed'),
        metric('stable', 'FirstReceived', { track: 'stable' }),
      ],
      StartTime: new Date(NOON_MS),
      EndTime: new Date(NOON_MS + 60_000),
      ScanBy: 'TimestampAscending' as const,
      MaxDatapoints: 4,
    };
    const found: Record<string, number[]> = { canary: [], silent: [], stable: [] };
    const complete: string[] = [];
    const sizes: number[] = [];
    let token: string | undefined;
    do {
      const page = await cloudWatch.getMetricData({
        ...query,
        ...(token === undefined ? {} : { NextToken: token }),
      });
      for (const { Id, Values, StatusCode } of page.MetricDataResults!) {
        found[Id!]!.push(...Values!);
        if (StatusCode === 'Complete') complete.push(Id!);
        else expect(StatusCode).toBe('PartialData');
      }
      sizes.push(page.MetricDataResults!.reduce((sum, { Values }) => sum + Values!.length, 0));
      // Late lines of the metric that is being read: one before the reader's place, one after it.
      if (token === undefined) {
        await flush('canary', [
          [0, { FirstReceived: 100 }],
          [40_000, { FirstReceived: 7 }],
        ]);
      }
      token = page.NextToken;
    } while (token !== undefined);
    expect(found).toEqual({ canary: [0, 1, 2, 3, 4, 5, 6, 7], silent: [], stable: [0, 1, 2] });
    expect(complete).toEqual(['canary', 'silent', 'stable']);
    expect(sizes).toEqual([4, 4, 3]);
  });
});
