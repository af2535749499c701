import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LambdaWorld } from './lambda-world.ts';

/** Tells that it runs, and hangs. */
const HANG = `
const { GetQueueUrlCommand, SQSClient, SendMessageCommand } = require('@aws-sdk/client-sqs');
exports.handler = async ({ QueueName }, { awsRequestId }) => {
  const sqs = new SQSClient();
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
  const MessageBody = JSON.stringify({ awsRequestId, pid: process.pid });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  await new Promise(() => require('node:net').createServer().listen(0, '127.0.0.1'));
};`;

/** A world in an engine of another process, which can be killed. */
async function killableWorld(directory: string) {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@queue-canary/source',
      new URL('./engine-process.ts', import.meta.url).pathname,
      directory,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const died = once(child, 'exit');
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  const { endpoint, region, accountId, accessKeyId, secretAccessKey } = JSON.parse(
    readFileSync(join(directory, 'engine.json'), 'utf8'),
  ) as Record<'endpoint' | 'region' | 'accountId' | 'accessKeyId' | 'secretAccessKey', string>;
  const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
  return {
    world: new LambdaWorld({ accountId, client }),
    kill: async () => {
      child.kill('SIGKILL');
      await died;
    },
  };
}

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
  const { world, kill } = await killableWorld(directory);
  const queue = await world.queue('attempts');
  await world.create('hang', HANG, await world.role('hang', ['sqs:GetQueueUrl', 'sqs:SendMessage']), {
    Timeout: 900,
  });
  const read = async (from: Pick<LambdaWorld, 'receive'>) =>
    JSON.parse((await from.receive(queue.url)).Body!) as { awsRequestId: string; pid: number };
  await world.invoke('hang', { QueueName: 'attempts' }, { InvocationType: 'Event' });
  const first = await read(world);
  await kill();
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
