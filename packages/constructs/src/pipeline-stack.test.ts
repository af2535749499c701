import { DEAD_LETTER_OUTPUTS, PIPELINE_OUTPUTS } from '@queue-canary/core';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  joined,
  normalised,
  plainStacks,
  policyOf,
  resource,
  resources,
  type Synthesized,
  synthesize,
  workerQueue,
} from '../test/synthesize.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
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
  test('outputs what the command line needs, under the agreed names', () => {
    for (const name of [...PIPELINE_OUTPUTS, ...DEAD_LETTER_OUTPUTS]) {
      stacks.pipeline.hasOutput(name, { Value: Match.anyValue() });
    }
  });

  test('needs nothing but CloudFormation to be deployed and deleted: the only function is the controller', () => {
    const types = resources(stacks.pipeline).map(({ type }) => type);
    expect(types.filter((type) => !type.startsWith('AWS::'))).toEqual([]);
    expect(types.filter((type) => type.startsWith('AWS::CloudFormation::'))).toEqual([]);
    expect(types.filter((type) => type === 'AWS::Lambda::Function')).toHaveLength(1);
  });

  test('is made of these resources', () => {
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

  test('have no name in common', () => {
    const first = physicalNames(synthesize({}, {}, 'One')).filter((name) => !scoped.test(name));
    const second = new Set(physicalNames(synthesize({}, {}, 'Two')));
    expect(first.filter((name) => second.has(name) && !name.includes('AWS::StackName'))).toEqual([]);
  });

  test('name nothing themselves, except where AWS leaves no choice, and then after the stack', () => {
    const names = physicalNames(stacks).filter((name) => !scoped.test(name));
    expect(names).toEqual([
      'AWS::SSM::Parameter.Name = "/queue-canary/TestImage/Image"',
      expect.stringMatching(/^AWS::SQS::Queue\.QueueName = .*AWS::StackName/),
      expect.stringMatching(/^AWS::ECS::TaskDefinition\.Family = "TestPipeline/),
      expect.stringMatching(/^AWS::ECS::TaskDefinition\.Family = "TestPipeline/),
    ]);
  });

  test('report outcomes under different names', () => {
    const app = (prefix: string) =>
      container('Canary', synthesize({}, {}, prefix)).Environment.find(({ Name }) => Name === 'QC_APP')
        ?.Value;
    expect(app('One')).not.toEqual(app('Two'));
  });
});

describe('network', () => {
  test('spans two zones of the region that the stack lands in, and looks nothing up', () => {
    const zones = resources(stacks.pipeline, 'AWS::EC2::Subnet').map(({ properties }) =>
      JSON.stringify(properties.AvailabilityZone),
    );
    expect([...new Set(zones)]).toEqual([
      '{"Fn::Select":[0,{"Fn::GetAZs":""}]}',
      '{"Fn::Select":[1,{"Fn::GetAZs":""}]}',
    ]);
  });

  test('spans the two zones that are named, as where a zone has no Fargate', () => {
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

  test('has public subnets only, and no NAT gateway to pay for', () => {
    stacks.pipeline.resourceCountIs('AWS::EC2::NatGateway', 0);
    stacks.pipeline.resourceCountIs('AWS::EC2::Subnet', 2);
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.NetworkConfiguration).toMatchObject({
        AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' },
      });
    }
  });

  test('keeps tasks in private subnets behind a NAT gateway, when asked for one', () => {
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

  test('admits no connection to a task, which has a public address', () => {
    stacks.pipeline.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
    for (const { properties } of resources(stacks.pipeline, 'AWS::EC2::SecurityGroup')) {
      expect(properties).not.toHaveProperty('SecurityGroupIngress');
    }
  });

  test('logs its flows', () => {
    stacks.pipeline.hasResourceProperties('AWS::EC2::FlowLog', { ResourceType: 'VPC', TrafficType: 'ALL' });
  });

  test('refuses more NAT gateways than zones', () => {
    expect(() => synthesize({ natGateways: 3 })).toThrow('natGateways must be 0, 1 or 2, got 3');
  });
});

describe('queue', () => {
  const queues = () => ({
    queue: workerQueue(stacks.pipeline),
    dead: resource(stacks.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue'),
  });

  test('moves a message to the dead-letter queue after three deliveries, and keeps it there for 14 days', () => {
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

  test('lets only this queue use the dead-letter queue', () => {
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

  test('refuses requests without TLS, on every queue', () => {
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

  test('is retained with its messages unless told to destroy it', () => {
    const policies = (of: Synthesized) =>
      [workerQueue(of.pipeline), resource(of.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue')].map(
        ({ deletionPolicy }) => deletionPolicy,
      );
    expect(policies(stacks)).toEqual(['RetainExceptOnCreate', 'RetainExceptOnCreate']);
    expect(policies(synthesize({ queueRemovalPolicy: RemovalPolicy.DESTROY }))).toEqual(['Delete', 'Delete']);
  });

  test.each([1, 2])(
    'warns that %s deliveries are too few, since giving a message back costs one',
    (maxReceiveCount) => {
      Annotations.fromStack(synthesize({ maxReceiveCount }).pipelineStack).hasWarning(
        '/TestPipeline/Default/Queue',
        Match.stringLikeRegexp(`maxReceiveCount is ${maxReceiveCount}: .*can dead-letter good messages`),
      );
    },
  );

  test('has nothing to warn of with three', () => {
    Annotations.fromStack(synthesize({ maxReceiveCount: 3 }).pipelineStack).hasNoWarning(
      '*',
      Match.anyValue(),
    );
  });

  test('refuses a visibility timeout that no worker could renew in time', () => {
    expect(() => synthesize({ visibilityTimeout: Duration.seconds(1) })).toThrow(
      /visibilityTimeout must be at least 2 seconds, got 1/,
    );
  });

  test.each([0, 1.5, 1001])('refuses a maxReceiveCount of %s', (maxReceiveCount) => {
    expect(() => synthesize({ maxReceiveCount })).toThrow(
      /maxReceiveCount must be a whole number from 1 to 1000/,
    );
  });
});

describe('dead-letter alarm', () => {
  const alarm = (of = stacks) =>
    resource(of.pipeline, 'AWS::CloudWatch::Alarm', 'QueueDeadLetterAlarm').properties;

  test('watches the increase of what lies in the queue, whether somebody looks at it or not', () => {
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

  test('tolerates as many dead letters as the release policy does', () => {
    const tolerant = synthesize({ alarmThreshold: 5 });
    expect(alarm(tolerant).Threshold).toBe(5);
    expect(policyOf(tolerant).alarmThreshold).toBe(5);
  });

  test('refuses a threshold at which it would never clear', () => {
    expect(() => synthesize({ alarmThreshold: 0 })).toThrow(/alarmThreshold must be greater than 0/);
  });
});

describe('services', () => {
  test('run in a cluster without Container Insights, unless asked for them', () => {
    for (const [containerInsights, Value] of [
      [false, 'disabled'],
      [true, 'enabled'],
    ] as const) {
      synthesize({ containerInsights }).pipeline.hasResourceProperties('AWS::ECS::Cluster', {
        ClusterSettings: [{ Name: 'containerInsights', Value }],
      });
    }
  });

  test('are a canary of fixed size, and a stable one whose size is not in the template', () => {
    const withImage = (value: unknown) => ({ 'Fn::If': [hasImage(), value, 0] });
    expect(service('Canary').properties.DesiredCount).toEqual(withImage(1));
    expect(service('Stable').properties.DesiredCount).toEqual(withImage({ Ref: 'AWS::NoValue' }));
  });

  test('have no task and no room for one as long as there is no image', () => {
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

  test('start no more tasks of a deployment that fails, and leave it to the controller what is restored', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.DeploymentConfiguration).toMatchObject({
        DeploymentCircuitBreaker: { Enable: true, Rollback: false },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      });
    }
  });

  test('share neither family, roles nor log group', () => {
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

  test('go on working while the log takes nothing, with hours of lines in memory', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track).LogConfiguration).toMatchObject({
        LogDriver: 'awslogs',
        Options: { mode: 'non-blocking', 'max-buffer-size': `${25 * 1024 * 1024}b` },
      });
    }
  });

  test.each(['strong', 'weak'])(
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

  test('hold on to the image stack, whatever the app has for references', () => {
    expect(normalised(synthesize({}, {}, 'Test', 'weak').pipeline)).toEqual(normalised(stacks.pipeline));
  });

  test('tell the worker its app, track and queue, how often that delivers, and how long leases and draining last', () => {
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

  test('give the worker its own settings, the same on both tracks', () => {
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

  test('keep their logs for a limited time', () => {
    for (const { properties } of resources(stacks.pipeline, 'AWS::Logs::LogGroup')) {
      expect(properties.RetentionInDays).toBeGreaterThan(0);
    }
  });

  test('run on the architecture of the image, ARM64 unless told otherwise', () => {
    const platform = (of: Synthesized) => taskDefinition('Stable', of).properties.RuntimePlatform;
    expect(platform(stacks)).toMatchObject({ CpuArchitecture: 'ARM64' });
    expect(platform(synthesize({}, { architecture: CpuArchitecture.X86_64 }))).toMatchObject({
      CpuArchitecture: 'X86_64',
    });
  });

  test('use Spot for stable beyond its first task, never for the canary', () => {
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

  test('have the same cluster and no launch type with and without Spot, so that neither replaces a service', () => {
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

  test('force a deployment when what they run on changes, which ECS demands, and for nothing else', () => {
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

  test('give a stopping worker the configured time', () => {
    expect(container('Canary', synthesize({ stopTimeout: Duration.seconds(90) })).StopTimeout).toBe(90);
    expect(() => synthesize({ stopTimeout: Duration.minutes(3) })).toThrow(
      /stopTimeout must be at most 120 seconds/,
    );
  });

  test('refuse bounds under which no deployment could proceed', () => {
    expect(() => synthesize({ minHealthyPercent: 100, maxHealthyPercent: 100 })).toThrow(
      /maxHealthyPercent \(100\) must exceed minHealthyPercent \(100\)/,
    );
  });
});

describe('scaling of stable', () => {
  test('follows the backlog per running task, between three and ten tasks', () => {
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

  test('wakes a service that may sleep, since target tracking cannot divide by no task, and only adds to it', () => {
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

  test.each([
    [{ stableTasksMin: -1 }, /stableTasksMin must be a whole number of at least 0/],
    [{ stableTasksMin: 5, stableTasksMax: 4 }, /stableTasksMax \(4\) must not be below stableTasksMin \(5\)/],
    [{ canaryTasks: 0 }, /canaryTasks must be a whole number of at least 1/],
    [{ backlogPerTask: 0 }, /backlogPerTask must be greater than 0/],
  ])('refuses %j', (props, message) => {
    expect(() => synthesize(props)).toThrow(message);
  });
});

/** Whether a value only repeats the generated name of another resource or the name of the stack. */
function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('Ref' in value || 'Fn::GetAtt' in value);
}
