import { CfnCondition, Duration, Fn } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { BacklogScaling } from './backlog-scaling.ts';
import type { EncryptionProps } from './encryption.ts';
import { NO_IMAGE_YET } from './names.ts';
import { TaskRoles } from './task-roles.ts';
import type { WorkerCapacityProps } from './worker-capacity-props.ts';
import type { WorkerImage } from './worker-image.ts';
import type { IWorkerQueue } from './worker-queue.ts';
import { WorkerService } from './worker-service.ts';

const FARGATE_STOP_TIMEOUT_MAX = Duration.seconds(120);

/** Options of {@link CanaryServices}. */
export interface CanaryServicesProps extends WorkerCapacityProps, EncryptionProps {
  /** Name under which outcomes are reported. */
  readonly appName: string;
  /** Where the worker's image comes from. */
  readonly image: WorkerImage;
  /** Queue that both services consume. */
  readonly queue: IWorkerQueue;
  /** Network that the tasks run in. */
  readonly vpc: ec2.IVpc;
  /** Subnets that the tasks run in. */
  readonly subnets: ec2.SubnetSelection;
  /** Whether tasks get public addresses. */
  readonly assignPublicIp: boolean;
  /**
   * Cluster that the services run in.
   *
   * @default - one is made
   */
  readonly cluster?: ecs.ICluster;
  /**
   * Security groups of the tasks of both services.
   *
   * @default - one is made, which admits nobody
   */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];
  /**
   * Time within which a service must reach steady state on a new version, which bounds how long tasks are protected.
   *
   * @default - 30 minutes
   */
  readonly deploymentTimeout?: Duration;
}

/**
 * A small canary service and a large stable one that pull from the same queue.
 *
 * The canary's share of the messages follows its share of the tasks; it is never an exact percentage.
 */
export class CanaryServices extends Construct implements iam.IGrantable, ec2.IConnectable {
  /** Cluster of both services. */
  readonly cluster: ecs.ICluster;
  /** Gets a new version first. */
  readonly canary: WorkerService;
  /** Carries the load; scales with the backlog. */
  readonly stable: WorkerService;
  /** The tasks of both services; what is granted to it is granted to both. */
  readonly grantPrincipal: iam.IPrincipal;
  /** What the tasks of both services may reach. */
  readonly connections: ec2.Connections;
  /** How stable follows the backlog. */
  readonly scaling: BacklogScaling;
  /** Tasks that each of the two has, once there is an image. */
  readonly tasks: { readonly canary: number; readonly stableMin: number; readonly stableMax: number };

  constructor(scope: Construct, id: string, props: CanaryServicesProps) {
    super(scope, id);
    const sizes = sizesOf(props);
    this.tasks = { canary: sizes.canaryTasks, stableMin: sizes.minCapacity, stableMax: sizes.maxCapacity };
    const spot = props.spot ?? (props.cluster === undefined ? true : undefined);
    this.cluster = props.cluster ?? newCluster(this, props);
    // A parameter of the template, which CloudFormation reads and compares at every update. It would not notice a
    // changed value behind a dynamic reference, and an update of anything else of a service hands ECS the
    // template's task definition again: production would be back on the image of the last change of that.
    const imageUri = ssm.StringParameter.valueForStringParameter(this, props.image.imageParameterName);
    const hasImage = new CfnCondition(this, 'HasImage', {
      expression: Fn.conditionNot(Fn.conditionEquals(imageUri, NO_IMAGE_YET)),
    });
    const securityGroups = [...(props.securityGroups ?? [newSecurityGroup(this, props)])];
    this.connections = new ec2.Connections({ securityGroups });
    const protection = { protectedMinutesMax: protectedMinutesMax(props) };
    const common = {
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      securityGroups,
      secrets: props.secrets ?? {},
      ...(props.healthCheck === undefined ? {} : { healthCheck: props.healthCheck }),
      sidecars: props.sidecars ?? {},
      enableExecuteCommand: props.enableExecuteCommand ?? false,
      ...(props.propagateTags === undefined ? {} : { propagateTags: props.propagateTags }),
      user: props.user ?? '1000',
      readonlyRootFilesystem: props.readonlyRootFilesystem ?? true,
      appName: props.appName,
      image: props.image,
      imageUri,
      hasImage,
      queue: props.queue,
      cluster: this.cluster,
      subnets: props.subnets,
      assignPublicIp: props.assignPublicIp,
      cpu: props.cpu ?? 256,
      memoryLimitMiB: props.memoryLimitMiB ?? 512,
      stopTimeout: sizes.stopTimeout,
      logRetention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
    };
    this.canary = new WorkerService(this, 'Canary', {
      ...common,
      ...(props.protectTasks === 'all' ? protection : {}),
      track: 'canary',
      environment: { ...props.environment, ...props.canaryEnvironment },
      desiredCount: sizes.canaryTasks,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      ...(spot === undefined ? {} : { spot: false }),
    });
    this.stable = new WorkerService(this, 'Stable', {
      ...common,
      ...(props.protectTasks === undefined ? {} : protection),
      track: 'stable',
      environment: { ...props.environment, ...props.stableEnvironment },
      minHealthyPercent: sizes.minHealthyPercent,
      maxHealthyPercent: sizes.maxHealthyPercent,
      ...(spot === undefined ? {} : { spot }),
    });
    // A configuration that does not start fails the update on the canary, before stable is touched.
    this.stable.service.node.addDependency(this.canary.service);
    this.grantPrincipal = new TaskRoles([this.canary.taskRole, this.stable.taskRole]);
    this.scaling = new BacklogScaling(this, 'Scaling', {
      service: this.stable.service,
      hasImage,
      queue: props.queue.queue,
      minCapacity: sizes.minCapacity,
      maxCapacity: sizes.maxCapacity,
      backlogPerTask: sizes.backlogPerTask,
    });
  }
}

function newCluster(scope: Construct, { vpc, containerInsights }: CanaryServicesProps): ecs.ICluster {
  const cluster = new ecs.Cluster(scope, 'Cluster', {
    vpc,
    containerInsightsV2: containerInsights ? ecs.ContainerInsights.ENABLED : ecs.ContainerInsights.DISABLED,
  });
  // As a property of the cluster, not as an association of its own: services need it as long as they exist.
  (cluster.node.defaultChild as ecs.CfnCluster).capacityProviders = ['FARGATE', 'FARGATE_SPOT'];
  // Under exactOptionalPropertyTypes the class does not match its own interface.
  return cluster as ecs.ICluster;
}

function newSecurityGroup(scope: Construct, { vpc, egressPorts = [443] }: CanaryServicesProps) {
  const group = new ec2.SecurityGroup(scope, 'SecurityGroup', {
    vpc,
    description: 'Tasks of the canary and the stable service',
    allowAllOutbound: false,
  });
  for (const port of egressPorts) group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port));
  // Under exactOptionalPropertyTypes the class does not match its own interface.
  return group as ec2.ISecurityGroup;
}

/** The sizes with their defaults, checked. */
function sizesOf(props: CanaryServicesProps) {
  const canaryTasks = wholeNumber('canaryTasks', props.canaryTasks ?? 1, 1);
  const minCapacity = wholeNumber('stableTasksMin', props.stableTasksMin ?? 3, 0);
  const maxCapacity = wholeNumber('stableTasksMax', props.stableTasksMax ?? Math.max(10, minCapacity), 1);
  if (maxCapacity < minCapacity) {
    throw new Error(`stableTasksMax (${maxCapacity}) must not be below stableTasksMin (${minCapacity})`);
  }
  const backlogPerTask = props.backlogPerTask ?? 100;
  if (!(backlogPerTask > 0)) throw new Error(`backlogPerTask must be greater than 0, got ${backlogPerTask}`);
  const stopTimeout = props.stopTimeout ?? Duration.seconds(30);
  if (stopTimeout.toSeconds() > FARGATE_STOP_TIMEOUT_MAX.toSeconds()) {
    throw new Error(
      `stopTimeout must be at most ${FARGATE_STOP_TIMEOUT_MAX.toSeconds()} seconds on Fargate, got ${stopTimeout.toSeconds()}`,
    );
  }
  const minHealthyPercent = props.minHealthyPercent ?? 100;
  const maxHealthyPercent = props.maxHealthyPercent ?? 200;
  if (maxHealthyPercent <= minHealthyPercent) {
    throw new Error(
      `maxHealthyPercent (${maxHealthyPercent}) must exceed minHealthyPercent (${minHealthyPercent}): otherwise no deployment can proceed`,
    );
  }
  return {
    canaryTasks,
    minCapacity,
    maxCapacity,
    backlogPerTask,
    stopTimeout,
    minHealthyPercent,
    maxHealthyPercent,
  };
}

/** A deployment must be able to outlast the protection of the tasks that it replaces. */
function protectedMinutesMax(props: CanaryServicesProps): number {
  const deploymentTimeout = props.deploymentTimeout ?? Duration.minutes(30);
  const minutes = Math.floor(deploymentTimeout.toMinutes() / 2);
  if (props.protectTasks !== undefined && minutes < 1) {
    throw new Error(
      `deploymentTimeout must be at least 2 minutes where tasks are protected, got ${deploymentTimeout.toMinutes()}: a protected task would outlast it`,
    );
  }
  return minutes;
}

function wholeNumber(name: string, value: number, min: number): number {
  if (!Number.isInteger(value) || value < min) {
    throw new Error(`${name} must be a whole number of at least ${min}, got ${value}`);
  }
  return value;
}
