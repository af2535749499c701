import { expect, test } from 'vitest';
import { always, type Plan, TroubledOperations } from '../../test/support/faults.ts';
import { Gate, World, watched } from '../../test/support/world.ts';

test('leases that are lost while a handler blocks the event loop count against the version', async () => {
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

test('leases in a reply that was unread while the event loop was blocked are not trusted', async () => {
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

test('a lease that SQS refuses to renew aborts the handler and has its own outcome', async () => {
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
