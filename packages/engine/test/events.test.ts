import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DescribeRuleCommand,
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateTopicCommand, SetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';

/** A rule on orders, and a queue that admits it. */
async function ruleAndQueue(engine: TestEngine) {
  const events = new EventBridgeClient(engine.client);
  const sqs = new SQSClient(engine.client);
  const { RuleArn } = await events.send(
    new PutRuleCommand({
      Name: 'orders',
      EventPattern: '{"source":["shop"],"detail":{"total":[{"numeric":[">",100]}]}}',
    }),
  );
  const queue = async (name: string, admits = RuleArn) => {
    const arn = `arn:aws:sqs:${engine.region}:${engine.accountId}:${name}`;
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({
        QueueName: name,
        Attributes: {
          Policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: {
              Effect: 'Allow',
              Principal: { Service: 'events.amazonaws.com' },
              Action: 'sqs:SendMessage',
              Resource: arn,
              Condition: { ArnEquals: { 'aws:SourceArn': admits } },
            },
          }),
        },
      }),
    );
    return { url: QueueUrl!, arn };
  };
  const order = (total: number) =>
    events.send(
      new PutEventsCommand({
        Entries: [{ Source: 'shop', DetailType: 'Order', Detail: JSON.stringify({ total }) }],
      }),
    );
  const receive = async (url: string) => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 10, MessageAttributeNames: ['All'] }),
    );
    return Messages![0]!;
  };
  return { events, RuleArn: RuleArn!, queue, order, receive };
}

test('a queue gets what the transformer makes of a matching event', async () => {
  const engine = await testEngine();
  const { events, queue, order, receive } = await ruleAndQueue(engine);
  const target = await queue('big-orders');
  await events.send(
    new PutTargetsCommand({
      Rule: 'orders',
      Targets: [
        {
          Id: 'queue',
          Arn: target.arn,
          InputTransformer: {
            InputPathsMap: { total: '$.detail.total' },
            InputTemplate: '{"said":"an order of <total>","rule":"<aws.events.rule-name>"}',
          },
        },
      ],
    }),
  );
  await order(99);
  await order(101);
  expect(JSON.parse((await receive(target.url)).Body!)).toEqual({ said: 'an order of 101', rule: 'orders' });
});

test('an event that its target refuses waits in the dead-letter queue with the reason', async () => {
  const engine = await testEngine();
  const { events, queue, order, receive, RuleArn } = await ruleAndQueue(engine);
  const closed = await queue('closed', `${RuleArn}-other`);
  const dead = await queue('dead');
  await events.send(
    new PutTargetsCommand({
      Rule: 'orders',
      Targets: [{ Id: 'queue', Arn: closed.arn, DeadLetterConfig: { Arn: dead.arn } }],
    }),
  );
  await order(500);
  const message = await receive(dead.url);
  expect(JSON.parse(message.Body!)).toMatchObject({ source: 'shop', detail: { total: 500 } });
  expect(message.MessageAttributes).toMatchObject({
    RULE_ARN: { StringValue: RuleArn },
    TARGET_ARN: { StringValue: closed.arn },
    ERROR_CODE: { StringValue: 'NO_PERMISSIONS' },
  });
});

test('a topic must admit the rule by its own policy', async () => {
  const engine = await testEngine();
  const { events, order } = await ruleAndQueue(engine);
  const sns = new SNSClient(engine.client);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'orders' }));
  await events.send(new PutTargetsCommand({ Rule: 'orders', Targets: [{ Id: 't', Arn: TopicArn! }] }));
  const dropped = engine.journal.waitFor(({ type }) => type === 'event.dropped');
  await order(500);
  expect((await dropped).detail).toMatchObject({ target: TopicArn, code: 'NO_PERMISSIONS' });
  await sns.send(
    new SetTopicAttributesCommand({
      TopicArn,
      AttributeName: 'Policy',
      AttributeValue: JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Principal: { Service: 'events.amazonaws.com' },
          Action: 'sns:Publish',
          Resource: TopicArn,
        },
      }),
    }),
  );
  const published = engine.journal.waitFor(({ type }) => type === 'notification.published');
  await order(600);
  expect(JSON.parse(String((await published).detail.message))).toMatchObject({ detail: { total: 600 } });
});

test('a log group keeps events', async () => {
  const engine = await testEngine();
  const { events, order } = await ruleAndQueue(engine);
  const logs = new CloudWatchLogsClient({ ...engine.client, maxAttempts: 10 });
  await logs.send(new CreateLogGroupCommand({ logGroupName: '/aws/events/orders' }));
  await events.send(
    new PutTargetsCommand({
      Rule: 'orders',
      Targets: [
        {
          Id: 'log',
          Arn: `arn:aws:logs:${engine.region}:${engine.accountId}:log-group:/aws/events/orders`,
        },
      ],
    }),
  );
  const delivered = engine.journal.waitFor(({ type }) => type === 'event.delivered');
  await order(700);
  await delivered;
  const read = async () => {
    const { events: lines = [] } = await logs.send(
      new FilterLogEventsCommand({ logGroupName: '/aws/events/orders' }),
    );
    return lines[0];
  };
  // Events can be read some time after they were ingested.
  let line = await read();
  while (line === undefined) line = await read();
  expect(JSON.parse(line.message!)).toMatchObject({ source: 'shop', detail: { total: 700 } });
});

test('rules, targets and undelivered events survive the engine', async () => {
  const first = await testEngine();
  const { events, queue, order, RuleArn } = await ruleAndQueue(first);
  const target = await queue('big-orders');
  await events.send(new PutTargetsCommand({ Rule: 'orders', Targets: [{ Id: 'queue', Arn: target.arn }] }));
  await order(800);
  await first.close();
  const second = await testEngine({ directory: first.directory });
  const again = new SQSClient(second.client);
  const { Messages } = await again.send(
    new ReceiveMessageCommand({
      QueueUrl: `${second.endpoint}/${second.accountId}/big-orders`,
      WaitTimeSeconds: 10,
    }),
  );
  expect(JSON.parse(Messages![0]!.Body!)).toMatchObject({ detail: { total: 800 } });
  const rule = await new EventBridgeClient(second.client).send(new DescribeRuleCommand({ Name: 'orders' }));
  expect(rule).toMatchObject({ Arn: RuleArn, State: 'ENABLED' });
});

test('a bad pattern is told in the words of EventBridge', async () => {
  const engine = await testEngine();
  const events = new EventBridgeClient(engine.client);
  await expect(
    events.send(new PutRuleCommand({ Name: 'bad', EventPattern: '{"source":"aws.ecs"}' })),
  ).rejects.toMatchObject({
    name: 'InvalidEventPatternException',
    message: 'Event pattern is not valid. Reason: "source" must be an object or an array',
  });
});
