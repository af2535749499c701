import { expect, test } from 'vitest';
import { type Plan, TroubledOperations } from '../../test/support/faults.ts';
import { Gate, World } from '../../test/support/world.ts';
import type { HandlerContext, Outcome } from '../index.ts';
import { COUNTERS } from './metrics.ts';

test('first and later deliveries are counted separately', async () => {
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

test('a message counts when it ends, and not when it is given back or lost through no fault of the version', async () => {
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

/** The entries of a field with names in all lines, in the order in which they were written. */
const entries = (world: World, field: string): [string, unknown][] =>
  world.lines().flatMap((line) => Object.entries((line[field] as object | undefined) ?? {}));

/** How many durations all lines have in each bin. */
const bins = (world: World) =>
  world.lines().flatMap(({ Durations = [] }) => Durations as (readonly [bin: number, count: number])[]);

test('a first delivery that finished counts with the time of its handler, or the time until its timeout', async () => {
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
  // A body that cannot be decoded takes no handler any time, and retries are not counted.
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

test('a failed delivery that was the last one is a dead letter; one that was given back is not', async () => {
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

test('dead letters are not counted where the limit of receives is not known', async () => {
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

test('receives that bring nothing are counted, and receives that fail are not', async () => {
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
  expect(world.events('sqs call failed')).toHaveLength(2);
  expect(world.total('EmptyReceives')).toBe(calls - 1);
});

test('a worker reports how long it asked for messages: always without messages, hardly ever under a backlog', async () => {
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

test('a count of a handler is on the line of the interval in which it counted', async () => {
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
