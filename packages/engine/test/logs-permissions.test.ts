import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { describe, expect, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { testEngine } from './harness.ts';

/** Clients of a role that may do these things in the group `mine`, and of the owner. */
async function roleWith(actions: readonly string[], resource: string) {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: 'worker',
    AssumeRolePolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' },
    }),
  });
  await iam.putRolePolicy({
    RoleName: 'worker',
    PolicyName: 'logs',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: actions, Resource: resource },
    }),
  });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: 'session',
  });
  const owner = new CloudWatchLogs(engine.client);
  for (const logGroupName of ['mine', 'other']) {
    await owner.createLogGroup({ logGroupName });
    await owner.createLogStream({ logGroupName, logStreamName: 'one' });
  }
  const role = new CloudWatchLogs({
    ...engine.client,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  });
  const now = new SystemClock().nowMs();
  return {
    engine,
    role,
    put: (logGroupName: string, logStreamName = 'one') =>
      role.putLogEvents({ logGroupName, logStreamName, logEvents: [{ timestamp: now, message: 'x' }] }),
  };
}

const arn = (rest: string) => `arn:aws:logs:us-east-1:000000000000:log-group:${rest}`;

describe('a role with a group’s ARN, as CloudFormation gives it', () => {
  test('writes to every stream of that group and of no other', async () => {
    const { role, put } = await roleWith(['logs:CreateLogStream', 'logs:PutLogEvents'], arn('mine:*'));
    await role.createLogStream({ logGroupName: 'mine', logStreamName: 'two' });
    await put('mine', 'two');
    await expect(put('other')).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining(
        `is not authorized to perform: logs:PutLogEvents on resource: ${arn('other:log-stream:one')}`,
      ) as string,
    });
  });

  test('may not read it without the permission to', async () => {
    const { role } = await roleWith(['logs:PutLogEvents'], arn('mine:*'));
    await expect(role.filterLogEvents({ logGroupName: 'mine' })).rejects.toThrow('logs:FilterLogEvents');
    await expect(role.describeLogGroups({})).rejects.toThrow('logs:DescribeLogGroups');
  });
});

test('a role that may read a group reads all or some of its streams, and no other group', async () => {
  const { role } = await roleWith(['logs:FilterLogEvents'], arn('mine:*'));
  expect((await role.filterLogEvents({ logGroupName: 'mine' })).events).toEqual([]);
  await role.filterLogEvents({ logGroupName: 'mine', logStreamNames: ['one'] });
  await expect(role.filterLogEvents({ logGroupName: 'other' })).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining(
      `is not authorized to perform: logs:FilterLogEvents on resource: ${arn('other:log-stream:')}`,
    ) as string,
  });
});

test('a role with one stream’s ARN writes to that stream only', async () => {
  const { put } = await roleWith(['logs:PutLogEvents'], arn('mine:log-stream:one'));
  await put('mine', 'one');
  await expect(put('mine', 'two')).rejects.toThrow('log-stream:two');
});

test('a group’s ARN without the trailing :* grants nothing in it, as on AWS', async () => {
  const { put } = await roleWith(['logs:PutLogEvents'], arn('mine'));
  await expect(put('mine')).rejects.toMatchObject({ name: 'AccessDeniedException' });
});

test('a request without a required member is an invalid parameter, as Logs calls it', async () => {
  const { role } = await roleWith(['logs:*'], '*');
  await expect(
    role.putLogEvents({ logGroupName: 'mine', logStreamName: undefined, logEvents: [] }),
  ).rejects.toMatchObject({
    name: 'InvalidParameterException',
    message: expect.stringContaining("'logStreamName'") as string,
  });
});

test('a resource policy of the account lets the roles that it names write to the groups that it names', async () => {
  const { engine, put } = await roleWith(['logs:DescribeLogGroups'], '*');
  const owner = new CloudWatchLogs(engine.client);
  const allow = (action: string, group: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${engine.accountId}:role/worker` },
        Action: action,
        Resource: arn(group),
      },
    });
  await owner.putResourcePolicy({ policyName: 'a', policyDocument: allow('logs:PutLogEvents', 'mine:*') });
  await owner.putResourcePolicy({
    policyName: 'b',
    policyDocument: allow('logs:CreateLogStream', 'other:*'),
  });
  await put('mine');
  await expect(put('other')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  const { resourcePolicies } = await owner.describeResourcePolicies({});
  expect(resourcePolicies!.map(({ policyName }) => policyName)).toEqual(['a', 'b']);
  await owner.deleteResourcePolicy({ policyName: 'a' });
  await expect(put('mine')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  await expect(owner.deleteResourcePolicy({ policyName: 'a' })).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('a resource policy is checked, and an account has at most ten', async () => {
  const logs = new CloudWatchLogs((await testEngine()).client);
  const put = (policyName: string, Action: string) =>
    logs.putResourcePolicy({
      policyName,
      policyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: { Effect: 'Allow', Principal: { Service: 'es.amazonaws.com' }, Action, Resource: '*' },
      }),
    });
  for (let number = 0; number < 10; number += 1) await put(`policy-${number}`, 'logs:PutLogEvents');
  await put('policy-0', 'logs:CreateLogStream');
  await expect(put('another', 'logs:PutLogEvents')).rejects.toMatchObject({
    name: 'LimitExceededException',
  });
  await expect(put('policy-0', 'sqs:SendMessage')).rejects.toMatchObject({
    name: 'InvalidParameterException',
  });
});
