import { CfnCondition, Duration, Fn } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { BacklogScaling } from './backlog-scaling.ts';
import type { EncryptionProps } from './encryption.ts';
import { NO_IMAGE_YET } from './names.ts';
import type { WorkerImage } from './worker-image.ts';
import type { WorkerQueue } from './worker-queue.ts';
import { WorkerService } from './worker-service.ts';

const FARGATE_STOP_TIMEOUT_MAX = Duration.seconds(120);

/** Size and behaviour of the two services. */
export interface WorkerCapacityProps {
  /**
   * Tasks of the canary service. Fixed: the canary's share must not grow with the backlog.
   *
   * @default - 1
   */
  readonly canaryTasks?: number;

  /**
   * Fewest tasks of the stable service. With 0 it sleeps when nothing waits.
   *
   * @default - 3: with fewer the judge needs more messages to find a bad version
   */
  readonly stableTasksMin?: number;

  /**
   * Most tasks of the stable service.
   *
   * @default - 10, or the minimum if that is larger
   */
  readonly stableTasksMax?: number;

  /**
   * Waiting messages per running stable task at which the service grows: the latency that you accept,
   * divided by the time one message takes.
   *
   * @default - 100
   */
  readonly backlogPerTask?: number;

  /**
   * CPU units of a task; 1024 are one vCPU. Fargate allows certain pairs of CPU and memory only.
   *
   * @default - 256
   */
  readonly cpu?: number;

  /**
   * Memory of a task, in MiB.
   *
   * @default - 512
   */
  readonly memoryLimitMiB?: number;

  /**
   * Run stable tasks on Fargate Spot, about a third of the price. One task stays on demand, and so does
   * the canary: an interruption would restart its bake. While AWS has no spare capacity only that one task runs,
   * and a deployment of stable waits for the others until its timeout.
   *
   * @default - true
   */
  readonly spot?: boolean;

  /**
   * Container Insights, which are charged as custom metrics. Nothing here needs them: running tasks are counted by
   * the samples of a metric that is free.
   *
   * @default - false
   */
  readonly containerInsights?: boolean;

  /**
   * Time between SIGTERM and SIGKILL. Must exceed the longest message plus one long poll; at most two
   * minutes on Fargate.
   *
   * @default - 30 seconds
   */
  readonly stopTimeout?: Duration;

  /**
   * Running tasks that a deployment of the stable service keeps, in percent of the desired count.
   *
   * @default - 100: a promotion does not cost capacity while a backlog waits
   */
  readonly minHealthyPercent?: number;

  /**
   * Tasks that a deployment may run, old and new, in percent of the desired count.
   *
   * @default - 200
   */
  readonly maxHealthyPercent?: number;

  /**
   * Settings of the worker, the same on both tracks.
   *
   * @default - only what the construct itself sets: QC_APP, QC_TRACK, QUEUE_URL, MAX_RECEIVE_COUNT,
   * VISIBILITY_TIMEOUT_SECONDS, STOP_TIMEOUT_SECONDS
   */
  readonly environment?: Record<string, string>;

  /**
   * Tasks that ECS does not stop while they have messages in work: those of stable, or of both tracks. For messages that
   * take longer than the stop timeout. A protected canary delays the removal of a bad version. A busy task is protected
   * for half of the deployment timeout at most.
   *
   * @default - none
   */
  readonly protectTasks?: 'stable' | 'all';

  /**
   * User that the worker runs as, by id or by a name that the image knows.
   *
   * @default - 1000, in the official Node images the user `node`
   */
  readonly user?: string;

  /**
   * Whether the worker can write no file. The worker runtime writes none.
   *
   * @default - true
   */
  readonly readonlyRootFilesystem?: boolean;

  /**
   * TCP ports that tasks may connect to, at any address. Rules that say more can be added to the services' `securityGroup`.
   *
   * @default - 443 only, which is all that the worker runtime and ECS need
   */
  readonly egressPorts?: readonly number[];

  /**
   * How long the logs of workers and controller are kept.
   *
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;
}

/** Options of {@link CanaryServices}. */
export interface CanaryServicesProps extends WorkerCapacityProps, EncryptionProps {
  /** Name under which outcomes are reported. */
  readonly appName: string;
  /** Where the worker's image comes from. */
  readonly image: WorkerImage;
  /** Queue that both services consume. */
  readonly queue: WorkerQueue;
  /** Network that the tasks run in. */
  readonly vpc: ec2.IVpc;
  /** Subnets that the tasks run in. */
  readonly subnets: ec2.SubnetSelection;
  /** Whether tasks get public addresses. */
  readonly assignPublicIp: boolean;
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
export class CanaryServices extends Construct {
  /** Cluster of both services. */
  readonly cluster: ecs.Cluster;
  /** Gets a new version first. */
  readonly canary: WorkerService;
  /** Carries the load; scales with the backlog. */
  readonly stable: WorkerService;
  /** What the tasks of both services may reach. It admits nobody. */
  readonly securityGroup: ec2.SecurityGroup;
  /** How stable follows the backlog. */
  readonly scaling: BacklogScaling;
  /** Tasks that each of the two has, once there is an image. */
  readonly tasks: { readonly canary: number; readonly stableMin: number; readonly stableMax: number };

  constructor(scope: Construct, id: string, props: CanaryServicesProps) {
    super(scope, id);
    const sizes = sizesOf(props);
    this.tasks = { canary: sizes.canaryTasks, stableMin: sizes.minCapacity, stableMax: sizes.maxCapacity };
    const spot = props.spot ?? true;
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      vpc: props.vpc,
      containerInsightsV2: props.containerInsights
        ? ecs.ContainerInsights.ENABLED
        : ecs.ContainerInsights.DISABLED,
    });
    // As a property of the cluster, not as an association of its own: services need it as long as they exist.
    (this.cluster.node.defaultChild as ecs.CfnCluster).capacityProviders = ['FARGATE', 'FARGATE_SPOT'];
    // A parameter of the template, which CloudFormation reads and compares at every update. It would not notice a
    // changed value behind a dynamic reference, and an update of anything else of a service hands ECS the
    // template's task definition again: production would be back on the image of the last change of that.
    const imageUri = ssm.StringParameter.valueForStringParameter(this, props.image.imageParameterName);
    const hasImage = new CfnCondition(this, 'HasImage', {
      expression: Fn.conditionNot(Fn.conditionEquals(imageUri, NO_IMAGE_YET)),
    });
    this.securityGroup = new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc: props.vpc,
      description: 'Tasks of the canary and the stable service',
      allowAllOutbound: false,
    });
    for (const port of props.egressPorts ?? [443]) {
      this.securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port));
    }
    const protection = { protectedMinutesMax: protectedMinutesMax(props) };
    const common = {
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      // Under exactOptionalPropertyTypes the class does not match its own interface.
      securityGroup: this.securityGroup as ec2.ISecurityGroup,
      user: props.user ?? '1000',
      readonlyRootFilesystem: props.readonlyRootFilesystem ?? true,
      appName: props.appName,
      image: props.image,
      imageUri,
      hasImage,
      queue: props.queue,
      // Under exactOptionalPropertyTypes the class does not match its own interface.
      cluster: this.cluster as ecs.ICluster,
      subnets: props.subnets,
      assignPublicIp: props.assignPublicIp,
      cpu: props.cpu ?? 256,
      memoryLimitMiB: props.memoryLimitMiB ?? 512,
      stopTimeout: sizes.stopTimeout,
      environment: props.environment ?? {},
      logRetention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
    };
    this.canary = new WorkerService(this, 'Canary', {
      ...common,
      ...(props.protectTasks === 'all' ? protection : {}),
      track: 'canary',
      desiredCount: sizes.canaryTasks,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      spot: false,
    });
    this.stable = new WorkerService(this, 'Stable', {
      ...common,
      ...(props.protectTasks === undefined ? {} : protection),
      track: 'stable',
      minHealthyPercent: sizes.minHealthyPercent,
      maxHealthyPercent: sizes.maxHealthyPercent,
      spot,
    });
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
