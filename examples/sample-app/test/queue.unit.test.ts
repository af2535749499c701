import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SqsQueue } from '../src/queue.ts';

const client = new SQSClient({ region: 'us-east-1' });
const send = vi.spyOn(client, 'send');
const queue = new SqsQueue(client, 'https://example.test/q');

const delivery = (body: string) => ({
  messageId: body,
  receiptHandle: `handle-${body}`,
  body,
  receiveCount: 1,
});

/** The first command sent, as its class and input. */
function sent() {
  const command: unknown = send.mock.calls[0]?.[0];
  return command;
}

afterEach(() => {
  send.mockReset();
});

describe('SqsQueue', () => {
  it('polls for up to ten messages, at most five seconds, with their receive counts', async () => {
    send.mockImplementation(async () => ({
      Messages: [
        { MessageId: 'm', ReceiptHandle: 'h', Body: 'b', Attributes: { ApproximateReceiveCount: '4' } },
      ],
    }));
    expect(await queue.receive()).toEqual([
      { messageId: 'm', receiptHandle: 'h', body: 'b', receiveCount: 4 },
    ]);
    const command = sent();
    if (!(command instanceof ReceiveMessageCommand)) throw new Error('no receive');
    expect(command.input).toMatchObject({
      QueueUrl: 'https://example.test/q',
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
    });
    expect(command.input.WaitTimeSeconds).toBeLessThanOrEqual(5);
  });

  it('reads an answer without messages as none', async () => {
    send.mockImplementation(async () => ({}));
    expect(await queue.receive()).toEqual([]);
  });

  it('deletes in one batch and reports which messages SQS refused', async () => {
    const [kept, gone] = [delivery('kept'), delivery('gone')];
    send.mockImplementation(async () => ({ Failed: [{ Id: '0', Code: 'ReceiptHandleIsInvalid' }] }));
    expect(await queue.delete([kept, gone])).toEqual(new Map([[kept, 'ReceiptHandleIsInvalid']]));
    const command = sent();
    if (!(command instanceof DeleteMessageBatchCommand)) throw new Error('no delete');
    expect(command.input.Entries).toEqual([
      { Id: '0', ReceiptHandle: 'handle-kept' },
      { Id: '1', ReceiptHandle: 'handle-gone' },
    ]);
  });

  it('gives back in one batch with the delay', async () => {
    send.mockImplementation(async () => ({}));
    await queue.giveBack([delivery('a')], 7);
    const command = sent();
    if (!(command instanceof ChangeMessageVisibilityBatchCommand)) throw new Error('no change');
    expect(command.input.Entries).toEqual([{ Id: '0', ReceiptHandle: 'handle-a', VisibilityTimeout: 7 }]);
  });

  it('sends nothing for an empty batch, which SQS would refuse', async () => {
    await queue.delete([]);
    await queue.giveBack([], 1);
    expect(send).not.toHaveBeenCalled();
  });
});
