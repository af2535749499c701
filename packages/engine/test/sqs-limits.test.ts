import { expect, test } from 'vitest';
import { SqsWorld } from './sqs-world.ts';

const IN_FLIGHT_MAX = 120_000;

async function fillInFlight(
  world: SqsWorld,
  QueueUrl: string,
  group?: (index: number) => string,
): Promise<void> {
  for (let sent = 0; sent < IN_FLIGHT_MAX; sent += 10) {
    await world.call('SendMessageBatch', {
      QueueUrl,
      Entries: Array.from({ length: 10 }, (_, index) => ({
        Id: `${index}`,
        MessageBody: `${sent + index}`,
        ...(group ? { MessageGroupId: group(sent + index) } : {}),
      })),
    });
    await world.receive(QueueUrl, { MaxNumberOfMessages: 10 });
  }
}

test('a standard queue refuses short polls beyond 120,000 messages in flight, and long polls wait', async () => {
  const world = await SqsWorld.start();
  const QueueUrl = await world.queue('orders', { VisibilityTimeout: '60' });
  await fillInFlight(world, QueueUrl);
  await world.send(QueueUrl, 'one more');
  expect(await world.depth(QueueUrl)).toBe('1/120000/0');
  await expect(world.receive(QueueUrl)).rejects.toMatchObject({ code: 'OverLimit' });
  const waiting = world.receive(QueueUrl, { WaitTimeSeconds: 20 });
  await world.clock.advanceBy(19_999);
  expect(await world.depth(QueueUrl)).toBe('1/120000/0');
  await world.clock.advanceBy(1);
  expect(await waiting).toEqual([]);
  await world.clock.advanceBy(40_000);
  expect(await world.depth(QueueUrl)).toBe('120001/0/0');
  await world.end();
});

test('a FIFO queue gives nothing beyond 120,000 messages in flight, without an error', async () => {
  const world = await SqsWorld.start();
  const QueueUrl = await world.queue('orders.fifo', {
    FifoQueue: 'true',
    ContentBasedDeduplication: 'true',
    VisibilityTimeout: '60',
  });
  await fillInFlight(world, QueueUrl, (index) => `g${index}`);
  await world.send(QueueUrl, 'one more', { MessageGroupId: 'last' });
  expect(await world.receive(QueueUrl)).toEqual([]);
  expect(await world.depth(QueueUrl)).toBe('1/120000/0');
  await world.end();
});
