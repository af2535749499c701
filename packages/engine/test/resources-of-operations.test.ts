import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { Lambda } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const CAPABLE = { Capabilities: ['CAPABILITY_IAM'] };
const getAtt = (logicalId: string, name: string) => ({ 'Fn::GetAtt': [logicalId, name] });

test('AWS::KMS: keys and their aliases are recorded, say so, and encrypt nothing', async () => {
  const world = await CloudFormationWorld.start();
  const stack = await world.create('app', {
    Resources: {
      Key: { Type: 'AWS::KMS::Key', Properties: { EnableKeyRotation: true, KeyPolicy: { Statement: [] } } },
      Alias: {
        Type: 'AWS::KMS::Alias',
        Properties: { AliasName: 'alias/shop', TargetKeyId: getAtt('Key', 'Arn') },
      },
      Queue: { Type: 'AWS::SQS::Queue', Properties: { KmsMasterKeyId: getAtt('Key', 'Arn') } },
    },
    Outputs: { Arn: { Value: getAtt('Key', 'Arn') }, Alias: { Value: { Ref: 'Alias' } } },
  });
  expect(stack).toMatchObject({
    StackStatus: 'CREATE_COMPLETE',
    Outputs: [
      {
        OutputValue: expect.stringMatching(
          /^arn:aws:kms:us-east-1:\d{12}:key\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
        ),
      },
      { OutputValue: 'alias/shop' },
    ],
  });
  for (const key of ['Key', 'Alias']) {
    expect(await world.reason('app', key, 'CREATE_COMPLETE')).toMatch(/^Recorded only/);
  }
});

test('AWS::Logs::ResourcePolicy: a policy that is put, changed, renamed and taken away', async () => {
  const world = await CloudFormationWorld.start();
  const logs = new CloudWatchLogs(world.engine.client);
  const document = (Action: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'es.amazonaws.com' }, Action, Resource: '*' }],
    });
  const template = (PolicyName: string, action: string) => ({
    Resources: {
      Policy: {
        Type: 'AWS::Logs::ResourcePolicy',
        Properties: { PolicyName, PolicyDocument: document(action) },
      },
      Group: { Type: 'AWS::Logs::LogGroup' },
    },
  });
  const read = async () =>
    (await logs.describeResourcePolicies({})).resourcePolicies!.map((policy) => [
      policy.policyName,
      policy.policyDocument,
    ]);
  await world.create('app', template('search', 'logs:PutLogEvents'));
  expect(await read()).toEqual([['search', document('logs:PutLogEvents')]]);
  await world.update('app', template('search', 'logs:CreateLogStream'));
  expect(await read()).toEqual([['search', document('logs:CreateLogStream')]]);
  await world.update('app', template('find', 'logs:CreateLogStream'));
  expect(await read()).toEqual([['find', document('logs:CreateLogStream')]]);
  await world.update('app', { Resources: { Group: { Type: 'AWS::Logs::LogGroup' } } });
  expect(await read()).toEqual([]);
});

test('AWS::Logs::MetricFilter: a filter that is put, changed and taken away', async () => {
  const world = await CloudFormationWorld.start();
  const logs = new CloudWatchLogs(world.engine.client);
  const template = (filters: Record<string, object>) => ({
    Resources: {
      Group: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/shop' } },
      ...Object.fromEntries(
        Object.entries(filters).map(([id, metric]) => [
          id,
          {
            Type: 'AWS::Logs::MetricFilter',
            Properties: {
              LogGroupName: { Ref: 'Group' },
              FilterPattern: 'ERROR',
              MetricTransformations: [
                { MetricNamespace: 'Shop', MetricName: 'Errors', MetricValue: '1', ...metric },
              ],
            },
          },
        ]),
      ),
    },
  });
  const read = async () => (await logs.describeMetricFilters({ logGroupName: '/shop' })).metricFilters!;
  await world.create('app', template({ Filter: { DefaultValue: '0', Unit: 'Count' } }));
  expect(await read()).toMatchObject([
    {
      filterName: expect.stringMatching(/^app-Filter-/),
      filterPattern: 'ERROR',
      metricTransformations: [
        { metricNamespace: 'Shop', metricName: 'Errors', metricValue: '1', defaultValue: 0, unit: 'Count' },
      ],
    },
  ]);
  await world.update('app', template({ Filter: { MetricValue: '2' } }));
  expect((await read())[0]!.metricTransformations).toMatchObject([{ metricValue: '2' }]);
  await world.update('app', template({}));
  expect(await read()).toEqual([]);
});

test('AWS::Lambda::Version: the function as it was, kept until its resource goes', async () => {
  const world = await CloudFormationWorld.start();
  const lambda = new Lambda(world.engine.client);
  const template = (answer: string, versions: readonly string[]) => ({
    Resources: {
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: {
            Statement: [
              { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
            ],
          },
        },
      },
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          Role: getAtt('Role', 'Arn'),
          FunctionName: 'shop',
          Runtime: 'nodejs24.x',
          Handler: 'index.handler',
          Code: { ZipFile: `exports.handler = async () => '${answer}'` },
        },
      },
      ...Object.fromEntries(
        versions.map((id) => [
          id,
          { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Function' } } },
        ]),
      ),
    },
    Outputs: Object.fromEntries(versions.map((id) => [id, { Value: getAtt(id, 'Version') }])),
  });
  const invoke = async (Qualifier: string) =>
    Buffer.from((await lambda.invoke({ FunctionName: 'shop', Qualifier })).Payload!).toString();
  expect((await world.create('app', template('one', ['A']), CAPABLE)).Outputs).toMatchObject([
    { OutputValue: '1' },
  ]);
  await world.update('app', template('two', ['B']), CAPABLE);
  expect(await invoke('2')).toBe('"two"');
  const again = await world.update('app', template('two', ['B', 'C']), CAPABLE);
  expect(again.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect(await world.reason('app', 'C', 'CREATE_FAILED')).toContain(
    'A version for this Lambda function exists ( 2 )',
  );
  expect(await invoke('2')).toBe('"two"');
  await expect(invoke('1')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});
