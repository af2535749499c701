import { expect, test } from 'vitest';
import { always, type Plan, TroubledOperations } from '../../test/support/faults.ts';
import { World } from '../../test/support/world.ts';

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
