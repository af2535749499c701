import type { PipelineOutputs } from '@queue-canary/core';
import { Aws, CfnOutput, type Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { CanaryServices } from './canary-services.ts';
import { ConfigurationCheckpoint } from './configuration-checkpoint.ts';
import { allowServices, keyOf, type StackEncryptionProps } from './encryption.ts';
import { ExistingQueue } from './existing-queue.ts';
import { fixArchitecture } from './fixed-architecture.ts';
import { ReleaseController } from './release-controller.ts';
import { ReleaseDashboard } from './release-dashboard.ts';
import { ReleasePipeline } from './release-pipeline.ts';
import type { ReleasePolicyProps } from './release-policy-props.ts';
import type { WorkerCapacityProps } from './worker-capacity-props.ts';
import type { WorkerImage } from './worker-image.ts';
import { WorkerNetwork } from './worker-network.ts';
import { type IWorkerQueue, WorkerQueue } from './worker-queue.ts';

/** Options of {@link QueueCanary}. */
export interface QueueCanaryProps extends WorkerCapacityProps, ReleasePolicyProps, StackEncryptionProps {
  /** What is released: a construct of another stack, since its image parameter must be there before this is deployed. */
  readonly image: WorkerImage;

  /**
   * Name under which the workers report outcomes (dimension `App`). Two systems in one account and
   * region need different ones, or their metrics mix.
   *
   * @default - the name of the stack, followed by the id of this construct unless that is `Default`
   */
  readonly appName?: string;

  /**
   * The queue that the worker consumes, standard or FIFO. Nothing of it is changed.
   *
   * @default - one is made, with a dead-letter queue
   */
  readonly queue?: sqs.IQueue;

  /**
   * The dead-letter queue of `queue`, and the deliveries after which a message goes there.
   *
   * @default - that of a queue that is made in the same CDK app; an imported one is taken to have none
   */
  readonly deadLetterQueue?: sqs.DeadLetterQueue;

  /**
   * Time a received message stays hidden from other workers.
   *
   * @default - 30 seconds for a queue that is made here; else that of `queue`, which must be given for an imported one
   */
  readonly visibilityTimeout?: Duration;

  /**
   * Deliveries before a message is dead-lettered, of a queue that is made here.
   *
   * @default - 3
   */
  readonly maxReceiveCount?: number;

  /**
   * Alarms of your own, metric or composite, that end a release during which they go off.
   *
   * @default - none
   */
  readonly alarms?: readonly cloudwatch.IAlarm[];

  /**
   * Cluster that both services run in. See `spot` for its capacity providers.
   *
   * @default - one is made
   */
  readonly cluster?: ecs.ICluster;

  /**
   * Network that the tasks run in.
   *
   * @default - that of `cluster`; without one, two Availability Zones of a VPC that is made
   */
  readonly vpc?: ec2.IVpc;

  /**
   * Subnets of `vpc` that the tasks run in. They must reach SQS, ECR, S3 and CloudWatch Logs.
   *
   * @default - its private subnets with a way out
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Whether tasks get public addresses, without which public subnets have no way out.
   *
   * @default - true where `vpcSubnets` selects public subnets by type, else false
   */
  readonly assignPublicIp?: boolean;

  /**
   * Security groups of the tasks.
   *
   * @default - one is made, which admits nobody and lets out to `egressPorts`
   */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];

  /**
   * NAT gateways of a network that is made here; 0 runs the tasks in public subnets, where nobody can connect to them.
   *
   * @default - 0
   */
  readonly natGateways?: number;

  /**
   * Names of the two Availability Zones that tasks run in. Give them where a zone of the account has no Fargate, as one in
   * us-west-1 and in ap-northeast-1.
   *
   * @default - the first two that CloudFormation finds in the region that the stack lands in
   */
  readonly availabilityZones?: readonly string[];

  /**
   * Whether a stack update that changes the tasks' configuration is judged: the canary gets it first, and stable when the
   * judge has passed the canary; else the update fails and CloudFormation puts the canary back. Either way the canary is
   * updated before stable. An update waits for the judge, at most an hour, and for the end of a release that is under way.
   *
   * @default - false: stable is updated when the canary is steady
   */
  readonly judgeConfiguration?: boolean;

  /**
   * Time within which a service must reach steady state on a new version.
   *
   * @default - 30 minutes
   */
  readonly deploymentTimeout?: Duration;

  /**
   * How long logs are kept, flow logs among them.
   *
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * Take all rules from the VPC's default security group; see {@link WorkerNetworkProps}.
   *
   * @default - false
   */
  readonly restrictDefaultSecurityGroup?: boolean;

  /**
   * Invocations that are kept for the controller; see {@link ReleaseControllerProps}.
   *
   * @default - none
   */
  readonly reservedConcurrentExecutions?: number;

  /**
   * Whether both queues go, with their messages, when the stack is deleted.
   *
   * @default - the queues are retained
   */
  readonly queueRemovalPolicy?: RemovalPolicy;

  /**
   * What happens to the artifact bucket when the stack is deleted. With `DESTROY` it must be emptied
   * first.
   *
   * @default - the bucket is retained
   */
  readonly artifactRemovalPolicy?: RemovalPolicy;
}

/**
 * Canary releases for the workers of one queue: a canary and a stable service, the pipeline that releases to them and the
 * controller that decides. What a team has already is given as a property; what is left out is made.
 *
 * Where there is no image yet, the services have no tasks until the pipeline's first release starts them.
 */
export class QueueCanary extends Construct implements iam.IGrantable, ec2.IConnectable {
  /** Network of the tasks; absent where that was given. */
  readonly network?: WorkerNetwork;
  /** Queue that the worker consumes. */
  readonly workerQueue: IWorkerQueue;
  /** The canary and the stable service. */
  readonly services: CanaryServices;
  /** Has stack updates judged; absent unless `judgeConfiguration`. */
  readonly configurationCheckpoint?: ConfigurationCheckpoint;
  /** Shows both tracks side by side. */
  readonly dashboard: ReleaseDashboard;
  /** Decides about releases. */
  readonly controller: ReleaseController;
  /** Carries releases out. */
  readonly pipeline: ReleasePipeline;
  /** Told when a release waits for a person. Subscribe to it. */
  readonly approvalTopic: sns.Topic;
  /** The tasks of both services: what is granted to it is granted to both. */
  readonly grantPrincipal: iam.IPrincipal;
  /** What the tasks of both services may reach. */
  readonly connections: ec2.Connections;

  constructor(scope: Construct, id: string, props: QueueCanaryProps) {
    super(scope, id);
    const { image } = props;
    fixArchitecture(Stack.of(this), image.architecture);
    const suffix = id === 'Default' ? '' : `-${id}`;
    const appName = props.appName ?? `${Stack.of(this).stackName}${suffix}`;
    const pipelineName = `${Aws.STACK_NAME}${suffix}`;
    const key = keyOf(this, props);
    // Each part takes the properties that it has, by their names.
    const given = { ...props, ...key };

    if (props.cluster !== undefined) {
      refuse(props, ['containerInsights'], 'is that of a cluster that is made here: set it on yours');
    }
    if (props.securityGroups !== undefined) {
      refuse(props, ['egressPorts'], 'is about a security group that is made here: let yours out instead');
    }
    this.approvalTopic = approvalTopic(this, appName, key.encryptionKey);
    const { vpc, subnets, assignPublicIp, network } = networkOf(this, props, given);
    if (network !== undefined) this.network = network;
    this.workerQueue = workerQueue(this, props, { ...given, alarmTopic: this.approvalTopic });
    this.services = new CanaryServices(this, 'Services', {
      ...given,
      appName,
      image,
      queue: this.workerQueue,
      vpc,
      subnets,
      assignPublicIp,
    });
    if (props.judgeConfiguration) {
      this.configurationCheckpoint = new ConfigurationCheckpoint(this, 'Configuration', {
        ...given,
        services: this.services,
      });
    }
    this.grantPrincipal = this.services.grantPrincipal;
    this.connections = this.services.connections;
    this.dashboard = new ReleaseDashboard(this, 'Dashboard', {
      ...(props.alarms === undefined ? {} : { alarms: props.alarms }),
      appName,
      queue: this.workerQueue,
      services: this.services,
    });
    this.controller = new ReleaseController(this, 'Controller', {
      ...given,
      appName,
      pipelineName,
      image,
      queue: this.workerQueue,
      services: this.services,
      ...(this.configurationCheckpoint && { updateParameter: this.configurationCheckpoint.parameter }),
      topic: this.approvalTopic,
    });
    this.pipeline = new ReleasePipeline(this, 'Pipeline', {
      ...given,
      ...(props.artifactRemovalPolicy === undefined ? {} : { removalPolicy: props.artifactRemovalPolicy }),
      pipelineName,
      image,
      services: this.services,
      controller: this.controller.function,
      startsAfter: this.controller,
      approvalTopic: this.approvalTopic,
      evidenceUrl: this.dashboard.url,
      undeliveredEvents: this.controller.undeliveredEvents,
    });
    for (const [name, value] of Object.entries(this.#outputs())) new CfnOutput(this, name, { value });
  }

  /** By these names the command line finds the parts. */
  #outputs(): PipelineOutputs {
    const { deadLetterQueue, deadLetterAlarm } = this.workerQueue;
    return {
      QueueUrl: this.workerQueue.queue.queueUrl,
      ...(deadLetterQueue && { DeadLetterQueueUrl: deadLetterQueue.queueUrl }),
      ClusterName: this.services.cluster.clusterName,
      CanaryServiceName: this.services.canary.service.serviceName,
      StableServiceName: this.services.stable.service.serviceName,
      PipelineName: this.pipeline.pipelineName,
      ControllerFunctionName: this.controller.function.functionName,
      ReleaseParameterName: this.controller.releaseParameter.parameterName,
      RollbackParameterName: this.controller.rollbackParameter.parameterName,
      ...(deadLetterAlarm && { DeadLetterAlarmName: deadLetterAlarm.alarmName }),
      ApprovalTopicArn: this.approvalTopic.topicArn,
      CanaryLogGroupName: this.services.canary.logGroup.logGroupName,
      StableLogGroupName: this.services.stable.logGroup.logGroupName,
      ControllerLogGroupName: this.controller.logGroup.logGroupName,
      ArtifactBucketName: this.pipeline.artifactBucket.bucketName,
    };
  }
}

function approvalTopic(scope: Construct, appName: string, key: kms.IKey | undefined): sns.Topic {
  const topic = new sns.Topic(scope, 'ApprovalTopic', {
    displayName: `${appName} releases`,
    enforceSSL: true,
    ...(key === undefined ? {} : { masterKey: key }),
  });
  // A topic with a policy of its own admits nobody else, CloudWatch's alarms included.
  topic.addToResourcePolicy(
    new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  if (key !== undefined) allowServices(scope, key, 'cloudwatch');
  return topic;
}

interface Network {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  readonly assignPublicIp: boolean;
  /** Where it is made here. */
  readonly network?: WorkerNetwork;
}

/** The network that is given, or a new one. */
function networkOf(scope: Construct, props: QueueCanaryProps, given: StackEncryptionProps): Network {
  const vpc = props.vpc ?? props.cluster?.vpc;
  if (vpc === undefined) {
    refuse(
      props,
      ['vpcSubnets', 'assignPublicIp'],
      'is about a network of yours: give vpc or cluster as well',
    );
    const network = new WorkerNetwork(scope, 'Network', {
      ...props,
      ...given,
      ...(props.logRetention === undefined ? {} : { flowLogRetention: props.logRetention }),
    });
    return {
      vpc: network.vpc,
      subnets: network.taskSubnets,
      assignPublicIp: network.assignPublicIp,
      network,
    };
  }
  refuse(
    props,
    ['natGateways', 'availabilityZones', 'restrictDefaultSecurityGroup'],
    'is about a network that is made here: leave it out where vpc or cluster is given',
  );
  const subnets = props.vpcSubnets ?? { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
  const assignPublicIp = props.assignPublicIp ?? subnets.subnetType === ec2.SubnetType.PUBLIC;
  return { vpc, subnets, assignPublicIp };
}

/** The queue that is given, or a new one. */
function workerQueue(
  scope: Construct,
  props: QueueCanaryProps,
  given: StackEncryptionProps & { readonly alarmTopic: sns.ITopic },
): IWorkerQueue {
  if (props.queue === undefined) {
    refuse(props, ['deadLetterQueue'], 'is that of a queue of yours: give queue as well');
    return new WorkerQueue(scope, 'Queue', {
      ...props,
      ...given,
      ...(props.queueRemovalPolicy === undefined ? {} : { removalPolicy: props.queueRemovalPolicy }),
    });
  }
  refuse(
    props,
    ['maxReceiveCount', 'queueRemovalPolicy'],
    'is about a queue that is made here: leave it out where queue is given',
  );
  return new ExistingQueue(scope, 'Queue', { ...props, ...given, queue: props.queue });
}

function refuse(props: QueueCanaryProps, names: readonly (keyof QueueCanaryProps)[], why: string): void {
  for (const name of names) if (props[name] !== undefined) throw new Error(`${name} ${why}`);
}
