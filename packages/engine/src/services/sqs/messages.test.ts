import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';

const SECOND = 1000;

let world: SqsWorld;
beforeEach(async () => {
  world = await SqsWorld.start();
});
afterEach(() => world.end());

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
