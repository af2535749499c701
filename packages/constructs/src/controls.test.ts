import { Duration } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  actionsOf,
  plainStacks,
  resource,
  resources,
  type Synthesized,
  statementsOf,
  synthesize,
} from '../test/synthesize.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

interface Container {
  readonly User?: string;
  readonly ReadonlyRootFilesystem?: boolean;
  readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
}

function container(track: 'Canary' | 'Stable', of = stacks): Container {
  const { properties } = resource(of.pipeline, 'AWS::ECS::TaskDefinition', `Services${track}`);
  return (properties.ContainerDefinitions as Container[])[0]!;
}

/** Controls of AWS Control Tower and Security Hub that would otherwise refuse the stacks. */
describe('as controls of AWS want it', () => {
  test('every alarm acts (CT.CLOUDWATCH.PR.1)', () => {
    const alarms = resources(stacks.pipeline, 'AWS::CloudWatch::Alarm');
    expect(alarms.filter(({ properties }) => properties.AlarmActions === undefined)).toEqual([]);
  });

  test('every log is kept for a year, or for as long as it is told (CT.CLOUDWATCH.PR.2)', () => {
    const days = (of: Synthesized) =>
      [of.image, of.pipeline].flatMap((template) =>
        resources(template, 'AWS::Logs::LogGroup').map(({ properties }) => properties.RetentionInDays),
      );
    expect(new Set(days(stacks))).toEqual(new Set([365]));
    const shorter = { logRetention: RetentionDays.ONE_WEEK };
    expect(new Set(days(synthesize(shorter, shorter)))).toEqual(new Set([7]));
  });

  test('the worker is not root and writes no file, unless it is told to (CT.ECS.PR.3, CT.ECS.PR.6)', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track)).toMatchObject({ User: '1000', ReadonlyRootFilesystem: true });
    }
    const told = synthesize({ user: 'worker', readonlyRootFilesystem: false });
    expect(container('Stable', told)).toMatchObject({ User: 'worker', ReadonlyRootFilesystem: false });
  });

  test('tasks have public addresses only where no NAT gateway is wanted (CT.ECS.PR.9)', () => {
    const assigned = (of: Synthesized) =>
      resources(of.pipeline, 'AWS::ECS::Service').map(
        ({ properties }) =>
          (properties.NetworkConfiguration as { AwsvpcConfiguration: { AssignPublicIp: string } })
            .AwsvpcConfiguration.AssignPublicIp,
      );
    expect(assigned(stacks)).toEqual(['ENABLED', 'ENABLED']);
    expect(assigned(synthesize({ natGateways: 1 }))).toEqual(['DISABLED', 'DISABLED']);
  });

  test('the image repository has a lifecycle (ECR.3)', () => {
    expect(resource(stacks.image, 'AWS::ECR::Repository').properties).toHaveProperty('LifecyclePolicy');
  });
});

describe('what tasks reach', () => {
  const egress = (of: Synthesized) => {
    const { properties } = resource(of.pipeline, 'AWS::EC2::SecurityGroup', 'ServicesSecurityGroup');
    return (properties.SecurityGroupEgress as { IpProtocol: string; FromPort: number; ToPort: number }[]).map(
      ({ IpProtocol, FromPort, ToPort }) => [IpProtocol, FromPort, ToPort],
    );
  };

  test('is HTTPS, and what else is wanted', () => {
    expect(egress(stacks)).toEqual([['tcp', 443, 443]]);
    expect(egress(synthesize({ egressPorts: [443, 5432] }))).toEqual([
      ['tcp', 443, 443],
      ['tcp', 5432, 5432],
    ]);
  });

  test('is said by one group, which is the only one that they have', () => {
    for (const { properties } of resources(stacks.pipeline, 'AWS::ECS::Service')) {
      expect(JSON.stringify(properties.NetworkConfiguration)).toMatch(
        /"SecurityGroups":\[\{"Fn::GetAtt":\["ServicesSecurityGroup\w+","GroupId"\]\}\]/,
      );
    }
  });

  test('does not depend on the default group, whose rules are taken away when that is wanted', () => {
    const restricting = (of: Synthesized) =>
      resources(of.pipeline).filter(({ type }) => type === 'Custom::VpcRestrictDefaultSG');
    expect(restricting(stacks)).toEqual([]);
    expect(restricting(synthesize({ restrictDefaultSecurityGroup: true }))).toHaveLength(1);
  });
});

describe('the controller is watched', () => {
  test('for errors, throttles, its timeout and lost events, and the topic gets a message', () => {
    const alarms = resources(stacks.pipeline, 'AWS::CloudWatch::Alarm').filter(({ logicalId }) =>
      logicalId.startsWith('Controller'),
    );
    expect(alarms.map(({ properties }) => properties.MetricName)).toEqual([
      'Errors',
      'Throttles',
      'Duration',
      'ApproximateNumberOfMessagesVisible',
    ]);
    const topic = resource(stacks.pipeline, 'AWS::SNS::Topic').logicalId;
    for (const { properties } of alarms) expect(properties.AlarmActions).toEqual([{ Ref: topic }]);
  });

  test('by alarms that the topic admits, though its policy is its own', () => {
    const { properties } = resource(stacks.pipeline, 'AWS::SNS::TopicPolicy');
    expect((properties.PolicyDocument as { Statement: unknown[] }).Statement).toContainEqual(
      expect.objectContaining({
        Action: 'sns:Publish',
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Resource: { Ref: resource(stacks.pipeline, 'AWS::SNS::Topic').logicalId },
      }),
    );
  });

  test('has no concurrency of its own unless some is kept for it, and then enough', () => {
    const reserved = (of: Synthesized) =>
      resource(of.pipeline, 'AWS::Lambda::Function').properties.ReservedConcurrentExecutions;
    expect(reserved(stacks)).toBeUndefined();
    expect(reserved(synthesize({ reservedConcurrentExecutions: 5 }))).toBe(5);
    expect(() => synthesize({ reservedConcurrentExecutions: 1 })).toThrow(
      'reservedConcurrentExecutions must be at least 3, got 1',
    );
  });
});

describe('task protection', () => {
  const setting = (track: 'Canary' | 'Stable', of: Synthesized) =>
    container(track, of).Environment.filter(({ Name }) => Name.startsWith('PROTECT'));
  const permitted = (track: 'Canary' | 'Stable', of: Synthesized) => {
    const { logicalId } = resource(of.pipeline, 'AWS::IAM::Role', `Services${track}TaskRole`);
    return actionsOf(statementsOf(of.pipeline, logicalId)).includes('ecs:UpdateTaskProtection');
  };

  test.each([
    [undefined, []],
    ['stable', ['Stable']],
    ['all', ['Canary', 'Stable']],
  ] as const)('is on, permitted and bounded, for %s', (protectTasks, tracks) => {
    const of = synthesize(protectTasks === undefined ? {} : { protectTasks });
    for (const track of ['Canary', 'Stable'] as const) {
      const on = (tracks as readonly string[]).includes(track);
      expect(permitted(track, of)).toBe(on);
      expect(setting(track, of)).toEqual(
        on
          ? [
              { Name: 'PROTECT_TASKS', Value: 'all' },
              { Name: 'PROTECTED_MINUTES_MAX', Value: '15' },
            ]
          : [],
      );
    }
  });

  test('lasts for half of the deployment timeout at most, which must leave room for it', () => {
    const of = synthesize({ protectTasks: 'stable', deploymentTimeout: Duration.minutes(60) });
    expect(setting('Stable', of)).toContainEqual({ Name: 'PROTECTED_MINUTES_MAX', Value: '30' });
    expect(() => synthesize({ protectTasks: 'stable', deploymentTimeout: Duration.minutes(1) })).toThrow(
      'deploymentTimeout must be at least 2 minutes where tasks are protected, got 1',
    );
  });
});
