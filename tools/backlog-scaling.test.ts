import type { TargetTrackingMetric } from '@aws-sdk/client-application-auto-scaling';
import { expect, onTestFinished, test } from 'vitest';
import { resources, synthesize } from '../packages/constructs/test/synthesize.ts';
import type { Service } from '../packages/engine/src/dispatch/service.ts';
import { servicePrincipal } from '../packages/engine/src/iam/principal.ts';
import type { Input } from '../packages/engine/src/sdk/services.ts';
import { createApplicationAutoScaling } from '../packages/engine/src/services/application-auto-scaling/application-auto-scaling.ts';
import { createCloudWatch } from '../packages/engine/src/services/cloudwatch/cloudwatch.ts';
import { createSqs } from '../packages/engine/src/services/sqs/sqs.ts';
import { MemoryEngine } from '../packages/engine/src/services/test/memory-engine.ts';

const MINUTE = 60_000;
const target = {
  ServiceNamespace: 'ecs',
  ResourceId: 'service/main/stable',
  ScalableDimension: 'ecs:service:DesiredCount',
} as const;
const named: Readonly<Record<string, string>> = {
  QueueName: 'orders',
  ClusterName: 'main',
  ServiceName: 'stable',
};

type Policy = Input<'application-auto-scaling', 'PutScalingPolicy'>;

/** The scaling of stable as it is synthesized, on the engine: its queue's backlog stays, and ECS runs what it is told. */
class ScaledService {
  readonly aws = new MemoryEngine();
  desired: number;
  fewest: number;
  #running: TargetTrackingMetric | undefined;

  private constructor(tasks: number) {
    this.desired = tasks;
    this.fewest = tasks;
  }

  static async start(given: { min: number; tasks: number; backlog: number }): Promise<ScaledService> {
    const service = new ScaledService(given.tasks);
    const { aws } = service;
    await aws.add(createCloudWatch);
    await aws.add(() => service.#ecs());
    await aws.add(createApplicationAutoScaling);
    await aws.add(createSqs);
    onTestFinished(() => aws.stop());
    const { QueueUrl } = await aws.call('sqs', 'CreateQueue', { QueueName: 'orders' });
    for (let sent = 0; sent < given.backlog; sent += 10) {
      const Entries = Array.from({ length: 10 }, (_, index) => ({ Id: `${index}`, MessageBody: 'order' }));
      await aws.call('sqs', 'SendMessageBatch', { QueueUrl, Entries });
    }
    await service.#deploy(given.min);
    service.#publish();
    return service;
  }

  async pass(minutes: number): Promise<void> {
    for (let passed = 0; passed < minutes; passed += 1) await this.aws.pass(60);
  }

  async #deploy(min: number): Promise<void> {
    const { pipeline } = synthesize({ stableTasksMin: min, stableTasksMax: 10 });
    await this.aws.call('application-auto-scaling', 'RegisterScalableTarget', {
      ...target,
      MinCapacity: min,
      MaxCapacity: 10,
    });
    const policies = new Map<string, string>();
    for (const { logicalId, properties } of resources(
      pipeline,
      'AWS::ApplicationAutoScaling::ScalingPolicy',
    )) {
      const { ScalingTargetId: _, ...policy } = withNames<Policy & { ScalingTargetId: unknown }>(properties);
      this.#running ??= runningOf(policy);
      const { PolicyARN } = await this.aws.call('application-auto-scaling', 'PutScalingPolicy', {
        ...policy,
        ...target,
      });
      policies.set(logicalId, PolicyARN!);
    }
    for (const { properties } of resources(pipeline, 'AWS::CloudWatch::Alarm')) {
      const actions = (properties.AlarmActions ?? []) as ReadonlyArray<{ Ref: string }>;
      if (!actions.some(({ Ref }) => policies.has(Ref))) continue;
      await this.aws.call('cloudwatch', 'PutMetricAlarm', {
        ...withNames<Input<'cloudwatch', 'PutMetricAlarm'>>(properties),
        AlarmName: 'asleep',
        AlarmActions: actions.map(({ Ref }) => policies.get(Ref)!),
      });
    }
  }

  /** Each running task has one value a minute, which carries the minute's beginning and comes late, each by a time of its own. */
  #publish(): void {
    const { clock, pace, ids } = this.aws.engine;
    const minute = Math.floor(clock.nowMs() / MINUTE) * MINUTE;
    clock.setTimer(minute + MINUTE - clock.nowMs(), () => {
      const running = this.desired;
      clock.setTimer(pace.drawMs('ecs-metrics-delay', ids), () => this.#put(running, new Date(minute)));
      this.#publish();
    });
  }

  #put(running: number, Timestamp: Date): void {
    const { Namespace, MetricName, Dimensions } = this.#running!;
    if (running === 0) return;
    const { engine } = this.aws;
    void engine.call(servicePrincipal(engine, 'ecs.amazonaws.com'), 'cloudwatch', 'PutMetricData', {
      Namespace,
      MetricData: [{ MetricName, Dimensions, Timestamp, Values: [12.5], Counts: [running], Unit: 'Percent' }],
    });
  }

  #ecs(): Service<'ecs'> {
    return {
      name: 'ecs',
      operations: {
        DescribeServices: {
          run: () => ({
            services: [
              {
                status: 'ACTIVE',
                desiredCount: this.desired,
                deployments: [{ rolloutState: 'COMPLETED' }],
              },
            ],
          }),
        },
        UpdateService: {
          run: ({ desiredCount = this.desired }) => {
            this.desired = desiredCount;
            this.fewest = Math.min(this.fewest, desiredCount);
            return {};
          },
        },
      },
    };
  }
}

/** The metric that target tracking reads the running tasks from, by whatever name the template has for it. */
function runningOf({
  TargetTrackingScalingPolicyConfiguration: tracking,
}: Policy): TargetTrackingMetric | undefined {
  const running = tracking?.CustomizedMetricSpecification?.Metrics?.find(
    ({ Id }) => Id === 'running',
  )?.MetricStat;
  // What is published has one sample for each task; of another statistic it would not be the number of tasks.
  if (running !== undefined) expect(running.Stat).toBe('SampleCount');
  return running?.Metric;
}

/** A part of a template as the API takes it, with the names of this test for what the template refers to. */
function withNames<T>(part: object): T {
  return JSON.parse(JSON.stringify(part), (_key, value: { Name?: string; Value?: unknown } | null) =>
    value?.Name !== undefined && named[value.Name] !== undefined
      ? { ...value, Value: named[value.Name] }
      : value,
  ) as T;
}

test.each([0, 3])(
  'ten tasks under a backlog stay ten where there may be %i',
  { timeout: 60_000 },
  async (min) => {
    const service = await ScaledService.start({ min, tasks: 10, backlog: 1_500 });
    await service.pass(180);
    expect([service.fewest, service.desired]).toEqual([10, 10]);
  },
);

test('ten tasks become as many as a smaller backlog needs', { timeout: 60_000 }, async () => {
  const service = await ScaledService.start({ min: 3, tasks: 10, backlog: 500 });
  await service.pass(60);
  expect([service.fewest, service.desired]).toEqual([5, 5]);
});

test('a service that sleeps is woken when messages wait, and then follows its backlog', {
  timeout: 60_000,
}, async () => {
  const service = await ScaledService.start({ min: 0, tasks: 0, backlog: 500 });
  await service.pass(12);
  expect(service.desired).toBeGreaterThanOrEqual(1);
  await service.pass(90);
  expect(service.desired).toBe(5);
});
