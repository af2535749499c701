import { type Stack as CdkStack, Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../test/quick-app.ts';
import {
  actionsOf,
  ensureControllerBundle,
  joined,
  type Resource,
  resource,
  resources,
  statementsOf,
} from '../test/synthesize.ts';
import { ImageStack, QueueCanary, type QueueCanaryProps } from './index.ts';

beforeAll(ensureControllerBundle);

type Props = Omit<QueueCanaryProps, 'image'>;

/** A stack of a team with what it has, and a canary for each that is asked for. */
function stackWith(...wanted: ((stack: CdkStack) => Props)[]) {
  const app = quickApp();
  const { image } = new ImageStack(app, 'OrdersImage');
  const stack = new Stack(app, 'Orders');
  const [canary] = wanted.map(
    (props, index) => new QueueCanary(stack, `Canary${index || ''}`, { image, ...props(stack) }),
  );
  return { stack, canary: canary! };
}

const templateOf = (...wanted: ((stack: CdkStack) => Props)[]) =>
  Template.fromStack(stackWith(...wanted).stack);

const vpcOf = (stack: CdkStack, id = 'Vpc') =>
  ec2.Vpc.fromVpcAttributes(stack, id, {
    vpcId: 'vpc-1',
    availabilityZones: ['us-east-1a', 'us-east-1b'],
    privateSubnetIds: ['private-a', 'private-b'],
    publicSubnetIds: ['public-a', 'public-b'],
  });
const clusterOf = (stack: CdkStack) =>
  ecs.Cluster.fromClusterAttributes(stack, 'Cluster', { clusterName: 'shared', vpc: vpcOf(stack) });
const importedQueue = (stack: CdkStack, name = 'orders') =>
  sqs.Queue.fromQueueArn(stack, name, `arn:aws:sqs:us-east-1:123456789012:${name}`);

const services = (template: Template) => resources(template, 'AWS::ECS::Service');
const controller = (template: Template) =>
  (
    resource(template, 'AWS::Lambda::Function').properties as {
      Environment: { Variables: Record<string, unknown> };
    }
  ).Environment.Variables;

interface Container {
  readonly Name: string;
  readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
}

function containers({ properties }: Resource): Record<string, Container & Record<string, unknown>> {
  const { ContainerDefinitions } = properties as {
    ContainerDefinitions: (Container & Record<string, unknown>)[];
  };
  return Object.fromEntries(ContainerDefinitions.map((each) => [each.Name, each]));
}

/** The containers of both tracks by name, the canary's first. */
const tasks = (template: Template) => resources(template, 'AWS::ECS::TaskDefinition').map(containers);
const variables = ({ Environment }: Container) =>
  Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value]));

describe('a canary for what a team has', () => {
  test('makes no network, cluster or queue of its own', () => {
    const template = templateOf((stack) => ({
      queue: importedQueue(stack),
      visibilityTimeout: Duration.seconds(45),
      cluster: clusterOf(stack),
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-1')],
    }));
    const types = resources(template).map(({ type }) => type);
    expect(types.filter((type) => type.startsWith('AWS::EC2::') || type === 'AWS::ECS::Cluster')).toEqual([]);
    // What EventBridge could not deliver goes to the one that is left.
    expect(resources(template, 'AWS::SQS::Queue')).toHaveLength(1);
    for (const { properties } of services(template)) {
      expect(properties).toMatchObject({
        Cluster: 'shared',
        LaunchType: 'FARGATE',
        NetworkConfiguration: {
          AwsvpcConfiguration: {
            AssignPublicIp: 'DISABLED',
            SecurityGroups: ['sg-1'],
            Subnets: ['private-a', 'private-b'],
          },
        },
      });
      expect(properties).not.toHaveProperty('CapacityProviderStrategy');
    }
  });

  test('runs in the subnets that are chosen, with public addresses in public ones', () => {
    const template = templateOf((stack) => ({
      vpc: vpcOf(stack),
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
    }));
    for (const { properties } of services(template)) {
      expect(properties).toMatchObject({
        NetworkConfiguration: {
          AwsvpcConfiguration: { AssignPublicIp: 'ENABLED', Subnets: ['public-a', 'public-b'] },
        },
      });
    }
    expect(resource(template, 'AWS::EC2::SecurityGroup').properties).toMatchObject({ VpcId: 'vpc-1' });
  });

  test("uses a cluster's capacity providers where told that it has them", () => {
    const template = templateOf((stack) => ({ cluster: clusterOf(stack), spot: true }));
    const strategies = services(template).map(({ properties }) => properties.CapacityProviderStrategy);
    expect(strategies).toMatchObject([
      [{ CapacityProvider: 'FARGATE', Weight: 1 }],
      [{ CapacityProvider: 'FARGATE' }, { CapacityProvider: 'FARGATE_SPOT', Weight: 1 }],
    ]);
  });

  test('knows of a queue of the same app when its leases end, how often it delivers, and with which key', () => {
    const template = templateOf((stack) => {
      const encryptionMasterKey = new kms.Key(stack, 'Key');
      const queue = new sqs.Queue(stack, 'Messages', {
        visibilityTimeout: Duration.minutes(3),
        deadLetterQueue: { queue: new sqs.Queue(stack, 'Dead'), maxReceiveCount: 7 },
        encryptionMasterKey,
      });
      return { queue, vpc: vpcOf(stack) };
    });
    for (const { worker } of tasks(template)) {
      expect(variables(worker!)).toMatchObject({ MAX_RECEIVE_COUNT: '7', VISIBILITY_TIMEOUT_SECONDS: '180' });
    }
    const roles = resources(template, 'AWS::IAM::Role').filter(({ logicalId }) => /TaskRole/.test(logicalId));
    expect(roles).toHaveLength(2);
    for (const { logicalId } of roles) {
      expect(actionsOf(statementsOf(template, logicalId))).toContain('kms:Decrypt');
    }
    expect(JSON.stringify(controller(template).QC_DLQ_NAME)).toContain('Dead');
    expect(
      JSON.stringify(resource(template, 'AWS::CloudWatch::Alarm', 'CanaryQueueDeadLetterAlarm')),
    ).toContain('Dead');
  });

  test('takes the visibility timeout of SQS for a queue that names none', () => {
    const template = templateOf((stack) => ({ queue: new sqs.Queue(stack, 'Messages'), vpc: vpcOf(stack) }));
    expect(variables(tasks(template)[0]!.worker!)).toMatchObject({ VISIBILITY_TIMEOUT_SECONDS: '30' });
  });

  test('needs no dead-letter queue', () => {
    const template = templateOf((stack) => ({
      queue: importedQueue(stack, 'orders.fifo'),
      visibilityTimeout: Duration.seconds(45),
      vpc: vpcOf(stack),
    }));
    for (const { worker } of tasks(template)) {
      const { QUEUE_URL: url, ...others } = variables(worker!);
      expect(joined(url)).toContain('orders.fifo');
      expect(others).not.toHaveProperty('MAX_RECEIVE_COUNT');
    }
    for (const name of ['QC_DLQ_NAME', 'QC_ALARM_NAMES'])
      expect(controller(template)).not.toHaveProperty(name);
    const rules = resources(template, 'AWS::Events::Rule').map(({ logicalId }) => logicalId);
    expect(rules.filter((id) => id.includes('AlarmChanged'))).toEqual([]);
    expect(Object.keys(template.findOutputs('*')).filter((name) => name.includes('DeadLetter'))).toEqual([]);
  });

  test('looks at alarms that end a release, and is woken by them', () => {
    const arn = 'arn:aws:cloudwatch:us-east-1:123456789012:alarm:p99, of orders';
    const template = templateOf((stack) => ({
      vpc: vpcOf(stack),
      alarms: [
        cloudwatch.Alarm.fromAlarmArn(stack, 'Latency', arn),
        cloudwatch.Alarm.fromAlarmName(stack, 'Errors', 'errors'),
      ],
    }));
    expect(controller(template).QC_STOP_ALARM_NAMES).toBe('p99, of orders\nerrors');
    const role = resource(template, 'AWS::IAM::Role', 'CanaryControllerRole').logicalId;
    const described = statementsOf(template, role).find(
      ({ Action }) => Action === 'cloudwatch:DescribeAlarms',
    );
    expect(described?.Resource).toHaveLength(3);
    const { EventPattern } = resource(template, 'AWS::Events::Rule', 'CanaryControllerAlarmChanged')
      .properties as {
      EventPattern: { resources: unknown[] };
    };
    expect(EventPattern.resources).toContain(arn);
    expect(EventPattern.resources).toHaveLength(3);
  });

  test("takes container options in CDK's own terms, the same on both tracks unless told otherwise", () => {
    const template = templateOf((stack) => ({
      vpc: vpcOf(stack),
      environment: { MODE: 'fast', LEVEL: 'info' },
      canaryEnvironment: { LEVEL: 'debug' },
      secrets: {
        TOKEN: ecs.Secret.fromSecretsManager(secretsmanager.Secret.fromSecretNameV2(stack, 'Token', 'token')),
      },
      healthCheck: { command: ['CMD-SHELL', 'test -f /tmp/ready'], interval: Duration.seconds(10) },
      sidecars: { agent: { image: ecs.ContainerImage.fromRegistry('agent:1'), essential: false } },
      enableExecuteCommand: true,
      readonlyRootFilesystem: false,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    }));
    const [canary, stable] = tasks(template);
    for (const { worker, agent } of [canary!, stable!]) {
      expect(worker).toMatchObject({
        HealthCheck: { Command: ['CMD-SHELL', 'test -f /tmp/ready'], Interval: 10 },
        Secrets: [{ Name: 'TOKEN' }],
      });
      expect(agent).toMatchObject({ Image: 'agent:1', Essential: false });
    }
    expect(variables(canary!.worker!)).toMatchObject({ MODE: 'fast', LEVEL: 'debug' });
    expect(variables(stable!.worker!)).toMatchObject({ MODE: 'fast', LEVEL: 'info' });
    for (const { properties } of services(template)) {
      expect(properties).toMatchObject({ EnableExecuteCommand: true, PropagateTags: 'SERVICE' });
    }
    for (const { logicalId } of resources(template, 'AWS::IAM::Role')) {
      const actions = actionsOf(statementsOf(template, logicalId));
      if (/ExecutionRole/.test(logicalId)) expect(actions).toContain('secretsmanager:GetSecretValue');
      if (/TaskRole/.test(logicalId)) expect(actions).toContain('ssmmessages:OpenDataChannel');
    }
  });

  test('is granted what both tracks may do, and is connected as both', () => {
    const { stack, canary } = stackWith((scope) => ({ vpc: vpcOf(scope) }));
    const bucket = new s3.Bucket(stack, 'Bucket');
    bucket.grantRead(canary);
    canary.connections.allowTo(ec2.Peer.ipv4('10.0.0.0/16'), ec2.Port.tcp(5432));
    const granted = Template.fromStack(stack);
    for (const { logicalId } of resources(granted, 'AWS::IAM::Role')) {
      if (!/TaskRole/.test(logicalId)) continue;
      expect(actionsOf(statementsOf(granted, logicalId))).toContain('s3:GetObject*');
    }
    const { SecurityGroupEgress } = resource(granted, 'AWS::EC2::SecurityGroup').properties;
    expect(SecurityGroupEgress).toContainEqual(
      expect.objectContaining({ CidrIp: '10.0.0.0/16', ToPort: 5432 }),
    );
  });

  test('has the metrics that its workers report, for alarms of a team', () => {
    const { stack, canary } = stackWith(() => ({ appName: 'Orders' }));
    const { services } = canary;
    services.canary.metricFirstFailed().createAlarm(stack, 'Failing', { threshold: 5, evaluationPeriods: 1 });
    services.stable.metricProcessingTime({ period: Duration.minutes(1) }).createAlarm(stack, 'Slow', {
      threshold: 1_000,
      evaluationPeriods: 3,
    });
    const alarm = (id: string) =>
      resources(Template.fromStack(stack), 'AWS::CloudWatch::Alarm').find(({ logicalId }) =>
        logicalId.startsWith(id),
      )?.properties;
    const dimensions = (Track: string) => [
      { Name: 'App', Value: 'Orders' },
      { Name: 'Track', Value: Track },
    ];
    const Namespace = 'QueueCanary';
    expect(alarm('Failing')).toMatchObject({
      Namespace,
      MetricName: 'FirstFailed',
      Statistic: 'Sum',
      Dimensions: dimensions('canary'),
    });
    expect(alarm('Slow')).toMatchObject({
      Namespace,
      MetricName: 'ProcessingTimeMs',
      ExtendedStatistic: 'p90',
      Period: 60,
      Dimensions: dimensions('stable'),
    });
  });

  test('comes twice in one stack under different names', () => {
    const template = templateOf(
      (stack) => ({ vpc: vpcOf(stack) }),
      (stack) => ({ vpc: vpcOf(stack, 'SameVpc') }),
    );
    const names = resources(template, 'AWS::CodePipeline::Pipeline').map(({ properties }) =>
      joined(properties.Name),
    );
    expect(names).toEqual(['Canary', 'Canary1'].map((id) => `\${AWS::StackName}-${id}`));
    const apps = resources(template, 'AWS::ECS::TaskDefinition').map(
      (task) => variables(containers(task).worker!).QC_APP,
    );
    expect(apps).toEqual(['Orders-Canary', 'Orders-Canary', 'Orders-Canary1', 'Orders-Canary1']);
  });
});

describe('what contradicts itself is refused with what to change', () => {
  const imported = (stack: CdkStack) => importedQueue(stack);
  test.each<[string, (stack: CdkStack) => Props, RegExp]>([
    [
      'a queue of unknown leases',
      (stack) => ({ queue: imported(stack) }),
      /visibilityTimeout is missing: .*Orders\/orders/,
    ],
    [
      'deliveries of a queue that is there',
      (stack) => ({ queue: imported(stack), visibilityTimeout: Duration.minutes(1), maxReceiveCount: 3 }),
      /maxReceiveCount is about a queue that is made here: leave it out where queue is given/,
    ],
    [
      'a dead-letter queue of nothing',
      (stack) => ({ deadLetterQueue: { queue: imported(stack), maxReceiveCount: 3 } }),
      /deadLetterQueue is that of a queue of yours: give queue as well/,
    ],
    [
      'NAT gateways of a network that is there',
      (stack) => ({ vpc: vpcOf(stack), natGateways: 1 }),
      /natGateways is about a network that is made here: leave it out where vpc or cluster is given/,
    ],
    [
      'subnets of nothing',
      () => ({ vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC } }),
      /vpcSubnets is about a network of yours: give vpc or cluster as well/,
    ],
    [
      'insights of a cluster that is there',
      (stack) => ({ cluster: clusterOf(stack), containerInsights: true }),
      /containerInsights is that of a cluster that is made here: set it on yours/,
    ],
    [
      'egress of security groups that are there',
      (stack) => ({
        cluster: clusterOf(stack),
        securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-1')],
        egressPorts: [443],
      }),
      /egressPorts is about a security group that is made here: let yours out instead/,
    ],
    [
      'a shell in a container that cannot be written to',
      (stack) => ({ vpc: vpcOf(stack), enableExecuteCommand: true }),
      /enableExecuteCommand needs readonlyRootFilesystem: false/,
    ],
    [
      "a sidecar under the worker's name",
      (stack) => ({
        vpc: vpcOf(stack),
        sidecars: { worker: { image: ecs.ContainerImage.fromRegistry('x') } },
      }),
      /a sidecar cannot be named worker/,
    ],
  ])('%s', (_what, props, message) => {
    expect(() => stackWith(props)).toThrow(message);
  });
});
