import { expect, test } from 'vitest';
import { type Plan, TroubledOperations } from '../test/support/faults.ts';
import { Gate, type LogLine, World } from '../test/support/world.ts';
import type { Clock } from './clock.ts';
import type { HandlerContext, Outcome } from './index.ts';
import { COUNTERS, Metrics, type MetricsParts } from './metrics.ts';
import { REPORT_MS, REPORTS_EACH_SECOND_MS } from './rhythm.ts';

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

function seeded(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

// What a line says

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

test('what is empty is left out, and counters are there though they are zero', () => {
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

test('each line has what came since the last one, and a number of its own', () => {
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

test('one line suffices, whatever happens', () => {
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

test('memory that cannot be read does not cost a line: what was known last stands', () => {
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

// Of which interval a line is

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

test('a last line is of an interval of its own, however soon it comes after the one before', () => {
  const { own, lines } = metrics();
  own.flush(MINUTE + 5_000, 0);
  own.flush(MINUTE + 4_999.7, 0, true);
  expect(intervals(lines())).toEqual([
    [0, 5_000],
    [5_000, 5_001],
  ]);
});

test('a clock that is set back by minutes leaves intervals that are none backwards', () => {
  const { own, lines } = metrics();
  own.flush(MINUTE + 5_000, 0);
  own.flush(MINUTE - 593_000, 0);
  expect(intervals(lines())).toEqual([
    [0, 5_000],
    [-595_000, -593_000],
  ]);
});

// What a worker writes

test('a young worker writes each second, an old one each five, also when nothing came, and once more when it stops', async () => {
  const world = new World();
  await world.clock.advance(1_234);
  const worker = world.run({ waitSeconds: 1, handler: async () => undefined });
  const startedAt = world.clock.nowMs();
  await world.clock.advance(150_000);
  world.queue.put('a');
  await world.clock.advance(200);
  await world.drain(worker);
  const lines = world.lines();
  expect(lines.map(({ Sequence }) => Sequence)).toEqual(lines.map((_, index) => index));
  expect(lines.map(({ Final }) => Final)).toEqual(lines.map((_, index) => index === lines.length - 1));
  expect(new Set(lines.map(({ StartedAt }) => StartedAt))).toEqual(new Set([startedAt]));
  // Without a gap, from the start to the end.
  expect(lines[0]!.From).toBe(startedAt);
  expect(lines.slice(1).map(({ From }) => From)).toEqual(lines.slice(0, -1).map(({ To }) => To));
  expect(Number(lines.at(-1)!.To)).toBeGreaterThan(startedAt + 150_000);
  const ages = (of: readonly LogLine[]) => of.map(({ To }) => Number(To) - startedAt);
  const lengths = lines.slice(1, -1).map(({ From, To }) => Number(To) - Number(From));
  const young = lengths.filter((_, index) => ages(lines)[index]! < REPORTS_EACH_SECOND_MS);
  expect(new Set(young)).toEqual(new Set([1_000]));
  const old = lengths.slice(young.length);
  // The first of them goes on until the next boundary.
  expect(new Set(old.slice(1))).toEqual(new Set([REPORT_MS]));
  expect(young.length + old.length).toBeGreaterThan(123);
  expect(lines.map(({ Received }) => Received).filter((count) => count !== 0)).toEqual([1]);
  await world.clock.advance(60_000);
  expect(world.lines()).toHaveLength(lines.length);
});

test('lines cover the same five seconds in every worker, whenever it began', async () => {
  const world = new World();
  const workers = [];
  for (const delay of [0, 1_234, 77_777]) {
    await world.clock.advance(delay);
    workers.push(world.run({ waitSeconds: 1, handler: async () => undefined }));
  }
  await world.clock.advance(200_000);
  for (const worker of workers) await world.drain(worker);
  for (const task of ['task-1', 'task-2', 'task-3']) expect(world.lines(task).length).toBeGreaterThan(100);
  const spanning = world
    .lines()
    .filter(({ From, To }) => Math.floor(Number(From) / 5_000) !== Math.floor((Number(To) - 1) / 5_000));
  expect(spanning).toEqual([]);
  // CloudWatch sees a line within the interval that it is about.
  for (const { _aws, To } of world.lines()) {
    expect((_aws as OutcomeLine['_aws']).Timestamp).toBe(Number(To) - 1);
  }
});

test('a timer that fires a little early brings no second line for the same interval', async () => {
  const world = new World();
  const hasty: Clock = {
    nowMs: () => world.clock.nowMs(),
    setTimer: (delayMs, run) => world.clock.setTimer(Math.max(0, delayMs - 1), run),
  };
  const worker = world.run({ clock: hasty, waitSeconds: 1, handler: async () => undefined });
  await world.clock.advance(150_000);
  await world.drain(worker);
  const ends = world.lines().map(({ To }) => Number(To));
  expect(ends.length).toBeGreaterThan(120);
  expect(ends.slice(1).every((end, index) => end > ends[index]!)).toBe(true);
});

test('a blocked event loop leaves a gap between the intervals, and none between the numbers', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 1, handler: async () => world.clock.block(17_000) });
  await world.clock.advance(3_500);
  world.queue.put('a');
  await world.clock.advance(20_000);
  await world.drain(worker);
  const lines = world.lines();
  expect(lines.map(({ Sequence }) => Sequence)).toEqual(lines.map((_, index) => index));
  const gap = lines.findIndex(({ From }, index) => index > 0 && From !== lines[index - 1]!.To);
  expect(gap).toBeGreaterThan(0);
  expect(Number(lines[gap]!.From) % REPORT_MS).toBe(0);
});

test('the last line is written when nothing is in hand any more, whatever hangs', async () => {
  const world = new World();
  const gate = new Gate();
  const plan: Plan = (operation) => (operation === 'changeMessageVisibilityBatch' ? 'slow' : 'none');
  const worker = world.run(
    { visibilitySeconds: 20, stopTimeoutMs: 6_000, handlerTimeoutMs: 600_000, handler: gate.handle },
    // A renewal that is never answered keeps the delete behind it from being sent.
    new TroubledOperations(world.queue, world.clock, plan, 3_600_000),
  );
  for (const body of ['waits for its renewal', 'never settles']) world.queue.put(body);
  await world.clock.advance(10_500);
  gate.finish('waits for its renewal');
  await world.clock.settle();
  expect(await world.drain(worker)).toMatchObject({ handlersLeft: 1, unconfirmed: 1 });
  expect(world.lines().at(-1)).toMatchObject({ Final: true, InFlight: 0, DeleteFailed: 1, Expired: 1 });
  expect(world.endings()).toEqual({ DeleteFailed: 1, Expired: 1 });
});

test('a worker that never began to work writes no line', async () => {
  const world = new World();
  await world.worker({ handler: async () => undefined }).drain('SIGTERM');
  expect(world.lines()).toEqual([]);
});

test('a worker that knows no task names itself, another name for each, the same on all that it writes', async () => {
  const random = seeded();
  const names = [];
  for (let round = 0; round < 2; round++) {
    const world = new World();
    const worker = world.run({
      identity: { app: 'shop', track: 'canary', revision: 'abc' },
      random,
      waitSeconds: 1,
      handler: async () => undefined,
    });
    await world.clock.advance(3_000);
    await world.drain(worker);
    const own = new Set(world.lines().map(({ TaskId }) => TaskId));
    expect(own.size).toBe(1);
    expect([...own]).toEqual([expect.stringMatching(/^worker-[0-9a-f]{16}$/)]);
    expect(world.events('started')).toEqual([expect.objectContaining({ taskId: [...own][0] })]);
    names.push(...own);
  }
  expect(new Set(names).size).toBe(2);
});

test('first and later deliveries are counted apart, each message for itself', async () => {
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
    FirstFinished: 3,
    FirstFailed: 3,
    RetriedFinished: 6,
    RetriedFailed: 3,
    DeadLettered: 0,
  });
  expect(world.values('QueueAgeMs')).toHaveLength(3);
  expect(entries(world, 'Errors')).toEqual([['Error', 3]]);
});

test('a message counts when it has ended, and not when it was given back or lost by no fault of the version', async () => {
  const world = new World();
  const gate = new Gate();
  const plan: Plan = (operation) => (operation === 'deleteMessageBatch' ? 'unavailable' : 'none');
  const worker = world.run(
    { waitSeconds: 1, visibilitySeconds: 4, stopTimeoutMs: 30_000, handler: gate.handle },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  world.queue.put('undeletable');
  await world.clock.advance(500);
  expect([world.total('FirstFinished'), world.lines().at(-1)?.InFlight]).toEqual([0, undefined]);
  await world.clock.advance(1_000);
  expect([world.total('FirstFinished'), world.lines().at(-1)?.InFlight]).toEqual([0, 1]);
  gate.finish('undeletable');
  await world.clock.until(() => world.events('message failed').length > 0);
  await world.drain(worker);
  expect(world.endings()).toMatchObject({ DeleteFailed: 1 });
  expect([world.total('FirstFinished'), world.total('FirstFailed')]).toEqual([0, 0]);
});

/** What all lines say under a field with names, in the order in which it was written. */
const entries = (world: World, field: string): [string, unknown][] =>
  world.lines().flatMap((line) => Object.entries((line[field] as object | undefined) ?? {}));

/** How many durations all lines have in each bin. */
const bins = (world: World) =>
  world.lines().flatMap(({ Durations = [] }) => Durations as (readonly [bin: number, count: number])[]);

test('the time of a first delivery is counted once it has finished: that of its handler, or until it was over time', async () => {
  const world = new World();
  const worker = world.run({
    handlerTimeoutMs: 16_384,
    retryFirstSeconds: 1,
    decode: (rawBody) => {
      if (rawBody === 'malformed') throw new Error('no');
      return rawBody;
    },
    handler: (body, { receiveCount }) =>
      new Promise<void>((resolve, reject) => {
        if (body === 'hangs' && receiveCount === 1) return;
        const settle = body === 'throws' && receiveCount === 1 ? () => reject(new Error('no')) : resolve;
        world.clock.setTimer(receiveCount > 1 ? 8 : Number.parseInt(body, 10) || 64, settle);
      }),
  });
  for (const body of ['1024 ms', '256 ms', 'throws', 'hangs', 'malformed']) world.queue.put(body);
  await world.clock.until(() => world.queue.undeleted.length === 1);
  await world.drain(worker);
  // What cannot be decoded takes no handler any time, and retries are not counted.
  expect(bins(world)).toEqual([
    [96, 1],
    [128, 1],
    [160, 1],
    [224, 1],
  ]);
  expect([world.total('FirstFinished'), world.total('FirstFailed')]).toEqual([5, 3]);
  expect(entries(world, 'Errors').sort()).toEqual([
    ['DecodeError', 1],
    ['Error', 1],
    ['Timeout', 1],
  ]);
});

test('each message of a batch counts with the time of the batch', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    batchHandler: (items) =>
      new Promise((resolve) => {
        const outcomes = new Map<string, Outcome>(
          items.map(({ message }) => [message.messageId, { kind: 'ok' }]),
        );
        world.clock.setTimer(128, () => resolve(outcomes));
      }),
  });
  await world.clock.settle();
  for (const body of ['a', 'b', 'c']) world.queue.put(body);
  await world.clock.advance(1_000);
  await world.drain(worker);
  expect(bins(world).reduce((sum, [bin, count]) => sum + (bin === 112 ? count : 0), 0)).toBe(3);
});

test('errors have the classes that the log has', async () => {
  const world = new World();
  const outcomes: Record<string, () => Promise<Outcome | undefined>> = {
    throws: () => Promise.reject(new RangeError('no')),
    'throws a text': () => Promise.reject('no'),
    poison: async () => ({ kind: 'poison', reason: 'no' }),
    retry: async () => ({ kind: 'retry' }),
    fine: async () => undefined,
  };
  const worker = world.run({ retryFirstSeconds: 60, handler: (body) => outcomes[body]!() });
  for (const body of Object.keys(outcomes)) world.queue.put(body);
  await world.clock.advance(1_000);
  await world.drain(worker);
  const logged = world.events('message failed').map(({ errorClass }) => [errorClass, 1]);
  expect(entries(world, 'Errors').sort()).toEqual(logged.sort());
  expect(logged.flat()).toEqual(expect.arrayContaining(['RangeError', 'thrown string', 'Poison', 'Retry']));
});

test('a failed delivery that was the last one is a dead letter; one that was given back is none', async () => {
  const world = new World();
  const worker = world.run({
    maxReceiveCount: 2,
    retryFirstSeconds: 1,
    stopTimeoutMs: 6_000,
    handler: async (body, { receiveCount }, { signal }) => {
      if (body === 'bad') throw new Error('no');
      if (body === 'once' && receiveCount === 1) throw new Error('not yet');
      if (body === 'slow') {
        if (receiveCount === 1) throw new Error('not yet');
        await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
      }
    },
  });
  for (const body of ['bad', 'once', 'slow', 'fine']) world.queue.put(body);
  await world.clock.until(() =>
    world.queue.messages.every(({ body, receiveCount }) => body === 'fine' || receiveCount === 2),
  );
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.endings()).toMatchObject({ Failed: 4, Released: 1 });
  expect([world.total('RetriedFailed'), world.total('DeadLettered')]).toEqual([1, 1]);
});

test('a message that is parked is a dead letter at once, and only one', async () => {
  const world = new World();
  const worker = world.run({
    maxReceiveCount: 1,
    parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
    handler: async () => ({ kind: 'poison', reason: 'no' }),
  });
  const other = world.run({
    parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
    handler: async () => ({ kind: 'poison', reason: 'no' }),
  });
  for (let index = 0; index < 20; index++) world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  await world.drain(other);
  for (const task of ['task-1', 'task-2']) {
    const sum = (name: string) => world.lines(task).reduce((total, line) => total + Number(line[name]), 0);
    expect(sum('Poisoned')).toBeGreaterThan(0);
    expect(sum('DeadLettered')).toBe(sum('Poisoned'));
  }
});

test('where the limit of receives is not known, no dead letters are', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 0,
    handler: () => Promise.reject<undefined>(new Error('no')),
  });
  world.queue.put('a');
  await world.clock.until(() => world.queue.messages[0]!.receiveCount > 5);
  await world.drain(worker);
  expect(world.total('DeadLettered')).toBe(0);
});

test('receives that bring nothing are counted; those that fail are not', async () => {
  const world = new World();
  const plan: Plan = (operation, nth) =>
    operation === 'receiveMessage' && nth <= 2 ? 'unavailable' : 'none';
  const worker = world.run(
    { waitSeconds: 1, handler: async () => undefined },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  await world.clock.advance(10_000);
  world.queue.put('a');
  await world.clock.advance(100);
  await world.drain(worker);
  const calls = world.queue.calls.filter(({ operation }) => operation === 'ReceiveMessage').length;
  expect(world.total('SqsError')).toBe(2);
  expect(world.total('EmptyReceives')).toBe(calls - 1);
});

test('a worker says how long it asked for messages: all the time where there are none, hardly ever under a backlog', async () => {
  const world = new World();
  const worker = world.run({
    concurrency: 2,
    pollers: 2,
    waitSeconds: 1,
    handler: () => new Promise<undefined>((resolve) => world.clock.setTimer(2_000, () => resolve(undefined))),
  });
  await world.clock.advance(10_000);
  expect(world.total('PollingMs')).toBe(10_000);
  for (let message = 0; message < 40; message += 1) world.queue.put(String(message));
  await world.clock.advance(1_000);
  const before = world.total('PollingMs');
  await world.clock.advance(20_000);
  expect(world.total('PollingMs') - before).toBeLessThan(500);
  await world.drain(worker);
});

test('a worker whose receives fail still asks for messages', async () => {
  const world = new World();
  const plan: Plan = (operation) => (operation === 'receiveMessage' ? 'unavailable' : 'none');
  const worker = world.run(
    { handler: async () => undefined },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  await world.clock.advance(10_000);
  expect(world.total('PollingMs')).toBe(10_000);
  await world.drain(worker);
});

test('first deliveries are counted by the type that the worker names', async () => {
  const world = new World();
  const asked: string[] = [];
  const worker = world.run({
    retryFirstSeconds: 1,
    decode: (rawBody) => {
      if (rawBody === 'malformed') throw new Error('no');
      return rawBody;
    },
    messageType: (body, { messageId }) => {
      asked.push(`${messageId} ${body}`);
      if (body === 'unknown') throw new Error('what is that?');
      if (body === 'nothing') return undefined;
      if (body === 'number') return JSON.parse('7');
      return body.split(' ')[0];
    },
    handler: async (body, { receiveCount }) => {
      if (body.endsWith('bad') && receiveCount === 1) throw new Error('no');
    },
  });
  for (const body of ['order 1', 'order bad', 'refund', 'unknown', 'nothing', 'number', '', 'malformed']) {
    world.queue.put(body);
  }
  await world.clock.until(() => world.queue.undeleted.length === 1);
  await world.drain(worker);
  expect(entries(world, 'Types').sort()).toEqual([
    ['order', [2, 1]],
    ['refund', [1, 0]],
  ]);
  expect(world.total('FirstFinished')).toBe(8);
  // Retries are not asked about, nor is what does not decode.
  expect(asked).toHaveLength(7);
});

test('batches have types as well', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    messageType: (body) => body,
    batchHandler: async (items) =>
      new Map(
        items.map(({ message, body }) => [
          message.messageId,
          body === 'b' ? ({ kind: 'retry' } as const) : ({ kind: 'ok' } as const),
        ]),
      ),
  });
  for (const body of ['a', 'b']) world.queue.put(body);
  await world.clock.advance(1_000);
  await world.drain(worker);
  expect(Object.fromEntries(entries(world, 'Types'))).toEqual({ a: [1, 0], b: [1, 1] });
});

test('what a handler counts is on the line of the interval in which it counted', async () => {
  const world = new World();
  const contexts: HandlerContext[] = [];
  const gate = new Gate();
  const worker = world.run({
    waitSeconds: 1,
    handler: (body, _message, context) => {
      contexts.push(context);
      const { count } = context;
      count('begun');
      return gate.handle(body);
    },
  });
  for (const body of ['a', 'b']) world.queue.put(body);
  await world.clock.advance(1_500);
  contexts[0]!.count('pages', 3);
  contexts[1]!.count('pages');
  await world.clock.advance(1_000);
  for (const body of ['a', 'b']) gate.finish(body);
  await world.drain(worker);
  const counted = world.lines().flatMap(({ Sequence, Counters }) => (Counters ? [[Sequence, Counters]] : []));
  expect(counted).toEqual([
    [0, { begun: 2 }],
    [1, { pages: 4 }],
  ]);
});

test('a mistake in counting is an error of the handler', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    handler: async (body, _message, { count }) => count(body, body === 'not a number' ? Number.NaN : 1),
  });
  for (const body of ['fine', 'not/fine', 'not a number']) world.queue.put(body);
  await world.clock.advance(1_000);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Succeeded: 1, Failed: 2 });
  expect(world.events('message failed')).toMatchObject([
    { errorClass: 'TypeError', error: expect.stringMatching(/^count: a name has .*"not\/fine" does not$/) },
    { errorClass: 'RangeError', error: expect.stringMatching(/^count: "not a number" .* not by NaN$/) },
  ]);
  expect(entries(world, 'Counters')).toEqual([['fine', 1]]);
});

test('the longest block of the event loop is written', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 1, handler: async () => world.clock.block(3_000) });
  world.queue.put('a');
  await world.clock.advance(4_000);
  expect(worker.health().loopLagMs).toBeGreaterThan(2_000);
  await world.drain(worker);
  const lags = world.lines().map(({ LoopLagMs }) => Number(LoopLagMs));
  expect(Math.max(...lags)).toBeGreaterThan(2_000);
});
