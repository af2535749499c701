import { CloudWatchClient, PutMetricAlarmCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { AddPermissionCommand, CreateFunctionCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { strToU8, zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';

test('a metric that breaches goes through alarm and rule to a function', async () => {
  const engine = await testEngine({ pace: 600 });
  const iam = new IAMClient(engine.client);
  const lambda = new LambdaClient(engine.client);
  const events = new EventBridgeClient(engine.client);
  const cloudwatch = new CloudWatchClient(engine.client);
  const { Role } = await iam.send(
    new CreateRoleCommand({
      RoleName: 'watcher',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
        ],
      }),
    }),
  );
  const { FunctionArn } = await lambda.send(
    new CreateFunctionCommand({
      FunctionName: 'watcher',
      Role: Role!.Arn,
      Runtime: 'nodejs24.x',
      Handler: 'index.handler',
      Code: {
        ZipFile: zipSync({
          'index.js': strToU8('exports.handler = async (event) => ({ saw: event.detail.state.value });'),
        }),
      },
    }),
  );
  const { RuleArn } = await events.send(
    new PutRuleCommand({
      Name: 'alarms',
      EventPattern: JSON.stringify({
        source: ['aws.cloudwatch'],
        'detail-type': ['CloudWatch Alarm State Change'],
        detail: { state: { value: ['ALARM'] } },
      }),
    }),
  );
  await events.send(new PutTargetsCommand({ Rule: 'alarms', Targets: [{ Id: 'fn', Arn: FunctionArn! }] }));
  await lambda.send(
    new AddPermissionCommand({
      FunctionName: 'watcher',
      StatementId: 'rule',
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: RuleArn,
    }),
  );
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'failures',
      Namespace: 'Shop',
      MetricName: 'Failed',
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
    }),
  );
  const after = engine.journal.seq;
  await cloudwatch.send(
    new PutMetricDataCommand({ Namespace: 'Shop', MetricData: [{ MetricName: 'Failed', Value: 2 }] }),
  );
  const invoked = await engine.journal.waitFor(({ type }) => type === 'function.invoked', after);
  expect(invoked.detail).toMatchObject({ functionName: 'watcher', invocationType: 'Event' });
  expect(invoked.detail.error).toBeUndefined();
});
