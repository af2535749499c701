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

describe('leases', () => {
  test('a lease that lapses makes the message visible although nobody polls', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '30' });
    await world.send(QueueUrl, 'a');
    await world.receive(QueueUrl);
    await world.clock.advanceBy(30 * SECOND - 1);
    expect(await world.depth(QueueUrl)).toBe('0/1/0');
    await world.clock.advanceBy(1);
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
  });

  test('only the latest receipt handle deletes, or changes visibility', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '5' });
    await world.send(QueueUrl, 'a');
    const [first] = await world.receive(QueueUrl);
    await world.clock.advanceBy(5 * SECOND);
    const [second] = await world.receive(QueueUrl);
    expect(second?.MessageId).toBe(first?.MessageId);
    await world.remove(QueueUrl, first);
    expect(await world.depth(QueueUrl)).toBe('0/1/0');
    const change = { QueueUrl, ReceiptHandle: first?.ReceiptHandle, VisibilityTimeout: 0 };
    await expect(world.call('ChangeMessageVisibility', change)).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
    expect(await world.depth(QueueUrl)).toBe('0/1/0');
    await world.remove(QueueUrl, second);
    expect(await world.ledger(QueueUrl)).toMatchObject({ inFlight: 0, visible: 0, deleted: 1 });
    await world.remove(QueueUrl, second);
    expect(await world.ledger(QueueUrl)).toMatchObject({ deleted: 1 });
  });

  test('a lapsed handle still deletes until someone else receives the message', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '5' });
    await world.send(QueueUrl, 'a');
    const [first] = await world.receive(QueueUrl);
    await world.clock.advanceBy(MINUTE);
    await world.remove(QueueUrl, first);
    expect(await world.ledger(QueueUrl)).toMatchObject({ visible: 0, inFlight: 0, deleted: 1 });
    expect(await world.receive(QueueUrl)).toEqual([]);
  });

  test('an outdated handle deletes nothing, also after the later lease has lapsed', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '5' });
    await world.send(QueueUrl, 'a');
    const [first] = await world.receive(QueueUrl);
    await world.clock.advanceBy(5 * SECOND);
    await world.receive(QueueUrl);
    await world.clock.advanceBy(5 * SECOND);
    await world.remove(QueueUrl, first);
    expect(await world.ledger(QueueUrl)).toMatchObject({ visible: 1, deleted: 0 });
  });

  test('a deleted message leaves no row behind', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    await world.remove(QueueUrl, message);
    for (const table of ['sqs_messages', 'sqs_deliveries']) {
      expect(world.state.db.prepare(`SELECT COUNT(*) AS rows FROM ${table}`).get()?.rows).toBe(0);
    }
  });

  test('handles of other queues and garbage are invalid', async () => {
    const orders = await world.queue('orders');
    const bills = await world.queue('bills');
    await world.send(orders, 'a');
    const [message] = await world.receive(orders);
    await expect(world.remove(bills, message)).rejects.toMatchObject({ code: 'ReceiptHandleIsInvalid' });
    await expect(world.remove(orders, { ReceiptHandle: 'garbage' })).rejects.toMatchObject({
      code: 'ReceiptHandleIsInvalid',
    });
  });

  test('changing visibility restarts the lease, and zero ends it', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '10' });
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    const change = (VisibilityTimeout: number) =>
      world.call('ChangeMessageVisibility', {
        QueueUrl,
        ReceiptHandle: message?.ReceiptHandle,
        VisibilityTimeout,
      });
    await world.clock.advanceBy(9 * SECOND);
    await change(10);
    await world.clock.advanceBy(9 * SECOND);
    expect(await world.depth(QueueUrl)).toBe('0/1/0');
    await change(0);
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
    await expect(change(10)).rejects.toMatchObject({ code: 'MessageNotInflight' });
  });

  test('a shortened lease ends at its new time', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '600' });
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    await world.call('ChangeMessageVisibility', {
      QueueUrl,
      ReceiptHandle: message?.ReceiptHandle,
      VisibilityTimeout: 2,
    });
    await world.clock.advanceBy(2 * SECOND);
    expect(await world.bodies(QueueUrl)).toEqual(['a']);
  });

  test('no lease lasts longer than twelve hours, however often it is extended', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '43200' });
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    await world.clock.advanceBy(11 * HOUR);
    const change = (VisibilityTimeout: number) =>
      world.call('ChangeMessageVisibility', {
        QueueUrl,
        ReceiptHandle: message?.ReceiptHandle,
        VisibilityTimeout,
      });
    await expect(change(3601)).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: expect.stringContaining('43200'),
    });
    await change(3600);
  });

  test('changing the visibility of a deleted message is refused', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    await world.remove(QueueUrl, message);
    await expect(
      world.call('ChangeMessageVisibility', {
        QueueUrl,
        ReceiptHandle: message?.ReceiptHandle,
        VisibilityTimeout: 5,
      }),
    ).rejects.toMatchObject({ code: 'InvalidParameterValue' });
  });

  test('a receive with visibility timeout zero leaves the message visible', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    expect(await world.bodies(QueueUrl, { VisibilityTimeout: 0 })).toEqual(['a']);
    expect(await world.bodies(QueueUrl, { VisibilityTimeout: 0 })).toEqual(['a']);
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
  });

  test('a message received three times goes behind the others', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '1' });
    await world.send(QueueUrl, 'poison');
    await world.send(QueueUrl, 'good');
    for (let round = 0; round < 3; round++) {
      expect(await world.bodies(QueueUrl, { MaxNumberOfMessages: 1 })).toEqual(['poison']);
      await world.clock.advanceBy(SECOND);
    }
    expect(await world.bodies(QueueUrl, { MaxNumberOfMessages: 1 })).toEqual(['good']);
  });
});

describe('delay', () => {
  test('a delayed message becomes visible when its delay ends', async () => {
    const QueueUrl = await world.queue('orders', { DelaySeconds: '10' });
    await world.send(QueueUrl, 'later');
    await world.send(QueueUrl, 'now', { DelaySeconds: 0 });
    expect(await world.depth(QueueUrl)).toBe('1/0/1');
    expect(await world.bodies(QueueUrl)).toEqual(['now']);
    await world.clock.advanceBy(10 * SECOND);
    expect(await world.bodies(QueueUrl)).toEqual(['later']);
  });

  test.each([901, -1, 0.5])('refuses a delay of %s seconds', async (DelaySeconds) => {
    const QueueUrl = await world.queue('orders');
    await expect(world.send(QueueUrl, 'a', { DelaySeconds })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });
});

describe('retention', () => {
  test('messages expire in every state, and the journal says how many', async () => {
    const QueueUrl = await world.queue('orders', { MessageRetentionPeriod: '60', VisibilityTimeout: '600' });
    await world.send(QueueUrl, 'leased');
    await world.receive(QueueUrl);
    await world.send(QueueUrl, 'visible');
    await world.send(QueueUrl, 'delayed', { DelaySeconds: 900 });
    expect(await world.depth(QueueUrl)).toBe('1/1/1');
    await world.clock.advanceBy(60 * SECOND);
    expect(await world.ledger(QueueUrl)).toMatchObject({ visible: 0, inFlight: 0, delayed: 0, expired: 3 });
    const expired = world.journal.read().filter(({ type }) => type === 'messages.expired');
    expect(expired.map(({ detail }) => detail)).toEqual([
      { queue: 'orders', count: 3, retentionSeconds: 60 },
    ]);
  });

  test('a shorter retention applies to the messages already there', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'old');
    await world.clock.advanceBy(2 * MINUTE);
    await world.send(QueueUrl, 'new');
    await world.call('SetQueueAttributes', { QueueUrl, Attributes: { MessageRetentionPeriod: '60' } });
    expect(await world.bodies(QueueUrl)).toEqual(['new']);
  });

  test('a dead-lettered message of a standard queue keeps its age', async () => {
    const dead = await world.queue('dead', { MessageRetentionPeriod: '120' });
    const orders = await world.queue('orders', { VisibilityTimeout: '90', ...world.redrive('dead', 1) });
    await world.send(orders, 'a');
    await world.receive(orders);
    await world.clock.advanceBy(90 * SECOND);
    await world.receive(orders);
    expect(await world.depth(dead)).toBe('1/0/0');
    await world.clock.advanceBy(30 * SECOND);
    expect(await world.ledger(dead)).toMatchObject({ visible: 0, expired: 1 });
  });
});

describe('a restart', () => {
  test('keeps messages, leases, delays and counts', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '30' });
    for (const body of ['a', 'b', 'c']) await world.send(QueueUrl, body);
    await world.send(QueueUrl, 'late', { DelaySeconds: 100 });
    const [leased, deleted] = await world.receive(QueueUrl, { MaxNumberOfMessages: 2 });
    await world.remove(QueueUrl, deleted);
    await world.restart();
    expect(await world.ledger(QueueUrl)).toMatchObject({
      sent: 4,
      visible: 1,
      inFlight: 1,
      delayed: 1,
      deleted: 1,
    });
    expect(await world.bodies(QueueUrl)).toEqual(['c']);
    await world.clock.advanceBy(30 * SECOND);
    const [again] = await world.receive(QueueUrl, {
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
    });
    expect(again?.MessageId).toBe(leased?.MessageId);
    expect(again?.Attributes?.ApproximateReceiveCount).toBe('2');
    await world.clock.advanceBy(70 * SECOND);
    expect(await world.depth(QueueUrl)).toBe('3/0/0');
  });

  test('honours a handle given before', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    const [message] = await world.receive(QueueUrl);
    await world.restart();
    await world.remove(QueueUrl, message);
    expect(await world.ledger(QueueUrl)).toMatchObject({ inFlight: 0, deleted: 1 });
  });

  test('keeps FIFO groups blocked while a message is in flight', async () => {
    const fifo = await world.queue('orders.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
    for (const body of ['a1', 'a2', 'a3']) await world.send(fifo, body, { MessageGroupId: 'a' });
    await world.send(fifo, 'b1', { MessageGroupId: 'b' });
    const [first] = await world.receive(fifo);
    await world.restart();
    expect(await world.bodies(fifo)).toEqual(['b1']);
    await world.remove(fifo, first);
    expect(await world.bodies(fifo)).toEqual(['a2', 'a3']);
  });
});
