import { EventBridge } from '@aws-sdk/client-eventbridge';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';
import { LambdaWorld } from './lambda-world.ts';
import { roleClient } from './role-client.ts';

const Bucket = 'files';

async function world() {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  const tag = (tags: Record<string, string>, VersionId?: string) =>
    s3.putObjectTagging({
      ...{ Bucket, Key: 'a', VersionId },
      Tagging: { TagSet: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) },
    });
  const tags = async (VersionId?: string) =>
    Object.fromEntries(
      (await s3.getObjectTagging({ Bucket, Key: 'a', VersionId })).TagSet!.map(({ Key, Value }) => [
        Key,
        Value,
      ]),
    );
  return { engine, s3, tag, tags };
}

test('tags of an object are replaced as a whole, and taken away', async () => {
  const { s3, tag, tags } = await world();
  expect(await tags()).toEqual({});
  await tag({ team: 'orders', tier: '1' });
  await tag({ team: 'billing' });
  expect(await tags()).toEqual({ team: 'billing' });
  expect((await s3.getObject({ Bucket, Key: 'a' })).TagCount).toBe(1);
  await s3.deleteObjectTagging({ Bucket, Key: 'a' });
  expect(await tags()).toEqual({});
  await tag({ team: 'billing' });
  await s3.putObject({ Bucket, Key: 'a', Body: 'b' });
  expect(await tags()).toEqual({});
  await expect(s3.getObjectTagging({ Bucket, Key: 'none' })).rejects.toMatchObject({ name: 'NoSuchKey' });
});

test('each version has tags of its own', async () => {
  const { s3, tag, tags } = await world();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  const { VersionId: first } = await s3.putObject({ Bucket, Key: 'a', Body: '1', Tagging: 'n=1&also=a%20b' });
  await s3.putObject({ Bucket, Key: 'a', Body: '2', Tagging: 'n=2' });
  await tag({ n: 'one' }, first);
  expect([await tags(first), await tags()]).toEqual([{ n: 'one' }, { n: '2' }]);
});

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']));

test.each([
  ['more than ten', many(11), 'BadRequest'],
  ['an empty key', { '': 'v' }, 'InvalidTag'],
  ['a key of 129 characters', { ['k'.repeat(129)]: 'v' }, 'InvalidTag'],
  ['a value of 257 characters', { k: 'v'.repeat(257) }, 'InvalidTag'],
  ['a character that no tag has', { k: 'a;b' }, 'InvalidTag'],
  ['a key of AWS', { 'aws:k': 'v' }, 'InvalidTag'],
])('tags that are none are refused: %s', async (_what, wrong, name) => {
  const { s3, tag, tags } = await world();
  await tag(many(10));
  await expect(tag(wrong)).rejects.toMatchObject({ name });
  const Tagging = new URLSearchParams(wrong).toString();
  await expect(s3.putObject({ Bucket, Key: 'a', Body: 'b', Tagging })).rejects.toMatchObject({ name });
  expect(await tags()).toEqual(many(10));
});

test('a key that comes twice is refused', async () => {
  const { s3 } = await world();
  const TagSet = ['1', '2'].map((Value) => ({ Key: 'k', Value }));
  const twice = { name: 'InvalidTag' };
  await expect(s3.putObjectTagging({ Bucket, Key: 'a', Tagging: { TagSet } })).rejects.toMatchObject(twice);
  await expect(s3.putObject({ Bucket, Key: 'a', Tagging: 'k=1&k=2' })).rejects.toMatchObject(twice);
});

test('policies decide by the tags that an object has, and by those that a request brings', async () => {
  const { engine, s3, tag } = await world();
  const Resource = `arn:aws:s3:::${Bucket}/*`;
  const reader = new S3({
    ...(await roleClient(engine, [
      {
        ...{ Effect: 'Allow', Action: 's3:GetObject', Resource },
        Condition: { StringEquals: { 's3:ExistingObjectTag/team': 'orders' } },
      },
      { Effect: 'Allow', Action: 's3:PutObject', Resource },
      {
        ...{ Effect: 'Allow', Action: 's3:PutObjectTagging', Resource },
        Condition: {
          StringEquals: { 's3:RequestObjectTag/tier': '1' },
          'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['tier'] },
        },
      },
    ])),
    forcePathStyle: true,
  });
  const denied = { name: 'AccessDenied' };
  await expect(reader.getObject({ Bucket, Key: 'a' })).rejects.toMatchObject(denied);
  await tag({ team: 'orders' });
  await reader.getObject({ Bucket, Key: 'a' });
  await expect(reader.getObjectTagging({ Bucket, Key: 'a' })).rejects.toMatchObject(denied);
  await reader.putObject({ Bucket, Key: 'b', Tagging: 'tier=1' });
  for (const Tagging of ['tier=2', 'tier=1&team=x']) {
    await expect(reader.putObject({ Bucket, Key: 'b', Tagging }), Tagging).rejects.toMatchObject(denied);
  }
  expect((await s3.getObjectTagging({ Bucket, Key: 'b' })).TagSet).toEqual([{ Key: 'tier', Value: '1' }]);
});

test('EventBridge is told of copies and of tags that are put and taken away', async () => {
  const functions = await LambdaWorld.start();
  const { client } = functions.engine;
  const s3 = new S3({ ...client, forcePathStyle: true });
  await s3.createBucket({ Bucket });
  const { url, arn } = await functions.queue('events');
  const Statement = {
    ...{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' } },
    ...{ Action: 'sqs:SendMessage', Resource: arn },
  };
  const Attributes = { Policy: JSON.stringify({ Statement: [Statement] }) };
  await new SQS(client).setQueueAttributes({ QueueUrl: url, Attributes });
  const events = new EventBridge(client);
  await events.putRule({ Name: 'files', EventPattern: JSON.stringify({ source: ['aws.s3'] }) });
  await events.putTargets({ Rule: 'files', Targets: [{ Id: 'queue', Arn: arn }] });
  await s3.putBucketNotificationConfiguration({
    Bucket,
    NotificationConfiguration: { EventBridgeConfiguration: {} },
  });
  const received = async () => JSON.parse((await functions.receive(url)).Body!) as { 'detail-type': string };
  await s3.putObject({ Bucket, Key: 'a', Body: 'a' });
  expect(await received()).toMatchObject({
    'detail-type': 'Object Created',
    detail: { reason: 'PutObject' },
  });
  await s3.copyObject({ Bucket, Key: 'b', CopySource: `${Bucket}/a` });
  expect(await received()).toMatchObject({
    'detail-type': 'Object Created',
    detail: { reason: 'CopyObject' },
  });
  await s3.putObjectTagging({ Bucket, Key: 'b', Tagging: { TagSet: [{ Key: 'k', Value: 'v' }] } });
  const added = await received();
  expect(added).toMatchObject({ 'detail-type': 'Object Tags Added', detail: { object: { key: 'b' } } });
  expect(added).not.toHaveProperty('detail.reason');
  await s3.deleteObjectTagging({ Bucket, Key: 'b' });
  expect(await received()).toMatchObject({ 'detail-type': 'Object Tags Deleted' });
});
