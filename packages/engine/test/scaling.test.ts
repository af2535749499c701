import { ApplicationAutoScaling } from '@aws-sdk/client-application-auto-scaling';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { ECS } from '@aws-sdk/client-ecs';
import { expect, test } from 'vitest';
import type { JournalEntry } from '../src/index.ts';
import { promptIds, type TestEngine, testEngine } from './harness.ts';

const target = {
  ServiceNamespace: 'ecs',
  ResourceId: 'service/main/stable',
  ScalableDimension: 'ecs:service:DesiredCount',
} as const;

/** An engine with a service of one task whose image does not exist: counts matter here, not processes. */
async function serviceOf(desiredCount: number) {
  const engine: TestEngine = await testEngine({ pace: 60, ids: promptIds() });
  const ecs = new ECS(engine.client);
  await ecs.createCluster({
    clusterName: 'main',
    settings: [{ name: 'containerInsights', value: 'enabled' }],
  });
  await ecs.registerTaskDefinition({
    family: 'worker',
    requiresCompatibilities: ['FARGATE'],
    networkMode: 'awsvpc',
    cpu: '256',
    memory: '512',
    containerDefinitions: [{ name: 'worker', image: 'none' }],
  });
  await ecs.createService({
    cluster: 'main',
    serviceName: 'stable',
    taskDefinition: 'worker',
    desiredCount,
    launchType: 'FARGATE',
    networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
  });
  const scaling = new ApplicationAutoScaling(engine.client);
  const desired = async () => {
    const { services } = await ecs.describeServices({ cluster: 'main', services: ['stable'] });
    return services![0]!.desiredCount;
  };
  return { engine, ecs, scaling, desired, cloudwatch: new CloudWatch(engine.client) };
}

const scaled = (entry: JournalEntry) => entry.type === 'scaling.done';

test('registering a target lifts the service to its minimum', async () => {
  const { engine, scaling, desired } = await serviceOf(1);
  const done = engine.journal.waitFor(scaled);
  await scaling.registerScalableTarget({ ...target, MinCapacity: 3, MaxCapacity: 6 });
  expect((await done).detail).toMatchObject({ from: 1, to: 3, cause: 'minimum capacity was set to 3' });
  expect(await desired()).toBe(3);
  const { ScalingActivities } = await scaling.describeScalingActivities({ ServiceNamespace: 'ecs' });
  expect(ScalingActivities).toMatchObject([
    {
      Description: 'Setting desired count to 3.',
      StatusCode: 'Successful',
      StatusMessage: 'Successfully set desired count to 3. Change successfully fulfilled by ecs.',
    },
  ]);
});

test('a step policy wakes a sleeping service when its alarm goes off', async () => {
  const { engine, scaling, desired, cloudwatch } = await serviceOf(0);
  await scaling.registerScalableTarget({ ...target, MinCapacity: 0, MaxCapacity: 6 });
  const { PolicyARN } = await scaling.putScalingPolicy({
    ...target,
    PolicyName: 'wake',
    PolicyType: 'StepScaling',
    StepScalingPolicyConfiguration: {
      AdjustmentType: 'ExactCapacity',
      Cooldown: 60,
      StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 2 }],
    },
  });
  await cloudwatch.putMetricAlarm({
    AlarmName: 'asleep',
    Namespace: 'Test',
    MetricName: 'Waiting',
    Statistic: 'Maximum',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    AlarmActions: [PolicyARN!],
  });
  const done = engine.journal.waitFor(scaled);
  await cloudwatch.putMetricData({ Namespace: 'Test', MetricData: [{ MetricName: 'Waiting', Value: 7 }] });
  expect((await done).detail).toMatchObject({
    from: 0,
    to: 2,
    cause: 'monitor alarm asleep in state ALARM triggered policy wake',
  });
  expect(await desired()).toBe(2);
});

test('target tracking keeps two alarms of its own, and removes them with the policy', async () => {
  const { scaling, cloudwatch } = await serviceOf(1);
  await scaling.registerScalableTarget({ ...target, MinCapacity: 1, MaxCapacity: 6 });
  const { Alarms } = await scaling.putScalingPolicy({
    ...target,
    PolicyName: 'backlog',
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingScalingPolicyConfiguration: {
      TargetValue: 100,
      CustomizedMetricSpecification: {
        Metrics: [
          metric('visible', 'AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'Maximum'),
          metric('running', 'ECS/ContainerInsights', 'RunningTaskCount', 'Average'),
          { Id: 'backlog', Expression: 'visible / running', ReturnData: true },
        ],
      },
    },
  });
  const names = Alarms!.map(({ AlarmName }) => AlarmName!);
  expect(names).toEqual([
    expect.stringMatching(/^TargetTracking-service\/main\/stable-AlarmHigh-[0-9a-f-]{36}$/),
    expect.stringMatching(/^TargetTracking-service\/main\/stable-AlarmLow-[0-9a-f-]{36}$/),
  ]);
  const described = await cloudwatch.describeAlarms({ AlarmNames: names });
  expect(
    described.MetricAlarms!.map(({ Threshold, EvaluationPeriods, ComparisonOperator, Metrics }) => ({
      Threshold,
      EvaluationPeriods,
      ComparisonOperator,
      queries: Metrics!.map(({ Id, MetricStat }) => [Id, MetricStat?.Period]),
    })),
  ).toEqual([
    {
      Threshold: 100,
      EvaluationPeriods: 3,
      ComparisonOperator: 'GreaterThanThreshold',
      queries: [
        ['visible', 60],
        ['running', 60],
        ['backlog', undefined],
      ],
    },
    {
      Threshold: 90,
      EvaluationPeriods: 15,
      ComparisonOperator: 'LessThanThreshold',
      queries: [
        ['visible', 60],
        ['running', 60],
        ['backlog', undefined],
      ],
    },
  ]);
  await scaling.deleteScalingPolicy({ ...target, PolicyName: 'backlog' });
  expect((await cloudwatch.describeAlarms({ AlarmNames: names })).MetricAlarms).toEqual([]);
});

test('what cannot be scaled is refused by name', async () => {
  const { scaling } = await serviceOf(1);
  await expect(
    scaling.registerScalableTarget({
      ...target,
      ResourceId: 'service/main/gone',
      MinCapacity: 1,
      MaxCapacity: 2,
    }),
  ).rejects.toThrow("ECS service doesn't exist: service/main/gone");
  await expect(scaling.registerScalableTarget({ ...target, MinCapacity: 3, MaxCapacity: 2 })).rejects.toThrow(
    'Maximum capacity (2) cannot be less than minimum capacity (3)',
  );
  await expect(
    scaling.putScalingPolicy({ ...target, PolicyName: 'p', PolicyType: 'StepScaling' }),
  ).rejects.toThrow('No scalable target registered');
});

function metric(Id: string, Namespace: string, MetricName: string, Stat: string) {
  return { Id, ReturnData: false, MetricStat: { Stat, Metric: { Namespace, MetricName, Dimensions: [] } } };
}
