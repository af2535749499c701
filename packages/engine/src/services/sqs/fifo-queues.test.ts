import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

let world: SqsWorld;
beforeEach(async () => {
  world = await SqsWorld.start();
});
afterEach(() => world.end());

describe('FIFO queues', () => {
  let fifo: string;
  let sent = 0;
  const send = (group: string, body: string, id = `d${sent++}`) =>
    world.send(fifo, body, { MessageGroupId: group, MessageDeduplicationId: id });
  beforeEach(async () => {
    fifo = await world.queue('orders.fifo', { FifoQueue: 'true', VisibilityTimeout: '30' });
  });

  test('a receive takes several messages of the oldest group, in order', async () => {
    for (const body of ['a1', 'a2', 'a3']) await send('a', body);
    await send('b', 'b1');
    expect(await world.bodies(fifo, { MaxNumberOfMessages: 2 })).toEqual(['a1', 'a2']);
    expect(await world.bodies(fifo)).toEqual(['b1']);
    expect(await world.depth(fifo)).toBe('1/3/0');
  });

  test('a group gives nothing while one of its messages is in flight', async () => {
    for (const body of ['a1', 'a2', 'a3']) await send('a', body);
    const [first, second] = await world.receive(fifo, { MaxNumberOfMessages: 2 });
    expect(await world.bodies(fifo)).toEqual([]);
    await world.remove(fifo, first);
    expect(await world.bodies(fifo)).toEqual([]);
    await world.remove(fifo, second);
    expect(await world.bodies(fifo)).toEqual(['a3']);
  });

  test('a message that comes back goes before the later ones of its group', async () => {
    for (const body of ['a1', 'a2']) await send('a', body);
    expect(await world.bodies(fifo, { MaxNumberOfMessages: 1 })).toEqual(['a1']);
    await world.clock.advanceBy(30 * SECOND);
    expect(await world.bodies(fifo)).toEqual(['a1', 'a2']);
  });

  test('a freed group wakes who waits', async () => {
    for (const body of ['a1', 'a2']) await send('a', body);
    const [first] = await world.receive(fifo);
    const waiting = world.bodies(fifo, { WaitTimeSeconds: 20 });
    await world.clock.advanceBy(SECOND);
    await world.remove(fifo, first);
    expect(await waiting).toEqual(['a2']);
  });

  test('a duplicate of the last five minutes is accepted and not stored', async () => {
    const first = await send('a', 'one', 'same');
    await world.clock.advanceBy(5 * MINUTE - 1);
    const second = await send('a', 'two', 'same');
    expect(second.MessageId).toBe(first.MessageId);
    expect(second.SequenceNumber).toBe(first.SequenceNumber);
    expect(await world.depth(fifo)).toBe('1/0/0');
    await world.clock.advanceBy(1);
    expect((await send('a', 'three', 'same')).MessageId).not.toBe(first.MessageId);
  });

  test('a duplicate is recognised after the first was deleted, and after a restart', async () => {
    await send('a', 'one', 'same');
    const [message] = await world.receive(fifo);
    await world.remove(fifo, message);
    await world.restart();
    await send('a', 'two', 'same');
    expect(await world.depth(fifo)).toBe('0/0/0');
  });

  test('content stands for the deduplication id where the queue says so', async () => {
    await expect(world.send(fifo, 'x', { MessageGroupId: 'a' })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
    await world.call('SetQueueAttributes', {
      QueueUrl: fifo,
      Attributes: { ContentBasedDeduplication: 'true' },
    });
    await world.send(fifo, 'x', { MessageGroupId: 'a' });
    await world.send(fifo, 'x', { MessageGroupId: 'b' });
    await world.send(fifo, 'y', { MessageGroupId: 'a' });
    expect(await world.depth(fifo)).toBe('2/0/0');
  });

  test('deduplication counts for each group where its scope is the group', async () => {
    await world.call('SetQueueAttributes', {
      QueueUrl: fifo,
      Attributes: { DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' },
    });
    await send('a', 'x', 'same');
    await send('b', 'x', 'same');
    await send('b', 'x', 'same');
    expect(await world.depth(fifo)).toBe('2/0/0');
  });

  test('sequence numbers increase, also over a restart', async () => {
    const numbers: string[] = [];
    for (let index = 0; index < 3; index++) {
      numbers.push((await send('a', `m${index}`)).SequenceNumber ?? '');
      await world.restart();
    }
    expect(numbers).toEqual([...numbers].sort());
    expect(new Set(numbers).size).toBe(3);
    expect(numbers[0]).toHaveLength(20);
  });

  test('a lapsed handle is refused', async () => {
    await send('a', 'x');
    const [message] = await world.receive(fifo);
    await world.clock.advanceBy(30 * SECOND);
    await expect(world.remove(fifo, message)).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: expect.stringContaining('expired'),
    });
    expect(await world.depth(fifo)).toBe('1/0/0');
  });

  test('a group is required, a delay of its own is refused; standard queues refuse deduplication ids', async () => {
    await expect(world.send(fifo, 'x', { MessageDeduplicationId: 'd' })).rejects.toMatchObject({
      code: 'MissingParameter',
    });
    await expect(
      world.send(fifo, 'x', { MessageGroupId: 'a', MessageDeduplicationId: 'd', DelaySeconds: 5 }),
    ).rejects.toMatchObject({ code: 'InvalidParameterValue' });
    const standard = await world.queue('orders');
    await expect(world.send(standard, 'x', { MessageDeduplicationId: 'd' })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });

  test('a new delay applies to the messages already there', async () => {
    await send('a', 'x');
    await world.call('SetQueueAttributes', { QueueUrl: fifo, Attributes: { DelaySeconds: '60' } });
    expect(await world.depth(fifo)).toBe('0/0/1');
    await world.clock.advanceBy(MINUTE);
    expect(await world.bodies(fifo)).toEqual(['x']);
  });

  test('the next of a group follows when the first is dead-lettered', async () => {
    const dead = await world.queue('dead.fifo', { FifoQueue: 'true' });
    await world.call('SetQueueAttributes', { QueueUrl: fifo, Attributes: world.redrive('dead.fifo', 1) });
    await send('a', 'a1');
    await world.receive(fifo);
    await send('a', 'a2');
    await world.clock.advanceBy(30 * SECOND);
    expect(await world.bodies(fifo)).toEqual(['a2']);
    const [message] = await world.receive(dead, { AttributeNames: ['All'] });
    expect(message?.Attributes).toMatchObject({
      MessageGroupId: 'a',
      DeadLetterQueueSourceArn: world.arn('orders.fifo'),
    });
  });

  test('the next of a group follows when the first has expired', async () => {
    await world.call('SetQueueAttributes', { QueueUrl: fifo, Attributes: { MessageRetentionPeriod: '60' } });
    await send('a', 'a1');
    await world.clock.advanceBy(50 * SECOND);
    await send('a', 'a2');
    await world.clock.advanceBy(10 * SECOND);
    expect(await world.bodies(fifo)).toEqual(['a2']);
  });
});
