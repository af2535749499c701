import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { describe, expect, test } from 'vitest';
import { testEngine } from './harness.ts';
import { policy, roleClient } from './role-client.ts';

const all = { Effect: 'Allow', Action: '*', Resource: '*' };
const when = (Condition: object) => [{ ...all, Action: 'sqs:*', Condition }];
const unless = (Condition: object) => [all, { ...all, Effect: 'Deny', Condition }];
const v = (inner: string) => `\${${inner}}`;

/** Statements of the role that sends, and whether it may, by what the engine knows of the call. */
const SENDING: ReadonlyArray<readonly [string, object[], boolean]> = [
  ['allowed in its region', when({ StringEquals: { 'aws:RequestedRegion': 'us-east-1' } }), true],
  [
    'denied outside its regions, of which this is one',
    unless({ StringNotEquals: { 'aws:RequestedRegion': ['us-east-1'] } }),
    true,
  ],
  [
    'denied outside its regions',
    unless({ StringNotEquals: { 'aws:RequestedRegion': ['eu-west-1'] } }),
    false,
  ],
  ['allowed from the loopback', when({ IpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '10.0.0.0/8'] } }), true],
  [
    'denied from outside a network',
    unless({ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' }, Bool: { 'aws:ViaAWSService': 'false' } }),
    false,
  ],
  ['allowed since a day', when({ DateGreaterThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } }), true],
  [
    'allowed until a day that is over',
    when({ DateLessThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } }),
    false,
  ],
  ['allowed since an instant', when({ NumericGreaterThan: { 'aws:EpochTime': '1577836800' } }), true],
  ['allowed to its account', when({ StringEquals: { 'aws:PrincipalAccount': '000000000000' } }), true],
  [
    'allowed in its account',
    when({ StringEquals: { 'aws:ResourceAccount': v('aws:PrincipalAccount') } }),
    true,
  ],
  ['allowed to the role', when({ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/work*' } }), true],
  ['denied to the role', unless({ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/*' } }), false],
  ['denied to all but roles', unless({ ArnNotLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/*' } }), true],
  ['allowed to the session', when({ StringLike: { 'aws:userid': 'AROA*:tester' } }), true],
  ['allowed to sessions of roles', when({ StringEquals: { 'aws:PrincipalType': 'AssumedRole' } }), true],
  ['allowed where there is no user', when({ Null: { 'aws:username': 'true' } }), true],
  [
    'allowed with temporary credentials',
    when({ DateGreaterThan: { 'aws:TokenIssueTime': '2020-01-01' } }),
    true,
  ],
  ['denied without MFA', unless({ BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } }), false],
  [
    'denied without TLS, for which the loopback stands',
    unless({ Bool: { 'aws:SecureTransport': 'false' } }),
    true,
  ],
  ['allowed to the SDK', when({ StringLike: { 'aws:UserAgent': 'aws-sdk-js/*' } }), true],
  ['allowed to principals only', when({ Bool: { 'aws:PrincipalIsAWSService': 'false' } }), true],
  ['allowed to those with a tag', when({ StringEquals: { 'aws:PrincipalTag/Team': 'a' } }), true],
  ['allowed to those with another tag', when({ StringEquals: { 'aws:PrincipalTag/Team': 'b' } }), false],
  [
    'allowed on what has the same tag',
    when({ StringEquals: { 'aws:ResourceTag/team': v('aws:PrincipalTag/team') } }),
    true,
  ],
  ['allowed on what has another tag', when({ StringEquals: { 'aws:ResourceTag/team': 'b' } }), false],
  ['denied to other organizations', unless({ StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } }), false],
  [
    'denied through other endpoints',
    unless({ StringNotEqualsIfExists: { 'aws:SourceVpce': 'vpce-1' } }),
    false,
  ],
  [
    'allowed through a service',
    when({ 'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' } }),
    false,
  ],
  [
    'allowed with other tags than none',
    when({ 'ForAnyValue:StringNotEquals': { 'aws:TagKeys': ['a'] } }),
    false,
  ],
  ['allowed with these tags or none', when({ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a'] } }), true],
  [
    'allowed on a queue of the account',
    [{ ...all, Resource: `arn:aws:sqs:*:${v('aws:PrincipalAccount')}:orders` }],
    true,
  ],
  [
    'allowed on all but another queue',
    [{ Effect: 'Allow', Action: 'sqs:*', NotResource: 'arn:aws:sqs:*:*:other' }],
    true,
  ],
  [
    'allowed by a pattern',
    [{ ...all, Action: 'sqs:Send*essag?', Resource: 'arn:aws:sqs:us-east-?:*:or*s' }],
    true,
  ],
];

test('a role may send when its conditions hold, and not otherwise', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const { QueueUrl } = await new SQS(engine.client).createQueue({ QueueName: 'orders', tags: { team: 'a' } });
  const sqs = new SQS(await roleClient(engine, [all], { tags: { team: 'a' } }));
  const outcomes: Record<string, boolean> = {};
  for (const [name, statements] of SENDING) {
    await iam.putRolePolicy({ RoleName: 'worker', PolicyName: 'own', PolicyDocument: policy(statements) });
    outcomes[name] = await sqs.sendMessage({ QueueUrl, MessageBody: 'x' }).then(
      () => true,
      (error: Error) => {
        expect(error.name).toBe('AccessDeniedException');
        return false;
      },
    );
  }
  expect(outcomes).toEqual(Object.fromEntries(SENDING.map(([name, , allowed]) => [name, allowed])));
});

describe('tags of a request', () => {
  test('decide what may be made and changed', async () => {
    const engine = await testEngine();
    const sqs = new SQS(
      await roleClient(engine, [
        {
          ...all,
          Action: 'sqs:*',
          Condition: {
            'ForAllValues:StringEquals': { 'aws:TagKeys': ['team', 'stage'] },
            StringLikeIfExists: { 'aws:RequestTag/Team': 'a*' },
          },
        },
      ]),
    );
    const make = (QueueName: string, tags: Record<string, string>) => sqs.createQueue({ QueueName, tags });
    const { QueueUrl } = await make('one', { team: 'ab', stage: 'test' });
    await expect(make('two', { team: 'b' })).rejects.toThrow('sqs:CreateQueue');
    await expect(make('three', { team: 'a', owner: 'me' })).rejects.toThrow('sqs:CreateQueue');
    await sqs.untagQueue({ QueueUrl, TagKeys: ['stage'] });
    await expect(sqs.untagQueue({ QueueUrl, TagKeys: ['stage', 'owner'] })).rejects.toThrow('sqs:UntagQueue');
  });

  test('a key of tags without its operator for several values matches nothing', async () => {
    const engine = await testEngine();
    const statements = when({ StringEquals: { 'aws:TagKeys': ['team', 'stage'] } });
    const sqs = new SQS(await roleClient(engine, statements));
    await sqs.createQueue({ QueueName: 'one', tags: { team: 'a' } });
    await expect(sqs.createQueue({ QueueName: 'two', tags: { team: 'a', stage: 'b' } })).rejects.toThrow(
      'sqs:CreateQueue',
    );
  });
});

test('a stack without a role makes its resources with the permissions of its maker, through CloudFormation', async () => {
  const engine = await testEngine();
  const config = await roleClient(engine, [
    { ...all, Action: 'cloudformation:*' },
    {
      ...all,
      Action: 'sqs:*',
      Condition: {
        'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' },
        StringEquals: { 'aws:CalledViaFirst': 'cloudformation.amazonaws.com' },
        Bool: { 'aws:ViaAWSService': 'true' },
        Null: { 'aws:SourceIp': 'true' },
      },
    },
  ]);
  await expect(new SQS(config).createQueue({ QueueName: 'direct' })).rejects.toThrow('not authorized');
  const cloudformation = new CloudFormation(config);
  const { StackId } = await cloudformation.createStack({
    StackName: 'queues',
    TemplateBody: JSON.stringify({ Resources: { Queue: { Type: 'AWS::SQS::Queue' } } }),
  });
  await expect
    .poll(
      async () => (await cloudformation.describeStacks({ StackName: StackId })).Stacks?.[0]?.StackStatus,
      {
        timeout: 60_000,
      },
    )
    .toBe('CREATE_COMPLETE');
});

test('a queue policy that names the role is within the boundary, and one that names the account grants nothing', async () => {
  const engine = await testEngine();
  const root = new SQS(engine.client);
  const iam = new IAM(engine.client);
  const config = await roleClient(engine, [{ ...all, Action: 'sqs:GetQueueUrl' }]);
  const { QueueUrl } = await root.createQueue({ QueueName: 'orders' });
  const admit = (Principal: unknown) =>
    root.setQueueAttributes({
      QueueUrl,
      Attributes: {
        Policy: policy([{ Effect: 'Allow', Principal, Action: 'sqs:SendMessage', Resource: '*' }]),
      },
    });
  const send = () => new SQS(config).sendMessage({ QueueUrl, MessageBody: 'x' });
  const role = `arn:aws:iam::${engine.accountId}:role/worker`;
  await admit({ AWS: role });
  await send();
  const { Policy } = await iam.createPolicy({
    PolicyName: 'bound',
    PolicyDocument: policy([{ ...all, Action: 'sqs:GetQueueUrl' }]),
  });
  await iam.putRolePermissionsBoundary({ RoleName: 'worker', PermissionsBoundary: Policy!.Arn! });
  await expect(send()).rejects.toThrow('no permissions boundary allows the sqs:SendMessage action');
  await admit({ AWS: `arn:aws:sts::${engine.accountId}:assumed-role/worker/tester` });
  await send();
  await iam.deleteRolePermissionsBoundary({ RoleName: 'worker' });
  await admit({ AWS: engine.accountId });
  await expect(send()).rejects.toThrow('no identity-based policy allows');
});
