import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PIPELINE_OUTPUTS, parsePolicy } from '@queue-canary/core';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ensureControllerBundle,
  normalised,
  resource,
  resources,
  type Synthesized,
  synthesize,
  workerQueue,
} from '../test/synthesize.ts';
import { ReleasePolicyError } from './release-policy.ts';

let stacks: Synthesized;
beforeAll(async () => {
  await ensureControllerBundle();
  stacks = synthesize();
});

const service = (track: 'Canary' | 'Stable', of = stacks) =>
  resource(of.pipeline, 'AWS::ECS::Service', `Services${track}`);
const taskDefinition = (track: 'Canary' | 'Stable', of = stacks) =>
  resource(of.pipeline, 'AWS::ECS::TaskDefinition', `Services${track}`);

interface Container {
  readonly Name: string;
  readonly Image: unknown;
  readonly StopTimeout: number;
  readonly Environment: { Name: string; Value: unknown }[];
  readonly LogConfiguration: { Options: Record<string, unknown> };
}

const container = (track: 'Canary' | 'Stable', of = stacks): Container => {
  const [only] = taskDefinition(track, of).properties.ContainerDefinitions as Container[];
  if (only === undefined) throw new Error('no container');
  return only;
};

/** The parameter that holds the image, and the condition that there is one. */
const imageParameter = (of: Synthesized) =>
  Object.keys(of.pipeline.toJSON().Parameters).find((name) => name.startsWith('SsmParameterValue')) ?? '';
const hasImage = () => Object.keys(stacks.pipeline.toJSON().Conditions)[0] ?? '';

describe('PipelineStack', () => {
  it('outputs what the command line needs, under the agreed names', () => {
    for (const name of PIPELINE_OUTPUTS) {
      stacks.pipeline.hasOutput(name, { Value: Match.anyValue() });
    }
  });

  it('needs nothing but CloudFormation to be deployed and deleted: the only function is the controller', () => {
    const types = resources(stacks.pipeline).map(({ type }) => type);
    expect(types.filter((type) => !type.startsWith('AWS::'))).toEqual([]);
    expect(types.filter((type) => type.startsWith('AWS::CloudFormation::'))).toEqual([]);
    expect(types.filter((type) => type === 'AWS::Lambda::Function')).toHaveLength(1);
  });

  it('is made of these resources', () => {
    expect(normalised(stacks.pipeline)).toMatchSnapshot();
  });
});

describe('two copies in one account', () => {
  /** Properties that name a resource for the whole account and region. */
  const physicalNames = (of: Synthesized) =>
    [of.image, of.pipeline].flatMap((template) =>
      resources(template).flatMap(({ type, properties }) =>
        Object.entries(properties)
          .filter(([property, value]) => /^(Name|Family|.*Name)$/.test(property) && !isReference(value))
          .map(([property, value]) => `${type}.${property} = ${JSON.stringify(value)}`),
      ),
    );
  /** Names within a role or a scaling target, names of metrics of AWS, and texts for people. */
  const scoped =
    /^AWS::(IAM::Policy|ApplicationAutoScaling::ScalingPolicy)\.PolicyName|^AWS::EC2::VPCEndpoint\.|\.MetricName |\.DisplayName /;

  it('have no name in common', () => {
    const first = physicalNames(synthesize({}, {}, 'One')).filter((name) => !scoped.test(name));
    const second = new Set(physicalNames(synthesize({}, {}, 'Two')));
    expect(first.filter((name) => second.has(name) && !name.includes('AWS::StackName'))).toEqual([]);
  });

  it('name nothing themselves, except where AWS leaves no choice, and then after the stack', () => {
    const names = physicalNames(stacks).filter((name) => !scoped.test(name));
    expect(names).toEqual([
      'AWS::SSM::Parameter.Name = "/queue-canary/TestImage/Image"',
      expect.stringMatching(/^AWS::SQS::Queue\.QueueName = .*AWS::StackName/),
      expect.stringMatching(/^AWS::ECS::TaskDefinition\.Family = "TestPipeline/),
      expect.stringMatching(/^AWS::ECS::TaskDefinition\.Family = "TestPipeline/),
    ]);
  });

  it('report outcomes under different names', () => {
    const app = (prefix: string) =>
      container('Canary', synthesize({}, {}, prefix)).Environment.find(({ Name }) => Name === 'QC_APP')
        ?.Value;
    expect(app('One')).not.toEqual(app('Two'));
  });
});

describe('network', () => {
  it('spans two zones of the region that the stack lands in, and looks nothing up', () => {
    const zones = resources(stacks.pipeline, 'AWS::EC2::Subnet').map(({ properties }) =>
      JSON.stringify(properties.AvailabilityZone),
    );
    expect([...new Set(zones)]).toEqual([
      '{"Fn::Select":[0,{"Fn::GetAZs":""}]}',
      '{"Fn::Select":[1,{"Fn::GetAZs":""}]}',
    ]);
  });

  it('spans the two zones that are named, as where a zone has no Fargate', () => {
    const tokyo = ['ap-northeast-1a', 'ap-northeast-1c'];
    const { pipeline } = synthesize({ availabilityZones: tokyo });
    const zones = resources(pipeline, 'AWS::EC2::Subnet').map(
      ({ properties }) => properties.AvailabilityZone,
    );
    expect(zones).toEqual(tokyo);
    for (const zones of [['us-west-1a'], ['us-west-1a', 'us-west-1a']]) {
      expect(() => synthesize({ availabilityZones: zones })).toThrow(
        `availabilityZones must be 2 different zones, got ${zones.join(', ')}`,
      );
    }
  });

  it('has public subnets only, and no NAT gateway to pay for', () => {
    stacks.pipeline.resourceCountIs('AWS::EC2::NatGateway', 0);
    stacks.pipeline.resourceCountIs('AWS::EC2::Subnet', 2);
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.NetworkConfiguration).toMatchObject({
        AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' },
      });
    }
  });

  it('keeps tasks in private subnets behind a NAT gateway, when asked for one', () => {
    const behind = synthesize({ natGateways: 1 });
    behind.pipeline.resourceCountIs('AWS::EC2::NatGateway', 1);
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track, behind).properties.NetworkConfiguration).toMatchObject({
        AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' },
      });
      expect(JSON.stringify(service(track, behind).properties.NetworkConfiguration)).toMatch(
        /PrivateSubnet1.*PrivateSubnet2/,
      );
    }
  });

  it('admits no connection to a task, which has a public address', () => {
    stacks.pipeline.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
    for (const { properties } of resources(stacks.pipeline, 'AWS::EC2::SecurityGroup')) {
      expect(properties).not.toHaveProperty('SecurityGroupIngress');
    }
  });

  it('logs its flows', () => {
    stacks.pipeline.hasResourceProperties('AWS::EC2::FlowLog', { ResourceType: 'VPC', TrafficType: 'ALL' });
  });

  it('refuses more NAT gateways than zones', () => {
    expect(() => synthesize({ natGateways: 3 })).toThrow('natGateways must be 0, 1 or 2, got 3');
  });
});

describe('queue', () => {
  const queues = () => ({
    queue: workerQueue(stacks.pipeline),
    dead: resource(stacks.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue'),
  });

  it('moves a message to the dead-letter queue after three deliveries, and keeps it there for 14 days', () => {
    const { queue, dead } = queues();
    expect(queue.properties).toMatchObject({
      VisibilityTimeout: 30,
      SqsManagedSseEnabled: true,
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': [dead.logicalId, 'Arn'] }, maxReceiveCount: 3 },
    });
    expect(dead.properties).toMatchObject({
      MessageRetentionPeriod: 14 * 86_400,
      SqsManagedSseEnabled: true,
    });
  });

  it('lets only this queue use the dead-letter queue', () => {
    const { queue, dead } = queues();
    const { RedriveAllowPolicy } = dead.properties as {
      RedriveAllowPolicy: { redrivePermission: string; sourceQueueArns: unknown[] };
    };
    expect(RedriveAllowPolicy.redrivePermission).toBe('byQueue');
    const name = joined(queue.properties.QueueName);
    expect(RedriveAllowPolicy.sourceQueueArns.map(joined)).toEqual([
      `arn:\${AWS::Partition}:sqs:\${AWS::Region}:\${AWS::AccountId}:${name}`,
    ]);
  });

  it('refuses requests without TLS, on every queue', () => {
    for (const { logicalId } of resources(stacks.pipeline, 'AWS::SQS::Queue')) {
      stacks.pipeline.hasResourceProperties('AWS::SQS::QueuePolicy', {
        Queues: [{ Ref: logicalId }],
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Effect: 'Deny',
              Action: 'sqs:*',
              Principal: { AWS: '*' },
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            }),
          ]),
        },
      });
    }
  });

  it('is retained with its messages unless told to destroy it', () => {
    const policies = (of: Synthesized) =>
      [workerQueue(of.pipeline), resource(of.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue')].map(
        ({ deletionPolicy }) => deletionPolicy,
      );
    expect(policies(stacks)).toEqual(['RetainExceptOnCreate', 'RetainExceptOnCreate']);
    expect(policies(synthesize({ queueRemovalPolicy: RemovalPolicy.DESTROY }))).toEqual(['Delete', 'Delete']);
  });

  it.each([1, 2])(
    'warns that %s deliveries are too few, since giving a message back costs one',
    (maxReceiveCount) => {
      Annotations.fromStack(synthesize({ maxReceiveCount }).pipelineStack).hasWarning(
        '/TestPipeline/Queue',
        Match.stringLikeRegexp(`maxReceiveCount is ${maxReceiveCount}: .*can dead-letter good messages`),
      );
    },
  );

  it('has nothing to warn of with three', () => {
    Annotations.fromStack(synthesize({ maxReceiveCount: 3 }).pipelineStack).hasNoWarning(
      '*',
      Match.anyValue(),
    );
  });

  it('refuses a visibility timeout that no worker could renew in time', () => {
    expect(() => synthesize({ visibilityTimeout: Duration.seconds(1) })).toThrow(
      /visibilityTimeout must be at least 2 seconds, got 1/,
    );
  });

  it.each([0, 1.5, 1001])('refuses a maxReceiveCount of %s', (maxReceiveCount) => {
    expect(() => synthesize({ maxReceiveCount })).toThrow(
      /maxReceiveCount must be a whole number from 1 to 1000/,
    );
  });
});

describe('dead-letter alarm', () => {
  const alarm = (of = stacks) =>
    resource(of.pipeline, 'AWS::CloudWatch::Alarm', 'QueueDeadLetterAlarm').properties;

  it('watches the increase of what lies in the queue, whether somebody looks at it or not', () => {
    const dead = resource(stacks.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue').logicalId;
    expect(alarm()).toMatchObject({
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      EvaluationPeriods: 5,
      DatapointsToAlarm: 1,
      TreatMissingData: 'notBreaching',
      Metrics: [
        { Expression: 'DIFF(visible + FILL(inFlight, 0))', ReturnData: true },
        ...[
          ['visible', 'ApproximateNumberOfMessagesVisible'],
          ['inFlight', 'ApproximateNumberOfMessagesNotVisible'],
        ].map(([Id, MetricName]) => ({
          Id,
          ReturnData: false,
          MetricStat: {
            Period: 60,
            Stat: 'Maximum',
            Metric: {
              Namespace: 'AWS/SQS',
              MetricName,
              Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [dead, 'QueueName'] } }],
            },
          },
        })),
      ],
    });
  });

  it('tolerates as many dead letters as the release policy does', () => {
    const tolerant = synthesize({ alarmThreshold: 5 });
    expect(alarm(tolerant).Threshold).toBe(5);
    expect(policy(tolerant).alarmThreshold).toBe(5);
  });

  it('refuses a threshold at which it would never clear', () => {
    expect(() => synthesize({ alarmThreshold: 0 })).toThrow(/alarmThreshold must be greater than 0/);
  });
});

describe('services', () => {
  it('run in a cluster without Container Insights, unless asked for them', () => {
    for (const [containerInsights, Value] of [
      [false, 'disabled'],
      [true, 'enabled'],
    ] as const) {
      synthesize({ containerInsights }).pipeline.hasResourceProperties('AWS::ECS::Cluster', {
        ClusterSettings: [{ Name: 'containerInsights', Value }],
      });
    }
  });

  it('are a canary of fixed size, and a stable one whose size is not in the template', () => {
    const withImage = (value: unknown) => ({ 'Fn::If': [hasImage(), value, 0] });
    expect(service('Canary').properties.DesiredCount).toEqual(withImage(1));
    expect(service('Stable').properties.DesiredCount).toEqual(withImage({ Ref: 'AWS::NoValue' }));
  });

  it('have no task and no room for one as long as there is no image', () => {
    const { Conditions } = stacks.pipeline.toJSON() as { Conditions: Record<string, unknown> };
    expect(Conditions[hasImage()]).toEqual({
      'Fn::Not': [{ 'Fn::Equals': [{ Ref: imageParameter(stacks) }, 'none'] }],
    });
    const { MinCapacity, MaxCapacity } = resource(
      stacks.pipeline,
      'AWS::ApplicationAutoScaling::ScalableTarget',
    ).properties;
    expect([MinCapacity, MaxCapacity]).toEqual(
      [3, 10].map((count) => ({ 'Fn::If': [hasImage(), count, 0] })),
    );
  });

  it('start no more tasks of a deployment that fails, and leave it to the controller what is restored', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.DeploymentConfiguration).toMatchObject({
        DeploymentCircuitBreaker: { Enable: true, Rollback: false },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      });
    }
  });

  it('share neither family, roles nor log group', () => {
    const own = (track: 'Canary' | 'Stable') => {
      const { Family, TaskRoleArn, ExecutionRoleArn } = taskDefinition(track).properties;
      return [
        Family,
        TaskRoleArn,
        ExecutionRoleArn,
        container(track).LogConfiguration.Options['awslogs-group'],
      ].map((value) => JSON.stringify(value));
    };
    const canary = own('Canary');
    expect(new Set([...canary, ...own('Stable')]).size).toBe(8);
  });

  it('go on working while the log takes nothing, with hours of lines in memory', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track).LogConfiguration).toMatchObject({
        LogDriver: 'awslogs',
        Options: { mode: 'non-blocking', 'max-buffer-size': `${25 * 1024 * 1024}b` },
      });
    }
  });

  it.each(['strong', 'weak'])(
    'start from the image that was promoted last, which CloudFormation reads at every update, with %s references',
    (references) => {
      const of = synthesize({}, {}, 'Test', references);
      const { Parameters } = of.pipeline.toJSON() as { Parameters: Record<string, unknown> };
      expect(Parameters[imageParameter(of)]).toEqual({
        Type: 'AWS::SSM::Parameter::Value<String>',
        Default: '/queue-canary/TestImage/Image',
      });
      expect(resource(of.image, 'AWS::SSM::Parameter').properties.Name).toBe('/queue-canary/TestImage/Image');
      for (const track of ['Canary', 'Stable'] as const) {
        expect(container(track, of).Name).toBe('worker');
        expect(container(track, of).Image).toEqual({ Ref: imageParameter(of) });
      }
      expect(JSON.stringify(of.pipeline.toJSON())).not.toContain('{{resolve:');
    },
  );

  it('hold on to the image stack, whatever the app has for references', () => {
    expect(normalised(synthesize({}, {}, 'Test', 'weak').pipeline)).toEqual(normalised(stacks.pipeline));
  });

  it('tell the worker its app, track and queue, how often that delivers, and how long leases and draining last', () => {
    const custom = synthesize({
      visibilityTimeout: Duration.minutes(2),
      maxReceiveCount: 5,
      stopTimeout: Duration.seconds(90),
    });
    const queue = workerQueue(stacks.pipeline).logicalId;
    for (const [track, value] of [
      ['Canary', 'canary'],
      ['Stable', 'stable'],
    ] as const) {
      expect(container(track, custom).Environment).toEqual([
        { Name: 'VISIBILITY_TIMEOUT_SECONDS', Value: '120' },
        { Name: 'STOP_TIMEOUT_SECONDS', Value: '90' },
        { Name: 'QC_APP', Value: 'TestPipeline' },
        { Name: 'QC_TRACK', Value: value },
        { Name: 'QUEUE_URL', Value: { Ref: queue } },
        { Name: 'MAX_RECEIVE_COUNT', Value: '5' },
      ]);
    }
  });

  it('give the worker its own settings, the same on both tracks', () => {
    const custom = synthesize({
      environment: {
        RETRY_DELAY_SECONDS: '0',
        STOP_TIMEOUT_SECONDS: '20',
        QC_TRACK: 'mine',
        MAX_RECEIVE_COUNT: '9',
      },
    });
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track, custom).Environment).toContainEqual({
        Name: 'RETRY_DELAY_SECONDS',
        Value: '0',
      });
      expect(container(track, custom).Environment).toContainEqual({
        Name: 'STOP_TIMEOUT_SECONDS',
        Value: '20',
      });
      expect(container(track, custom).Environment).not.toContainEqual({ Name: 'QC_TRACK', Value: 'mine' });
      expect(container(track, custom).Environment).toContainEqual({ Name: 'MAX_RECEIVE_COUNT', Value: '3' });
    }
  });

  it('keep their logs for a limited time', () => {
    for (const { properties } of resources(stacks.pipeline, 'AWS::Logs::LogGroup')) {
      expect(properties.RetentionInDays).toBeGreaterThan(0);
    }
  });

  it('run on the architecture of the image, ARM64 unless told otherwise', () => {
    const platform = (of: Synthesized) => taskDefinition('Stable', of).properties.RuntimePlatform;
    expect(platform(stacks)).toMatchObject({ CpuArchitecture: 'ARM64' });
    expect(platform(synthesize({}, { architecture: CpuArchitecture.X86_64 }))).toMatchObject({
      CpuArchitecture: 'X86_64',
    });
  });

  it('use Spot for stable beyond its first task, never for the canary', () => {
    expect(service('Stable').properties.CapacityProviderStrategy).toEqual([
      { CapacityProvider: 'FARGATE', Base: 1, Weight: 0 },
      { CapacityProvider: 'FARGATE_SPOT', Weight: 1 },
    ]);
    const onDemand = [{ CapacityProvider: 'FARGATE', Weight: 1 }];
    expect(service('Canary').properties.CapacityProviderStrategy).toEqual(onDemand);
    expect(service('Stable', synthesize({ spot: false })).properties.CapacityProviderStrategy).toEqual(
      onDemand,
    );
  });

  it('have the same cluster and no launch type with and without Spot, so that neither replaces a service', () => {
    for (const of of [stacks, synthesize({ spot: false })]) {
      of.pipeline.hasResourceProperties('AWS::ECS::Cluster', {
        CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
      });
      of.pipeline.resourceCountIs('AWS::ECS::ClusterCapacityProviderAssociations', 0);
      for (const { properties } of resources(of.pipeline, 'AWS::ECS::Service')) {
        expect(properties).not.toHaveProperty('LaunchType');
      }
    }
  });

  it('force a deployment when what they run on changes, which ECS demands, and for nothing else', () => {
    const nonceOf = (track: 'Canary' | 'Stable', of = stacks) =>
      (service(track, of).properties.ForceNewDeployment as { ForceNewDeploymentNonce: string })
        .ForceNewDeploymentNonce;
    const [onDemand, larger] = [synthesize({ spot: false }), synthesize({ cpu: 1024, memoryLimitMiB: 2048 })];
    expect(nonceOf('Stable', onDemand)).not.toBe(nonceOf('Stable'));
    expect(nonceOf('Canary', onDemand)).toBe(nonceOf('Canary'));
    expect([nonceOf('Canary', larger), nonceOf('Stable', larger)]).toEqual([
      nonceOf('Canary'),
      nonceOf('Stable'),
    ]);
  });

  it('give a stopping worker the configured time', () => {
    expect(container('Canary', synthesize({ stopTimeout: Duration.seconds(90) })).StopTimeout).toBe(90);
    expect(() => synthesize({ stopTimeout: Duration.minutes(3) })).toThrow(
      /stopTimeout must be at most 120 seconds/,
    );
  });

  it('refuse bounds under which no deployment could proceed', () => {
    expect(() => synthesize({ minHealthyPercent: 100, maxHealthyPercent: 100 })).toThrow(
      /maxHealthyPercent \(100\) must exceed minHealthyPercent \(100\)/,
    );
  });
});

describe('scaling of stable', () => {
  it('follows the backlog per running task, between three and ten tasks', () => {
    stacks.pipeline.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      ScalableDimension: 'ecs:service:DesiredCount',
      ResourceId: Match.objectLike({
        'Fn::Join': ['', Match.arrayWith([{ 'Fn::GetAtt': [service('Stable').logicalId, 'Name'] }])],
      }),
    });
    stacks.pipeline.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 100,
        CustomizedMetricSpecification: {
          Metrics: [
            Match.objectLike({ Id: 'visible', ReturnData: false }),
            Match.objectLike({ Id: 'running', ReturnData: false }),
            Match.objectLike({ Expression: 'visible / running', ReturnData: true }),
          ],
        },
      },
    });
  });

  it('wakes a service that may sleep, since target tracking cannot divide by no task, and only adds to it', () => {
    const wake = (of: Synthesized) => {
      const policies = resources(of.pipeline, 'AWS::ApplicationAutoScaling::ScalingPolicy');
      return policies.find(({ properties }) => properties.PolicyType === 'StepScaling');
    };
    const sleepy = synthesize({ stableTasksMin: 0 });
    expect(wake(sleepy)?.properties.StepScalingPolicyConfiguration).toMatchObject({
      AdjustmentType: 'ChangeInCapacity',
      StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
    });
    sleepy.pipeline.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [{ Ref: wake(sleepy)?.logicalId }],
      Threshold: 1,
      EvaluationPeriods: 3,
      DatapointsToAlarm: 3,
      Metrics: Match.arrayWith([
        Match.objectLike({ Expression: 'IF(FILL(FILL(running, REPEAT), 0) < 1, visible, 0)' }),
      ]),
    });
    expect(wake(stacks)).toBeUndefined();
  });

  it.each([
    [{ stableTasksMin: -1 }, /stableTasksMin must be a whole number of at least 0/],
    [{ stableTasksMin: 5, stableTasksMax: 4 }, /stableTasksMax \(4\) must not be below stableTasksMin \(5\)/],
    [{ canaryTasks: 0 }, /canaryTasks must be a whole number of at least 1/],
    [{ backlogPerTask: 0 }, /backlogPerTask must be greater than 0/],
  ])('refuses %j', (props, message) => {
    expect(() => synthesize(props)).toThrow(message);
  });
});

describe('controller', () => {
  const environment = (of = stacks) => {
    const { Environment } = resource(of.pipeline, 'AWS::Lambda::Function').properties as {
      Environment: { Variables: Record<string, unknown> };
    };
    return Environment.Variables;
  };

  it('runs the bundle on Node 24 and ARM64, with a log group of its own', () => {
    stacks.pipeline.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      LoggingConfig: {
        LogGroup: { Ref: resource(stacks.pipeline, 'AWS::Logs::LogGroup', 'Controller').logicalId },
      },
    });
  });

  it('knows the release by these variables', () => {
    expect(Object.keys(environment()).sort()).toEqual([
      'QC_ALARM_NAMES',
      'QC_APP',
      'QC_CANARY_SERVICE',
      'QC_CANARY_TASKS',
      'QC_CLUSTER',
      'QC_CONTAINER_NAME',
      'QC_DLQ_NAME',
      'QC_IMAGE_PARAMETER',
      'QC_IMAGE_REPOSITORY',
      'QC_PIPELINE_NAME',
      'QC_POLICY',
      'QC_RELEASE_PARAMETER',
      'QC_ROLLBACK_PARAMETER',
      'QC_STABLE_SERVICE',
      'QC_STABLE_TASKS_MAX',
      'QC_STABLE_TASKS_MIN',
      'QC_TOPIC_ARN',
    ]);
    expect(environment().QC_PIPELINE_NAME).toEqual(
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties.Name,
    );
  });

  it('gets the release policy in milliseconds', () => {
    expect(policy(stacks)).toEqual({
      approval: 'manual',
      bakeMs: 600_000,
      watchMs: 300_000,
      onNewerCommit: 'supersede',
      alarmThreshold: 1,
      judge: {
        alpha: 0.01,
        beta: 0.05,
        margin: 0.02,
        latencyMargin: 0.05,
        required: ['failures'],
        slower: 0.5,
        taskSpread: 0.25,
        messagesMin: 30,
        visibilityTimeoutMs: 30_000,
        deadlineMs: 3_600_000,
        warmUpMs: 180_000,
        silenceMs: 60_000,
        counters: {},
        dryRun: false,
      },
    });
    expect(
      policy(
        synthesize({
          approval: 'automatic',
          bakeTime: Duration.seconds(5),
          watchTime: Duration.seconds(0),
          onNewerCommit: 'wait',
          alarmThreshold: 3,
          visibilityTimeout: Duration.seconds(10),
          decideWithin: Duration.minutes(20),
          margin: 0.05,
          latencyMargin: 0.1,
          slower: 0.25,
          falseRollbackRate: 0.001,
          falsePromotionRate: 0.2,
          messagesMin: 100,
          warmUpTime: Duration.seconds(0),
          taskSpread: 0.4,
          counters: { 'items shipped': { worse: 'less', tolerance: 0.25 } },
          dryRun: ['latency', 'throughput'],
        }),
      ),
    ).toEqual({
      approval: 'automatic',
      bakeMs: 5_000,
      watchMs: 0,
      onNewerCommit: 'wait',
      alarmThreshold: 3,
      judge: {
        alpha: 0.001,
        beta: 0.2,
        margin: 0.05,
        required: ['failures', 'latency'],
        latencyMargin: 0.1,
        slower: 0.25,
        taskSpread: 0.4,
        messagesMin: 100,
        visibilityTimeoutMs: 10_000,
        deadlineMs: 1_200_000,
        warmUpMs: 0,
        silenceMs: 60_000,
        counters: { 'items shipped': { worse: 'less', tolerance: 0.25 } },
        dryRun: ['latency', 'throughput'],
      },
    });
  });

  it('can be told to judge and do nothing', () => {
    expect(policy(synthesize({ dryRun: true })).judge).toMatchObject({ dryRun: true });
  });

  it('reads its own policy without a problem, and has no other defaults than the controller', () => {
    expect(parsePolicy(policy(stacks))).toEqual(parsePolicy({}));
  });

  it('gives a long bake the time to be decided upon, as far as the controller can judge', () => {
    const deadline = (props: Parameters<typeof synthesize>[0]) =>
      (policy(synthesize(props)).judge as { deadlineMs: number }).deadlineMs / 60_000;
    expect(deadline({ bakeTime: Duration.minutes(45) })).toBe(90);
    expect(deadline({ visibilityTimeout: Duration.minutes(40) })).toBe(80);
    expect(deadline({ bakeTime: Duration.hours(7) })).toBe(12 * 60);
  });

  it('lists everything that is impossible about a policy, by the names of the properties', () => {
    const impossible = () =>
      synthesize({
        margin: 2,
        falseRollbackRate: 0,
        messagesMin: 1.5,
        decideWithin: Duration.hours(13),
        counters: { shipped: { worse: 'less', tolerance: 0 } },
      });
    expect(impossible).toThrow(ReleasePolicyError);
    expect(impossible).toThrow(
      new RegExp(
        [
          '^The release policy is impossible:',
          'decideWithin must be between 0 and 720 minutes \\(twelve hours\\), in whole milliseconds, not 780 minutes',
          'falseRollbackRate must be a probability .*',
          'margin must be a difference of failure rates from 0.0001 to 0.5, not 2',
          'messagesMin must be a whole number of messages, 1 or more, not 1.5',
          'counters must give "shipped" as .*, not {"worse":"less","tolerance":0}$',
        ].join('\n {2}- '),
      ),
    );
  });

  it.each([
    [
      { bakeTime: Duration.days(2) },
      /- bakeTime must be .*twelve hours\), in whole milliseconds, not 2880 minutes$/,
    ],
    [{ watchTime: Duration.hours(13) }, /- watchTime must be .*twelve hours/],
    [
      { bakeTime: Duration.minutes(40), decideWithin: Duration.minutes(40) },
      /- decideWithin must be later than the shortest bake, 40 minutes \(the longer of bakeTime and visibilityTimeout\), not 40 minutes: such a release could never pass$/,
    ],
    [{ bakeTime: Duration.hours(12) }, /- decideWithin must be later than the shortest bake/],
    [{ visibilityTimeout: Duration.hours(12) }, /- decideWithin must be later than the shortest bake/],
    [
      { bakeTime: Duration.seconds(15) },
      /- bakeTime must be at least warmUpTime, 3 minutes, not 15 seconds: .*; bake longer, or set warmUpTime to what a task takes to be warm$/,
    ],
    [{ warmUpTime: Duration.minutes(20) }, /- bakeTime must be at least warmUpTime, 20 minutes, not 10 min/],
    [{ warmUpTime: Duration.days(2) }, /- warmUpTime must be .*one day/],
    [{ latencyMargin: 0.9 }, /- latencyMargin must be .*from 0\.001 to 0\.5/],
    [{ slower: 0.05 }, /- slower must be a part from 0\.1 to 10, not 0\.05$/],
    [{ taskSpread: 0 }, /- taskSpread must be a standard deviation from 0\.01 to 3, not 0$/],
    [{ falsePromotionRate: 1 }, /- falsePromotionRate must be a probability/],
    [
      { counters: { 'a,b': { worse: 'more', tolerance: 1 } } } as const,
      /- counters must have names of 1 to 64 letters, .*, not "a,b"$/,
    ],
  ])('refuses %j, under which it could never decide', (props, message) => {
    expect(() => synthesize(props)).toThrow(message);
  });

  it.each([
    [
      { approval: 'never' },
      /- approval must be "manual" or "automatic" or "automatic-then-manual", not "never"$/,
    ],
    [{ onNewerCommit: 'panic' }, /- onNewerCommit must be "supersede" or "wait"/],
    [{ counters: { shipped: { worse: 'fewer', tolerance: 1 } } }, /- counters must give "shipped" as /],
    [
      { dryRun: ['speed'] },
      /- dryRun must be true, false or a list of failures, broken, .*, not \["speed"\]$/,
    ],
  ])('refuses %j of a program without types', (props, message) => {
    expect(() => synthesize(props as Parameters<typeof synthesize>[0])).toThrow(message);
  });

  it('has the time and the memory to judge', () => {
    stacks.pipeline.hasResourceProperties('AWS::Lambda::Function', { Timeout: 300, MemorySize: 1536 });
  });

  it.each([
    ['record of the last good release', 'ControllerRelease', '{"version":1}'],
    ['request for a rollback', 'ControllerRollback', '{}'],
  ])('starts with an empty %s', (_what, prefix, value) => {
    expect(resource(stacks.pipeline, 'AWS::SSM::Parameter', prefix).properties).toEqual({
      Type: 'String',
      Value: value,
    });
  });

  it('is woken by the alarm, the pipeline, a waiting approval, deployments, stopped tasks and every minute', () => {
    const ref = (type: string, prefix: string) => ({
      Ref: resource(stacks.pipeline, type, prefix).logicalId,
    });
    const alarm = resource(stacks.pipeline, 'AWS::CloudWatch::Alarm', 'QueueDeadLetterAlarm').logicalId;
    const cluster = resource(stacks.pipeline, 'AWS::ECS::Cluster').logicalId;
    const rules = resources(stacks.pipeline, 'AWS::Events::Rule').filter(({ logicalId }) =>
      logicalId.startsWith('Controller'),
    );
    expect(rules.map(({ properties }) => properties.EventPattern ?? properties.ScheduleExpression)).toEqual([
      {
        source: ['aws.cloudwatch'],
        'detail-type': ['CloudWatch Alarm State Change'],
        resources: [{ 'Fn::GetAtt': [alarm, 'Arn'] }],
      },
      {
        source: ['aws.codepipeline'],
        'detail-type': [
          'CodePipeline Pipeline Execution State Change',
          'CodePipeline Stage Execution State Change',
        ],
        detail: { pipeline: [{ Ref: 'AWS::StackName' }] },
      },
      {
        source: ['aws.codepipeline'],
        'detail-type': ['CodePipeline Action Execution State Change'],
        detail: {
          pipeline: [{ Ref: 'AWS::StackName' }],
          stage: ['Verdict'],
          action: ['Approve'],
          state: ['STARTED'],
        },
      },
      {
        source: ['aws.ecs'],
        'detail-type': ['ECS Deployment State Change'],
        resources: [ref('AWS::ECS::Service', 'ServicesCanary'), ref('AWS::ECS::Service', 'ServicesStable')],
      },
      {
        source: ['aws.ecs'],
        'detail-type': ['ECS Task State Change'],
        detail: { clusterArn: [{ 'Fn::GetAtt': [cluster, 'Arn'] }], lastStatus: ['STOPPED'] },
      },
      'rate(1 minute)',
    ]);
  });

  it('loses no event: what it fails on in every attempt goes to a queue as well', () => {
    const { logicalId } = resource(stacks.pipeline, 'AWS::SQS::Queue', 'ControllerUndeliveredEvents');
    const { properties } = resource(stacks.pipeline, 'AWS::Lambda::EventInvokeConfig', 'Controller');
    expect(properties).toMatchObject({
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [logicalId, 'Arn'] } } },
      MaximumEventAgeInSeconds: 20 * 60,
    });
  });

  it('loses no event: what cannot be delivered goes to a queue that every rule may write to', () => {
    const undelivered = resource(stacks.pipeline, 'AWS::SQS::Queue', 'ControllerUndeliveredEvents').logicalId;
    const arn = { 'Fn::GetAtt': [undelivered, 'Arn'] };
    const rules = resources(stacks.pipeline, 'AWS::Events::Rule');
    expect(rules.length).toBeGreaterThan(5);
    const [queuePolicy] = resources(stacks.pipeline, 'AWS::SQS::QueuePolicy').filter(({ properties }) =>
      JSON.stringify(properties.Queues).includes(undelivered),
    );
    for (const { logicalId, properties } of rules) {
      expect(properties.Targets).toMatchObject([{ DeadLetterConfig: { Arn: arn } }]);
      expect(JSON.stringify(queuePolicy?.properties)).toContain(
        `"aws:SourceArn":{"Fn::GetAtt":["${logicalId}","Arn"]}`,
      );
    }
  });
});

describe('pipeline', () => {
  interface Action {
    readonly Name: string;
    readonly ActionTypeId: { Category: string; Provider: string };
    readonly Configuration: Record<string, unknown>;
    readonly Namespace?: string;
    readonly RunOrder: number;
    readonly InputArtifacts: { Name: string }[];
    readonly OutputArtifacts: { Name: string }[];
    readonly RoleArn: { 'Fn::GetAtt': [string, string] };
  }
  const stages = () =>
    resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties.Stages as {
      Name: string;
      Actions: Action[];
    }[];
  const actions = () => stages().flatMap(({ Actions }) => Actions);

  it('has the agreed stages and actions, in which a newer release supersedes an older one', () => {
    expect(resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties).toMatchObject({
      PipelineType: 'V1',
      ExecutionMode: 'SUPERSEDED',
    });
    expect(
      stages().map(({ Name, Actions }) => [
        Name,
        ...Actions.map(
          (action) => `${action.Name}: ${action.ActionTypeId.Category} ${action.ActionTypeId.Provider}`,
        ),
      ]),
    ).toEqual([
      ['Source', 'Source: Source CodeCommit'],
      ['Build', 'Build: Build CodeBuild'],
      ['Canary', 'DeployCanary: Deploy ECS'],
      ['Verdict', 'Judge: Invoke Lambda', 'Approve: Approval Manual'],
      ['Stable', 'DeployStable: Deploy ECS'],
      ['Record', 'Record: Invoke Lambda'],
    ]);
  });

  it('judges before it asks a person, and shows them the verdict and both tracks', () => {
    const action = (name: string) => {
      const found = actions().find(({ Name }) => Name === name);
      if (found === undefined) throw new Error(`there is no action ${name}`);
      return found;
    };
    const [judge, approve] = [action('Judge'), action('Approve')];
    expect([judge.RunOrder, approve.RunOrder]).toEqual([1, 2]);
    expect(judge.Namespace).toBe('judge');
    expect(approve.Configuration.CustomData).toBe('#{judge.Message}');
    const dashboard = resource(stacks.pipeline, 'AWS::CloudWatch::Dashboard').logicalId;
    expect(joined(approve.Configuration.ExternalEntityLink)).toBe(
      `https://console.aws.amazon.com/cloudwatch/home?region=\${AWS::Region}#dashboards/dashboard/\${${dashboard}}`,
    );
  });

  it('tells the controller which action of which execution it is asked for', () => {
    const controller = { Ref: resource(stacks.pipeline, 'AWS::Lambda::Function').logicalId };
    const invoked = actions().filter(({ ActionTypeId }) => ActionTypeId.Provider === 'Lambda');
    expect(invoked.map(({ Configuration }) => Configuration)).toEqual(
      ['Judge', 'Record'].map((action) => ({
        FunctionName: controller,
        UserParameters: `{"executionId":"#{codepipeline.PipelineExecutionId}","action":"${action}"}`,
      })),
    );
  });

  it('hands each action an artifact that an earlier one made', () => {
    const made = new Set<string>();
    for (const { InputArtifacts, OutputArtifacts } of actions()) {
      for (const { Name } of InputArtifacts) expect(made).toContain(Name);
      for (const { Name } of OutputArtifacts) made.add(Name);
    }
    expect(made.size).toBe(2);
  });

  it('deploys the same image to the canary first and to stable later', () => {
    const [canary, stable] = actions().filter(({ ActionTypeId }) => ActionTypeId.Provider === 'ECS');
    expect(canary?.Configuration.ServiceName).toEqual({
      'Fn::GetAtt': [service('Canary').logicalId, 'Name'],
    });
    expect(stable?.Configuration.ServiceName).toEqual({
      'Fn::GetAtt': [service('Stable').logicalId, 'Name'],
    });
    expect(canary?.InputArtifacts).toEqual(stable?.InputArtifacts);
  });

  it('starts by event when main is pushed, and by nothing else', () => {
    expect(actions()[0]?.Configuration).toMatchObject({ BranchName: 'main', PollForSourceChanges: false });
    expect(resource(stacks.pipeline, 'AWS::Events::Rule', 'Pipeline').properties.EventPattern).toMatchObject({
      source: ['aws.codecommit'],
      'detail-type': ['CodeCommit Repository State Change'],
      detail: { referenceType: ['branch'], referenceName: ['main'] },
    });
  });

  it('keeps artifacts private, encrypted, behind TLS and for a limited time', () => {
    const bucket = resource(stacks.pipeline, 'AWS::S3::Bucket');
    expect(bucket.properties).toMatchObject({
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      LifecycleConfiguration: { Rules: [{ ExpirationInDays: 30, Status: 'Enabled' }] },
    });
    expect(bucket.deletionPolicy).toBe('RetainExceptOnCreate');
    stacks.pipeline.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
  });

  it('is created only when all its roles have their permissions, because it starts at once', () => {
    const { DependsOn } = stacks.pipeline.toJSON().Resources[
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').logicalId
    ] as { DependsOn: string[] };
    const policies = resources(stacks.pipeline, 'AWS::IAM::Policy')
      .map(({ logicalId }) => logicalId)
      .filter((logicalId) => logicalId.startsWith('Pipeline') && !logicalId.includes('Events'));
    expect(policies).toHaveLength(9);
    expect(DependsOn).toEqual(expect.arrayContaining(policies));
  });

  it('is created only when all that listens to it is in place, because it starts at once', () => {
    const { DependsOn } = stacks.pipeline.toJSON().Resources[
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').logicalId
    ] as { DependsOn: string[] };
    const listening = ['AWS::Lambda::Function', 'AWS::Lambda::Permission', 'AWS::Events::Rule'].flatMap(
      (type) => resources(stacks.pipeline, type).map(({ logicalId }) => logicalId),
    );
    const own = listening.filter((logicalId) => logicalId.startsWith('Controller'));
    expect(own).toHaveLength(13);
    expect(DependsOn).toEqual(expect.arrayContaining(own));
  });

  it('refuses a deployment timeout that CodePipeline would refuse', () => {
    expect(() => synthesize({ deploymentTimeout: Duration.hours(2) })).toThrow(/at most 60 minutes, got 120/);
  });

  it('asks for approval through a topic that takes nothing without TLS', () => {
    const topic = resource(stacks.pipeline, 'AWS::SNS::Topic').logicalId;
    expect(actions().find(({ Name }) => Name === 'Approve')?.Configuration.NotificationArn).toEqual({
      Ref: topic,
    });
    stacks.pipeline.hasResourceProperties('AWS::SNS::TopicPolicy', {
      Topics: [{ Ref: topic }],
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });
});

describe('dashboard', () => {
  interface Widget {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly type: string;
    readonly properties: {
      readonly title: string;
      readonly query?: string;
      readonly metrics?: readonly (readonly unknown[])[];
      readonly yAxis?: { readonly left?: { readonly min: number } };
    };
  }
  const body = () => joined(resource(stacks.pipeline, 'AWS::CloudWatch::Dashboard').properties.DashboardBody);
  const widgets = (): Widget[] => JSON.parse(body()).widgets;
  const titled = (title: string): Widget => {
    const found = widgets().find(({ properties }) => properties.title === title);
    if (found === undefined) throw new Error(`no widget is titled ${title}`);
    return found;
  };
  /** What a widget draws: metrics as `name statistic`, mathematics as they are. */
  const drawn = (title: string) =>
    (titled(title).properties.metrics ?? []).map((line) => {
      const options = line.at(-1) as { expression?: string; stat?: string; visible?: boolean };
      return options.expression ?? `${line[1]} ${options.stat ?? 'Average'}`;
    });

  const both: readonly [what: string, draws: readonly string[]][] = [
    [
      'failed first deliveries (% of those that finished)',
      ['100 * failed / finished', 'FirstFailed Sum', 'FirstFinished Sum'],
    ],
    ['processing time (ms)', ['ProcessingTimeMs p50', 'ProcessingTimeMs p90', 'ProcessingTimeMs p99']],
    ['age of received messages (ms)', ['QueueAgeMs p50', 'QueueAgeMs p99']],
    ['running tasks', ['CPUUtilization SampleCount']],
  ];

  it.each(both)('shows %s of both tracks side by side, canary left, on axes from zero', (what, draws) => {
    const [canary, stable] = [titled(`Canary: ${what}`), titled(`Stable: ${what}`)];
    expect([canary.x, stable.x, canary.width, stable.width]).toEqual([0, 12, 12, 12]);
    expect(canary.y).toBe(stable.y);
    for (const track of ['Canary', 'Stable']) expect(drawn(`${track}: ${what}`)).toEqual(draws);
    for (const { properties } of [canary, stable]) expect(properties.yAxis?.left?.min).toBe(0);
  });

  it('reads each track from its own dimensions, in points of ten seconds that are obeyed', () => {
    for (const track of ['canary', 'stable'] as const) {
      const { metrics = [] } = titled(
        `${track === 'canary' ? 'Canary' : 'Stable'}: processing time (ms)`,
      ).properties;
      for (const line of metrics) {
        expect(line.slice(0, 1).concat(line.slice(2, -1))).toEqual([
          'QueueCanary',
          'App',
          'TestPipeline',
          'Track',
          track,
        ]);
        expect(line.at(-1)).toMatchObject({ period: 10 });
      }
    }
    expect(JSON.parse(body())).toMatchObject({ periodOverride: 'inherit', start: '-PT1H' });
  });

  it.each([
    [
      'outcomes (messages)',
      'sum(Received) as received, sum(Succeeded) as succeeded, sum(Failed) as failed, sum(TimedOut) as timedout, sum(Poisoned) as poisoned, sum(Expired) as expired, sum(Released) as released',
    ],
    [
      'messages in flight per task, and longest event-loop lag (ms)',
      'avg(InFlight) as inflight, max(LoopLagMs) as lag',
    ],
  ])('asks the logs of both tracks for %s, which is no metric', (what, fields) => {
    for (const track of ['Canary', 'Stable']) {
      const { query } = titled(`${track}: ${what}`).properties;
      expect(query).toContain(`Services${track}Logs`);
      expect(query).toContain(`filter QueueCanary = "outcomes"\n| stats ${fields} by bin(10s)`);
    }
  });

  it('draws the share that the canary receives across the share that its tasks are', () => {
    const title = 'Canary: share of the received messages, measured and by task count (%)';
    expect(titled(title)).toMatchObject({ x: 0, width: 24 });
    expect(drawn(title)).toEqual([
      '100 * FILL(measured_canary, 0) / (FILL(measured_canary, 0) + FILL(measured_stable, 0))',
      'Received Sum',
      'Received Sum',
      '100 * FILL(by_task_count_canary, 0) / (FILL(by_task_count_canary, 0) + FILL(by_task_count_stable, 0))',
      'CPUUtilization SampleCount',
      'CPUUtilization SampleCount',
    ]);
  });

  it('begins with the alarm and ends with the queue and the dead-letter queue', () => {
    expect(widgets()[0]).toMatchObject({ type: 'alarm', y: 0, width: 24 });
    const last = Math.max(...widgets().map(({ y }) => y));
    expect(
      widgets()
        .filter(({ y }) => y === last)
        .map(({ properties }) => properties.title),
    ).toEqual(['Queue: depth', 'Queue: age of oldest message (s)', 'Dead-letter queue: depth']);
  });

  it('shows only metrics that the worker runtime reports', () => {
    const metrics = readFileSync(
      join(import.meta.dirname, '..', '..', 'worker', 'src', 'reporting', 'metrics.ts'),
      'utf8',
    );
    const shown = new Set(
      widgets().flatMap(({ properties }) =>
        (properties.metrics ?? [])
          .filter(([namespace]) => namespace === 'QueueCanary')
          .map(([, name]) => name),
      ),
    );
    expect([...shown].sort()).toEqual([
      'FirstFailed',
      'FirstFinished',
      'ProcessingTimeMs',
      'QueueAgeMs',
      'Received',
    ]);
    for (const name of shown) expect(metrics).toContain(`'${name}'`);
  });
});

function policy(of: Synthesized): Record<string, unknown> {
  const { Environment } = resource(of.pipeline, 'AWS::Lambda::Function').properties as {
    Environment: { Variables: { QC_POLICY: string } };
  };
  return JSON.parse(Environment.Variables.QC_POLICY);
}

/** The text that `Fn::Join` makes, with references written as `${name}`. */
function joined(value: unknown): string {
  if (typeof value === 'string') return value;
  const intrinsic = value as { 'Fn::Join'?: [string, unknown[]]; 'Fn::ImportValue'?: string; Ref?: string };
  const { 'Fn::Join': join, 'Fn::ImportValue': imported, Ref } = intrinsic;
  if (join !== undefined) return join[1].map(joined).join(join[0]);
  if (imported !== undefined) return `\${import ${imported}}`;
  return Ref === undefined ? JSON.stringify(value).replaceAll('"', '') : `\${${Ref}}`;
}

/** Whether a value only repeats the generated name of another resource or the name of the stack. */
function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('Ref' in value || 'Fn::GetAtt' in value);
}
