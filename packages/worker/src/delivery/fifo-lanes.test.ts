import { describe, expect, test } from 'vitest';
import { always, type Plan, TroubledOperations } from '../../test/support/faults.ts';
import { Gate, World } from '../../test/support/world.ts';
import type { Outcome } from '../index.ts';
import { type Delivery, toDelivery } from '../message/delivery.ts';
import { FifoLanes, type Lane } from './fifo-lanes.ts';

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

describe('the lanes', () => {
  const settings = { visibilitySeconds: 30, renewEverySeconds: 15, leaseMaximumSeconds: 600 };
  const delivery = (body: string) =>
    toDelivery({ MessageId: body, Body: body, Attributes: { MessageGroupId: body[0] } }, 0, settings);
  const bodiesOf = (deliveries: readonly Delivery[]) => deliveries.map(({ message }) => message.rawBody);

  function lanes() {
    const handled: Delivery[] = [];
    const givenBack: Delivery[] = [];
    const inWork = new Map<string, Lane>();
    let ended = 0;
    const own = new FifoLanes({
      handle: (one, lane) => {
        handled.push(one);
        inWork.set(one.message.rawBody, lane);
      },
      giveBack: (one) => givenBack.push(one),
      onEnd: () => {
        ended += 1;
      },
    });
    return { own, handled, givenBack, lane: (body: string) => inWork.get(body)!, ended: () => ended };
  }

  test('begin one for each group, and another only after its end', () => {
    const { own, handled, lane, ended } = lanes();
    expect(own.add(['a1', 'b1', 'a2'].map(delivery))).toBe(2);
    expect(own.add([delivery('a3')])).toBe(0);
    expect(bodiesOf(handled)).toEqual(['a1', 'b1']);
    for (const body of ['a1', 'a2', 'a3']) lane(body).next();
    expect(bodiesOf(handled)).toEqual(['a1', 'b1', 'a2', 'a3']);
    expect(ended()).toBe(1);
    expect(own.add([delivery('a4')])).toBe(1);
  });

  test('give back what waits when a message was not done, and end', () => {
    const { own, handled, givenBack, lane, ended } = lanes();
    own.add(['a1', 'a2', 'a3'].map(delivery));
    lane('a1').block();
    expect([bodiesOf(handled), bodiesOf(givenBack), ended()]).toEqual([['a1'], ['a2', 'a3'], 1]);
  });

  test('go without a waiting message whose lease is lost, and without those around it', () => {
    const { own, givenBack, lane, ended } = lanes();
    const waiting = ['a2', 'a3', 'a4'].map(delivery);
    own.add([delivery('a1'), ...waiting]);
    own.giveBackBehind(waiting[1]!);
    expect(bodiesOf(givenBack)).toEqual(['a2', 'a4']);
    lane('a1').next();
    expect(ended()).toBe(1);
  });

  test('do not report the end of one whose handler is stuck, and another begins', () => {
    const { own, handled, givenBack, ended } = lanes();
    own.add(['a1', 'a2'].map(delivery));
    own.abandon(handled[0]!);
    expect([bodiesOf(givenBack), ended()]).toEqual([['a2'], 0]);
    expect(own.add([delivery('a3')])).toBe(1);
  });
});
