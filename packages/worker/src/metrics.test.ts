import { expect, test } from 'vitest';
import { World } from '../test/support/world.ts';
import type { Clock } from './clock.ts';
import { COUNTERS, Metrics } from './metrics.ts';

interface EmfLine extends Readonly<Record<string, unknown>> {
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

function metrics(samplesMax = 1_000, random = () => 0.5) {
  const lines: EmfLine[] = [];
  const own = new Metrics(identity, samplesMax, random, (line) => lines.push(JSON.parse(line) as EmfLine));
  return { own, lines };
}

test('a line has the namespace and dimensions that the judge reads, at high resolution', () => {
  const { own, lines } = metrics();
  own.count('Received', 3);
  own.value('ProcessingTimeMs', 12.3456);
  own.loopLag(7);
  own.flush(1_767_225_600_123.4, 2);
  const [line] = lines;
  expect(line).toMatchObject({
    _aws: { Timestamp: 1_767_225_600_123 },
    App: 'shop',
    Track: 'stable',
    Revision: 'abc',
    Version: '7',
    TaskId: 'task-1',
    Received: 3,
    Succeeded: 0,
    InFlight: 2,
    LoopLagMs: 7,
    ProcessingTimeMs: [12.35],
  });
  const [directive] = line!._aws.CloudWatchMetrics;
  expect(directive).toMatchObject({ Namespace: 'QueueCanary', Dimensions: [['App', 'Track']] });
  const names = directive!.Metrics.map(({ Name }) => Name);
  expect(names).toEqual([...COUNTERS, 'InFlight', 'LoopLagMs', 'ProcessingTimeMs']);
  expect(directive!.Metrics.every(({ StorageResolution }) => StorageResolution === 1)).toBe(true);
  // Every metric that is announced is there, and nothing else claims to be a dimension.
  expect(names.filter((name) => line![name] === undefined)).toEqual([]);
});

test('each flush has what came since the last one', () => {
  const { own, lines } = metrics();
  own.count('Failed');
  own.value('AckDelayMs', 5);
  own.loopLag(9);
  own.flush(0, 0);
  own.flush(5_000, 0);
  expect(lines.map(({ Failed, LoopLagMs, AckDelayMs }) => [Failed, LoopLagMs, AckDelayMs])).toEqual([
    [1, 9, [5]],
    [0, 0, undefined],
  ]);
});

test('more values than a line takes go on further lines, on which nothing is counted twice', () => {
  const { own, lines } = metrics();
  own.count('Received', 250);
  for (let index = 0; index < 250; index++) own.value('ProcessingTimeMs', index);
  own.value('AckDelayMs', 1);
  own.flush(0, 0);
  expect(lines.map(({ ProcessingTimeMs }) => (ProcessingTimeMs as number[]).length)).toEqual([100, 100, 50]);
  expect(lines.map(({ Received }) => Received)).toEqual([250, undefined, undefined]);
  expect(lines.flatMap(({ ProcessingTimeMs }) => ProcessingTimeMs)).toEqual(
    Array.from({ length: 250 }, (_, index) => index),
  );
});

test('beyond the limit of samples, every value has the same chance to be written', () => {
  let state = 42;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const early: number[] = [];
  for (let round = 0; round < 200; round++) {
    const { own, lines } = metrics(20, random);
    for (let index = 0; index < 100; index++) own.value('ProcessingTimeMs', index);
    own.flush(0, 0);
    const values = lines.flatMap(({ ProcessingTimeMs }) => ProcessingTimeMs as number[]);
    expect(values).toHaveLength(20);
    early.push(values.filter((value) => value < 50).length);
  }
  const mean = early.reduce((sum, count) => sum + count, 0) / early.length;
  expect(mean).toBeGreaterThan(9);
  expect(mean).toBeLessThan(11);
});

test('a worker writes every five seconds, also when nothing came, and once more when it stops', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 1, handler: async () => undefined });
  await world.clock.advance(11_000);
  const lines = () => world.log.filter(({ _aws }) => _aws !== undefined);
  expect(lines().map(({ Received }) => Received)).toEqual([0, 0]);
  world.queue.put('a');
  await world.clock.advance(200);
  await world.drain(worker);
  expect(lines().map(({ Received }) => Received)).toEqual([0, 0, 1]);
  await world.clock.advance(60_000);
  expect(lines()).toHaveLength(3);
});

test('only first deliveries are compared, and a batch has failed once however many of its messages have', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 1,
    handler: async (_body, { receiveCount }) => {
      if (receiveCount < 3) throw new Error('not yet');
    },
  });
  for (const body of ['a', 'b', 'c']) world.queue.put(body);
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  const totals = Object.fromEntries(COUNTERS.map((name) => [name, world.total(name)]));
  expect(totals).toMatchObject({
    Received: 9,
    FirstReceived: 3,
    Succeeded: 3,
    FirstSucceeded: 0,
    Failed: 6,
    FirstFailed: 3,
  });
  expect(totals.FirstBatchesFailed).toBe(totals.FirstBatches);
  // The last retries succeed.
  expect(totals.RetriedBatchesFailed).toBeGreaterThan(0);
  expect(totals.RetriedBatchesFailed).toBeLessThan(totals.RetriedBatches!);
  expect(totals.FirstBatches! + totals.RetriedBatches!).toBeLessThanOrEqual(totals.Received!);
  expect(world.values('QueueAgeMs')).toHaveLength(3);
});

test('lines cover the same five seconds in every worker, whenever it began', async () => {
  const world = new World();
  await world.clock.advance(1_234);
  const worker = world.run({ waitSeconds: 1, handler: async () => undefined });
  await world.clock.advance(11_000);
  const stamps = world.log.flatMap(({ _aws }) =>
    _aws === undefined ? [] : [(_aws as { Timestamp: number }).Timestamp],
  );
  expect(stamps.map((stamp) => stamp % 5_000)).toEqual(stamps.map(() => 4_999));
  expect(stamps.length).toBeGreaterThan(1);
  await world.drain(worker);
});

test('a timer that fires a little early brings no second line for the same five seconds', async () => {
  const world = new World();
  const hasty: Clock = {
    nowMs: () => world.clock.nowMs(),
    setTimer: (delayMs, run) => world.clock.setTimer(Math.max(0, delayMs - 1), run),
  };
  const worker = world.run({ clock: hasty, waitSeconds: 1, handler: async () => undefined });
  await world.clock.advance(21_000);
  const stamps = world.log.flatMap(({ _aws }) =>
    _aws === undefined ? [] : [(_aws as { Timestamp: number }).Timestamp],
  );
  expect(stamps.length).toBeGreaterThan(2);
  expect(new Set(stamps).size).toBe(stamps.length);
  await world.drain(worker);
});

test('a receive is a unit once all of its messages have ended, and what was given back is none', async () => {
  const world = new World();
  let finish = () => {};
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const worker = world.run({
    waitSeconds: 1,
    retryFirstSeconds: 60,
    handler: async (body) => {
      if (body === 'bad') throw new Error('no');
      if (body === 'slow') await slow;
    },
  });
  for (const body of ['bad', 'slow']) world.queue.put(body);
  await world.clock.advance(6_000);
  expect(world.total('BatchesReceived')).toBeGreaterThan(0);
  expect(world.total('Failed')).toBe(1);
  expect(world.total('FirstBatches')).toBe(0);
  finish();
  await world.clock.advance(6_000);
  expect([world.total('FirstBatches'), world.total('FirstBatchesFailed')]).toEqual([1, 1]);
  await world.drain(worker);
});

test('the longest block of the event loop is written', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 1, handler: async () => world.clock.block(3_000) });
  world.queue.put('a');
  await world.clock.advance(4_000);
  expect(worker.health().loopLagMs).toBeGreaterThan(2_000);
  await world.drain(worker);
  const lags = world.log.map(({ LoopLagMs }) => (typeof LoopLagMs === 'number' ? LoopLagMs : 0));
  expect(Math.max(...lags)).toBeGreaterThan(2_000);
});
