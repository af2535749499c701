import type { PipelineOutputs } from '@queue-canary/core';
import {
  Aws,
  CfnOutput,
  CrossStackReferences,
  type Duration,
  ReferenceStrength,
  type RemovalPolicy,
  Stack,
  type StackProps,
} from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { CanaryServices, type WorkerCapacityProps } from './canary-services.ts';
import { allowServices, keyOf, type StackEncryptionProps } from './encryption.ts';
import { fixArchitecture } from './fixed-architecture.ts';
import { ReleaseController } from './release-controller.ts';
import { ReleaseDashboard } from './release-dashboard.ts';
import { ReleasePipeline } from './release-pipeline.ts';
import type { ReleasePolicyProps } from './release-policy-props.ts';
import type { WorkerImage } from './worker-image.ts';
import { WorkerNetwork } from './worker-network.ts';
import { WorkerQueue } from './worker-queue.ts';

/** Options of {@link PipelineStack}. */
export interface PipelineStackProps
  extends StackProps,
    WorkerCapacityProps,
    ReleasePolicyProps,
    StackEncryptionProps {
  /** What is released: the construct of the image stack. */
  readonly image: WorkerImage;

  /**
   * Name under which the workers report outcomes (dimension `App`). Two systems in one account and
   * region need different ones, or their metrics mix.
   *
   * @default - the name of the stack
   */
  readonly appName?: string;

  /**
   * Time a received message stays hidden from other workers.
   *
   * @default - 30 seconds
   */
  readonly visibilityTimeout?: Duration;

  /**
   * Deliveries before a message is dead-lettered.
   *
   * @default - 3
   */
  readonly maxReceiveCount?: number;

  /**
   * NAT gateways; 0 runs the tasks in public subnets, where nobody can connect to them.
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
   * What happens to both queues, with their messages, when the stack is deleted.
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
 * The second of the two stacks: queue, network, both services, pipeline and controller.
 *
 * Where there is no image yet, the services have no tasks until the pipeline's first release starts them.
 */
export class PipelineStack extends Stack {
  /** Network of the tasks. */
  readonly network: WorkerNetwork;
  /** Queue that the worker consumes. */
  readonly workerQueue: WorkerQueue;
  /** The canary and the stable service. */
  readonly services: CanaryServices;
  /** Shows both tracks side by side. */
  readonly dashboard: ReleaseDashboard;
  /** Decides about releases. */
  readonly controller: ReleaseController;
  /** Carries releases out. */
  readonly pipeline: ReleasePipeline;
  /** Told when a release waits for a person. Subscribe to it. */
  readonly approvalTopic: sns.Topic;

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    // The image stack must not go, nor lose a role, while the services live on what it holds.
    CrossStackReferences.of(this).consume(ReferenceStrength.STRONG);
    const { image } = props;
    fixArchitecture(this, image.architecture);
    const appName = props.appName ?? this.stackName;
    const pipelineName = Aws.STACK_NAME;
    const key = keyOf(this, props);
    // Each part takes the properties that it has, by their names.
    const given = { ...props, ...key };

    this.approvalTopic = new sns.Topic(this, 'ApprovalTopic', {
      displayName: `${appName} releases`,
      enforceSSL: true,
      ...(key.encryptionKey === undefined ? {} : { masterKey: key.encryptionKey }),
    });
    // A topic with a policy of its own admits nobody else, CloudWatch's alarms included.
    this.approvalTopic.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.approvalTopic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    if (key.encryptionKey !== undefined) allowServices(this, key.encryptionKey, 'cloudwatch');
    this.network = new WorkerNetwork(this, 'Network', {
      ...given,
      ...(props.logRetention === undefined ? {} : { flowLogRetention: props.logRetention }),
    });
    this.workerQueue = new WorkerQueue(this, 'Queue', {
      ...given,
      alarmTopic: this.approvalTopic,
      ...(props.queueRemovalPolicy === undefined ? {} : { removalPolicy: props.queueRemovalPolicy }),
    });
    this.services = new CanaryServices(this, 'Services', {
      ...given,
      appName,
      image,
      queue: this.workerQueue,
      vpc: this.network.vpc,
      subnets: this.network.taskSubnets,
      assignPublicIp: this.network.assignPublicIp,
    });
    this.dashboard = new ReleaseDashboard(this, 'Dashboard', {
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
    return {
      QueueUrl: this.workerQueue.queue.queueUrl,
      DeadLetterQueueUrl: this.workerQueue.deadLetterQueue.queueUrl,
      ClusterName: this.services.cluster.clusterName,
      CanaryServiceName: this.services.canary.service.serviceName,
      StableServiceName: this.services.stable.service.serviceName,
      PipelineName: this.pipeline.pipelineName,
      ControllerFunctionName: this.controller.function.functionName,
      ReleaseParameterName: this.controller.releaseParameter.parameterName,
      RollbackParameterName: this.controller.rollbackParameter.parameterName,
      DeadLetterAlarmName: this.workerQueue.deadLetterAlarm.alarmName,
      ApprovalTopicArn: this.approvalTopic.topicArn,
      CanaryLogGroupName: this.services.canary.logGroup.logGroupName,
      StableLogGroupName: this.services.stable.logGroup.logGroupName,
      ControllerLogGroupName: this.controller.logGroup.logGroupName,
      ArtifactBucketName: this.pipeline.artifactBucket.bucketName,
    };
  }
}
