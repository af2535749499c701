import { expect, test } from 'vitest';
import { always, type Plan, type Trouble, TroubledOperations } from '../../test/support/faults.ts';
import { Gate, World } from '../../test/support/world.ts';
import type { SqsOperations } from '../transport/in-process-transport.ts';

test.each<[Trouble, string]>([
  ['throttled', 'infrastructure'],
  ['unavailable', 'infrastructure'],
  ['request lost', 'infrastructure'],
  ['unheard of', 'version'],
  ['denied', 'version'],
])(
  'receives that fail (%s) are retried with growing pauses, never spin, and count against the %s',
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

test('a worker goes on as soon as receives succeed again', async () => {
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
