import { expect, test } from 'vitest';
import { Gate, World, watched } from '../../test/support/world.ts';

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
