import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Lambda } from '@aws-sdk/client-lambda';
import {
  type NotificationConfiguration,
  type NotificationConfigurationFilter,
  type QueueConfiguration,
  S3,
} from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { ByteIds } from '../src/index.ts';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { LambdaWorld } from './lambda-world.ts';

const Bucket = 'files';
const BUCKET_ARN = 'arn:aws:s3:::files';

async function world(random = 0.5) {
  const functions = await LambdaWorld.start({ ids: Object.assign(new ByteIds(), { random: () => random }) });
  const { client } = functions.engine;
  const s3 = new S3({ ...client, forcePathStyle: true });
  const sqs = new SQS(client);
  await s3.createBucket({ Bucket });
  const { url, arn } = await functions.queue('events');
  const admit = (SourceArn = BUCKET_ARN) =>
    sqs.setQueueAttributes({
      QueueUrl: url,
      Attributes: {
        Policy: JSON.stringify({
          Statement: [
            {
              ...{ Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage' },
              ...{ Resource: arn, Condition: { ArnLike: { 'aws:SourceArn': SourceArn } } },
            },
          ],
        }),
      },
    });
  const configure = (config: NotificationConfiguration) =>
    s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: config });
  const receive = async (from = url) => JSON.parse((await functions.receive(from)).Body!);
  return { functions, client, s3, arn, url, admit, configure, receive };
}

test('a queue gets a test event, and then what happens to the keys that pass its filter', async () => {
  const { s3, arn, admit, configure, receive } = await world();
  await admit();
  const Filter: NotificationConfigurationFilter = {
    Key: {
      FilterRules: [
        { Name: 'prefix', Value: 'in/' },
        { Name: 'suffix', Value: '.csv' },
      ],
    },
  };
  const Events = ['s3:ObjectCreated:*', 's3:ObjectRemoved:Delete'] as const;
  await configure({ QueueConfigurations: [{ Id: 'csv', QueueArn: arn, Events: [...Events], Filter }] });
  expect(await receive()).toMatchObject({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket });
  await s3.putObject({ Bucket, Key: 'out/a.csv', Body: 'a' });
  await s3.putObject({ Bucket, Key: 'in/a.txt', Body: 'a' });
  const { ETag } = await s3.putObject({ Bucket, Key: 'in/a b+ü.csv', Body: 'hello' });
  expect(await receive()).toEqual({
    Records: [
      {
        ...{
          eventVersion: '2.1',
          eventSource: 'aws:s3',
          awsRegion: 'us-east-1',
          eventName: 'ObjectCreated:Put',
        },
        eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        userIdentity: { principalId: 'AWS:000000000000' },
        requestParameters: { sourceIPAddress: '127.0.0.1' },
        responseElements: { 'x-amz-request-id': expect.any(String), 'x-amz-id-2': expect.any(String) },
        s3: {
          ...{ s3SchemaVersion: '1.0', configurationId: 'csv' },
          bucket: { name: Bucket, ownerIdentity: { principalId: '000000000000' }, arn: BUCKET_ARN },
          object: {
            ...{ key: 'in/a+b%2B%C3%BC.csv', size: 5, eTag: ETag!.replaceAll('"', '') },
            sequencer: expect.stringMatching(/^[0-9A-F]{18}$/),
          },
        },
      },
    ],
  });
  await s3.deleteObject({ Bucket, Key: 'in/a b+ü.csv' });
  expect((await receive()).Records[0]).toMatchObject({ eventName: 'ObjectRemoved:Delete' });
  await s3.createMultipartUpload({ Bucket, Key: 'in/big.csv' }).then(async ({ UploadId }) => {
    const at = { Bucket, Key: 'in/big.csv', UploadId };
    const part = await s3.uploadPart({ ...at, PartNumber: 1, Body: 'part' });
    await s3.completeMultipartUpload({
      ...at,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] },
    });
  });
  expect((await receive()).Records[0].eventName).toBe('ObjectCreated:CompleteMultipartUpload');
  const { QueueConfigurations } = await s3.getBucketNotificationConfiguration({ Bucket });
  expect(QueueConfigurations).toMatchObject([{ Id: 'csv', QueueArn: arn, Filter }]);
});

test('versions and delete markers are told apart', async () => {
  const { s3, arn, admit, configure, receive } = await world();
  await admit();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await configure({ QueueConfigurations: [{ QueueArn: arn, Events: ['s3:ObjectRemoved:*'] }] });
  await receive();
  const { VersionId } = await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  const marker = await s3.deleteObject({ Bucket, Key: 'a' });
  expect((await receive()).Records[0]).toMatchObject({
    eventName: 'ObjectRemoved:DeleteMarkerCreated',
    s3: { object: { key: 'a', versionId: marker.VersionId } },
  });
  await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: 'a', VersionId }] } });
  expect((await receive()).Records[0]).toMatchObject({
    eventName: 'ObjectRemoved:Delete',
    s3: { object: { versionId: VersionId } },
  });
});

test('topics, functions and EventBridge are told as well', async () => {
  const { functions, client, s3, configure } = await world();
  const sns = new SNS(client);
  const { TopicArn } = await sns.createTopic({ Name: 'files' });
  const allow = {
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 'sns:Publish',
    Resource: TopicArn,
  };
  const AttributeValue = JSON.stringify({ Statement: [allow] });
  await sns.setTopicAttributes({ TopicArn, AttributeName: 'Policy', AttributeValue });
  await sns.subscribe({ TopicArn, Protocol: 'email', Endpoint: 'ann@example.com' });
  const FunctionArn = (
    await functions.create('fn', 'exports.handler = async () => 1', await functions.role('fn', []))
  ).FunctionArn!;
  await new Lambda(client).addPermission({
    ...{ FunctionName: 'fn', StatementId: 's3', Action: 'lambda:InvokeFunction' },
    ...{ Principal: 's3.amazonaws.com', SourceArn: BUCKET_ARN, SourceAccount: '000000000000' },
  });
  const events = new EventBridge(client);
  const { url, arn } = await functions.queue('bus');
  const { RuleArn } = await events.putRule({ Name: 'files', EventPattern: '{"source":["aws.s3"]}' });
  const policy = {
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: arn,
  };
  expect(RuleArn).toBeDefined();
  await new SQS(client).setQueueAttributes({
    QueueUrl: url,
    Attributes: { Policy: JSON.stringify({ Statement: [policy] }) },
  });
  await events.putTargets({ Rule: 'files', Targets: [{ Id: 'bus', Arn: arn }] });
  await configure({
    TopicConfigurations: [
      {
        TopicArn,
        Events: ['s3:ObjectCreated:Put'],
        Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 't' }] } },
      },
    ],
    LambdaFunctionConfigurations: [
      {
        LambdaFunctionArn: FunctionArn,
        Events: ['s3:ObjectCreated:*'],
        Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'f' }] } },
      },
    ],
    EventBridgeConfiguration: {},
  });
  const { journal } = functions.engine;
  const after = journal.seq;
  await s3.putObject({ Bucket, Key: 'f', Body: 'a' });
  await journal.waitFor(({ type }) => type === 'function.invoked', after);
  await s3.putObject({ Bucket, Key: 't', Body: 'a' });
  const mail = await journal.waitFor(({ type }) => type === 'notification.delivered', after);
  expect(mail.detail.subject).toBe('Amazon S3 Notification');
  const told = [
    JSON.parse((await functions.receive(url)).Body!),
    JSON.parse((await functions.receive(url)).Body!),
  ];
  expect(told.map(({ detail }) => detail.object.key).sort()).toEqual(['f', 't']);
  expect(told[0]).toMatchObject({
    'detail-type': 'Object Created',
    resources: [BUCKET_ARN],
    detail: { bucket: { name: Bucket }, reason: 'PutObject', object: { size: 1 } },
  });
});

test('a notification may come twice, as S3 says', async () => {
  const { s3, arn, admit, configure, receive } = await world(0.9999);
  await admit();
  await configure({ QueueConfigurations: [{ QueueArn: arn, Events: ['s3:ObjectCreated:*'] }] });
  await receive();
  await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  const [first, second] = [await receive(), await receive()];
  expect(second).toEqual(first);
});

test('what S3 may not send, what is ambiguous and what never happens here is refused', async () => {
  const { arn, admit, configure } = await world();
  const rule = { QueueArn: arn, Events: ['s3:ObjectCreated:*' as const] };
  const filtered = (Name: 'prefix' | 'suffix', Value: string) => ({
    ...rule,
    Filter: { Key: { FilterRules: [{ Name, Value }] } },
  });
  await admit('arn:aws:s3:::other');
  await expect(configure({ QueueConfigurations: [rule] })).rejects.toMatchObject({
    name: 'InvalidArgument',
    message: expect.stringMatching(/Unable to validate the following destination.*AccessDenied/),
  });
  await admit();
  const refused: Array<[QueueConfiguration[], RegExp]> = [
    [[rule, rule], /ambiguously defined/],
    [[filtered('prefix', 'a'), filtered('suffix', 'b')], /ambiguously defined/],
    [[{ ...rule, Events: ['s3:ObjectRestore:*'] }], /s3:ObjectRestore:\*: the local engine has the events/],
    [[{ ...rule, QueueArn: `${arn}.fifo` }], /FIFO/],
  ];
  for (const [rules, message] of refused) {
    await expect(configure({ QueueConfigurations: rules })).rejects.toThrow(message);
  }
  await configure({ QueueConfigurations: [filtered('prefix', 'a'), filtered('prefix', 'b')] });
});

test('AWS::S3::Bucket: notifications of a template are put, changed and taken away', async () => {
  const world = await CloudFormationWorld.start();
  const s3 = new S3({ ...world.engine.client, forcePathStyle: true });
  const template = (config?: object) => ({
    Resources: {
      Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'events' } },
      Policy: {
        Type: 'AWS::SQS::QueuePolicy',
        Properties: {
          Queues: [{ Ref: 'Queue' }],
          PolicyDocument: {
            Statement: [
              {
                Effect: 'Allow',
                Principal: { Service: 's3.amazonaws.com' },
                Action: 'sqs:SendMessage',
                Resource: '*',
              },
            ],
          },
        },
      },
      Bucket: {
        Type: 'AWS::S3::Bucket',
        DependsOn: 'Policy',
        Properties: { BucketName: Bucket, ...(config && { NotificationConfiguration: config }) },
      },
    },
  });
  const read = async () => {
    const { $metadata: _, ...config } = await s3.getBucketNotificationConfiguration({ Bucket });
    return config;
  };
  const Rules = [{ Name: 'prefix', Value: 'in/' }];
  const Queue = { 'Fn::GetAtt': ['Queue', 'Arn'] };
  const QueueConfigurations = [{ Event: 's3:ObjectCreated:*', Queue, Filter: { S3Key: { Rules } } }];
  await world.create('app', template({ QueueConfigurations }));
  expect(await read()).toMatchObject({
    QueueConfigurations: [{ Events: ['s3:ObjectCreated:*'], Filter: { Key: { FilterRules: Rules } } }],
  });
  await world.update('app', template({ EventBridgeConfiguration: {} }));
  expect(await read()).toEqual({ EventBridgeConfiguration: {} });
  await world.update('app', template());
  expect(await read()).toEqual({});
});
