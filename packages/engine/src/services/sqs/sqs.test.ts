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

describe('queues', () => {
  test('tagging with nothing is refused', async () => {
    const QueueUrl = await world.queue('orders');
    const code = 'MissingParameter';
    await expect(world.call('TagQueue', { QueueUrl, Tags: {} })).rejects.toMatchObject({ code });
    await expect(world.call('UntagQueue', { QueueUrl, TagKeys: [] })).rejects.toMatchObject({ code });
  });

  test('creating a queue again with the same attributes gives the same URL', async () => {
    const url = await world.queue('orders', { VisibilityTimeout: '45' });
    expect(url).toBe('http://engine.test/111122223333/orders');
    expect(await world.queue('orders', { VisibilityTimeout: '45' })).toBe(url);
    expect(await world.queue('orders')).toBe(url);
  });

  test('creating a queue again with another value names the attribute that differs', async () => {
    await world.queue('orders', { VisibilityTimeout: '45' });
    await expect(world.queue('orders', { VisibilityTimeout: '46' })).rejects.toMatchObject({
      code: 'QueueNameExists',
      message: expect.stringContaining('VisibilityTimeout'),
    });
  });

  test('policies that differ only in the order of members are the same', async () => {
    await world.queue('dead');
    const arn = world.arn('dead');
    await world.queue('orders', { RedrivePolicy: `{"deadLetterTargetArn":"${arn}","maxReceiveCount":3}` });
    await expect(
      world.queue('orders', { RedrivePolicy: `{"maxReceiveCount":"3", "deadLetterTargetArn":"${arn}"}` }),
    ).resolves.toContain('orders');
  });

  test('a count that was given as text is shown as a number', async () => {
    await world.queue('dead');
    const policy = { deadLetterTargetArn: world.arn('dead'), maxReceiveCount: '3' };
    const QueueUrl = await world.queue('orders', { RedrivePolicy: JSON.stringify(policy) });
    const shown = async () =>
      (await world.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['RedrivePolicy'] })).Attributes!;
    expect(JSON.parse((await shown()).RedrivePolicy!)).toEqual({ ...policy, maxReceiveCount: 3 });
    await world.call('SetQueueAttributes', {
      QueueUrl,
      Attributes: { RedrivePolicy: JSON.stringify({ ...policy, maxReceiveCount: '4' }) },
    });
    expect(JSON.parse((await shown()).RedrivePolicy!).maxReceiveCount).toBe(4);
  });

  test('the bare name of a queue stands for its URL', async () => {
    const QueueUrl = await world.queue('orders.fifo', { FifoQueue: 'true' });
    await world.queue('orders');
    for (const [name, url] of [
      ['orders', QueueUrl.replace('.fifo', '')],
      ['orders.fifo', QueueUrl],
    ])
      expect(
        await world.call('GetQueueAttributes', { QueueUrl: name!, AttributeNames: ['QueueArn'] }),
      ).toEqual(await world.call('GetQueueAttributes', { QueueUrl: url!, AttributeNames: ['QueueArn'] }));
    await expect(world.call('PurgeQueue', { QueueUrl: 'none' })).rejects.toMatchObject({
      code: 'QueueDoesNotExist',
    });
    await expect(world.call('PurgeQueue', { QueueUrl: 'not a name' })).rejects.toMatchObject({
      code: 'InvalidAddress',
    });
  });

  test.each([
    ['', 'InvalidParameterValue'],
    ['has.dots', 'InvalidParameterValue'],
    ['x'.repeat(81), 'InvalidParameterValue'],
    ['orders.fifo', 'InvalidParameterValue'],
  ])('refuses the name "%s"', async (name, code) => {
    await expect(world.queue(name)).rejects.toMatchObject({ code });
  });

  test('a FIFO queue needs the suffix', async () => {
    await expect(world.queue('orders', { FifoQueue: 'true' })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
    await expect(world.queue('orders.fifo', { FifoQueue: 'true' })).resolves.toContain('orders.fifo');
  });

  test.each([
    [{ DelaySeconds: '901' }, 'InvalidAttributeValue'],
    [{ DelaySeconds: '-1' }, 'InvalidAttributeValue'],
    [{ DelaySeconds: '1.5' }, 'InvalidAttributeValue'],
    [{ VisibilityTimeout: '43201' }, 'InvalidAttributeValue'],
    [{ VisibilityTimeout: '' }, 'InvalidAttributeValue'],
    [{ MessageRetentionPeriod: '59' }, 'InvalidAttributeValue'],
    [{ MessageRetentionPeriod: '1209601' }, 'InvalidAttributeValue'],
    [{ MaximumMessageSize: '1023' }, 'InvalidAttributeValue'],
    [{ MaximumMessageSize: '1048577' }, 'InvalidAttributeValue'],
    [{ ReceiveMessageWaitTimeSeconds: '21' }, 'InvalidAttributeValue'],
    [{ SqsManagedSseEnabled: 'yes' }, 'InvalidAttributeValue'],
    [{ Policy: '{"Version":' }, 'InvalidAttributeValue'],
    [{ RedrivePolicy: '[]' }, 'InvalidAttributeValue'],
    [{ RedrivePolicy: '{"maxReceiveCount":3}' }, 'InvalidAttributeValue'],
    [{ RedriveAllowPolicy: '{"redrivePermission":"some"}' }, 'InvalidAttributeValue'],
    [{ RedriveAllowPolicy: '{"redrivePermission":"byQueue"}' }, 'InvalidAttributeValue'],
    [{ FifoQueue: 'false' }, 'InvalidAttributeName'],
    [{ ContentBasedDeduplication: 'true' }, 'InvalidAttributeName'],
    [{ QueueArn: 'arn' }, 'InvalidAttributeName'],
  ])('refuses %j', async (attributes, code) => {
    await expect(world.queue('orders', attributes)).rejects.toMatchObject({ code });
    await world.queue('orders');
    await expect(
      world.call('SetQueueAttributes', {
        QueueUrl: 'http://elsewhere/111122223333/orders',
        Attributes: attributes,
      }),
    ).rejects.toMatchObject({ code });
  });

  test.each([0, 1001, 'many', 2.5])('refuses a maxReceiveCount of %s', async (count) => {
    await world.queue('dead');
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: world.arn('dead'),
      maxReceiveCount: count,
    });
    await expect(world.queue('orders', { RedrivePolicy })).rejects.toMatchObject({
      code: 'InvalidAttributeValue',
    });
  });

  test('a dead-letter queue must exist, be another queue and be of the same type', async () => {
    await expect(world.queue('orders', world.redrive('missing', 3))).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: expect.stringContaining('does not exist'),
    });
    await world.queue('dead');
    await expect(
      world.queue('orders.fifo', { FifoQueue: 'true', ...world.redrive('dead', 3) }),
    ).rejects.toMatchObject({ message: expect.stringContaining('same type') });
    const url = await world.queue('orders');
    await expect(
      world.call('SetQueueAttributes', { QueueUrl: url, Attributes: world.redrive('orders', 3) }),
    ).rejects.toMatchObject({ message: expect.stringContaining('its own') });
  });

  test('a redrive allow policy decides who may use a dead-letter queue', async () => {
    await world.queue('closed', { RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' });
    await expect(world.queue('orders', world.redrive('closed', 3))).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: expect.stringContaining('does not allow'),
    });
    await world.queue('choosy', {
      RedriveAllowPolicy: JSON.stringify({
        redrivePermission: 'byQueue',
        sourceQueueArns: [world.arn('orders')],
      }),
    });
    await expect(world.queue('orders', world.redrive('choosy', 3))).resolves.toContain('orders');
    await expect(world.queue('bills', world.redrive('choosy', 3))).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });

  test('attributes come only when asked for, and an empty value removes a policy', async () => {
    await world.queue('dead');
    const QueueUrl = await world.queue('orders', world.redrive('dead', 3));
    expect((await world.call('GetQueueAttributes', { QueueUrl })).Attributes).toBeUndefined();
    const { Attributes } = await world.call('GetQueueAttributes', {
      QueueUrl,
      AttributeNames: ['VisibilityTimeout', 'QueueArn', 'Policy'],
    });
    expect(Attributes).toEqual({ VisibilityTimeout: '30', QueueArn: world.arn('orders') });
    await world.call('SetQueueAttributes', { QueueUrl, Attributes: { RedrivePolicy: '' } });
    const all = await world.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
    expect(all.Attributes).not.toHaveProperty('RedrivePolicy');
    expect(all.Attributes).not.toHaveProperty('QueueCanary.Ledger');
    expect(all.Attributes).toMatchObject({ MaximumMessageSize: '1048576', MessageRetentionPeriod: '345600' });
  });

  test('an unknown attribute name is refused', async () => {
    const QueueUrl = await world.queue('orders');
    const names = ['Colour'] as unknown[];
    await expect(
      world.call('GetQueueAttributes', { QueueUrl, AttributeNames: names as 'All'[] }),
    ).rejects.toMatchObject({ code: 'InvalidAttributeName' });
  });

  test('lists queues by prefix, page by page', async () => {
    for (const name of ['b-2', 'a-1', 'b-1', 'b-3']) await world.queue(name);
    const first = await world.call('ListQueues', { QueueNamePrefix: 'b-', MaxResults: 2 });
    expect(first.QueueUrls?.map((url) => url.split('/').at(-1))).toEqual(['b-1', 'b-2']);
    const second = await world.call('ListQueues', {
      QueueNamePrefix: 'b-',
      MaxResults: 2,
      NextToken: first.NextToken,
    });
    expect(second.QueueUrls?.map((url) => url.split('/').at(-1))).toEqual(['b-3']);
    expect(second.NextToken).toBeUndefined();
  });

  test('finds a queue by the path of its URL, whatever the host', async () => {
    await world.queue('orders');
    await world.send('https://sqs.eu-west-1.amazonaws.com/111122223333/orders', 'hello');
    expect(await world.depth('http://127.0.0.1:1/111122223333/orders')).toBe('1/0/0');
    await expect(world.send('http://engine.test/999999999999/orders', 'x')).rejects.toMatchObject({
      code: 'QueueDoesNotExist',
    });
  });

  test('names the queues that use a dead-letter queue', async () => {
    const dead = await world.queue('dead');
    const orders = await world.queue('orders', world.redrive('dead', 3));
    await world.queue('other');
    const { queueUrls } = await world.call('ListDeadLetterSourceQueues', { QueueUrl: dead });
    expect(queueUrls).toEqual([orders]);
  });

  test('tags are added, replaced and removed', async () => {
    const QueueUrl = await world.queue('orders');
    await world.call('TagQueue', { QueueUrl, Tags: { team: 'a', stage: 'test' } });
    await world.call('TagQueue', { QueueUrl, Tags: { team: 'b' } });
    await world.call('UntagQueue', { QueueUrl, TagKeys: ['stage', 'never'] });
    expect((await world.call('ListQueueTags', { QueueUrl })).Tags).toEqual({ team: 'b' });
  });

  test('a deleted queue is gone with its messages, also after a restart', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'lost');
    await world.call('DeleteQueue', { QueueUrl });
    await expect(world.receive(QueueUrl)).rejects.toMatchObject({ code: 'QueueDoesNotExist' });
    await world.restart();
    await expect(world.call('GetQueueUrl', { QueueName: 'orders' })).rejects.toMatchObject({
      code: 'QueueDoesNotExist',
    });
    await world.clock.advanceBy(MINUTE);
    await world.queue('orders');
    expect(await world.ledger(QueueUrl)).toMatchObject({ sent: 0, visible: 0 });
  });

  test('the name of a deleted queue is free again after a minute, also over a restart', async () => {
    const QueueUrl = await world.queue('orders');
    await world.call('DeleteQueue', { QueueUrl });
    await world.restart();
    await world.clock.advanceBy(MINUTE - 1);
    await expect(world.queue('orders')).rejects.toMatchObject({ code: 'QueueDeletedRecently' });
    await world.queue('others');
    await world.clock.advanceBy(1);
    await expect(world.queue('orders')).resolves.toContain('orders');
  });

  test('who waits on a queue learns of its deletion', async () => {
    const QueueUrl = await world.queue('orders');
    const waiting = world.receive(QueueUrl, { WaitTimeSeconds: 20 });
    const refused = expect(waiting).rejects.toMatchObject({ code: 'QueueDoesNotExist' });
    await world.clock.advanceBy(1 * SECOND);
    await world.call('DeleteQueue', { QueueUrl });
    await refused;
  });

  test('purging removes visible, delayed and leased messages, at most once a minute', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'leased');
    const [leased] = await world.receive(QueueUrl);
    await world.send(QueueUrl, 'visible');
    await world.send(QueueUrl, 'delayed', { DelaySeconds: 60 });
    await world.call('PurgeQueue', { QueueUrl });
    expect(await world.ledger(QueueUrl)).toMatchObject({
      sent: 3,
      purged: 3,
      visible: 0,
      inFlight: 0,
      delayed: 0,
    });
    await world.remove(QueueUrl, leased);
    await expect(world.call('PurgeQueue', { QueueUrl })).rejects.toMatchObject({
      code: 'PurgeQueueInProgress',
    });
    await world.clock.advanceBy(MINUTE);
    await world.call('PurgeQueue', { QueueUrl });
    expect(await world.ledger(QueueUrl)).toMatchObject({ deleted: 0, purged: 3 });
  });

  test('permissions are statements of the queue policy', async () => {
    const QueueUrl = await world.queue('orders');
    const grant = { QueueUrl, Label: 'partner', AWSAccountIds: ['222233334444'], Actions: ['SendMessage'] };
    await world.call('AddPermission', grant);
    await expect(world.call('AddPermission', grant)).rejects.toMatchObject({ code: 'InvalidParameterValue' });
    const read = async () =>
      (await world.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['Policy'] })).Attributes?.Policy;
    expect(JSON.parse((await read()) ?? '')).toMatchObject({
      Statement: [
        {
          Sid: 'partner',
          Effect: 'Allow',
          Principal: { AWS: ['arn:aws:iam::222233334444:root'] },
          Action: ['SQS:SendMessage'],
          Resource: world.arn('orders'),
        },
      ],
    });
    await world.call('RemovePermission', { QueueUrl, Label: 'partner' });
    expect(await read()).toBeUndefined();
    await expect(world.call('RemovePermission', { QueueUrl, Label: 'partner' })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });
});

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

describe('long polls', () => {
  test('end at the moment a message comes', async () => {
    const QueueUrl = await world.queue('orders');
    const waiting = world.bodies(QueueUrl, { WaitTimeSeconds: 20 });
    await world.clock.advanceBy(7 * SECOND);
    const before = world.clock.nowMs();
    await world.send(QueueUrl, 'a');
    expect(await waiting).toEqual(['a']);
    expect(world.clock.nowMs()).toBe(before);
  });

  test('one message wakes one receiver; the others go on waiting', async () => {
    const QueueUrl = await world.queue('orders');
    const done: string[] = [];
    const poll = (name: string) =>
      world.bodies(QueueUrl, { WaitTimeSeconds: 20 }).then((bodies) => done.push(`${name}:${bodies}`));
    const polls = [poll('first'), poll('second'), poll('third')];
    await world.clock.advanceBy(5 * SECOND);
    await world.send(QueueUrl, 'a');
    await world.clock.advanceBy(5 * SECOND);
    expect(done).toEqual(['first:a']);
    await world.send(QueueUrl, 'b');
    await world.clock.advanceBy(10 * SECOND);
    await Promise.all(polls);
    expect(done).toEqual(['first:a', 'second:b', 'third:']);
  });

  test('the queue decides how long, unless the call does', async () => {
    const QueueUrl = await world.queue('orders', { ReceiveMessageWaitTimeSeconds: '10' });
    expect(await world.bodies(QueueUrl, { WaitTimeSeconds: 0 })).toEqual([]);
    let done = false;
    const waiting = world.bodies(QueueUrl).then(() => {
      done = true;
    });
    await world.clock.advanceBy(10 * SECOND - 1);
    expect(done).toBe(false);
    await world.clock.advanceBy(1);
    await waiting;
  });

  test('a lapsing lease and an ending delay wake who waits', async () => {
    const QueueUrl = await world.queue('orders', { VisibilityTimeout: '5' });
    await world.send(QueueUrl, 'leased');
    await world.receive(QueueUrl);
    await world.send(QueueUrl, 'delayed', { DelaySeconds: 8 });
    const first = world.bodies(QueueUrl, { WaitTimeSeconds: 20 });
    const second = world.bodies(QueueUrl, { WaitTimeSeconds: 20 });
    await world.clock.advanceBy(4 * SECOND);
    expect(await world.depth(QueueUrl)).toBe('0/1/1');
    await world.clock.advanceBy(SECOND);
    expect(await first).toEqual(['leased']);
    await world.clock.advanceBy(3 * SECOND);
    expect(await second).toEqual(['delayed']);
  });

  test('who has left gets no message', async () => {
    const QueueUrl = await world.queue('orders');
    const leaver = new AbortController();
    const left = world.call('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 }, leaver.signal);
    const stays = world.bodies(QueueUrl, { WaitTimeSeconds: 20 });
    await world.clock.advanceBy(SECOND);
    leaver.abort();
    expect((await left).Messages).toBeUndefined();
    await world.send(QueueUrl, 'a');
    expect(await stays).toEqual(['a']);
    expect(await world.ledger(QueueUrl)).toMatchObject({ inFlight: 1 });
  });

  test('a message handed to someone who leaves before the reply is given back, and was not received', async () => {
    const QueueUrl = await world.queue('orders');
    const leaver = new AbortController();
    const left = world.call('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 }, leaver.signal);
    await world.clock.advanceBy(SECOND);
    const sent = world.send(QueueUrl, 'a');
    while (!world.state.dirty) await Promise.resolve();
    leaver.abort();
    expect((await left).Messages).toBeUndefined();
    await sent;
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
    const [message] = await world.receive(QueueUrl, { AttributeNames: ['All'] });
    expect(message?.Attributes?.ApproximateReceiveCount).toBe('1');
  });
});

describe('content', () => {
  test('MD5 digests are those of AWS', async () => {
    const QueueUrl = await world.queue('orders');
    const sent = await world.send(QueueUrl, 'This is a test message', {
      MessageAttributes: {
        test_attribute_name_1: { DataType: 'String', StringValue: 'test_attribute_value_1' },
      },
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-5759e988' } },
    });
    expect(sent.MD5OfMessageBody).toBe('fafb00f5732ab283681e124bf8747ed1');
    expect(sent.MD5OfMessageSystemAttributes).toMatch(/^[0-9a-f]{32}$/);
    const [message] = await world.receive(QueueUrl, {
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['AWSTraceHeader'],
    });
    expect(message?.MD5OfBody).toBe(sent.MD5OfMessageBody);
    expect(message?.MD5OfMessageAttributes).toBe(sent.MD5OfMessageAttributes);
    expect(message?.Attributes).toEqual({ AWSTraceHeader: 'Root=1-5759e988' });
  });

  test('attributes come only when asked for, by name or prefix', async () => {
    const QueueUrl = await world.queue('orders');
    const bytes = new Uint8Array([0, 255, 7]);
    await world.send(QueueUrl, 'a', {
      MessageAttributes: {
        'qc.track': { DataType: 'String', StringValue: 'canary' },
        'qc.size': { DataType: 'Number.int', StringValue: '-1.5e3' },
        raw: { DataType: 'Binary.png', BinaryValue: bytes },
      },
    });
    const look = async (names: string[]) =>
      (await world.receive(QueueUrl, { VisibilityTimeout: 0, MessageAttributeNames: names }))[0];
    expect(await look([])).not.toHaveProperty('MessageAttributes.raw');
    expect((await look([]))?.Attributes).toBeUndefined();
    expect(Object.keys((await look(['qc.*']))?.MessageAttributes ?? {})).toEqual(['qc.track', 'qc.size']);
    expect((await look(['raw']))?.MessageAttributes).toEqual({
      raw: { DataType: 'Binary.png', BinaryValue: bytes },
    });
    expect(Object.keys((await look(['.*']))?.MessageAttributes ?? {})).toHaveLength(3);
  });

  test.each([
    ['a control character', 'bell\u0007', 'InvalidMessageContents'],
    ['a lone surrogate', 'half \ud83d', 'InvalidMessageContents'],
    ['a non-character', '\uffff', 'InvalidMessageContents'],
    ['nothing', '', 'MissingParameter'],
    ['more than the limit', 'é'.repeat(524_289), 'InvalidParameterValue'],
  ])('refuses a body with %s', async (_what, body, code) => {
    const QueueUrl = await world.queue('orders');
    await expect(world.send(QueueUrl, body)).rejects.toMatchObject({ code });
    expect(await world.depth(QueueUrl)).toBe('0/0/0');
  });

  test('accepts every allowed character and a body of exactly the limit', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, '\t\n\r \ud7ff\ue000\ufffd😀');
    await world.send(QueueUrl, 'x'.repeat(1_048_576));
    expect(await world.depth(QueueUrl)).toBe('2/0/0');
  });

  test('attributes count against the size limit', async () => {
    const QueueUrl = await world.queue('orders', { MaximumMessageSize: '1024' });
    const MessageAttributes = { name: { DataType: 'String', StringValue: 'value' } };
    await world.send(QueueUrl, 'x'.repeat(1024 - 15), { MessageAttributes });
    await expect(world.send(QueueUrl, 'x'.repeat(1024 - 14), { MessageAttributes })).rejects.toMatchObject({
      message: expect.stringContaining('1024 bytes'),
    });
  });

  test.each([
    [{ 'AWS.mine': { DataType: 'String', StringValue: 'x' } }],
    [{ '.dot': { DataType: 'String', StringValue: 'x' } }],
    [{ a: { DataType: 'Boolean', StringValue: 'true' } }],
    [{ a: { DataType: 'String', StringValue: '' } }],
    [{ a: { DataType: 'Binary', StringValue: 'x' } }],
    [{ a: { DataType: 'Number', StringValue: 'ten' } }],
    [
      Object.fromEntries(
        Array.from({ length: 11 }, (_, index) => [`a${index}`, { DataType: 'String', StringValue: 'x' }]),
      ),
    ],
  ])('refuses message attributes %j', async (MessageAttributes) => {
    const QueueUrl = await world.queue('orders');
    await expect(world.send(QueueUrl, 'a', { MessageAttributes })).rejects.toMatchObject({
      code: 'InvalidParameterValue',
    });
  });

  test.each([
    { MaxNumberOfMessages: 0 },
    { MaxNumberOfMessages: 11 },
    { WaitTimeSeconds: 21 },
    { VisibilityTimeout: 43_201 },
  ])('refuses a receive with %j', async (request) => {
    const QueueUrl = await world.queue('orders');
    await expect(world.receive(QueueUrl, request)).rejects.toMatchObject({ code: 'InvalidParameterValue' });
  });

  test('refuses to report an attribute that messages do not have', async () => {
    const QueueUrl = await world.queue('orders');
    await world.send(QueueUrl, 'a');
    await expect(world.receive(QueueUrl, { AttributeNames: ['VisibilityTimeout'] })).rejects.toMatchObject({
      code: 'InvalidAttributeName',
    });
    expect(await world.depth(QueueUrl)).toBe('1/0/0');
  });
});

describe('batches', () => {
  test('each entry stands for itself', async () => {
    const QueueUrl = await world.queue('orders');
    const sent = await world.call('SendMessageBatch', {
      QueueUrl,
      Entries: [
        { Id: 'good', MessageBody: 'a' },
        { Id: 'bad', MessageBody: 'bell\u0007' },
        { Id: 'late', MessageBody: 'b', DelaySeconds: 900 },
      ],
    });
    expect(sent.Successful?.map(({ Id }) => Id)).toEqual(['good', 'late']);
    expect(sent.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'InvalidMessageContents' }]);
    const [message] = await world.receive(QueueUrl);
    const changed = await world.call('ChangeMessageVisibilityBatch', {
      QueueUrl,
      Entries: [
        { Id: 'ok', ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 60 },
        { Id: 'garbage', ReceiptHandle: 'x', VisibilityTimeout: 60 },
      ],
    });
    expect(changed.Failed).toMatchObject([{ Id: 'garbage', Code: 'ReceiptHandleIsInvalid' }]);
    const deleted = await world.call('DeleteMessageBatch', {
      QueueUrl,
      Entries: [
        { Id: 'ok', ReceiptHandle: message?.ReceiptHandle },
        { Id: 'garbage', ReceiptHandle: 'x' },
      ],
    });
    expect(deleted.Successful).toEqual([{ Id: 'ok' }]);
    expect(deleted.Failed).toMatchObject([{ Id: 'garbage', SenderFault: true }]);
    expect(await world.ledger(QueueUrl)).toMatchObject({ sent: 2, deleted: 1, delayed: 1 });
  });

  const entry = (Id: string, size = 1) => ({ Id, MessageBody: 'x'.repeat(size) });
  test.each([
    ['no entries', [], 'EmptyBatchRequest'],
    [
      'eleven entries',
      Array.from({ length: 11 }, (_, index) => entry(`e${index}`)),
      'TooManyEntriesInBatchRequest',
    ],
    ['an id twice', [entry('a'), entry('a')], 'BatchEntryIdsNotDistinct'],
    ['a bad id', [entry('a b')], 'InvalidBatchEntryId'],
    ['too much in all', [entry('a', 600_000), entry('b', 600_000)], 'BatchRequestTooLong'],
  ])('refuses a batch with %s', async (_what, Entries, code) => {
    const QueueUrl = await world.queue('orders');
    await expect(world.call('SendMessageBatch', { QueueUrl, Entries })).rejects.toMatchObject({ code });
    expect(await world.depth(QueueUrl)).toBe('0/0/0');
  });
});

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
