import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mortalEngine } from './harness.ts';
import { LambdaWorld } from './lambda-world.ts';

/** Says that it runs, and hangs. */
const HANG = `
const { GetQueueUrlCommand, SQSClient, SendMessageCommand } = require('@aws-sdk/client-sqs');
exports.handler = async ({ QueueName }, { awsRequestId }) => {
  const sqs = new SQSClient();
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
  const MessageBody = JSON.stringify({ awsRequestId, pid: process.pid });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  await new Promise(() => require('node:net').createServer().listen(0, '127.0.0.1'));
};`;

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('an event that was being worked on runs again after kill -9 and after a stop, which ends the function', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const doomed = await mortalEngine(directory);
  const world = new LambdaWorld(doomed);
  const queue = await world.queue('attempts');
  await world.create('hang', HANG, await world.role('hang', ['sqs:GetQueueUrl', 'sqs:SendMessage']), {
    Timeout: 900,
  });
  const read = async (from: Pick<LambdaWorld, 'receive'>) =>
    JSON.parse((await from.receive(queue.url)).Body!) as { awsRequestId: string; pid: number };
  await world.invoke('hang', { QueueName: 'attempts' }, { InvocationType: 'Event' });
  const first = await read(world);
  await doomed.kill();
  const second = await LambdaWorld.start({ directory });
  const again = await read(second);
  expect(again.awsRequestId).toBe(first.awsRequestId);
  expect(again.pid).not.toBe(first.pid);
  expect(isAlive(again.pid)).toBe(true);
  await second.engine.close();
  expect(isAlive(again.pid)).toBe(false);
  const third = await LambdaWorld.start({ directory });
  expect((await read(third)).awsRequestId).toBe(first.awsRequestId);
  expect(third.engine.journal.read().filter(({ type }) => type === 'function.invoked')).toEqual([]);
});
