import { expect, test } from 'vitest';
import { Gate, World } from '../test/support/world.ts';

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
  expect(
    ['Received', 'FirstReceived', 'FirstFinished', 'FirstFailed'].map((name) => world.total(name)),
  ).toEqual([1, 1, 1, 0]);
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
