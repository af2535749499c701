import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
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

describe('PipelineStack', () => {
  it('outputs what the command line needs, under the agreed names', () => {
    for (const name of [
      'QueueUrl',
      'DeadLetterQueueUrl',
      'ClusterName',
      'CanaryServiceName',
      'StableServiceName',
      'PipelineName',
      'ControllerFunctionName',
      'ReleaseParameterName',
      'DeadLetterAlarmName',
      'ApprovalTopicArn',
      'CanaryLogGroupName',
      'StableLogGroupName',
      'ControllerLogGroupName',
      'ArtifactBucketName',
    ]) {
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
  /** Names within a role or a scaling target, and texts for people. */
  const scoped =
    /^AWS::(IAM::Policy|ApplicationAutoScaling::ScalingPolicy)\.PolicyName|^AWS::EC2::VPCEndpoint\.|\.DisplayName /;

  it('have no name in common', () => {
    const first = physicalNames(synthesize({}, {}, 'One')).filter((name) => !scoped.test(name));
    const second = new Set(physicalNames(synthesize({}, {}, 'Two')));
    expect(first.filter((name) => second.has(name) && !name.includes('AWS::StackName'))).toEqual([]);
  });

  it('name nothing themselves, except where AWS leaves no choice, and then after the stack', () => {
    const names = physicalNames(stacks).filter((name) => !scoped.test(name));
    expect(names).toEqual([
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

  it('keeps tasks in private subnets behind one NAT gateway', () => {
    stacks.pipeline.resourceCountIs('AWS::EC2::NatGateway', 1);
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.NetworkConfiguration).toMatchObject({
        AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' },
      });
      expect(JSON.stringify(service(track).properties.NetworkConfiguration)).toMatch(
        /PrivateSubnet1.*PrivateSubnet2/,
      );
    }
  });

  it('has public subnets only, and no NAT gateway to pay for, when asked for none', () => {
    const cheap = synthesize({ natGateways: 0 });
    cheap.pipeline.resourceCountIs('AWS::EC2::NatGateway', 0);
    cheap.pipeline.resourceCountIs('AWS::EC2::Subnet', 2);
    expect(service('Stable', cheap).properties.NetworkConfiguration).toMatchObject({
      AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' },
    });
  });

  it('admits no connection to a task', () => {
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
    expect(policies(stacks)).toEqual(['Retain', 'Retain']);
    expect(policies(synthesize({ queueRemovalPolicy: RemovalPolicy.DESTROY }))).toEqual(['Delete', 'Delete']);
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

  it('watches the increase within a minute, so that residue of an earlier release does not mask a bad one', () => {
    const dead = resource(stacks.pipeline, 'AWS::SQS::Queue', 'QueueDeadLetterQueue').logicalId;
    expect(alarm()).toMatchObject({
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
      Metrics: [
        { Expression: 'IF(DIFF(visible) > 0, DIFF(visible), 0)', ReturnData: true },
        {
          Id: 'visible',
          ReturnData: false,
          MetricStat: {
            Period: 60,
            Stat: 'Maximum',
            Metric: {
              Namespace: 'AWS/SQS',
              MetricName: 'ApproximateNumberOfMessagesVisible',
              Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [dead, 'QueueName'] } }],
            },
          },
        },
      ],
    });
  });

  it('tolerates as many dead letters as the release policy does', () => {
    const tolerant = synthesize({ alarmThreshold: 5 });
    expect(alarm(tolerant).Threshold).toBe(5);
    expect(policy(tolerant).deadLettersMax).toBe(4);
  });

  it('refuses a threshold at which it would never clear', () => {
    expect(() => synthesize({ alarmThreshold: 0 })).toThrow(/alarmThreshold must be greater than 0/);
  });
});

describe('services', () => {
  it('run in a cluster with Container Insights', () => {
    stacks.pipeline.hasResourceProperties('AWS::ECS::Cluster', {
      ClusterSettings: [{ Name: 'containerInsights', Value: 'enabled' }],
    });
  });

  it('are a canary of fixed size, and a stable one whose size is not in the template', () => {
    expect(service('Canary').properties.DesiredCount).toBe(1);
    expect(service('Stable').properties).not.toHaveProperty('DesiredCount');
  });

  it('return to the last completed deployment when tasks of a new one do not start', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(service(track).properties.DeploymentConfiguration).toMatchObject({
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
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

  it('start from the image that was promoted last, in digest form, read at deployment', () => {
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track).Name).toBe('worker');
      expect(joined(container(track).Image)).toMatch(
        /^\{\{resolve:ssm:\$\{import TestImage:.*ImageParameter.*\}\}\}$/,
      );
    }
  });

  it('tell the worker its app, its track and its queue', () => {
    const queue = workerQueue(stacks.pipeline).logicalId;
    for (const [track, value] of [
      ['Canary', 'canary'],
      ['Stable', 'stable'],
    ] as const) {
      expect(container(track).Environment).toEqual([
        { Name: 'QC_APP', Value: 'TestPipeline' },
        { Name: 'QC_TRACK', Value: value },
        { Name: 'QUEUE_URL', Value: { Ref: queue } },
      ]);
    }
  });

  it('give the worker its own settings, the same on both tracks', () => {
    const custom = synthesize({ environment: { RETRY_DELAY_SECONDS: '0' } });
    for (const track of ['Canary', 'Stable'] as const) {
      expect(container(track, custom).Environment).toContainEqual({
        Name: 'RETRY_DELAY_SECONDS',
        Value: '0',
      });
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
    const spot = synthesize({ spot: true });
    expect(service('Stable', spot).properties.CapacityProviderStrategy).toEqual([
      { CapacityProvider: 'FARGATE', Base: 1, Weight: 0 },
      { CapacityProvider: 'FARGATE_SPOT', Weight: 1 },
    ]);
    expect(service('Canary', spot).properties).toMatchObject({ LaunchType: 'FARGATE' });
    spot.pipeline.hasResourceProperties('AWS::ECS::ClusterCapacityProviderAssociations', {
      CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    });
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
      MinCapacity: 3,
      MaxCapacity: 10,
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

  it('wakes a sleeping service, since target tracking cannot divide by no task', () => {
    const wake = (of: Synthesized) => {
      const policies = resources(of.pipeline, 'AWS::ApplicationAutoScaling::ScalingPolicy');
      return policies.find(({ properties }) => properties.PolicyType === 'StepScaling');
    };
    const sleepy = synthesize({ stableTasksMin: 0 });
    expect(wake(sleepy)?.properties.StepScalingPolicyConfiguration).toMatchObject({
      AdjustmentType: 'ExactCapacity',
      StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
    });
    sleepy.pipeline.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [{ Ref: wake(sleepy)?.logicalId }],
      Threshold: 1,
      Metrics: Match.arrayWith([Match.objectLike({ Expression: 'IF(FILL(running, 0) < 1, visible, 0)' })]),
    });
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
      'QC_CLUSTER',
      'QC_CONTAINER_NAME',
      'QC_DLQ_NAME',
      'QC_IMAGE_PARAMETER',
      'QC_PIPELINE_NAME',
      'QC_POLICY',
      'QC_RELEASE_PARAMETER',
      'QC_STABLE_SERVICE',
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
      deadLettersMax: 0,
    });
    expect(
      policy(
        synthesize({ bakeTime: Duration.seconds(5), watchTime: Duration.seconds(0), onNewerCommit: 'wait' }),
      ),
    ).toMatchObject({ bakeMs: 5_000, watchMs: 0, onNewerCommit: 'wait' });
  });

  it('refuses a policy that the controller would refuse', () => {
    expect(() => synthesize({ bakeTime: Duration.days(2) })).toThrow(/"bakeMs" must be .*one day/);
  });

  it('starts with an empty record of the last good release', () => {
    expect(resource(stacks.pipeline, 'AWS::SSM::Parameter').properties).toEqual({
      Type: 'String',
      Value: '{"version":1}',
    });
  });

  it('is woken by the alarm, the pipeline, deployments, stopped tasks and every minute', () => {
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
      PipelineType: 'V2',
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
      ['Verdict', 'Approve: Approval Manual'],
      ['Stable', 'DeployStable: Deploy ECS'],
      ['Record', 'Record: Invoke Lambda'],
    ]);
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
    expect(bucket.deletionPolicy).toBe('Retain');
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
    expect(policies).toHaveLength(8);
    expect(DependsOn).toEqual(expect.arrayContaining(policies));
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
    readonly properties: { title: string };
  }

  it('shows both tracks side by side, above the queue and the dead-letter queue', () => {
    const body = joined(resource(stacks.pipeline, 'AWS::CloudWatch::Dashboard').properties.DashboardBody);
    const widgets: Widget[] = JSON.parse(body).widgets;
    const row = (title: string) => widgets.find(({ properties }) => properties.title === title);
    for (const what of ['messages', 'processing time (ms)', 'running tasks']) {
      const [canary, stable] = [row(`Canary: ${what}`), row(`Stable: ${what}`)];
      expect([canary?.x, stable?.x]).toEqual([0, 12]);
      expect(canary?.y).toBe(stable?.y);
    }
    expect(widgets.map(({ properties }) => properties.title)).toEqual(
      expect.arrayContaining([
        'Queue: depth',
        'Queue: age of oldest message (s)',
        'Dead-letter queue: depth',
      ]),
    );
    for (const metric of ['Received', 'Succeeded', 'Failed', 'ProcessingTimeMs']) {
      for (const track of ['canary', 'stable']) {
        expect(body).toContain(`["QueueCanary","${metric}","App","TestPipeline","Track","${track}"`);
      }
    }
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
