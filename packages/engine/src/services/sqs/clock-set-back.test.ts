import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';

const SECOND = 1000;
const HOUR = 3_600 * SECOND;

let world: SqsWorld;
beforeEach(async () => {
  world = await SqsWorld.start();
});
afterEach(() => world.end());

const pass = (seconds: number) => world.clock.advanceBy(seconds * SECOND);

/** How the clock is set back, as seen by a running engine, and by one that is started again after it. */
const WAYS: ReadonlyArray<[way: string, setBack: () => Promise<void>]> = [
  ['while the engine runs', async () => world.clock.setBack(HOUR)],
  [
    'while no engine runs',
    async () => {
      world.clock.setBack(HOUR);
      await world.restart();
    },
  ],
];

describe.each(WAYS)('when the clock is set back by an hour %s', (_way, setBack) => {
  test('a lease ends when it would have, for who polls and for who waits', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '4' });
    await world.send(QueueUrl, 'a');
    await world.send(QueueUrl, 'b');
    await world.receive(QueueUrl, { MaxNumberOfMessages: 10 });
    await setBack();
    await pass(3);
    expect(await world.bodies(QueueUrl)).toEqual([]);
    const waited = world.bodies(QueueUrl, { WaitTimeSeconds: 5 });
    await pass(2);
    expect((await waited).sort()).toEqual(['a', 'b']);
  });

  test('a lease that begins afterwards ends, too', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '4' });
    await world.send(QueueUrl, 'a');
    await setBack();
    expect(await world.bodies(QueueUrl)).toEqual(['a']);
    await pass(5);
    expect(await world.bodies(QueueUrl)).toEqual(['a']);
  });

  test('a delay ends when it would have', async () => {
    const QueueUrl = await world.queue('orders', { DelaySeconds: '10' });
    await world.send(QueueUrl, 'a');
    await setBack();
    await pass(9);
    expect(await world.depth(QueueUrl)).toBe('0/0/1');
    await pass(2);
    expect(await world.bodies(QueueUrl)).toEqual(['a']);
  });

  test('messages expire when they would have, and no earlier', async () => {
    const QueueUrl = await world.queue('orders', { MessageRetentionPeriod: '60' });
    await world.send(QueueUrl, 'a');
    await setBack();
    await pass(58);
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
    await pass(3);
    expect(await world.ledger(QueueUrl)).toMatchObject({ visible: 0, expired: 1 });
  });

  test('a handle stays good, and a message says times of the present', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl, { VisibilityTimeout: 2 });
    await setBack();
    await pass(3);
    const [again] = await world.receive(QueueUrl, { MessageSystemAttributeNames: ['All'] });
    expect(again?.MessageId).toBe(message?.MessageId);
    const { SentTimestamp, ApproximateFirstReceiveTimestamp } = again?.Attributes ?? {};
    const nowMs = world.clock.nowMs();
    expect([Number(SentTimestamp), Number(ApproximateFirstReceiveTimestamp)].map((ms) => nowMs - ms)).toEqual(
      [3 * SECOND, 3 * SECOND],
    );
    await world.remove(QueueUrl, again);
    expect(await world.depth(QueueUrl)).toBe('0/0/0');
  });

  test('groups of a FIFO queue stay blocked for as long, and duplicates are known for as long', async () => {
    const fifo = await world.queue('orders.fifo', { FifoQueue: 'true', VisibilityTimeout: '10' });
    const send = (body: string) =>
      world.send(fifo, body, { MessageGroupId: 'a', MessageDeduplicationId: body });
    await send('1');
    await send('2');
    expect(await world.bodies(fifo, { MaxNumberOfMessages: 1 })).toEqual(['1']);
    await setBack();
    expect(await world.bodies(fifo)).toEqual([]);
    await send('2');
    await pass(11);
    expect(await world.bodies(fifo)).toEqual(['1', '2']);
    await pass(300);
    await send('2');
    expect((await world.ledger(fifo)).sent).toBe(3);
  });

  test('a queue can be purged again, and the name of a deleted one used', async () => {
    const QueueUrl = await world.queue('orders');
    await world.call('PurgeQueue', { QueueUrl });
    await world.call('DeleteQueue', { QueueUrl: await world.queue('old') });
    await setBack();
    await pass(61);
    await expect(world.call('PurgeQueue', { QueueUrl })).resolves.toEqual({});
    await expect(world.queue('old')).resolves.toContain('old');
  });
});

test('metrics go on after the clock was set back', async () => {
  const QueueUrl = await world.queue('orders');
  await world.send(QueueUrl, 'a');
  await pass(600);
  world.clock.setBack(HOUR);
  const before = world.metrics.length;
  await world.send(QueueUrl, 'b');
  await pass(600);
  expect(world.metrics.length).toBeGreaterThan(before);
});

test('however the clock is set back, each lease and each delay ends when it is over', async () => {
  const step = fc.record({
    seconds: fc.integer({ min: 0, max: 30 }),
    backSeconds: fc.integer({ min: 0, max: 7_200 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const own = await SqsWorld.start();
      const QueueUrl = await own.queue('orders', { VisibilityTimeout: '60' });
      await own.send(QueueUrl, 'leased');
      await own.receive(QueueUrl);
      await own.send(QueueUrl, 'delayed', { DelaySeconds: 60 });
      let passed = 0;
      for (const { seconds, backSeconds } of steps) {
        if (passed + seconds > 55) break;
        await own.clock.advanceBy(seconds * SECOND);
        passed += seconds;
        own.clock.setBack(backSeconds * SECOND);
        expect(await own.depth(QueueUrl)).toBe('0/1/1');
      }
      await own.clock.advanceBy((66 - passed) * SECOND);
      expect(await own.depth(QueueUrl)).toBe('2/0/0');
      await own.end();
    }),
    { numRuns: 30 },
  );
});
