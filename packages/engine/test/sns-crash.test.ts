import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test } from 'vitest';
import { mortalEngine, testEngine } from './harness.ts';

test('every acknowledged message reaches the queue, though the engine dies while it delivers', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-sns-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const engine = await mortalEngine(directory);
  const { accountId, client } = engine;
  const doomed = new SNS(client);
  const { TopicArn } = await doomed.createTopic({ Name: 'releases' });
  const queueArn = `arn:aws:sqs:${client.region}:${accountId}:copies`;
  await new SQS(client).createQueue({
    QueueName: 'copies',
    Attributes: {
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Principal: { Service: 'sns.amazonaws.com' },
          Action: 'sqs:SendMessage',
          Resource: queueArn,
          Condition: { ArnEquals: { 'aws:SourceArn': TopicArn } },
        },
      }),
    },
  });
  await doomed.subscribe({
    TopicArn,
    Protocol: 'sqs',
    Endpoint: queueArn,
    Attributes: { RawMessageDelivery: 'true' },
  });
  const acknowledged: string[] = [];
  const publishers = [0, 1, 2, 3].map(async (publisher) => {
    for (let number = 0; ; number++) {
      const Message = `${publisher}-${number}`;
      await doomed.publish({ TopicArn, Message });
      acknowledged.push(Message);
      if (acknowledged.length === 60) void engine.kill();
    }
  });
  for (const { status } of await Promise.allSettled(publishers)) expect(status).toBe('rejected');
  await engine.kill();

  const revived = await testEngine({ directory });
  const sqs = new SQS(revived.client);
  const { QueueUrl } = await sqs.getQueueUrl({ QueueName: 'copies' });
  const arrived = new Set<string>();
  while (!acknowledged.every((message) => arrived.has(message))) {
    const { Messages = [] } = await sqs.receiveMessage({
      QueueUrl: QueueUrl!,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 5,
    });
    expect(Messages, 'nothing more arrives').not.toEqual([]);
    for (const { Body } of Messages) arrived.add(Body!);
  }
});
