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

describe('dead letters', () => {
  test('the receive after maxReceiveCount deliveries moves the message, nothing before', async () => {
    const dead = await world.queue('dead');
    const orders = await world.queue('orders', { VisibilityTimeout: '5', ...world.redrive('dead', 2) });
    const { MessageId } = await world.send(orders, 'poison');
    for (let delivery = 0; delivery < 2; delivery++) {
      expect(await world.bodies(orders)).toEqual(['poison']);
      await world.clock.advanceBy(5 * SECOND);
    }
    await world.clock.advanceBy(HOUR);
    expect([await world.depth(orders), await world.depth(dead)]).toEqual(['1/0/0', '0/0/0']);
    expect(await world.bodies(orders)).toEqual([]);
    expect([await world.depth(orders), await world.depth(dead)]).toEqual(['0/0/0', '1/0/0']);
    const [message] = await world.receive(dead, { MessageSystemAttributeNames: ['All'] });
    expect(message).toMatchObject({
      MessageId,
      Body: 'poison',
      Attributes: { DeadLetterQueueSourceArn: world.arn('orders'), ApproximateReceiveCount: '3' },
    });
    const moved = world.journal.read().filter(({ type }) => type === 'message.dead-lettered');
    expect(moved.map(({ detail }) => detail)).toEqual([
      { queue: 'orders', deadLetterQueue: 'dead', messageId: MessageId, receiveCount: 2 },
    ]);
  });

  test('a receive that moves one message still hands out the others', async () => {
    await world.queue('dead');
    const orders = await world.queue('orders', { VisibilityTimeout: '5', ...world.redrive('dead', 1) });
    await world.send(orders, 'poison');
    await world.receive(orders);
    await world.clock.advanceBy(5 * SECOND);
    await world.send(orders, 'good');
    expect(await world.bodies(orders)).toEqual(['good']);
  });

  test('without its dead-letter queue a message goes on being delivered', async () => {
    const dead = await world.queue('dead');
    const orders = await world.queue('orders', { VisibilityTimeout: '5', ...world.redrive('dead', 1) });
    await world.send(orders, 'a');
    await world.receive(orders);
    await world.call('DeleteQueue', { QueueUrl: dead });
    await world.clock.advanceBy(5 * SECOND);
    expect(await world.bodies(orders)).toEqual(['a']);
  });

  test('a dead-letter queue counts its own deliveries for its own redrive policy', async () => {
    await world.queue('grave');
    const dead = await world.queue('dead', { VisibilityTimeout: '5', ...world.redrive('grave', 1) });
    const orders = await world.queue('orders', { VisibilityTimeout: '5', ...world.redrive('dead', 1) });
    await world.send(orders, 'a');
    await world.receive(orders);
    await world.clock.advanceBy(5 * SECOND);
    await world.receive(orders);
    expect(await world.bodies(dead)).toEqual(['a']);
    await world.clock.advanceBy(5 * SECOND);
    expect(await world.bodies(dead)).toEqual([]);
  });
});

describe('message move tasks', () => {
  /** A dead-letter queue with `count` messages that came from `orders`. */
  async function residue(count: number): Promise<{ dead: string; orders: string }> {
    const dead = await world.queue('dead');
    const orders = await world.queue('orders', { VisibilityTimeout: '1', ...world.redrive('dead', 1) });
    for (let index = 0; index < count; index++) await world.send(orders, `m${index}`);
    for (let got = count; got > 0; ) got -= (await world.bodies(orders)).length;
    await world.clock.advanceBy(SECOND);
    await world.bodies(orders);
    return { dead, orders };
  }
  const task = async () =>
    (await world.call('ListMessageMoveTasks', { SourceArn: world.arn('dead') })).Results?.[0];

  test('bring messages back to where they came from, as new messages', async () => {
    const { dead, orders } = await residue(3);
    const [before] = await world.receive(dead, { VisibilityTimeout: 0 });
    await world.call('StartMessageMoveTask', { SourceArn: world.arn('dead') });
    await world.clock.advanceBy(SECOND);
    expect(await task()).toMatchObject({
      Status: 'COMPLETED',
      ApproximateNumberOfMessagesMoved: 3,
      ApproximateNumberOfMessagesToMove: 3,
    });
    expect(await world.ledger(dead)).toMatchObject({ visible: 0, movedOut: 3, deadLetteredIn: 3 });
    const messages = await world.receive(orders, { MaxNumberOfMessages: 10, AttributeNames: ['All'] });
    expect(messages.map(({ Body }) => Body).sort()).toEqual(['m0', 'm1', 'm2']);
    expect(messages.map(({ MessageId }) => MessageId)).not.toContain(before?.MessageId);
    expect(messages[0]?.Attributes).toMatchObject({
      ApproximateReceiveCount: '1',
      SentTimestamp: expect.not.stringContaining(String(before?.Attributes?.SentTimestamp)),
    });
    expect(messages[0]?.Attributes).not.toHaveProperty('DeadLetterQueueSourceArn');
  });

  test('keep to their rate, and can be cancelled', async () => {
    const { dead } = await residue(5);
    const { TaskHandle } = await world.call('StartMessageMoveTask', {
      SourceArn: world.arn('dead'),
      MaxNumberOfMessagesPerSecond: 1,
    });
    await world.clock.advanceBy(1500);
    expect(await task()).toMatchObject({
      Status: 'RUNNING',
      ApproximateNumberOfMessagesMoved: 2,
      TaskHandle,
    });
    await expect(world.call('StartMessageMoveTask', { SourceArn: world.arn('dead') })).rejects.toMatchObject({
      message: expect.stringContaining('already a task'),
    });
    expect(await world.call('CancelMessageMoveTask', { TaskHandle })).toEqual({
      ApproximateNumberOfMessagesMoved: 2,
    });
    await world.clock.advanceBy(MINUTE);
    expect(await task()).toMatchObject({ Status: 'CANCELLED' });
    expect(await world.depth(dead)).toBe('3/0/0');
    await expect(world.call('CancelMessageMoveTask', { TaskHandle })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });

  test('go on after a restart', async () => {
    const { dead } = await residue(4);
    await world.call('StartMessageMoveTask', {
      SourceArn: world.arn('dead'),
      MaxNumberOfMessagesPerSecond: 1,
    });
    await world.clock.advanceBy(500);
    await world.restart();
    await world.clock.advanceBy(10 * SECOND);
    expect(await task()).toMatchObject({ Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 4 });
    expect(await world.depth(dead)).toBe('0/0/0');
  });

  test('fail for messages that were sent to the dead-letter queue itself, and lose none', async () => {
    const { dead } = await residue(0);
    await world.send(dead, 'stranger');
    await world.call('StartMessageMoveTask', { SourceArn: world.arn('dead') });
    await world.clock.advanceBy(SECOND);
    expect(await task()).toMatchObject({
      Status: 'FAILED',
      FailureReason: 'CouldNotDetermineMessageSource',
    });
    expect(await world.bodies(dead)).toEqual(['stranger']);
  });

  test('that fail leave a FIFO group as it was: in order, and blocked while in flight', async () => {
    const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'true' };
    const dead = await world.queue('dead.fifo', fifo);
    await world.queue('orders.fifo', { ...fifo, ...world.redrive('dead.fifo', 1) });
    for (const body of ['a1', 'a2']) await world.send(dead, body, { MessageGroupId: 'a' });
    await world.call('StartMessageMoveTask', { SourceArn: world.arn('dead.fifo') });
    await world.clock.advanceBy(SECOND);
    expect(await world.bodies(dead, { MaxNumberOfMessages: 1 })).toEqual(['a1']);
    expect(await world.bodies(dead, { MaxNumberOfMessages: 1 })).toEqual([]);
  });

  test('take a destination of the same type; the source must be a dead-letter queue', async () => {
    const { dead } = await residue(0);
    await world.send(dead, 'stranger');
    const other = await world.queue('other');
    await expect(world.call('StartMessageMoveTask', { SourceArn: world.arn('other') })).rejects.toMatchObject(
      { message: expect.stringContaining('Dead Letter Queue') },
    );
    await expect(
      world.call('StartMessageMoveTask', { SourceArn: world.arn('missing') }),
    ).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
    await world.call('StartMessageMoveTask', {
      SourceArn: world.arn('dead'),
      DestinationArn: world.arn('other'),
    });
    await world.clock.advanceBy(SECOND);
    expect(await world.bodies(other)).toEqual(['stranger']);
  });
});
