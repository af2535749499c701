import {
  DescribeRuleCommand,
  EventBridgeClient,
  ListTargetsByRuleCommand,
} from '@aws-sdk/client-eventbridge';
import {
  GetFunctionConfigurationCommand,
  GetFunctionEventInvokeConfigCommand,
  GetPolicyCommand,
  InvokeCommand,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import { GetSubscriptionAttributesCommand, GetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { describe, expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { CAPABLE, getAtt, outputs, ref, role } from './templates.ts';

describe('functions, topics and rules', () => {
  const fn = (source: string, extra: object = {}) => ({
    Type: 'AWS::Lambda::Function',
    Properties: {
      Role: getAtt('Role', 'Arn'),
      Runtime: 'nodejs24.x',
      Handler: 'index.handler',
      Code: { ZipFile: source },
      ...extra,
    },
  });

  test('AWS::Lambda: code, configuration, permission and asynchronous settings', async () => {
    const world = await CloudFormationWorld.start();
    const lambda = new LambdaClient(world.engine.client);
    const template = (answer: string) => ({
      Resources: {
        Role: role('lambda.amazonaws.com', {
          ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole'],
        }),
        Function: fn(`exports.handler = async () => process.env.ANSWER + '${answer}'`, {
          Timeout: '10',
          MemorySize: 256,
          Environment: { Variables: { ANSWER: answer } },
        }),
        Permission: {
          Type: 'AWS::Lambda::Permission',
          Properties: {
            Action: 'lambda:InvokeFunction',
            FunctionName: getAtt('Function', 'Arn'),
            Principal: 'events.amazonaws.com',
            SourceArn: 'arn:aws:events:us-east-1:000000000000:rule/some',
          },
        },
        Async: {
          Type: 'AWS::Lambda::EventInvokeConfig',
          Properties: { FunctionName: ref('Function'), Qualifier: '$LATEST', MaximumRetryAttempts: 0 },
        },
      },
      Outputs: { Name: { Value: ref('Function') } },
    });
    const created = await world.create('app', template('one'), CAPABLE);
    expect(created.StackStatus).toBe('CREATE_COMPLETE');
    const FunctionName = outputs(created).Name!;
    const invoke = async () =>
      Buffer.from((await lambda.send(new InvokeCommand({ FunctionName }))).Payload!).toString();
    expect(await invoke()).toBe('"oneone"');
    const policy = await lambda.send(new GetPolicyCommand({ FunctionName }));
    expect(policy.Policy).toContain('rule/some');
    const config = await lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }));
    expect(config.MaximumRetryAttempts).toBe(0);
    await world.update('app', template('two'), CAPABLE);
    expect(await invoke()).toBe('"twotwo"');
    const configuration = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    expect(configuration).toMatchObject({ Timeout: 10, MemorySize: 256 });
    expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
    await expect(lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))).rejects.toThrow();
  });

  test('AWS::SNS: topic, policy and a subscription of a queue', async () => {
    const world = await CloudFormationWorld.start();
    const sns = new SNSClient(world.engine.client);
    const template = (name: string, raw: boolean) => ({
      Resources: {
        Topic: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: name } },
        Policy: {
          Type: 'AWS::SNS::TopicPolicy',
          Properties: {
            Topics: [ref('Topic')],
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                {
                  Sid: 'AllowPublishThroughSSLOnly',
                  Effect: 'Deny',
                  Principal: '*',
                  Action: 'sns:Publish',
                  Resource: ref('Topic'),
                  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
                },
              ],
            },
          },
        },
        Queue: { Type: 'AWS::SQS::Queue' },
        Subscription: {
          Type: 'AWS::SNS::Subscription',
          Properties: {
            TopicArn: ref('Topic'),
            Protocol: 'sqs',
            Endpoint: getAtt('Queue', 'Arn'),
            RawMessageDelivery: raw,
          },
        },
      },
      Outputs: { Topic: { Value: ref('Topic') }, Subscription: { Value: ref('Subscription') } },
    });
    const { Topic, Subscription } = outputs(await world.create('app', template('one', false)));
    await world.update('app', template('two', true));
    const topic = await sns.send(new GetTopicAttributesCommand({ TopicArn: Topic }));
    expect(topic.Attributes!.DisplayName).toBe('two');
    expect(topic.Attributes!.Policy).toContain('AllowPublishThroughSSLOnly');
    const subscription = await sns.send(
      new GetSubscriptionAttributesCommand({ SubscriptionArn: Subscription }),
    );
    expect(subscription.Attributes!.RawMessageDelivery).toBe('true');
    expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
    await expect(sns.send(new GetTopicAttributesCommand({ TopicArn: Topic }))).rejects.toThrow();
  });

  test('AWS::Events::Rule: pattern, schedule and targets', async () => {
    const world = await CloudFormationWorld.start();
    const events = new EventBridgeClient(world.engine.client);
    const template = (schedule: boolean, targets: string[]) => ({
      Resources: {
        Queue: { Type: 'AWS::SQS::Queue' },
        Rule: {
          Type: 'AWS::Events::Rule',
          Properties: {
            ...(schedule
              ? { ScheduleExpression: 'rate(5 minutes)' }
              : { EventPattern: { source: ['aws.ecs'], detail: { lastStatus: ['STOPPED'] } } }),
            State: 'ENABLED',
            Targets: targets.map((Id) => ({ Id, Arn: getAtt('Queue', 'Arn') })),
          },
        },
      },
      Outputs: { Rule: { Value: ref('Rule') } },
    });
    const { Rule } = outputs(await world.create('app', template(false, ['a', 'b'])));
    const rule = await events.send(new DescribeRuleCommand({ Name: Rule }));
    expect(JSON.parse(rule.EventPattern!)).toEqual({
      source: ['aws.ecs'],
      detail: { lastStatus: ['STOPPED'] },
    });
    await world.update('app', template(true, ['b', 'c']));
    expect((await events.send(new DescribeRuleCommand({ Name: Rule }))).ScheduleExpression).toBe(
      'rate(5 minutes)',
    );
    const { Targets } = await events.send(new ListTargetsByRuleCommand({ Rule }));
    expect(Targets!.map(({ Id }) => Id).sort()).toEqual(['b', 'c']);
    expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
    await expect(events.send(new DescribeRuleCommand({ Name: Rule }))).rejects.toThrow();
  });
});
