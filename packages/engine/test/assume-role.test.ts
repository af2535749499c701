import { CodeBuild } from '@aws-sdk/client-codebuild';
import { IAM } from '@aws-sdk/client-iam';
import { Lambda } from '@aws-sdk/client-lambda';
import { SQS } from '@aws-sdk/client-sqs';
import { type AssumeRoleCommandInput, type AssumeRoleCommandOutput, STS } from '@aws-sdk/client-sts';
import { describe, expect, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';
import { policy, roleClient } from './role-client.ts';

const all = { Effect: 'Allow', Action: '*', Resource: '*' };

/** A role and how to assume it as the account's owner. */
async function world(trust: object = {}, role: { MaxSessionDuration?: number } = {}) {
  const engine = await testEngine();
  const { Role } = await new IAM(engine.client).createRole({
    RoleName: 'target',
    AssumeRolePolicyDocument: policy([
      { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: engine.accountId }, ...trust },
    ]),
    ...role,
  });
  const assume = (input: Partial<AssumeRoleCommandInput> = {}, config = engine.client) =>
    new STS(config).assumeRole({ RoleArn: Role!.Arn!, RoleSessionName: 'session', ...input });
  return { engine, assume };
}

const as = (engine: TestEngine, { Credentials }: AssumeRoleCommandOutput) => ({
  ...engine.client,
  credentials: {
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
    sessionToken: Credentials!.SessionToken!,
  },
});

describe('a trust policy', () => {
  test('may ask for an external id', async () => {
    const { assume } = await world({ Condition: { StringEquals: { 'sts:ExternalId': 'abc' } } });
    await assume({ ExternalId: 'abc' });
    await expect(assume({ ExternalId: 'other' })).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(assume()).rejects.toThrow('no role trust policy allows the sts:AssumeRole action');
  });

  test('may ask for a name of the session', async () => {
    const { assume } = await world({ Condition: { StringLike: { 'sts:RoleSessionName': 'ci-*' } } });
    await assume({ RoleSessionName: 'ci-1' });
    await expect(assume({ RoleSessionName: 'dev' })).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  test('must allow tags of the session, which are then tags of the principal', async () => {
    const tags = { Tags: [{ Key: 'team', Value: 'a' }] };
    const { assume } = await world();
    await expect(assume(tags)).rejects.toThrow('sts:TagSession');
    const { engine, assume: tagged } = await world({
      Action: ['sts:AssumeRole', 'sts:TagSession'],
      Condition: { StringEquals: { 'aws:RequestTag/team': 'a' } },
    });
    await expect(tagged({ Tags: [{ Key: 'team', Value: 'b' }] })).rejects.toMatchObject({
      name: 'AccessDenied',
    });
    const config = as(engine, await tagged(tags));
    await new IAM(engine.client).putRolePolicy({
      RoleName: 'target',
      PolicyName: 'own',
      PolicyDocument: policy([{ ...all, Condition: { StringEquals: { 'aws:PrincipalTag/team': 'a' } } }]),
    });
    await new SQS(config).listQueues({});
  });

  test('that names the account leaves it to the policies of the caller, and one that names the caller does not', async () => {
    const { engine, assume } = await world();
    const config = await roleClient(engine, [{ ...all, Action: 'sqs:*' }]);
    await expect(assume({}, config)).rejects.toThrow(
      'no identity-based policy allows the sts:AssumeRole action',
    );
    await new IAM(engine.client).updateAssumeRolePolicy({
      RoleName: 'target',
      PolicyDocument: policy([
        {
          Effect: 'Allow',
          Action: 'sts:AssumeRole',
          Principal: { AWS: `arn:aws:iam::${engine.accountId}:role/worker` },
        },
      ]),
    });
    await assume({}, config);
  });

  test.each([
    [
      'the account for which a project builds',
      { StringEquals: { 'aws:SourceAccount': '000000000000' } },
      true,
    ],
    [
      'the project',
      { ArnLike: { 'aws:SourceArn': 'arn:aws:codebuild:us-east-1:000000000000:project/app' } },
      true,
    ],
    ['another project', { ArnLike: { 'aws:SourceArn': 'arn:aws:codebuild:*:*:project/other' } }, false],
    ['another account', { StringEquals: { 'aws:SourceAccount': '111111111111' } }, false],
  ])('may ask for %s', async (_name, Condition, trusted) => {
    const engine = await testEngine();
    const iam = new IAM(engine.client);
    const { Role } = await iam.createRole({
      RoleName: 'builder',
      AssumeRolePolicyDocument: policy([
        {
          Effect: 'Allow',
          Action: 'sts:AssumeRole',
          Principal: { Service: 'codebuild.amazonaws.com' },
          Condition,
        },
      ]),
    });
    await iam.putRolePolicy({ RoleName: 'builder', PolicyName: 'own', PolicyDocument: policy([all]) });
    const codebuild = new CodeBuild(engine.client);
    await codebuild.createProject({
      name: 'app',
      serviceRole: Role!.Arn!,
      source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases:\n  build:\n    commands: [echo a]\n' },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: { type: 'LINUX_CONTAINER', image: 'x', computeType: 'BUILD_GENERAL1_SMALL' },
    });
    const { build } = await codebuild.startBuild({ projectName: 'app' });
    await expect
      .poll(async () => (await codebuild.batchGetBuilds({ ids: [build!.id!] })).builds![0]!.buildStatus, {
        timeout: 60_000,
      })
      .toBe(trusted ? 'SUCCEEDED' : 'FAILED');
  });

  test('may ask for a function', async () => {
    const engine = await testEngine();
    const trusting = async (RoleName: string, functionName: string) =>
      (
        await new IAM(engine.client).createRole({
          RoleName,
          AssumeRolePolicyDocument: policy([
            {
              Effect: 'Allow',
              Action: 'sts:AssumeRole',
              Principal: { Service: 'lambda.amazonaws.com' },
              Condition: {
                ArnEquals: { 'aws:SourceArn': `arn:aws:lambda:*:*:function:${functionName}` },
              },
            },
          ]),
        })
      ).Role!.Arn!;
    const create = (Role: string) =>
      new Lambda(engine.client).createFunction({
        FunctionName: 'app',
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Role,
        Code: { ZipFile: Buffer.from('UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==', 'base64') },
      });
    await expect(create(await trusting('others', 'other'))).rejects.toThrow(
      'cannot be assumed by Lambda: the role arn:aws:iam::000000000000:role/others does not trust lambda.amazonaws.com for arn:aws:lambda:us-east-1:000000000000:function:app',
    );
    await expect(create(await trusting('own', 'app'))).rejects.not.toThrow('cannot be assumed');
  });
});

describe('a session', () => {
  test.each<[string, Partial<AssumeRoleCommandInput>, RegExp]>([
    [
      'a name of one character',
      { RoleSessionName: 'x' },
      /at 'roleSessionName' failed to satisfy constraint/,
    ],
    [
      'a name with slashes',
      { RoleSessionName: '../x/y' },
      /at 'roleSessionName' failed to satisfy constraint/,
    ],
    ['a name of 65 characters', { RoleSessionName: 'x'.repeat(65) }, /at 'roleSessionName'/],
    ['a role that is no ARN', { RoleArn: 'target' }, /at 'roleArn' failed to satisfy constraint/],
    ['too short a time', { DurationSeconds: 899 }, /at 'durationSeconds'.*between 900 and 43200/],
    ['too long a time', { DurationSeconds: 31_536_000 }, /at 'durationSeconds'.*between 900 and 43200/],
    [
      'a longer time than the role has',
      { DurationSeconds: 7_200 },
      /exceeds the MaxSessionDuration set for this role/,
    ],
    ['an external id of one character', { ExternalId: 'x' }, /at 'externalId'/],
    [
      'a policy that is none',
      { Policy: '{nonsense' },
      /^Syntax errors in policy\. The document is not valid JSON/,
    ],
    [
      'a policy with a principal',
      { Policy: policy([{ ...all, Principal: '*' }]) },
      /should not specify a principal/,
    ],
    ['a policy of 2049 characters', { Policy: policy([all]).padEnd(2_049) }, /at 'policy'.*2048/],
    [
      'a managed policy that is none',
      { PolicyArns: [{ arn: 'arn:aws:iam::000000000000:policy/constructor' }] },
      /does not exist/,
    ],
    ['source identity', { SourceIdentity: 'me' }, /does not honour SourceIdentity of sts:AssumeRole/],
  ])('is refused with %s', async (_name, input, message) => {
    const { assume } = await world();
    await expect(assume(input)).rejects.toThrow(message);
  });

  test('lasts as long as the role allows, and an hour at most for a role that assumes another', async () => {
    const { engine, assume } = await world({}, { MaxSessionDuration: 43_200 });
    await assume({ DurationSeconds: 43_200 });
    const config = await roleClient(engine, [all]);
    await assume({ DurationSeconds: 3_600 }, config);
    await expect(assume({ DurationSeconds: 3_601 }, config)).rejects.toThrow(
      'exceeds the 1 hour session limit for roles assumed by role chaining',
    );
  });

  test('is narrowed by the policies that it was given, together', async () => {
    const { engine, assume } = await world();
    const iam = new IAM(engine.client);
    await iam.putRolePolicy({ RoleName: 'target', PolicyName: 'own', PolicyDocument: policy([all]) });
    const { Policy } = await iam.createPolicy({
      PolicyName: 'gets',
      PolicyDocument: policy([{ ...all, Action: 'sqs:Get*' }]),
    });
    const session = await assume({
      Policy: policy([{ ...all, Action: 'sqs:List*' }]),
      PolicyArns: [{ arn: Policy!.Arn! }],
    });
    const sqs = new SQS(as(engine, session));
    const { QueueUrl } = await new SQS(engine.client).createQueue({ QueueName: 'orders' });
    await sqs.listQueues({});
    await sqs.getQueueUrl({ QueueName: 'orders' });
    await expect(sqs.purgeQueue({ QueueUrl })).rejects.toThrow(
      'no session policy allows the sqs:PurgeQueue action',
    );
  });

  test('says who it is by the id of its role and its name', async () => {
    const { engine, assume } = await world();
    const session = await assume();
    const { UserId, Arn } = await new STS(as(engine, session)).getCallerIdentity({});
    expect(UserId).toMatch(/^AROA\w+:session$/);
    expect(UserId).toBe(session.AssumedRoleUser?.AssumedRoleId);
    expect(Arn).toBe(session.AssumedRoleUser?.Arn);
  });
});

test.each([3_599, 43_201])('a role has no longest session of %i seconds', async (MaxSessionDuration) => {
  await expect(world({}, { MaxSessionDuration })).rejects.toThrow('between 3600 and 43200');
});
