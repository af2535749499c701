import { describe, expect, test } from 'vitest';
import { type Plan, type Trouble, TroubledOperations } from '../test/support/faults.ts';
import { Gate, World } from '../test/support/world.ts';
import type { SqsOperations } from './in-process-transport.ts';
import { type HandlerContext, type Outcome, UserError, type WorkerTuning } from './index.ts';

/** Makes every call of one operation meet the same trouble. */
const always =
  (troubled: string, trouble: Trouble): Plan =>
  (operation) =>
    operation === troubled ? trouble : 'none';

/** Lets the handler see its context and settle when the test says so. */
function watched() {
  const gate = new Gate();
  const contexts: HandlerContext[] = [];
  return {
    gate,
    contexts,
    handler: (body: string, _message: unknown, context: HandlerContext) => {
      contexts.push(context);
      return gate.handle(body);
    },
  };
}

test('a message that was handled is deleted, and counted once the delete is confirmed', async () => {
  const world = new World();
  const handled: string[] = [];
  const worker = world.run({
    handler: async (body) => {
      handled.push(body);
    },
  });
  world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(handled).toEqual(['a']);
  expect(world.endings()).toEqual({ Succeeded: 1 });
  expect(['Received', 'FirstReceived', 'FirstSucceeded'].map((name) => world.total(name))).toEqual([1, 1, 1]);
  expect(world.events('message failed')).toEqual([]);
});

test('a slow message does not hold the others back', async () => {
  const world = new World();
  const gate = new Gate();
  world.run({
    concurrency: 2,
    handler: (body) => (body === 'slow' ? gate.handle(body) : Promise.resolve()),
  });
  world.queue.put('slow');
  for (let index = 0; index < 50; index++) world.queue.put(`quick ${index}`);
  await world.clock.until(() => world.queue.undeleted.length === 1, 5_000);
  expect(world.queue.undeleted.map(({ body }) => body)).toEqual(['slow']);
});

test('no more messages are in work than the concurrency allows', async () => {
  const world = new World();
  const gate = new Gate();
  world.run({ concurrency: 3, pollers: 2, handler: gate.handle });
  for (let index = 1; index <= 9; index++) world.queue.put(`m${index}`);
  await world.clock.advance(1_000);
  expect(gate.started).toEqual(['m1', 'm2', 'm3']);
  gate.finish('m2');
  await world.clock.advance(1_000);
  expect(gate.started).toEqual(['m1', 'm2', 'm3', 'm4']);
});

// What handlers do

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
  expect(['FirstFailed', 'FirstSucceeded'].map((name) => world.total(name))).toEqual([1, 0]);
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
])('a handler that answers %s has failed', async (_what, answer) => {
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

test('parked poison goes to the dead letters with the version that failed it, and is deleted', async () => {
  const world = new World();
  const deadLetterQueueUrl = `${world.queue.url}-dead`;
  const worker = world.run({
    parking: { deadLetterQueueUrl },
    handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad', error: new RangeError('x') }),
  });
  world.queue.put('a', { attributes: { own: { DataType: 'String', StringValue: 'kept' } } });
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.queue.deadLetters).toEqual([
    {
      QueueUrl: deadLetterQueueUrl,
      MessageBody: 'a',
      MessageAttributes: {
        own: { DataType: 'String', StringValue: 'kept' },
        'x-failed-revision': { DataType: 'String', StringValue: 'abc' },
        'x-failed-track': { DataType: 'String', StringValue: 'canary' },
        'x-error-class': { DataType: 'String', StringValue: 'RangeError' },
        'x-receive-count': { DataType: 'Number', StringValue: '1' },
      },
    },
  ]);
  expect(world.endings()).toEqual({ Poisoned: 1 });
});

test('poison that cannot be parked is not deleted', async () => {
  const world = new World();
  const operations = new TroubledOperations(world.queue, world.clock, always('sendMessage', 'denied'));
  const worker = world.run(
    {
      parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
      retryFirstSeconds: 60,
      handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad' }),
    },
    operations,
  );
  world.queue.put('a');
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.queue.undeleted).toHaveLength(1);
  expect(world.events('sqs call failed')).toMatchObject([{ operation: 'park', attribution: 'version' }]);
});

test('poison with no room for more attributes is left to the redrive policy', async () => {
  const world = new World();
  const worker = world.run({
    parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
    retryFirstSeconds: 60,
    handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad' }),
  });
  const own = Array.from(
    { length: 7 },
    (_, n) => [`a${n}`, { DataType: 'String', StringValue: 'v' }] as const,
  );
  world.queue.put('a', { attributes: Object.fromEntries(own) });
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.queue.deadLetters).toEqual([]);
  expect(world.queue.undeleted).toHaveLength(1);
  expect(world.events('not parked')).toHaveLength(1);
});

// Handlers without an end

test('a handler that never settles times out, and its permit goes to the next message', async () => {
  const world = new World();
  const { gate, contexts, handler } = watched();
  const worker = world.run({ concurrency: 1, handlerTimeoutMs: 10_000, abortGraceMs: 2_000, handler });
  world.queue.put('stuck');
  world.queue.put('next');
  await world.clock.advance(1);
  expect(contexts[0]?.signal.aborted).toBe(false);
  await world.clock.advance(10_000);
  expect(contexts[0]?.signal.reason).toMatchObject({ name: 'HandlerAborted', why: 'timeout' });
  expect(gate.started).toEqual(['stuck']);
  expect(worker.health().handlersStuck).toBe(0);
  await world.clock.advance(2_100);
  expect(gate.started).toEqual(['stuck', 'next']);
  expect(worker.health()).toMatchObject({ handlersStuck: 1, healthy: false });
  gate.finish('next');
  gate.finish('stuck');
  await world.clock.settle();
  expect(worker.health()).toMatchObject({ handlersStuck: 0, healthy: true });
  await world.drain(worker);
  expect(world.endings()).toEqual({ TimedOut: 1, Succeeded: 1 });
  expect(world.total('FirstFailed')).toBe(1);
});

test('the message of a handler that never settles comes again when its lease lapses, and not before', async () => {
  const world = new World();
  const gate = new Gate();
  world.run({
    concurrency: 1,
    visibilitySeconds: 20,
    handlerTimeoutMs: 30_000,
    abortGraceMs: 1_000,
    handler: gate.handle,
  });
  world.queue.put('stuck');
  await world.clock.advance(39_000);
  expect(gate.started).toHaveLength(1);
  await world.clock.advance(20_000);
  expect(gate.started).toHaveLength(2);
});

test('a handler that gives up on its timeout has its message given back with backoff', async () => {
  const world = new World();
  const started: number[] = [];
  world.run({
    handlerTimeoutMs: 10_000,
    retryFirstSeconds: 4,
    handler: (_body, _message, { signal }) => {
      started.push(world.clock.nowMs());
      return new Promise<void>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
    },
  });
  world.queue.put('a');
  await world.clock.until(() => started.length === 2);
  expect(Math.round((started[1]! - started[0]!) / 1000)).toBe(13);
});

test('work that is done after its timeout is deleted, but has timed out', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ handlerTimeoutMs: 10_000, handler: gate.handle });
  world.queue.put('late');
  await world.clock.advance(11_000);
  gate.finish('late');
  await world.clock.until(() => world.queue.undeleted.length === 0, 1_000);
  await world.drain(worker);
  expect(world.endings()).toEqual({ TimedOut: 1 });
});

test('a handler that blocks the event loop past its timeout has timed out', async () => {
  const world = new World();
  const worker = world.run({
    visibilitySeconds: 60,
    handlerTimeoutMs: 10_000,
    handler: async () => world.clock.block(15_000),
  });
  world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.endings()).toEqual({ TimedOut: 1 });
});

test('leases that are lost while a handler blocks the event loop speak against the version', async () => {
  const world = new World();
  const { gate, contexts, handler } = watched();
  const worker = world.run({
    handlerTimeoutMs: 600_000,
    handler: async (body, message, context) => {
      if (body !== 'blocks') return handler(body, message, context);
      await Promise.resolve();
      if (message.receiveCount === 1) world.clock.block(40_000);
    },
  });
  world.queue.put('waits');
  await world.clock.advance(10);
  world.queue.put('blocks');
  await world.clock.until(() => contexts[0]?.abortedBecause === 'lease-lost');
  gate.fail('waits');
  await world.drain(worker);
  expect(world.events('message failed').slice(0, 2)).toMatchObject([
    { messageId: 'm2', outcome: 'Expired', attribution: 'version', errorClass: 'EventLoopBlocked' },
    { messageId: 'm1', outcome: 'Expired', attribution: 'version', errorClass: 'EventLoopBlocked' },
  ]);
  expect(world.total('FirstFailed')).toBe(2);
});

// Leases

test('a reply that lay unread while the event loop was blocked brings leases that are trusted no longer', async () => {
  const world = new World();
  const handled: string[] = [];
  const worker = world.run({
    pollers: 2,
    concurrency: 20,
    visibilitySeconds: 10,
    handlerTimeoutMs: 600_000,
    handler: async (body) => {
      handled.push(body);
      if (body !== 'blocks') return;
      world.queue.put('unread');
      world.clock.block(15_000);
    },
  });
  await world.clock.advance(1_000);
  world.queue.put('blocks');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(handled.filter((body) => body === 'unread')).toHaveLength(1);
  expect(world.events('message failed')).toMatchObject(
    ['m1', 'm2'].map((messageId) => ({ messageId, outcome: 'Expired', errorClass: 'EventLoopBlocked' })),
  );
});

test('a lease is renewed as long as the handler works', async () => {
  const world = new World();
  const gate = new Gate();
  world.run({ visibilitySeconds: 30, handlerTimeoutMs: 1_000_000, handler: gate.handle });
  world.queue.put('long');
  await world.clock.advance(600_000);
  expect(gate.started).toEqual(['long']);
  gate.finish('long');
  await world.clock.until(() => world.queue.undeleted.length === 0, 1_000);
});

test('a lease that SQS no longer grants aborts the handler and is its own outcome', async () => {
  const world = new World();
  const { gate, contexts, handler } = watched();
  const operations = new TroubledOperations(
    world.queue,
    world.clock,
    always('changeMessageVisibilityBatch', 'unavailable'),
  );
  const worker = world.run(
    { concurrency: 1, visibilitySeconds: 30, handlerTimeoutMs: 600_000, handler },
    operations,
  );
  world.queue.put('a');
  await world.clock.advance(29_000);
  expect(contexts[0]?.abortedBecause).toBeUndefined();
  await world.clock.advance(1_100);
  expect(contexts[0]?.signal.reason).toMatchObject({ why: 'lease-lost' });
  gate.fail('a');
  await world.drain(worker);
  expect(world.endings()).toMatchObject({ Expired: 1 });
  expect(world.total('FirstFailed')).toBe(0);
  expect(world.events('message failed')).toMatchObject([
    { outcome: 'Expired', attribution: 'infrastructure', errorClass: 'LeaseLost' },
  ]);
});

test('a renewal that fails is tried again before the lease is over', async () => {
  const world = new World();
  const gate = new Gate();
  const plan: Plan = (operation, nth) =>
    operation === 'changeMessageVisibilityBatch' && nth <= 3 ? 'throttled' : 'none';
  world.run(
    { visibilitySeconds: 30, handlerTimeoutMs: 600_000, handler: gate.handle },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  world.queue.put('a');
  await world.clock.advance(60_000);
  expect(gate.started).toEqual(['a']);
  expect(world.events('sqs call failed')).toHaveLength(3);
});

test('a message is not held longer than the longest lease', async () => {
  const world = new World();
  const { contexts, handler } = watched();
  world.run({ visibilitySeconds: 30, leaseMaximumSeconds: 100, handlerTimeoutMs: 600_000, handler });
  world.queue.put('a');
  await world.clock.advance(98_000);
  expect(contexts[0]?.abortedBecause).toBeUndefined();
  await world.clock.advance(3_000);
  expect(contexts[0]?.abortedBecause).toBe('lease-lost');
  expect(world.events('message failed')).toMatchObject([
    { errorClass: 'LeaseMaximum', attribution: 'version' },
  ]);
});

test('a delete waits for a renewal that is on its way, and no renewal follows it', async () => {
  const world = new World();
  const gate = new Gate();
  const plan: Plan = (operation) => (operation === 'changeMessageVisibilityBatch' ? 'slow' : 'none');
  world.run(
    { visibilitySeconds: 30, lingerMs: 0, handlerTimeoutMs: 600_000, handler: gate.handle },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  world.queue.put('a');
  await world.clock.advance(15_500);
  gate.finish('a');
  await world.clock.advance(3_000);
  expect(world.queue.count('DeleteMessageBatch')).toBe(0);
  await world.clock.advance(1_000);
  expect(world.queue.undeleted).toEqual([]);
  await world.clock.advance(60_000);
  expect(world.queue.count('ChangeMessageVisibilityBatch')).toBe(1);
});

// Deletes

test('ten messages are deleted in one call', async () => {
  const world = new World();
  world.run({ handler: async () => undefined });
  await world.clock.settle();
  for (let index = 0; index < 40; index++) world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  const deletes = world.queue.calls.filter(({ operation }) => operation === 'DeleteMessageBatch');
  expect(deletes.length).toBeLessThanOrEqual(6);
});

test('entries of a delete that SQS refused for now are deleted in the end, and counted only then', async () => {
  const world = new World();
  const plan: Plan = (operation, nth) =>
    operation === 'deleteMessageBatch' && nth <= 3 ? 'partial' : 'none';
  const worker = world.run(
    { handler: async () => undefined },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  for (let index = 0; index < 10; index++) world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Succeeded: 10 });
  expect(world.queue.messages.every(({ receiveCount }) => receiveCount === 1)).toBe(true);
});

test('a delete that is refused for good is a failed delete, and is not tried again', async () => {
  const world = new World();
  const refusing = {
    ...world.queue,
    receiveMessage: world.queue.receiveMessage,
    changeMessageVisibilityBatch: world.queue.changeMessageVisibilityBatch,
    sendMessage: world.queue.sendMessage,
    deleteMessageBatch: async ({ Entries }: { Entries: readonly { Id: string }[] }) => {
      refusals++;
      return { Failed: Entries.map(({ Id }) => ({ Id, Code: 'ReceiptHandleIsInvalid', SenderFault: true })) };
    },
  };
  let refusals = 0;
  const worker = world.run({ handler: async () => undefined }, refusing);
  world.queue.put('a');
  await world.clock.advance(10_000);
  await world.drain(worker);
  expect(refusals).toBe(1);
  expect(world.endings()).toEqual({ DeleteFailed: 1 });
  expect(world.total('FirstFailed')).toBe(0);
});

test('deletes are given up when the lease is over, since the message may be with another', async () => {
  const world = new World();
  const operations = new TroubledOperations(
    world.queue,
    world.clock,
    always('deleteMessageBatch', 'request lost'),
  );
  let handled = 0;
  world.run(
    {
      concurrency: 1,
      visibilitySeconds: 30,
      handler: async () => {
        handled++;
      },
    },
    operations,
  );
  world.queue.put('a');
  await world.clock.until(() => world.events('message failed').length === 1);
  expect(world.events('message failed')).toMatchObject([
    { outcome: 'DeleteFailed', attribution: 'infrastructure' },
  ]);
  expect(handled).toBe(2);
});

// Receives

test.each<[Trouble, string]>([
  ['throttled', 'infrastructure'],
  ['unavailable', 'infrastructure'],
  ['request lost', 'infrastructure'],
  ['unheard of', 'version'],
  ['denied', 'version'],
])(
  'receives that fail (%s) are retried with growing pauses, never spin, and speak against the %s',
  async (trouble, attribution) => {
    const world = new World();
    const worker = world.run(
      { handler: async () => undefined },
      new TroubledOperations(world.queue, world.clock, always('receiveMessage', trouble)),
    );
    await world.clock.advance(120_000);
    const calls = world.events('sqs call failed');
    expect(calls.length).toBeGreaterThan(5);
    expect(calls.length).toBeLessThan(20);
    expect(new Set(calls.map((call) => call.attribution))).toEqual(new Set([attribution]));
    expect(worker.health()).toMatchObject({ healthy: false, receiveFaultsInARow: calls.length });
  },
);

test('it goes on as soon as receives succeed again', async () => {
  const world = new World();
  const plan: Plan = (operation, nth) =>
    operation === 'receiveMessage' && nth <= 8 ? 'unavailable' : 'none';
  const worker = world.run(
    { handler: async () => undefined },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  expect(worker.health().healthy).toBe(true);
});

test('empty replies that come without the wait that was asked for do not make it spin', async () => {
  const world = new World();
  let calls = 0;
  world.run(
    { handler: async () => undefined },
    {
      ...new TroubledOperations(world.queue, world.clock, () => 'none'),
      receiveMessage: async () => {
        calls++;
        return {};
      },
    },
  );
  await world.clock.advance(60_000);
  expect(calls).toBeLessThan(120);
});

test('a reply with more messages than were asked for loses none of them', async () => {
  const world = new World();
  const gate = new Gate();
  world.run(
    { concurrency: 2, handler: gate.handle },
    {
      ...new TroubledOperations(world.queue, world.clock, () => 'none'),
      receiveMessage: (input, signal) =>
        world.queue.receiveMessage({ ...input, MaxNumberOfMessages: 5 }, signal),
    },
  );
  for (const body of ['a', 'b', 'c', 'd', 'e']) world.queue.put(body);
  await world.clock.advance(1_000);
  expect(gate.started).toEqual(['a', 'b']);
  expect(world.queue.visible.map(({ body }) => body)).toEqual(['c', 'd', 'e']);
});

test('the age of a message is measured on the clock of SQS', async () => {
  const world = new World();
  const ages: number[] = [];
  const tenMinutes = 600_000;
  const transport = {
    ...world.queue,
    receiveMessage: world.queue.receiveMessage,
    clockOffsetMs: tenMinutes,
    close: () => undefined,
    deleteMessageBatch: world.queue.deleteMessageBatch,
    changeMessageVisibilityBatch: world.queue.changeMessageVisibilityBatch,
    sendMessage: world.queue.sendMessage,
  };
  const worker = world.run({
    transport,
    handler: async (_body, _message, { ageMs }) => {
      ages.push(ageMs);
    },
  });
  // Sent now, by a clock that is ten minutes ahead of the worker's.
  Object.assign(world.queue.put('a'), { sentAtMs: world.clock.nowMs() + tenMinutes });
  await world.clock.until(() => ages.length === 1 || world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(Math.abs(ages[0]!)).toBeLessThan(1_000);
  expect(world.values('QueueAgeMs')).toEqual([expect.closeTo(ages[0]!, 0)]);
  const metadata = world.log.flatMap(({ _aws }) =>
    _aws === undefined ? [] : [_aws as { Timestamp: number }],
  );
  expect(metadata[0]!.Timestamp - world.clock.nowMs()).toBeGreaterThan(tenMinutes - 10_000);
});

// Batches

test('a batch handler answers for each message; one without an outcome is retried', async () => {
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

test('what does not decode stays out of its batch', async () => {
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

// FIFO

test('messages of a group are handled one after the other, and groups at the same time', async () => {
  const world = new World({ fifo: true });
  const gate = new Gate();
  const worker = world.run({ handler: gate.handle });
  for (const body of ['a1', 'b1', 'a2', 'b2']) world.queue.put(body, { groupId: body[0]! });
  await world.clock.advance(100);
  expect(gate.started).toEqual(['a1', 'b1']);
  gate.finish('b1');
  await world.clock.advance(100);
  expect(gate.started).toEqual(['a1', 'b1', 'b2']);
  gate.finish('a1');
  await world.clock.advance(100);
  expect(gate.started).toEqual(['a1', 'b1', 'b2', 'a2']);
  gate.finish('a2');
  gate.finish('b2');
  await world.drain(worker);
  expect(world.endings()).toEqual({ Succeeded: 4 });
});

test('a message that fails takes the rest of its group back with it, and other groups go on', async () => {
  const world = new World({ fifo: true });
  const order: string[] = [];
  let failures = 1;
  const worker = world.run({
    retryFirstSeconds: 5,
    handler: async (body) => {
      order.push(body);
      if (body === 'a1' && failures-- > 0) throw new Error('not yet');
    },
  });
  for (const body of ['a1', 'a2', 'b1', 'a3', 'b2']) world.queue.put(body, { groupId: body[0]! });
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(order.filter((body) => body.startsWith('a'))).toEqual(['a1', 'a1', 'a2', 'a3']);
  expect(order.slice(0, 3).sort()).toEqual(['a1', 'b1', 'b2']);
  expect(world.endings()).toEqual({ Succeeded: 5, Failed: 1, Released: 2 });
});

test('the next of a group waits until the delete before it is confirmed', async () => {
  const world = new World({ fifo: true });
  const order: string[] = [];
  const plan: Plan = (operation, nth) =>
    operation === 'deleteMessageBatch' && nth <= 2 ? 'request lost' : 'none';
  world.run(
    {
      handler: async (body) => {
        order.push(`${body} with ${world.queue.undeleted.length} left`);
      },
    },
    new TroubledOperations(world.queue, world.clock, plan),
  );
  for (const body of ['a1', 'a2', 'a3']) world.queue.put(body, { groupId: 'a' });
  await world.clock.until(() => world.queue.undeleted.length === 0);
  expect(
    order.map((line) => line.slice(0, 2)).filter((body, index, all) => all.indexOf(body) === index),
  ).toEqual(['a1', 'a2', 'a3']);
  expect(order.at(-1)).toBe('a3 with 1 left');
});

test('in a batch of a FIFO queue, what follows a failed message of its group is given back', async () => {
  const world = new World({ fifo: true });
  const worker = world.run({
    retryFirstSeconds: 60,
    batchHandler: async (items) =>
      new Map(
        items.map(({ message, body }) => [
          message.messageId,
          body === 'a1' ? ({ kind: 'retry' } as const) : ({ kind: 'ok' } as const),
        ]),
      ),
  });
  for (const body of ['a1', 'b1', 'a2']) world.queue.put(body, { groupId: body[0]! });
  await world.clock.advance(1_000);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Failed: 1, Succeeded: 1, Released: 1 });
  expect(world.queue.undeleted.map(({ body }) => body)).toEqual(['a1', 'a2']);
});

type Running = Parameters<World['run']>[0];

describe('in a batch of a FIFO queue, nothing of a group is done behind a message', () => {
  const ok = { kind: 'ok' } as const;
  const poison = { kind: 'poison', reason: 'bad' } as const;
  const all =
    (first: Outcome | undefined): Running['batchHandler'] =>
    async (items) =>
      new Map(
        items.flatMap(({ message, body }) => {
          const outcome = body === 'a1' ? first : ok;
          return outcome === undefined ? [] : [[message.messageId, outcome] as const];
        }),
      );
  const decode = (rawBody: string) => {
    if (rawBody === 'a1') throw new SyntaxError('a1');
    return rawBody;
  };
  const parking = {
    deadLetterQueueUrl: `${new World({ fifo: true }).queue.url.replace('.fifo', '-dead.fifo')}`,
  };

  test.each<[string, Running, Plan]>([
    ['that cannot be decoded', { decode, batchHandler: all(ok) }, () => 'none'],
    [
      'that cannot be decoded, nor parked',
      { decode, parking, batchHandler: all(ok) },
      always('sendMessage', 'denied'),
    ],
    [
      'that is poison, and cannot be parked',
      { parking, batchHandler: all(poison) },
      always('sendMessage', 'denied'),
    ],
    ['that has no outcome', { batchHandler: all(undefined) }, () => 'none'],
    ['whose delete is not confirmed', { batchHandler: all(ok) }, always('deleteMessageBatch', 'denied')],
  ])('%s', async (_what, tuning, plan) => {
    const world = new World({ fifo: true });
    const operations = new TroubledOperations(world.queue, world.clock, plan);
    const worker = world.run({ retryFirstSeconds: 60, ...tuning }, operations);
    for (const body of ['a1', 'a2', 'b1', 'a3']) world.queue.put(body, { groupId: body[0]! });
    await world.clock.advance(1_000);
    await world.drain(worker);
    const left = world.queue.undeleted.map(({ body }) => body);
    expect(left.filter((body) => body.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
  });

  test('that is parked in the end: those behind it come after it', async () => {
    const world = new World({ fifo: true });
    const operations = new TroubledOperations(world.queue, world.clock, (operation, nth) =>
      operation === 'sendMessage' && nth === 1 ? 'unavailable' : 'none',
    );
    const worker = world.run({ retryFirstSeconds: 5, parking, batchHandler: all(poison) }, operations);
    for (const body of ['a1', 'a2', 'a3']) world.queue.put(body, { groupId: 'a' });
    await world.clock.until(() => world.queue.undeleted.length === 0);
    await world.drain(worker);
    expect(world.queue.deadLetters).toMatchObject([{ MessageBody: 'a1' }]);
  });
});

// Odd replies

test.each([
  ['null', null],
  ['a text', 'none'],
  ['an object', {}],
  ['a list of nothing', [null]],
  ['a list of texts', ['a']],
])('a receive whose messages are %s does not end the worker', async (_what, odd) => {
  const world = new World();
  let replies = 0;
  const sound = new TroubledOperations(world.queue, world.clock, () => 'none');
  const operations: SqsOperations = {
    ...sound,
    receiveMessage: async (input, signal) => {
      replies += 1;
      return replies === 1
        ? JSON.parse(JSON.stringify({ Messages: odd }))
        : sound.receiveMessage(input, signal);
    },
  };
  const worker = world.run({ pollers: 1, handler: async () => undefined }, operations);
  world.queue.put('a');
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

// Options

test.each<[WorkerTuning & { maxReceiveCount?: number }, RegExp]>([
  [{ concurrency: 0 }, /concurrency must be a whole number from 1/],
  [{ waitSeconds: 21 }, /waitSeconds must be a whole number from 0 to 20, not 21/],
  [{ visibilitySeconds: Number.NaN }, /visibilitySeconds must be .* not NaN/],
  [{ receiveMax: 11 }, /receiveMax/],
  [{ maxReceiveCount: 0 }, /maxReceiveCount must be a whole number from 1 to 1000, not 0/],
  [{ visibilitySeconds: 2, lingerMs: 1_000 }, /lingerMs must be less than half of the visibility/],
  [{ visibilitySeconds: 10, renewEverySeconds: 10 }, /renewEverySeconds must be less than visibilitySeconds/],
])('a worker with %j does not start', (tuning, message) => {
  const world = new World();
  expect(() => world.worker({ ...tuning, handler: async () => undefined })).toThrow(message);
});

test('all that is wrong with the options is said at once', () => {
  const world = new World();
  const build = () =>
    world.worker({
      concurrency: 1.5,
      identity: { app: '', track: 'canary', revision: 'abc' },
      parking: { deadLetterQueueUrl: `${world.queue.url}.fifo` },
    });
  expect(build).toThrow(UserError);
  expect(build).toThrow(/of the same type.*identity.app.*exactly one of handler.*concurrency/);
});
