import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

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
