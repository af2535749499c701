import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

let world: SqsWorld;
beforeEach(async () => {
  world = await SqsWorld.start();
});
afterEach(() => world.end());

describe('metrics', () => {
  const depths = [
    'ApproximateNumberOfMessagesVisible',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
    'ApproximateAgeOfOldestMessage',
  ];
  const last = (queue: string, name: string) => world.metric(queue, name).at(-1)?.value;
  const sum = (queue: string, name: string) =>
    world.metric(queue, name).reduce((total, { value }) => total + value, 0);

  test('say of each queue what it holds, how old that is and what was done', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '6000' });
    await world.send(QueueUrl, 'four');
    await world.send(QueueUrl, 'sixsix');
    await world.send(QueueUrl, 'later', { DelaySeconds: 900 });
    const [message] = await world.receive(QueueUrl);
    await world.receive(QueueUrl);
    await world.receive(QueueUrl);
    await world.remove(QueueUrl, message);
    const sentAtMs = world.clock.nowMs();
    await world.clock.advanceBy(10 * MINUTE);
    expect(depths.slice(0, 3).map((name) => last('orders', name))).toEqual([0, 1, 1]);
    const age = world.metric('orders', 'ApproximateAgeOfOldestMessage').at(-1)!;
    expect(age.value).toBe(Math.floor((age.atMs - sentAtMs) / SECOND));
    expect(sum('orders', 'NumberOfMessagesSent')).toBe(3);
    expect(sum('orders', 'NumberOfMessagesReceived')).toBe(2);
    expect(sum('orders', 'NumberOfMessagesDeleted')).toBe(1);
    expect(sum('orders', 'NumberOfEmptyReceives')).toBe(1);
    expect(sum('orders', 'SentMessageSize')).toBe(15);
  });

  test('count a dead-lettered message as visible there, but not as sent', async () => {
    await world.queue('dead');
    const orders = await world.queue('orders', { VisibilityTimeout: '1', ...world.redrive('dead', 1) });
    await world.send(orders, 'a');
    await world.receive(orders);
    await world.clock.advanceBy(SECOND);
    await world.receive(orders);
    await world.clock.advanceBy(10 * MINUTE);
    expect(last('dead', 'ApproximateNumberOfMessagesVisible')).toBe(1);
    expect(sum('dead', 'NumberOfMessagesSent')).toBe(0);
  });

  test('come about once a minute, up to three minutes late, each on its own, and some not at all', async () => {
    await world.queue('orders');
    const hours = 4;
    await world.clock.advanceBy(hours * HOUR);
    const series = depths.map((name) => world.metric('orders', name));
    for (const points of series) {
      expect(points.length).toBeLessThan(hours * 60);
      expect(points.length).toBeGreaterThan(hours * 50);
      for (const { atMs, arrivedAtMs } of points) {
        expect(arrivedAtMs).toBeGreaterThanOrEqual(atMs);
        expect(arrivedAtMs).toBeLessThanOrEqual(atMs + 3 * MINUTE);
      }
    }
    const minutes = series[0]!.map(({ atMs }) => Math.floor(atMs / MINUTE));
    expect(new Set(minutes).size).toBeLessThan(minutes.length);
    const [visible, inFlight] = series.map(
      (points) => new Map(points.map(({ atMs, arrivedAtMs }) => [atMs, arrivedAtMs])),
    );
    const together = [...visible!].filter(([atMs, arrivedAtMs]) => inFlight!.get(atMs) === arrivedAtMs);
    expect(together).toEqual([]);
  });

  test('end six hours after the last call, and begin a while after the next', async () => {
    const QueueUrl = await world.queue('orders');
    await world.clock.advanceBy(7 * HOUR);
    const before = world.metric('orders', 'NumberOfMessagesSent').at(-1)!;
    expect(before.atMs).toBeLessThan(world.clock.nowMs() - HOUR);
    await world.send(QueueUrl, 'a');
    const wokenAtMs = world.clock.nowMs();
    await world.clock.advanceBy(20 * MINUTE);
    const [first] = world.metric('orders', 'NumberOfMessagesSent').filter(({ atMs }) => atMs > before.atMs);
    expect(first!.value).toBe(1);
    expect(first!.atMs).toBeGreaterThan(wokenAtMs + 30 * SECOND);
  });
});

describe('the approximate counts', () => {
  test('lag behind, each on its own, by a minute at most', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '600' });
    for (let count = 0; count < 10; count += 1) await world.send(QueueUrl, 'a');
    await world.clock.advanceBy(MINUTE);
    expect(await world.approximateDepth(QueueUrl)).toBe('10/0/0');
    await world.bodies(QueueUrl);
    const seen = new Set<string>();
    for (let look = 0; look < 60; look += 1) {
      await world.clock.advanceBy(SECOND);
      seen.add(await world.approximateDepth(QueueUrl));
    }
    expect([...seen].sort()).toEqual(['0/0/0', '0/10/0', '10/0/0', '10/10/0']);
    for (let look = 0; look < 60; look += 1) {
      expect(await world.approximateDepth(QueueUrl)).toBe('0/10/0');
    }
  });

  test('of an empty queue sometimes say that a message is in flight', async () => {
    const QueueUrl = await world.queue('orders');
    const seen = [];
    for (let look = 0; look < 200; look += 1) seen.push(await world.approximateDepth(QueueUrl));
    expect(new Set(seen)).toEqual(new Set(['0/0/0', '0/1/0']));
    expect(seen.filter((depth) => depth === '0/1/0').length).toBeLessThan(20);
  });

  test('of a FIFO queue are exact', async () => {
    const fifo = await world.queue('orders.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
    await world.send(fifo, 'a', { MessageGroupId: 'a' });
    expect(await world.approximateDepth(fifo)).toBe('1/0/0');
    await world.receive(fifo);
    expect(await world.approximateDepth(fifo)).toBe('0/1/0');
  });
});
