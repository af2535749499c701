import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  ListTagsForResourceCommand,
  ListTopicsCommand,
  PublishBatchCommand,
  PublishCommand,
  SetSubscriptionAttributesCommand,
  SetTopicAttributesCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { describe, expect, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';

/** A topic with one queue that admits it. */
async function topicWithQueue(engine: TestEngine, attributes: Record<string, string> = {}) {
  const sns = new SNSClient(engine.client);
  const sqs = new SQSClient(engine.client);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
  const queue = async (name: string) => {
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
    return { url: QueueUrl!, arn: `arn:aws:sqs:${engine.region}:${engine.accountId}:${name}` };
  };
  const admit = (url: string, arn: string) =>
    sqs.send(
      new SetQueueAttributesCommand({
        QueueUrl: url,
        Attributes: {
          Policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: {
              Effect: 'Allow',
              Principal: { Service: 'sns.amazonaws.com' },
              Action: 'sqs:SendMessage',
              Resource: arn,
              Condition: { ArnEquals: { 'aws:SourceArn': TopicArn } },
            },
          }),
        },
      }),
    );
  const inbox = await queue('inbox');
  await admit(inbox.url, inbox.arn);
  const { SubscriptionArn } = await sns.send(
    new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: inbox.arn, Attributes: attributes }),
  );
  const receive = async (url = inbox.url) => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 10, MessageAttributeNames: ['All'] }),
    );
    return Messages![0]!;
  };
  return { sns, sqs, TopicArn: TopicArn!, SubscriptionArn: SubscriptionArn!, inbox, queue, admit, receive };
}

describe('a queue', () => {
  test('gets a notification around the message', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, receive } = await topicWithQueue(engine);
    const { MessageId } = await sns.send(
      new PublishCommand({
        TopicArn,
        Subject: 'Approve',
        Message: 'version 2 waits',
        MessageAttributes: { stage: { DataType: 'String', StringValue: 'Verdict' } },
      }),
    );
    expect(JSON.parse((await receive()).Body!)).toMatchObject({
      Type: 'Notification',
      MessageId,
      TopicArn,
      Subject: 'Approve',
      Message: 'version 2 waits',
      MessageAttributes: { stage: { Type: 'String', Value: 'Verdict' } },
    });
  });

  test('gets the bare message with its attributes when it asks for raw delivery', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, receive } = await topicWithQueue(engine, { RawMessageDelivery: 'true' });
    await sns.send(
      new PublishCommand({
        TopicArn,
        Message: 'plain',
        MessageAttributes: { stage: { DataType: 'String', StringValue: 'Verdict' } },
      }),
    );
    expect(await receive()).toMatchObject({
      Body: 'plain',
      MessageAttributes: { stage: { StringValue: 'Verdict' } },
    });
  });

  test('gets its own text of a message with one for each protocol', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, receive } = await topicWithQueue(engine, { RawMessageDelivery: 'true' });
    await sns.send(
      new PublishCommand({
        TopicArn,
        MessageStructure: 'json',
        Message: JSON.stringify({ default: 'for all', sqs: 'for queues' }),
      }),
    );
    expect((await receive()).Body).toBe('for queues');
  });

  test.each([
    [
      'attributes',
      'MessageAttributes',
      { severity: [{ numeric: ['>=', 5] }] },
      { MessageAttributes: { severity: { DataType: 'Number', StringValue: '7' } } },
      {},
    ],
    [
      'the body',
      'MessageBody',
      { state: ['ALARM'] },
      { Message: '{"state":"ALARM"}' },
      { Message: '{"state":"OK"}' },
    ],
  ])(
    'is spared what its filter policy on %s does not let through',
    async (_what, scope, policy, wanted, other) => {
      const engine = await testEngine();
      const { sns, TopicArn, receive } = await topicWithQueue(engine, {
        RawMessageDelivery: 'true',
        FilterPolicyScope: scope,
        FilterPolicy: JSON.stringify(policy),
      });
      await sns.send(new PublishCommand({ TopicArn, Message: 'other', ...other }));
      await sns.send(new PublishCommand({ TopicArn, Message: 'wanted', ...wanted }));
      expect((await receive()).Body).toBe('Message' in wanted ? wanted.Message : 'wanted');
      const published = engine.journal.read().filter(({ type }) => type === 'notification.published');
      expect(published.map(({ detail }) => detail.receivers)).toEqual([0, 1]);
    },
  );

  test('that does not admit the topic leaves the message to the subscription’s dead-letter queue', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, queue, admit, receive } = await topicWithQueue(engine);
    const closed = await queue('closed');
    const dead = await queue('dead');
    await admit(dead.url, dead.arn);
    await sns.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: closed.arn,
        Attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn }) },
      }),
    );
    await sns.send(new PublishCommand({ TopicArn, Message: 'lost and found' }));
    expect(JSON.parse((await receive(dead.url)).Body!)).toMatchObject({ Message: 'lost and found' });
  });

  test('that does not admit the topic, without dead-letter queue, is told in the journal', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, queue } = await topicWithQueue(engine);
    const closed = await queue('closed');
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: closed.arn }));
    const lost = engine.journal.waitFor(({ type }) => type === 'notification.lost');
    await sns.send(new PublishCommand({ TopicArn, Message: 'x' }));
    expect((await lost).detail).toMatchObject({
      endpoint: closed.arn,
      code: expect.stringMatching(/AccessDenied/),
    });
  });
});

describe('a person', () => {
  test('finds notifications in the local inbox and the journal', async () => {
    const engine = await testEngine();
    const sns = new SNSClient(engine.client);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'email', Endpoint: 'ops@example.com' }));
    const delivered = engine.journal.waitFor(({ type }) => type === 'notification.delivered');
    await sns.send(new PublishCommand({ TopicArn, Subject: 'Approve', Message: 'version 2 waits' }));
    const item = {
      topicArn: TopicArn,
      protocol: 'email',
      endpoint: 'ops@example.com',
      subject: 'Approve',
      message: 'version 2 waits',
    };
    expect((await delivered).detail).toMatchObject(item);
    const lines = readFileSync(join(engine.directory, 'sns', 'inbox.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([item]);
  });

  test('sees in the journal what was published to a topic without subscribers', async () => {
    const engine = await testEngine();
    const sns = new SNSClient(engine.client);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    await sns.send(new PublishCommand({ TopicArn, Subject: 'Approve', Message: 'version 2 waits' }));
    expect(engine.journal.read().find(({ type }) => type === 'notification.published')?.detail).toMatchObject(
      {
        topicArn: TopicArn,
        subject: 'Approve',
        message: 'version 2 waits',
        receivers: 0,
      },
    );
  });
});

describe('topics', () => {
  test('are created once, listed, tagged and deleted with their subscriptions', async () => {
    const engine = await testEngine();
    const sns = new SNSClient(engine.client);
    const Tags = [{ Key: 'team', Value: 'shop' }];
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases', Tags }));
    const again = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    expect(again.TopicArn).toBe(TopicArn);
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'email', Endpoint: 'a@example.com' }));
    expect((await sns.send(new ListTopicsCommand({}))).Topics).toEqual([{ TopicArn }]);
    expect((await sns.send(new ListTagsForResourceCommand({ ResourceArn: TopicArn }))).Tags).toEqual(Tags);
    await sns.send(new DeleteTopicCommand({ TopicArn }));
    await expect(sns.send(new GetTopicAttributesCommand({ TopicArn }))).rejects.toMatchObject({
      name: 'NotFoundException',
    });
    await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    const { Subscriptions } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
    expect(Subscriptions).toEqual([]);
  });

  test('keep attributes; subscriptions too', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, SubscriptionArn } = await topicWithQueue(engine);
    await sns.send(
      new SetTopicAttributesCommand({ TopicArn, AttributeName: 'DisplayName', AttributeValue: 'Releases' }),
    );
    const { Attributes } = await sns.send(new GetTopicAttributesCommand({ TopicArn }));
    expect(Attributes).toMatchObject({ DisplayName: 'Releases', SubscriptionsConfirmed: '1' });
    await sns.send(
      new SetSubscriptionAttributesCommand({
        SubscriptionArn,
        AttributeName: 'RawMessageDelivery',
        AttributeValue: 'true',
      }),
    );
    const subscription = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
    expect(subscription.Attributes).toMatchObject({
      RawMessageDelivery: 'true',
      PendingConfirmation: 'false',
    });
    await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
    await expect(sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }))).rejects.toMatchObject({
      name: 'NotFoundException',
    });
  });

  test('do not tell the ARN of a subscription that a person or web hook confirms, unless asked to', async () => {
    const { sns, TopicArn } = await topicWithQueue(await testEngine());
    const subscribe = async (more: object) =>
      (
        await sns.send(
          new SubscribeCommand({ TopicArn, Protocol: 'email', Endpoint: 'a@example.com', ...more }),
        )
      ).SubscriptionArn;
    expect(await subscribe({})).toBe('pending confirmation');
    expect(await subscribe({ Endpoint: 'b@example.com', ReturnSubscriptionArn: true })).toContain(TopicArn);
    // The engine has confirmed it at once.
    expect(await subscribe({})).toContain(TopicArn);
  });

  test('subscribe an endpoint once', async () => {
    const engine = await testEngine();
    const { sns, TopicArn, SubscriptionArn, inbox } = await topicWithQueue(engine);
    const again = await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: inbox.arn }));
    expect(again.SubscriptionArn).toBe(SubscriptionArn);
  });

  test.each([
    [
      'a FIFO topic',
      new CreateTopicCommand({ Name: 'x.fifo', Attributes: { FifoTopic: 'true' } }),
      'FIFO topics',
    ],
    ['a bad name', new CreateTopicCommand({ Name: 'a b' }), 'Topic Name'],
    [
      'an unknown attribute',
      new CreateTopicCommand({ Name: 'x', Attributes: { Colour: 'red' } }),
      'AttributeName',
    ],
  ])('refuse %s', async (_what, command, message) => {
    const engine = await testEngine();
    await expect(new SNSClient(engine.client).send(command)).rejects.toThrow(message);
  });

  test.each([
    ['an unknown protocol', { Protocol: 'pigeon', Endpoint: 'coo' }, 'does not deliver by pigeon'],
    ['an endpoint of another kind', { Protocol: 'sqs', Endpoint: 'ops@example.com' }, 'sqs endpoint'],
    [
      'a bad filter policy',
      { Protocol: 'email', Endpoint: 'a@b.c', Attributes: { FilterPolicy: '{"a":1}' } },
      'FilterPolicy',
    ],
  ])('refuse a subscription with %s', async (_what, input, message) => {
    const engine = await testEngine();
    const sns = new SNSClient(engine.client);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    await expect(sns.send(new SubscribeCommand({ TopicArn, ...input }))).rejects.toThrow(message);
  });

  test.each([
    ['an empty message', { Message: '' }, 'Empty message'],
    ['a long subject', { Message: 'x', Subject: 'y'.repeat(101) }, 'Subject'],
    ['no default text', { Message: '{"sqs":"x"}', MessageStructure: 'json' }, 'No default entry'],
    ['too large a message', { Message: 'x'.repeat(262_145) }, 'Message too long'],
  ])('refuse %s', async (_what, input, message) => {
    const engine = await testEngine();
    const sns = new SNSClient(engine.client);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
    await expect(sns.send(new PublishCommand({ TopicArn, ...input }))).rejects.toThrow(message);
  });
});

test('a batch reports the fate of each entry', async () => {
  const engine = await testEngine();
  const { sns, TopicArn } = await topicWithQueue(engine);
  const { Successful, Failed } = await sns.send(
    new PublishBatchCommand({
      TopicArn,
      PublishBatchRequestEntries: [
        { Id: 'good', Message: 'x' },
        { Id: 'bad', Message: '' },
      ],
    }),
  );
  expect(Successful!.map(({ Id }) => Id)).toEqual(['good']);
  expect(Failed).toMatchObject([{ Id: 'bad', SenderFault: true }]);
  await expect(
    sns.send(
      new PublishBatchCommand({
        TopicArn,
        PublishBatchRequestEntries: [
          { Id: 'a', Message: 'x' },
          { Id: 'a', Message: 'y' },
        ],
      }),
    ),
  ).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinctException' });
});

test('a role without permission may not publish, though it is of the topic’s account', async () => {
  const engine = await testEngine();
  const sns = new SNSClient(engine.client);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'releases' }));
  const { Role } = await new IAMClient(engine.client).send(
    new CreateRoleCommand({
      RoleName: 'nobody',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' },
      }),
    }),
  );
  const { Credentials } = await new STSClient(engine.client).send(
    new AssumeRoleCommand({ RoleArn: Role!.Arn, RoleSessionName: 'session' }),
  );
  const nobody = new SNSClient({
    ...engine.client,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  });
  await expect(nobody.send(new PublishCommand({ TopicArn, Message: 'x' }))).rejects.toThrow(
    'is not authorized to perform: sns:Publish',
  );
});
