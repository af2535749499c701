import { beforeAll, describe, expect, test } from 'vitest';
import { plainStacks, resources, type Synthesized } from '../packages/constructs/test/synthesize.ts';
import {
  ALARM_METRICS,
  DEFAULT_CONFIGURATION,
  LINE_KB,
  METRIC_DEFINITION_KB,
} from '../packages/core/src/cost/cost.ts';
import { Metrics } from '../packages/worker/src/reporting/metrics.ts';

// The cost command must bill what the templates make and the worker writes.

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

const all = (type: string) => resources(stacks.pipeline, type).map(({ properties }) => properties);
const measured = (metrics: unknown) =>
  ((metrics ?? []) as { MetricStat?: unknown }[]).filter(({ MetricStat }) => MetricStat !== undefined).length;

interface Service {
  readonly AssignPublicIp?: string;
  readonly CapacityProviderStrategy?: readonly { CapacityProvider: string; Base?: number }[];
}

describe('the cost of the defaults is that of the templates', () => {
  test('by the metrics of all alarms, two of which target tracking makes for itself', () => {
    const alarms = all('AWS::CloudWatch::Alarm').map(({ Metrics: metrics }) =>
      metrics === undefined ? 1 : measured(metrics),
    );
    const tracking = all('AWS::ApplicationAutoScaling::ScalingPolicy').flatMap(
      ({ TargetTrackingScalingPolicyConfiguration: configuration }) => {
        const { CustomizedMetricSpecification: custom } = (configuration ?? {}) as {
          CustomizedMetricSpecification?: { Metrics: unknown };
        };
        return custom === undefined ? [] : [2 * measured(custom.Metrics)];
      },
    );
    expect([...alarms, ...tracking].reduce((sum, each) => sum + each, 0)).toBe(ALARM_METRICS);
  });

  test('by tasks and their size', () => {
    const sizes = all('AWS::ECS::TaskDefinition').map(({ Cpu, Memory }) => [
      Number(Cpu) / 1024,
      Number(Memory) / 1024,
    ]);
    const { vcpuPerTask, gbPerTask, canaryTasks, stableTasks } = DEFAULT_CONFIGURATION;
    expect(sizes).toEqual([
      [vcpuPerTask, gbPerTask],
      [vcpuPerTask, gbPerTask],
    ]);
    // Once there is an image.
    const withImage = (count: number) => ({ 'Fn::If': [expect.any(String), count, 0] });
    expect(all('AWS::ECS::Service').map(({ DesiredCount }) => DesiredCount)).toContainEqual(
      withImage(canaryTasks),
    );
    expect(all('AWS::ApplicationAutoScaling::ScalableTarget')).toMatchObject([
      { MinCapacity: withImage(stableTasks) },
    ]);
    const providers = (all('AWS::ECS::Service') as Service[]).flatMap(
      ({ CapacityProviderStrategy }) => CapacityProviderStrategy ?? [],
    );
    expect(providers.some(({ CapacityProvider }) => CapacityProvider === 'FARGATE_SPOT')).toBe(
      DEFAULT_CONFIGURATION.spot,
    );
  });

  test('by what is paid for by the piece', () => {
    expect(all('AWS::EC2::NatGateway')).toHaveLength(DEFAULT_CONFIGURATION.natGateways);
    expect(all('AWS::CloudWatch::Dashboard')).toHaveLength(1);
    expect(all('AWS::ECS::Cluster')).toMatchObject([
      { ClusterSettings: [{ Name: 'containerInsights', Value: 'disabled' }] },
    ]);
    expect(all('AWS::CodePipeline::Pipeline')).toMatchObject([
      { PipelineType: DEFAULT_CONFIGURATION.pipelineType },
    ]);
    // None of these is in the model, because none is in the templates.
    for (const type of ['AWS::EC2::VPCEndpoint', 'AWS::KMS::Key', 'AWS::SecretsManager::Secret']) {
      const interfaces = all(type).filter(({ VpcEndpointType }) => VpcEndpointType !== 'Gateway');
      expect(interfaces).toEqual([]);
    }
  });

  test('by the metrics and the size of a line that a worker writes', () => {
    const lines: string[] = [];
    const metrics = new Metrics({
      identity: { app: 'QueueCanary', track: 'stable', revision: 'a'.repeat(40), taskId: 'b'.repeat(32) },
      random: () => 0.5,
      residentBytes: () => 96 * 2 ** 20,
      pollingMs: () => 0,
      emit: (line) => lines.push(line),
    });
    metrics.start(0);
    for (const value of [12, 15]) {
      metrics.count('Received');
      metrics.value('ProcessingTimeMs', value);
      metrics.value('QueueAgeMs', value);
      metrics.duration(value);
    }
    metrics.flush(5_000, 0);
    const { _aws, ...rest } = JSON.parse(lines[0]!);
    const definitions = _aws.CloudWatchMetrics[0].Metrics as unknown[];
    expect(definitions).toHaveLength(DEFAULT_CONFIGURATION.metricsPerTrack);
    const definitionsKb = JSON.stringify(definitions).length / 1000;
    expect(definitionsKb / definitions.length).toBeCloseTo(METRIC_DEFINITION_KB, 1);
    expect(rest.Received).toBe(2);
    expect(lines[0]!.length / 1000 - definitionsKb).toBeGreaterThan(0.8 * LINE_KB);
    expect(lines[0]!.length / 1000 - definitionsKb).toBeLessThan(1.2 * LINE_KB);
  });
});
