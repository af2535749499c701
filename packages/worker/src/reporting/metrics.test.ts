import { expect, test } from 'vitest';
import { seeded } from '../../test/support/seeded.ts';
import type { LogLine } from '../../test/support/world.ts';
import { COUNTERS, Metrics, type MetricsParts } from './metrics.ts';

interface OutcomeLine extends LogLine {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: ReadonlyArray<{
      readonly Namespace: string;
      readonly Dimensions: readonly string[][];
      readonly Metrics: ReadonlyArray<{ Name: string; Unit: string; StorageResolution: number }>;
    }>;
  };
}

const identity = { app: 'shop', track: 'stable', revision: 'abc', version: '7', taskId: 'task-1' };
const MINUTE = Date.UTC(2026, 0, 1);

function metrics(parts: Partial<MetricsParts> = {}) {
  const written: string[] = [];
  const own = new Metrics({
    identity,
    random: () => 0.5,
    residentBytes: () => 100_000_000,
    pollingMs: () => 640,
    emit: (line) => written.push(line),
    ...parts,
  });
  own.start(MINUTE);
  return { own, written, lines: () => written.map((line) => JSON.parse(line) as OutcomeLine) };
}

test('a line says whose it is, what it is about and what happened', () => {
  const { own, lines } = metrics();
  own.count('Received', 3);
  own.count('FirstFinished', 2);
  own.value('ProcessingTimeMs', 12.3456);
  own.value('QueueAgeMs', 7);
  own.duration(12.3456);
  own.duration(12.4);
  own.duration(900);
  own.error('RangeError');
  own.type('order', true);
  own.type('order', false);
  own.countOwn('orders shipped', 4);
  own.loopLag(7);
  own.flush(MINUTE + 1_000, 2);
  const [line] = lines();
  const { _aws, ...fields } = line!;
  expect(fields).toEqual({
    QueueCanary: 'outcomes',
    App: 'shop',
    Track: 'stable',
    Revision: 'abc',
    Version: '7',
    TaskId: 'task-1',
    Sequence: 0,
    Final: false,
    StartedAt: MINUTE,
    From: MINUTE,
    To: MINUTE + 1_000,
    ...Object.fromEntries(COUNTERS.map((name) => [name, 0])),
    Received: 3,
    FirstFinished: 2,
    InFlight: 2,
    PollingMs: 640,
    LoopLagMs: 7,
    MemoryMiB: 95.4,
    ProcessingTimeMs: [12.35],
    QueueAgeMs: [7],
    Durations: [
      [58, 2],
      [157, 1],
    ],
    Errors: { RangeError: 1 },
    Types: { order: [2, 1] },
    Counters: { 'orders shipped': 4 },
  });
});

test('a line is in the embedded metric format, at high resolution, for the few metrics that are shown', () => {
  const { own, lines } = metrics();
  own.value('ProcessingTimeMs', 1);
  own.flush(MINUTE + 1_000, 2);
  const { _aws, ...fields } = lines()[0]!;
  const [directive] = _aws.CloudWatchMetrics;
  expect(_aws.Timestamp).toBe(MINUTE + 999);
  expect(directive).toMatchObject({ Namespace: 'QueueCanary', Dimensions: [['App', 'Track']] });
  const names = directive!.Metrics.map(({ Name }) => Name);
  expect(names).toEqual(['Received', 'FirstFinished', 'FirstFailed', 'ProcessingTimeMs']);
  expect(directive!.Metrics.every(({ StorageResolution }) => StorageResolution === 1)).toBe(true);
  // Every metric that is announced is there.
  expect(names.filter((name) => fields[name] === undefined)).toEqual([]);
});

test('empty fields are left out, and counters are written even when they are zero', () => {
  const { own, lines } = metrics({ identity: { ...identity, version: undefined } });
  own.flush(MINUTE + 1_000, 0);
  const names = Object.keys(lines()[0]!);
  for (const name of [
    'Version',
    'ProcessingTimeMs',
    'QueueAgeMs',
    'Durations',
    'Errors',
    'Types',
    'Counters',
  ]) {
    expect(names).not.toContain(name);
  }
  expect(names).toEqual(expect.arrayContaining([...COUNTERS, 'InFlight', 'LoopLagMs', 'MemoryMiB']));
});

test('each line counts from the end of the last one, and has a number of its own', () => {
  const { own, lines } = metrics();
  own.count('Failed');
  own.value('ProcessingTimeMs', 5);
  own.duration(5);
  own.error('Error');
  own.type('order', true);
  own.countOwn('orders');
  own.loopLag(9);
  own.flush(MINUTE + 1_000, 0);
  own.flush(MINUTE + 2_000, 0);
  own.flush(MINUTE + 2_500, 0, true);
  expect(lines()).toMatchObject([
    { Sequence: 0, Final: false, Failed: 1, LoopLagMs: 9, ProcessingTimeMs: [5], Durations: [[37, 1]] },
    { Sequence: 1, Final: false, Failed: 0, LoopLagMs: 0 },
    { Sequence: 2, Final: true },
  ]);
  for (const name of ['ProcessingTimeMs', 'Durations', 'Errors', 'Types', 'Counters']) {
    expect(lines()[1]).not.toHaveProperty(name);
  }
});

test('one line of limited length holds any number of messages', () => {
  const { own, written, lines } = metrics({ random: seeded() });
  for (let index = 0; index < 10_000; index++) {
    own.count('Received');
    own.value('ProcessingTimeMs', index / 3);
    own.value('QueueAgeMs', index / 7);
    own.duration(1.1 ** (index % 180));
    own.error(`Error${index}`.padEnd(200, 'x'));
    own.type(`type ${index}`.padEnd(200, 'x'), index % 2 === 0);
  }
  for (let index = 0; index < 20; index++) own.countOwn(`counter ${index}`.padEnd(64, 'x'), 1e9 + index);
  own.flush(MINUTE + 1_000, 10);
  expect(lines()).toMatchObject([{ Received: 10_000 }]);
  expect(lines().flatMap(({ ProcessingTimeMs }) => ProcessingTimeMs)).toHaveLength(25);
  expect(written[0]!.length).toBeLessThan(16_000);
});

test('of more values than a line has, every one has the same chance to be written', () => {
  const random = seeded();
  const early: number[] = [];
  for (let round = 0; round < 200; round++) {
    const { own, lines } = metrics({ random });
    for (let index = 0; index < 100; index++) own.value('ProcessingTimeMs', index);
    own.flush(MINUTE + 1_000, 0);
    const values = lines().flatMap(({ ProcessingTimeMs }) => ProcessingTimeMs as number[]);
    expect(values).toHaveLength(25);
    early.push(values.filter((value) => value < 50).length);
  }
  const mean = early.reduce((sum, count) => sum + count, 0) / early.length;
  expect(mean).toBeGreaterThan(11.5);
  expect(mean).toBeLessThan(13.5);
});

test('beyond twenty error classes and thirty types the rest is "other", and long names are cut', () => {
  const { own, lines } = metrics();
  for (let index = 0; index < 25; index++) {
    own.error(`Error${index}`);
    own.error('Error3');
  }
  for (let index = 0; index < 33; index++) own.type(`type ${index}`, index >= 30);
  own.flush(MINUTE + 1_000, 0);
  own.error('E'.repeat(100));
  own.type('t'.repeat(100), false);
  own.type(`${'t'.repeat(64)} and more`, true);
  own.flush(MINUTE + 2_000, 0);
  const [first, second] = lines();
  expect(Object.keys(Object(first!.Errors)).sort()).toEqual(
    [...Array.from({ length: 20 }, (_, index) => `Error${index}`), 'other'].sort(),
  );
  expect(first!.Errors).toMatchObject({ Error0: 1, Error3: 26, other: 5 });
  expect(Object.keys(Object(first!.Types))).toHaveLength(31);
  expect(first!.Types).toMatchObject({ 'type 29': [1, 0], other: [3, 3] });
  // Another line has names of its own.
  expect(second).toMatchObject({ Errors: { ['E'.repeat(64)]: 1 }, Types: { ['t'.repeat(64)]: [2, 1] } });
});

test('a line is written even when memory cannot be read; it repeats the last value', () => {
  let readings = 0;
  const { own, lines } = metrics({
    residentBytes: () => {
      if (++readings > 1) throw new Error('EMFILE');
      return 50.26 * 2 ** 20;
    },
  });
  own.flush(MINUTE + 1_000, 0);
  own.flush(MINUTE + 2_000, 0);
  expect(lines().map(({ MemoryMiB }) => MemoryMiB)).toEqual([50.3, 50.3]);
});

const intervals = (lines: readonly LogLine[]) =>
  lines.map(({ From, To }) => [Number(From) - MINUTE, Number(To) - MINUTE]);

test('a line goes on where the last one ended, within the five seconds in which it ends', () => {
  const { own, lines } = metrics();
  own.flush(MINUTE + 1_000, 0);
  // The event loop was blocked until now.
  own.flush(MINUTE + 13_000, 0);
  own.flush(MINUTE + 15_000, 0);
  own.flush(MINUTE + 16_234.4, 0, true);
  expect(intervals(lines())).toEqual([
    [0, 1_000],
    [10_000, 13_000],
    [13_000, 15_000],
    [15_000, 16_234],
  ]);
});

test('the last line has an interval of its own, however soon it follows the one before', () => {
  const { own, lines } = metrics();
  own.flush(MINUTE + 5_000, 0);
  own.flush(MINUTE + 4_999.7, 0, true);
  expect(intervals(lines())).toEqual([
    [0, 5_000],
    [5_000, 5_001],
  ]);
});

test('no interval runs backwards when the clock is set back by minutes', () => {
  const { own, lines } = metrics();
  own.flush(MINUTE + 5_000, 0);
  own.flush(MINUTE - 593_000, 0);
  expect(intervals(lines())).toEqual([
    [0, 5_000],
    [-595_000, -593_000],
  ]);
});
