import { expect, test } from 'vitest';
import { always, type Trouble, TroubledOperations } from '../test/support/faults.ts';
import { Gate, World } from '../test/support/world.ts';
import type { Clock, HandlerContext } from './index.ts';

const names = (world: World) => world.queue.calls.map(({ operation }) => operation);

test('an idle worker that drains sends no new receive and lets its open long poll return', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 5, handler: async () => undefined });
  await world.clock.advance(1_000);
  const report = await world.drain(worker);
  expect(names(world)).toEqual(['ReceiveMessage']);
  expect(world.queue.openPolls).toBe(0);
  expect(report).toEqual({ durationMs: 4_000, handlersLeft: 0, unconfirmed: 0 });
});

test('a message that the open poll still brings is handled, since giving it back would cost it a receive', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ handler: gate.handle });
  await world.clock.advance(1_000);
  const drained = worker.drain('SIGTERM');
  world.queue.put('late');
  await world.clock.advance(4_000);
  expect(gate.started).toEqual(['late']);
  gate.finish('late');
  await drained;
  expect(world.queue.undeleted).toEqual([]);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

test('a message that the open poll brings after half of the time is given back at once and counts as neutral', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ stopTimeoutMs: 11_000, handler: gate.handle });
  await world.clock.advance(1_000);
  const drained = worker.drain('SIGTERM');
  await world.clock.advance(3_000);
  const late = world.queue.put('late');
  await drained;
  expect(gate.started).toEqual([]);
  expect(late).toMatchObject({ receiveCount: 1, visibleAtMs: world.clock.nowMs() });
  expect(world.endings()).toEqual({ Released: 1 });
  expect(world.total('Received')).toBe(1);
  expect(world.total('FirstFailed')).toBe(0);
});

test('FIFO: a message that the open poll still brings is given back, since those before it in its group may be too', async () => {
  const world = new World({ fifo: true });
  const gate = new Gate();
  const worker = world.run({ handler: gate.handle });
  await world.clock.advance(1_000);
  const drained = worker.drain('SIGTERM');
  world.queue.put('late', { groupId: 'g' });
  await world.clock.advance(4_000);
  await drained;
  expect(gate.started).toEqual([]);
  expect(world.endings()).toEqual({ Released: 1 });
});

test('a message that is given back does not come back through another open poll of the same worker', async () => {
  const world = new World();
  const worker = world.run({
    concurrency: 50,
    pollers: 5,
    stopTimeoutMs: 11_000,
    handler: async () => undefined,
  });
  await world.clock.advance(1_000);
  expect(world.queue.openPolls).toBe(5);
  const drained = worker.drain('SIGTERM');
  await world.clock.advance(3_000);
  const late = world.queue.put('late');
  await world.clock.advance(1_000);
  await drained;
  expect(late.receiveCount).toBe(1);
  expect(world.queue.visible).toEqual([late]);
});

test('a drain does not wait for the pause after a failed receive', async () => {
  const world = new World();
  const worker = world.run(
    { handler: async () => undefined },
    new TroubledOperations(world.queue, world.clock, always('receiveMessage', 'unavailable')),
  );
  await world.clock.advance(60_000);
  expect((await world.drain(worker)).durationMs).toBe(0);
});

test('a handler that runs when the drain begins finishes, with its lease kept, and its message is deleted', async () => {
  const world = new World();
  const gate = new Gate();
  const contexts: HandlerContext[] = [];
  const worker = world.run({
    visibilitySeconds: 6,
    stopTimeoutMs: 30_000,
    handler: (body, _message, context) => {
      contexts.push(context);
      return gate.handle(body);
    },
  });
  world.queue.put('a');
  await world.clock.advance(100);
  const drained = worker.drain('SIGTERM');
  await world.clock.advance(24_000);
  expect(contexts[0]?.signal.aborted).toBe(false);
  gate.finish('a');
  await world.clock.settle();
  expect(await drained).toMatchObject({ handlersLeft: 0, unconfirmed: 0 });
  expect(world.queue.undeleted).toEqual([]);
  expect(world.queue.messages[0]?.receiveCount).toBe(1);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

test('a handler is asked to stop five seconds before the stop timeout; then its message is given back, neutral', async () => {
  const world = new World();
  const abortedAtMs: number[] = [];
  const worker = world.run({
    stopTimeoutMs: 30_000,
    handlerTimeoutMs: 600_000,
    handler: (_body, _message, { signal }) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          abortedAtMs.push(world.clock.nowMs());
          reject(signal.reason);
        });
      }),
  });
  world.queue.put('a');
  await world.clock.advance(100);
  const startedAtMs = world.clock.nowMs();
  const report = await world.drain(worker);
  expect(abortedAtMs).toEqual([startedAtMs + 25_000]);
  expect(report).toMatchObject({ handlersLeft: 0, unconfirmed: 0 });
  expect(world.queue.visible.map(({ body }) => body)).toEqual(['a']);
  expect(world.endings()).toEqual({ Released: 1 });
  expect(world.total('FirstFailed')).toBe(0);
});

test('a message whose handler still runs is never given back: it comes again when its lease lapses', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ stopTimeoutMs: 30_000, handlerTimeoutMs: 600_000, handler: gate.handle });
  world.queue.put('a');
  await world.clock.advance(100);
  const report = await world.drain(worker);
  expect(report.handlersLeft).toBe(1);
  expect(report.durationMs).toBeLessThanOrEqual(29_000);
  expect(world.queue.visible).toEqual([]);
  expect(world.events('message failed')).toMatchObject([
    { outcome: 'Expired', attribution: 'neutral', errorClass: 'LeftOnDrain' },
  ]);
  await world.clock.advance(30_000);
  expect(world.queue.visible.map(({ body }) => body)).toEqual(['a']);
});

test('a handler that fails while draining has failed as always', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ retryFirstSeconds: 60, handler: gate.handle });
  world.queue.put('a');
  await world.clock.advance(100);
  const drained = worker.drain('SIGTERM');
  gate.fail('a');
  await world.clock.advance(5_000);
  await drained;
  expect(world.endings()).toEqual({ Failed: 1 });
});

test('deletes that linger are sent at once when the drain begins', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 0, lingerMs: 10_000, handler: async () => undefined });
  world.queue.put('a');
  await world.clock.advance(500);
  expect(world.queue.undeleted).toHaveLength(1);
  const report = await world.drain(worker);
  expect(world.queue.undeleted).toEqual([]);
  expect(report.durationMs).toBe(0);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

test.each<[string, Trouble]>([
  ['lost on its way', 'request lost'],
  ['lost on its way back', 'reply lost'],
  ['throttled', 'throttled'],
  ['refused in part', 'partial'],
  ['slow', 'slow'],
])('in the delete flush: a delete that is %s is confirmed before the end', async (_how, what) => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run(
    { handler: gate.handle },
    new TroubledOperations(world.queue, world.clock, always('deleteMessageBatch', what, 2)),
  );
  for (const body of ['a', 'b', 'c']) world.queue.put(body);
  await world.clock.advance(100);
  const drained = worker.drain('SIGTERM');
  for (const body of ['a', 'b', 'c']) gate.finish(body);
  await world.clock.until(() => worker.health().state === 'stopped');
  expect(await drained).toMatchObject({ unconfirmed: 0 });
  expect(world.queue.undeleted).toEqual([]);
  expect(world.endings()).toEqual({ Succeeded: 3 });
});

test('deletes that are never confirmed end with the time for draining, each with its line', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run(
    { stopTimeoutMs: 10_000, visibilitySeconds: 60, handler: gate.handle },
    new TroubledOperations(world.queue, world.clock, always('deleteMessageBatch', 'unavailable')),
  );
  world.queue.put('a');
  await world.clock.advance(100);
  gate.finish('a');
  const report = await world.drain(worker);
  expect(report).toEqual({ durationMs: 9_000, handlersLeft: 0, unconfirmed: 1 });
  expect(world.endings()).toEqual({ DeleteFailed: 1 });
});

test('a second drain changes nothing and ends with the first', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run({ handler: gate.handle });
  world.queue.put('a');
  await world.clock.advance(100);
  const first = worker.drain('SIGTERM');
  await world.clock.advance(2_000);
  const second = worker.drain('SIGTERM');
  await world.clock.advance(2_000);
  expect(worker.health().state).toBe('draining');
  gate.finish('a');
  await world.clock.advance(5_000);
  expect(await second).toBe(await first);
  expect(world.events('draining')).toHaveLength(1);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

test('a worker that is drained before its start has nothing to stop, and does not start afterwards', async () => {
  const world = new World();
  const worker = world.worker({ handler: async () => undefined });
  await worker.drain('SIGTERM');
  worker.start();
  await world.clock.advance(1_000);
  expect(world.queue.calls).toEqual([]);
  expect(worker.health()).toMatchObject({ state: 'stopped', healthy: false });
});

test('FIFO: messages that wait behind a running one are given back unhandled, and the running one finishes', async () => {
  const world = new World({ fifo: true });
  const gate = new Gate();
  const worker = world.run({ handler: gate.handle });
  for (const body of ['a1', 'a2', 'a3']) world.queue.put(body, { groupId: 'a' });
  await world.clock.advance(100);
  const drained = worker.drain('SIGTERM');
  await world.clock.advance(5_000);
  expect(world.queue.visible.map(({ body }) => body)).toEqual(['a2', 'a3']);
  gate.finish('a1');
  await drained;
  expect(gate.started).toEqual(['a1']);
  expect(world.endings()).toEqual({ Succeeded: 1, Released: 2 });
});

test('a poll that hangs is cut off in time to give back what else there is', async () => {
  const world = new World();
  const gate = new Gate();
  const worker = world.run(
    { concurrency: 20, pollers: 2, stopTimeoutMs: 20_000, handlerTimeoutMs: 600_000, handler: gate.handle },
    {
      receiveMessage: (input, signal) =>
        world.queue.count('ReceiveMessage') === 0
          ? world.queue.receiveMessage(input, signal)
          : new Promise(() => undefined),
      deleteMessageBatch: world.queue.deleteMessageBatch,
      changeMessageVisibilityBatch: world.queue.changeMessageVisibilityBatch,
      sendMessage: world.queue.sendMessage,
    },
  );
  world.queue.put('a');
  await world.clock.advance(1_000);
  gate.finish('a');
  const report = await world.drain(worker);
  expect(report.durationMs).toBe(15_000);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});

test.each([600_000, -600_000])('a clock that is %d ms off changes nothing', async (offMs) => {
  const world = new World();
  const gate = new Gate();
  const clock: Clock = {
    nowMs: () => world.clock.nowMs() + offMs,
    setTimer: (delayMs, run) => world.clock.setTimer(delayMs, run),
  };
  const worker = world.run({ clock, visibilitySeconds: 6, handler: gate.handle });
  world.queue.put('a');
  await world.clock.advance(20_000);
  const drained = worker.drain('SIGTERM');
  gate.finish('a');
  await world.clock.advance(5_000);
  expect(await drained).toMatchObject({ handlersLeft: 0, unconfirmed: 0 });
  expect(world.queue.messages[0]).toMatchObject({ receiveCount: 1 });
  expect(world.queue.undeleted).toEqual([]);
  expect(world.values('QueueAgeMs').every((ageMs) => ageMs >= 0)).toBe(true);
});
