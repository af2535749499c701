import { describe, expect, test } from 'vitest';
import { State } from '../../state/state.ts';
import type { Grid } from './math-evaluator.ts';
import { type MetricName, MetricStore, SUMMARIES_KEPT_MS, VALUES_KEPT_MS } from './metric-store.ts';
import { parseStatistic } from './statistics.ts';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const metric: MetricName = { namespace: 'Shop', name: 'Latency', dimensions: [['Track', 'canary']] };

function record(store: MetricStore, atMs: number, values: number[], unit = 'None', of = metric): void {
  store.record([
    { metric: of, unit, atMs, data: { kind: 'values', values: values.map((value) => [value, 1] as const) } },
  ]);
}

function read(store: MetricStore, stat: string, over: Partial<Grid> = {}, unit?: string): number[][] {
  const grid = { startMs: START, endMs: START + 5 * MINUTE, periodMs: MINUTE, ...over };
  return [...store.read(metric, parseStatistic(stat), grid, unit)].map(([at, value]) => [
    (at - START) / grid.periodMs,
    value,
  ]);
}

describe('periods', () => {
  test('hold what lies within them, up to their end', () => {
    const store = new MetricStore(new State(':memory:'));
    record(store, START, [1]);
    record(store, START + MINUTE - 1, [2]);
    record(store, START + MINUTE, [4]);
    record(store, START + 3 * MINUTE, [8]);
    expect(read(store, 'Sum')).toEqual([
      [0, 3],
      [1, 4],
      [3, 8],
    ]);
  });

  test('may be of any length, also a fraction of a millisecond off', () => {
    const store = new MetricStore(new State(':memory:'));
    const periodMs = MINUTE / 7;
    for (let index = 0; index < 7; index++) record(store, Math.ceil(START + index * periodMs), [index]);
    const values = read(store, 'Maximum', { periodMs, endMs: START + 7 * periodMs });
    expect(values.map(([, value]) => value)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test('combine single values and summaries', () => {
    const store = new MetricStore(new State(':memory:'));
    record(store, START, [10]);
    const summary = { count: 2, sum: 30, min: 10, max: 20 };
    store.record([{ metric, unit: 'None', atMs: START, data: { kind: 'summary', summary } }]);
    expect(read(store, 'Sum')).toEqual([[0, 40]]);
    expect(read(store, 'SampleCount')).toEqual([[0, 3]]);
    expect(read(store, 'p50')).toEqual([]);
  });
});

test('units are kept apart when one is asked for', () => {
  const store = new MetricStore(new State(':memory:'));
  record(store, START, [1], 'Seconds');
  record(store, START, [1000], 'Milliseconds');
  expect(read(store, 'Sum', {}, 'Seconds')).toEqual([[0, 1]]);
  expect(read(store, 'Sum')).toEqual([[0, 1001]]);
  expect(store.list(0)).toEqual([metric]);
});

test('the same value at the same instant counts as often as it came', () => {
  const store = new MetricStore(new State(':memory:'));
  record(store, START, [5]);
  record(store, START, [5]);
  expect(read(store, 'SampleCount')).toEqual([[0, 2]]);
});

test('another store on the same state knows the metrics and goes on', () => {
  const state = new State(':memory:');
  record(new MetricStore(state), START, [1]);
  const store = new MetricStore(state);
  expect(store.list(START)).toEqual([metric]);
  record(store, START, [2]);
  expect(read(store, 'Sum')).toEqual([[0, 3]]);
});

describe('compaction', () => {
  test('keeps sums, extremes and counts of old minutes, and the percentiles of young ones', () => {
    const store = new MetricStore(new State(':memory:'));
    record(store, START, [1, 2]);
    record(store, START + 30_000, [9]);
    record(store, START + 2 * MINUTE, [3, 4]);
    store.compact(START + VALUES_KEPT_MS + MINUTE);
    expect(read(store, 'Sum')).toEqual([
      [0, 12],
      [2, 7],
    ]);
    expect(read(store, 'Maximum')[0]).toEqual([0, 9]);
    expect(read(store, 'SampleCount')[0]).toEqual([0, 3]);
    expect(read(store, 'p50')).toEqual([[2, 3]]);
  });

  test('keeps the seconds of three hours when there are too many single values', async () => {
    const store = new MetricStore(new State(':memory:'), 5);
    for (let second = 0; second < 4; second++)
      record(store, START + second * 1000 + 7, [second, second + 10]);
    record(store, START + VALUES_KEPT_MS - MINUTE, [1, 2]);
    store.compact(START + VALUES_KEPT_MS - MINUTE);
    expect(read(store, 'Sum', { periodMs: 1000 })).toEqual([
      [0, 10],
      [1, 12],
      [2, 14],
      [3, 16],
    ]);
    expect(read(store, 'Maximum', { periodMs: 2000 })).toEqual([
      [0, 11],
      [1, 13],
    ]);
    expect(read(store, 'p50')).toEqual([]);
    store.compact(START + VALUES_KEPT_MS + MINUTE);
    expect(read(store, 'Sum', { periodMs: 1000 })).toEqual([[0, 52]]);
    expect(read(store, 'SampleCount')).toEqual([[0, 8]]);
  });

  test('done twice changes nothing', () => {
    const store = new MetricStore(new State(':memory:'));
    record(store, START, [1, 2]);
    store.compact(START + VALUES_KEPT_MS + MINUTE);
    const once = read(store, 'Sum');
    store.compact(START + VALUES_KEPT_MS + MINUTE);
    expect(read(store, 'Sum')).toEqual(once);
  });

  test('forgets a metric 15 days after its last value', () => {
    const store = new MetricStore(new State(':memory:'));
    record(store, START, [1]);
    const other = { ...metric, name: 'Younger' };
    record(store, START + MINUTE * 10, [1], 'None', other);
    store.compact(START + VALUES_KEPT_MS + MINUTE);
    store.compact(START + SUMMARIES_KEPT_MS + MINUTE);
    expect(read(store, 'Sum')).toEqual([]);
    expect(store.list(0)).toEqual([other]);
  });
});
