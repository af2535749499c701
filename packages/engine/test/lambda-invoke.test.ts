import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DeleteRoleCommand, DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  ListTagsCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { bundle, ECHO, LambdaWorld } from './lambda-world.ts';

const WHO = `
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
exports.handler = async (event, context) => {
  console.log('asked by', event.name);
  const { Arn } = await new STSClient().send(new GetCallerIdentityCommand({}));
  return { Arn, greeting: process.env.GREETING, version: context.functionVersion };
};`;

test('code from S3 runs with the execution role, and its log comes back', async () => {
  const world = await LambdaWorld.start();
  const s3 = new S3Client({ ...world.engine.client, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'assets' }));
  await s3.send(new PutObjectCommand({ Bucket: 'assets', Key: 'who.zip', Body: bundle(WHO) }));
  const role = await world.role('greeter', ['logs:*']);
  const created = await world.create('who', '', role, {
    Code: { S3Bucket: 'assets', S3Key: 'who.zip' },
    Environment: { Variables: { GREETING: 'hello' } },
    Architectures: ['arm64'],
  });
  expect(created).toMatchObject({
    FunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:who',
    State: 'Active',
    Version: '$LATEST',
    Architectures: ['arm64'],
    Timeout: 3,
    MemorySize: 128,
  });
  const reply = await world.invoke('who', { name: 'a test' }, { LogType: 'Tail' });
  expect(reply.answer).toEqual({
    Arn: 'arn:aws:sts::000000000000:assumed-role/greeter/who',
    greeting: 'hello',
    version: '$LATEST',
  });
  expect(reply).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
  expect(reply.FunctionError).toBeUndefined();
  const tail = Buffer.from(reply.LogResult!, 'base64').toString();
  expect(tail).toMatch(/START RequestId: .*asked by a test.*REPORT RequestId:/s);
});

test('what a function writes is in its log group after the engine has stopped', async () => {
  const world = await LambdaWorld.start();
  const role = await world.role('logger', [
    'logs:CreateLogGroup',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
  ]);
  // More lines than one PutLogEvents takes.
  const source = `exports.handler = async () => { for (let i = 0; i < 10_500; i++) console.log('line', i); };`;
  await world.create('chatty', source, role);
  await world.create('elsewhere', `exports.handler = async () => console.log('here');`, role, {
    LoggingConfig: { LogGroup: '/own/group' },
  });
  await world.invoke('chatty');
  await world.invoke('elsewhere');
  await world.engine.close();
  const again = await LambdaWorld.start({ directory: world.engine.directory });
  const logs = new CloudWatchLogsClient({ ...again.engine.client, maxAttempts: 10 });
  // Events can be read some time after they were ingested.
  const find = async (logGroupName: string, filterPattern: string): Promise<(string | undefined)[]> => {
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern }));
    if (events.length === 0) return find(logGroupName, filterPattern);
    return events.map(({ message }) => message?.split('\t').at(-1));
  };
  expect(await find('/aws/lambda/chatty', '"line 0"')).toEqual(['line 0']);
  expect(await find('/aws/lambda/chatty', '"line 10499"')).toEqual(['line 10499']);
  expect(await find('/own/group', 'here')).toEqual(['here']);
});

test('a role that may not log loses the lines, which is told once, and nothing else', async () => {
  const world = await LambdaWorld.start();
  await world.create(
    'silent',
    `exports.handler = async () => console.log('x');`,
    await world.role('mute', []),
  );
  const refused = world.engine.journal.waitFor(({ type }) => type === 'logs.refused');
  await world.invoke('silent');
  expect((await refused).detail).toMatchObject({
    logGroupName: '/aws/lambda/silent',
    code: 'AccessDeniedException',
  });
  expect((await world.invoke('silent')).FunctionError).toBeUndefined();
  await world.engine.close();
  const again = await LambdaWorld.start({ directory: world.engine.directory });
  expect(again.engine.journal.read().filter(({ type }) => type === 'logs.refused')).toHaveLength(1);
});

test('an error of the function is an answer, is journaled and counted', async () => {
  const world = await LambdaWorld.start();
  await world.create(
    'broken',
    `exports.handler = async () => { throw new TypeError('no such order'); };`,
    await world.role('broken', []),
  );
  const after = world.engine.journal.seq;
  const reply = await world.invoke('broken');
  expect(reply).toMatchObject({
    StatusCode: 200,
    FunctionError: 'Unhandled',
    answer: { errorType: 'TypeError', errorMessage: 'no such order' },
  });
  const { detail, atMs } = await world.engine.journal.waitFor(
    ({ type }) => type === 'function.invoked',
    after,
  );
  expect(detail).toMatchObject({ functionName: 'broken', error: 'TypeError: no such order' });
  await world.engine.close();
  const again = await LambdaWorld.start({ directory: world.engine.directory });
  const sum = async (MetricName: string) => {
    const { Datapoints } = await new CloudWatchClient(again.engine.client).send(
      new GetMetricStatisticsCommand({
        Namespace: 'AWS/Lambda',
        MetricName,
        Dimensions: [{ Name: 'FunctionName', Value: 'broken' }],
        StartTime: new Date(atMs - 3_600_000),
        EndTime: new Date(atMs + 60_000),
        Period: 60,
        Statistics: ['Sum'],
      }),
    );
    return (Datapoints ?? []).map((point) => point.Sum);
  };
  expect(await sum('Errors')).toEqual([1]);
  expect(await sum('Invocations')).toEqual([1]);
});

test('names, ARNs and partial ARNs mean the same function; those of other accounts and regions mean none', async () => {
  const world = await LambdaWorld.start();
  await world.create('fn', ECHO, await world.role('fn', []));
  const own = 'arn:aws:lambda:us-east-1:000000000000:function:fn';
  for (const name of ['fn', own, '000000000000:function:fn', `${own}:$LATEST`]) {
    expect((await world.invoke(name, { name })).answer).toEqual({ name });
  }
  const foreign = own.replace('000000000000', '111122223333');
  await expect(world.invoke(foreign)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await expect(world.invoke(own.replace('us-east-1', 'eu-west-1'))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
  await expect(world.invoke(`${own}:1`, {}, { Qualifier: '2' })).rejects.toThrow('derived qualifier');
});

test('new code and configuration are in force at the next call', async () => {
  const world = await LambdaWorld.start();
  const FunctionName = 'changing';
  const first = await world.create(
    FunctionName,
    `exports.handler = async () => 'one';`,
    await world.role('c', []),
  );
  expect((await world.invoke(FunctionName)).answer).toBe('one');
  const second = await world.lambda.send(
    new UpdateFunctionCodeCommand({
      FunctionName,
      ZipFile: bundle(`exports.handler = async () => process.env.ANSWER ?? 'two';`),
      RevisionId: first.RevisionId,
    }),
  );
  expect(second.CodeSha256).not.toBe(first.CodeSha256);
  expect((await world.invoke(FunctionName)).answer).toBe('two');
  await expect(
    world.lambda.send(
      new UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 5, RevisionId: first.RevisionId }),
    ),
  ).rejects.toMatchObject({ name: 'PreconditionFailedException' });
  await world.lambda.send(
    new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables: { ANSWER: 'three' } } }),
  );
  expect((await world.invoke(FunctionName)).answer).toBe('three');
  const configuration = await world.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  expect(configuration).toMatchObject({
    Timeout: 3,
    Handler: 'index.handler',
    Environment: { Variables: { ANSWER: 'three' } },
    LastUpdateStatus: 'Successful',
  });
  expect(readdirSync(join(world.engine.directory, 'lambda'))).toHaveLength(1);
});

test('a published version keeps its code, and its number is never given again', async () => {
  const world = await LambdaWorld.start();
  const FunctionName = 'versioned';
  await world.create(
    FunctionName,
    `exports.handler = async (e, c) => ['one', c.functionVersion];`,
    await world.role('v', []),
  );
  const publish = () =>
    world.lambda.send(new PublishVersionCommand({ FunctionName, Description: 'release' }));
  expect(await publish()).toMatchObject({ Version: '1', Description: 'release' });
  expect(await publish()).toMatchObject({ Version: '1' });
  await world.lambda.send(
    new UpdateFunctionCodeCommand({
      FunctionName,
      ZipFile: bundle(`exports.handler = async (e, c) => ['two', c.functionVersion];`),
      Publish: true,
    }),
  );
  expect((await world.invoke(FunctionName)).answer).toEqual(['two', '$LATEST']);
  expect(await world.invoke(FunctionName, {}, { Qualifier: '1' })).toMatchObject({
    answer: ['one', '1'],
    ExecutedVersion: '1',
  });
  expect((await world.invoke(`${FunctionName}:2`)).answer).toEqual(['two', '2']);
  await world.lambda.send(new DeleteFunctionCommand({ FunctionName, Qualifier: '2' }));
  await expect(world.invoke(`${FunctionName}:2`)).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
  expect(await publish()).toMatchObject({ Version: '3' });
});

test('a deleted function is gone with its code, tags and versions', async () => {
  const world = await LambdaWorld.start();
  const role = await world.role('d', []);
  const { FunctionArn: Resource } = await world.create('doomed', ECHO, role, { Tags: { team: 'shop' } });
  await world.lambda.send(new TagResourceCommand({ Resource, Tags: { stage: 'test' } }));
  await world.lambda.send(new UntagResourceCommand({ Resource, TagKeys: ['team'] }));
  expect((await world.lambda.send(new ListTagsCommand({ Resource }))).Tags).toEqual({ stage: 'test' });
  expect((await world.lambda.send(new GetFunctionCommand({ FunctionName: 'doomed' }))).Tags).toEqual({
    stage: 'test',
  });
  await expect(world.create('doomed', ECHO, role)).rejects.toMatchObject({
    name: 'ResourceConflictException',
  });
  await world.lambda.send(new DeleteFunctionCommand({ FunctionName: 'doomed' }));
  expect((await world.lambda.send(new ListFunctionsCommand())).Functions).toEqual([]);
  await expect(world.invoke('doomed')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await expect(
    world.lambda.send(new DeleteFunctionCommand({ FunctionName: 'doomed' })),
  ).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  expect(readdirSync(join(world.engine.directory, 'lambda'))).toEqual([]);
  const again = await world.create('doomed', ECHO, role);
  expect((await world.lambda.send(new ListTagsCommand({ Resource: again.FunctionArn }))).Tags).toEqual({});
});

test('functions survive a restart of the engine', async () => {
  const world = await LambdaWorld.start();
  await world.create('kept', ECHO, await world.role('kept', []));
  await world.engine.close();
  const again = await LambdaWorld.start({ directory: world.engine.directory });
  expect((await again.invoke('kept', [1])).answer).toEqual([1]);
});

test('code is what it is on AWS, also when the state directory lies in a project of ES modules', async () => {
  const project = mkdtempSync(join(tmpdir(), 'queue-canary-project-'));
  onTestFinished(() => rmSync(project, { recursive: true, force: true }));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  const world = await LambdaWorld.start({ directory: join(project, '.queue-canary') });
  await world.create('common', 'module.exports.handler = async () => 1;', await world.role('common', []));
  expect((await world.invoke('common')).answer).toBe(1);
});

test('reserved concurrency bounds a function, and 0 shuts it', async () => {
  const world = await LambdaWorld.start();
  const FunctionName = 'bounded';
  await world.create(FunctionName, ECHO, await world.role('b', []));
  await world.lambda.send(
    new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }),
  );
  await expect(world.invoke(FunctionName)).rejects.toMatchObject({
    name: 'TooManyRequestsException',
    Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
    $metadata: { httpStatusCode: 429 },
  });
  expect((await world.invoke(FunctionName, {}, { InvocationType: 'DryRun' })).StatusCode).toBe(204);
  expect((await world.lambda.send(new GetFunctionCommand({ FunctionName }))).Concurrency).toEqual({
    ReservedConcurrentExecutions: 0,
  });
  await world.lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
  expect((await world.invoke(FunctionName, 7)).answer).toBe(7);
});

test('IAM decides who creates, passes the role and invokes', async () => {
  const world = await LambdaWorld.start();
  const role = await world.role('execution', []);
  await world.create('fn', ECHO, role);
  const invoker = new LambdaClient(
    await world.as(await world.role('invoker', ['lambda:InvokeFunction'], 'account')),
  );
  const { StatusCode } = await invoker.send(new InvokeCommand({ FunctionName: 'fn' }));
  expect(StatusCode).toBe(200);
  await expect(invoker.send(new DeleteFunctionCommand({ FunctionName: 'fn' }))).rejects.toThrow(
    'lambda:DeleteFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:fn',
  );
  const creator = await world.as(await world.role('creator', ['lambda:*'], 'account'));
  const asCreator = new LambdaWorld({ ...world.engine, client: creator });
  await expect(asCreator.create('other', ECHO, role)).rejects.toThrow(`iam:PassRole on resource: ${role}`);
  const passer = await world.as(await world.role('passer', ['lambda:*', 'iam:PassRole'], 'account'));
  const asPasser = new LambdaWorld({ ...world.engine, client: passer });
  await asPasser.create('other', ECHO, role);
  const s3 = new S3Client({ ...world.engine.client, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'assets' }));
  await s3.send(new PutObjectCommand({ Bucket: 'assets', Key: 'fn.zip', Body: bundle(ECHO) }));
  await expect(
    asPasser.create('third', '', role, { Code: { S3Bucket: 'assets', S3Key: 'fn.zip' } }),
  ).rejects.toThrow('S3 Error Code: AccessDenied');
});

test('a function that is kept warm outlives its credentials', async () => {
  const clock = new VirtualClock();
  const world = await LambdaWorld.start({ clock, pace: 1 });
  await world.create('who', WHO, await world.role('greeter', []));
  const expected = { Arn: 'arn:aws:sts::000000000000:assumed-role/greeter/who' };
  const { journal } = world.engine;
  const twelveHoursMs = 12 * 3_600_000;
  const startMs = clock.nowMs();
  while (clock.nowMs() < startMs + twelveHoursMs + 600_000) {
    expect((await world.invoke('who')).answer).toMatchObject(expected);
    await clock.advanceBy(4 * 60_000);
  }
  const cold = journal
    .read()
    .filter(({ type, detail }) => type === 'function.invoked' && detail.initDurationMs !== undefined);
  expect(cold).toHaveLength(2);
});

test('a function whose role has vanished cannot run, and says so', async () => {
  const world = await LambdaWorld.start();
  const role = await world.role('fleeting', ['logs:*']);
  await world.create('orphan', ECHO, role);
  const iam = new IAMClient(world.engine.client);
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'fleeting', PolicyName: 'allow' }));
  await iam.send(new DeleteRoleCommand({ RoleName: 'fleeting' }));
  await expect(world.invoke('orphan')).rejects.toThrow(
    `cannot be assumed by Lambda: the role ${role} does not exist`,
  );
});
