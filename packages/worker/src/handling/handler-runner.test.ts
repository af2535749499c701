import { expect, test } from 'vitest';
import { World } from '../../test/support/world.ts';
import type { Outcome } from '../index.ts';

const hostile = new Proxy(
  {},
  {
    get: () => {
      throw new Error('hands off');
    },
    getPrototypeOf: () => {
      throw new Error('hands off');
    },
  },
);

test.each<[string, unknown, string]>([
  ['an error', new RangeError('too far'), 'RangeError'],
  ['a text', 'broken', 'thrown string'],
  ['undefined', undefined, 'thrown undefined'],
  ['null', null, 'thrown null'],
  ['a number', 7, 'thrown number'],
  ['a plain object', { code: 1 }, 'thrown object'],
  ['an object without a prototype', Object.create(null), 'thrown object'],
  ['an object that cannot be looked at', hostile, 'thrown object'],
])('a handler that throws %s has failed, and the message comes again', async (_what, thrown, errorClass) => {
  const world = new World();
  let attempts = 0;
  const worker = world.run({
    handler: async () => {
      attempts++;
      if (attempts === 1) throw thrown;
    },
  });
  world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Failed: 1, Succeeded: 1 });
  expect(['FirstFailed', 'RetriedFailed'].map((name) => world.total(name))).toEqual([1, 0]);
  expect(world.events('message failed')).toMatchObject([
    { messageId: 'm1', track: 'canary', revision: 'abc', receiveCount: 1, outcome: 'Failed', errorClass },
  ]);
});

test('a handler that throws before it returns a promise has failed like any other', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    handler: () => {
      throw new Error('at once');
    },
  });
  world.queue.put('a');
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Failed: 1 });
});

test.each<[string, unknown]>([
  ['null', null],
  ['a number', 7],
  ['an object of another kind', { kind: 'done' }],
  ['an object that cannot be looked at', hostile],
])('a handler that returns %s has failed', async (_what, answer) => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    // As a handler written in JavaScript may be.
    handler: () => Promise.resolve(answer) as Promise<void>,
  });
  world.queue.put('a');
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Failed: 1 });
  expect(world.events('message failed')[0]).toMatchObject({ attribution: 'version' });
});

test('the delay before the next delivery doubles, up to its longest, and its upper half is random', async () => {
  const delays = async (random: number) => {
    const world = new World();
    const attemptsAtMs: number[] = [];
    world.run({
      retryFirstSeconds: 4,
      retryLongestSeconds: 16,
      random: () => random,
      handler: async () => {
        attemptsAtMs.push(world.clock.nowMs());
        throw new Error('never');
      },
    });
    world.queue.put('a');
    await world.clock.until(() => attemptsAtMs.length === 5);
    return attemptsAtMs.slice(1).map((atMs, index) => Math.round((atMs - attemptsAtMs[index]!) / 1000));
  };
  expect(await delays(0)).toEqual([2, 4, 8, 8]);
  expect(await delays(0.999)).toEqual([4, 8, 16, 16]);
});

test('a retry comes after the delay that the handler asked for', async () => {
  const world = new World();
  const attemptsAtMs: number[] = [];
  world.run({
    handler: async (): Promise<Outcome | undefined> => {
      attemptsAtMs.push(world.clock.nowMs());
      return attemptsAtMs.length === 1 ? { kind: 'retry', delaySeconds: 77 } : undefined;
    },
  });
  world.queue.put('a');
  await world.clock.until(() => attemptsAtMs.length === 2);
  expect(Math.round((attemptsAtMs[1]! - attemptsAtMs[0]!) / 1000)).toBe(77);
});

test('poison counts as such and comes again, where parking is off', async () => {
  const world = new World();
  const worker = world.run({
    retryFirstSeconds: 60,
    handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'no such customer' }),
  });
  world.queue.put('a');
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Poisoned: 1 });
  expect(world.total('FirstFailed')).toBe(1);
  expect(world.events('message failed')).toMatchObject([{ outcome: 'Poisoned', error: 'no such customer' }]);
  expect(world.queue.undeleted).toHaveLength(1);
});

test('a body that does not decode is poison, and no handler sees it', async () => {
  const world = new World();
  const seen: string[] = [];
  const worker = world.run({
    concurrency: 1,
    retryFirstSeconds: 60,
    decode: (rawBody) => String(JSON.parse(rawBody)),
    handler: async (body) => {
      seen.push(body);
    },
  });
  world.queue.put('{');
  world.queue.put('"good"');
  await world.clock.until(() => world.queue.undeleted.length === 1);
  await world.drain(worker);
  expect(seen).toEqual(['good']);
  expect(world.endings()).toMatchObject({ Poisoned: 1, Succeeded: 1 });
  expect(world.events('message failed')).toMatchObject([{ messageId: 'm1', errorClass: 'DecodeError' }]);
});

test('a batch handler returns an outcome for each message; a message without one is retried', async () => {
  const world = new World();
  const batches: string[][] = [];
  const worker = world.run({
    retryFirstSeconds: 60,
    batchHandler: async (items) => {
      batches.push(items.map(({ body }) => body));
      return new Map<string, Outcome>([
        ['m1', { kind: 'ok' }],
        ['m2', { kind: 'poison', reason: 'bad' }],
      ]);
    },
  });
  for (const body of ['a', 'b', 'c']) world.queue.put(body);
  await world.clock.advance(1_000);
  await world.drain(worker);
  expect(batches.flat()).toEqual(['a', 'b', 'c']);
  expect(world.endings()).toEqual({ Succeeded: 1, Poisoned: 1, Failed: 1 });
  expect(world.events('message failed')).toMatchObject([
    { messageId: 'm2', errorClass: 'Poison' },
    { messageId: 'm3', errorClass: 'MissingOutcome' },
  ]);
  expect(world.queue.undeleted.map(({ body }) => body)).toEqual(['b', 'c']);
});

test.each<[string, () => Promise<ReadonlyMap<string, Outcome>>]>([
  ['throws', () => Promise.reject(new Error('all of it'))],
  ['answers no map', () => Promise.resolve(JSON.parse('{}') as ReadonlyMap<string, Outcome>)],
])(
  'a batch whose handler %s fails as a whole, and each of its messages counts',
  async (_what, batchHandler) => {
    const world = new World();
    const worker = world.run({ retryFirstSeconds: 60, batchHandler });
    await world.clock.settle();
    world.queue.put('a');
    await world.clock.advance(100);
    for (const body of ['b', 'c', 'd']) world.queue.put(body);
    await world.clock.advance(1_000);
    await world.drain(worker);
    expect(world.endings()).toEqual({ Failed: 4 });
    expect([world.total('FirstFinished'), world.total('FirstFailed')]).toEqual([4, 4]);
  },
);

test('a body that does not decode stays out of its batch', async () => {
  const world = new World();
  const seen: string[] = [];
  const worker = world.run({
    retryFirstSeconds: 60,
    decode: (rawBody) => String(JSON.parse(rawBody)),
    batchHandler: async (items) => {
      seen.push(...items.map(({ body }) => body));
      return new Map(items.map(({ message }) => [message.messageId, { kind: 'ok' } as const]));
    },
  });
  for (const body of ['"a"', 'no', '"c"']) world.queue.put(body);
  await world.clock.advance(500);
  await world.drain(worker);
  expect(seen).toEqual(['a', 'c']);
  expect(world.endings()).toEqual({ Poisoned: 1, Succeeded: 2 });
});
