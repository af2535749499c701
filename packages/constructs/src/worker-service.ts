import { environmentOf, type Track, WORKER_CONTAINER, WORKER_VARIABLES } from '@queue-canary/core';
import {
  ArnFormat,
  Aws,
  type CfnCondition,
  type Duration,
  Fn,
  RemovalPolicy,
  Size,
  Stack,
  Token,
} from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { allowServices, type EncryptionProps } from './encryption.ts';
import { type OutcomeSource, outcomes, runningTasks } from './metrics.ts';
import type { WorkerImage } from './worker-image.ts';
import type { IWorkerQueue } from './worker-queue.ts';

/** What both services of a pair have in common. */
export interface WorkerTaskProps extends EncryptionProps {
  /** Where the image comes from. */
  readonly image: WorkerImage;
  /** The image that the stack's task definitions get. */
  readonly imageUri: string;
  /** Whether there is such an image. Without one the service has no task, and the first release starts it. */
  readonly hasImage: CfnCondition;
  /** Queue that the worker consumes. */
  readonly queue: IWorkerQueue;
  /** Name under which outcomes are reported (dimension `App`). */
  readonly appName: string;
  /** CPU units of a task; 1024 are one vCPU. */
  readonly cpu: number;
  /** Memory of a task. */
  readonly memoryLimitMiB: number;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopTimeout: Duration;
  /**
   * Settings of the worker, in addition to those that the construct sets. The two timeouts may be overridden; the
   * app, the track, the queue and what is said of it may not.
   */
  readonly environment: Record<string, string>;
  /** How long the worker's log is kept. */
  readonly logRetention: logs.RetentionDays;
  /** User that the worker runs as, by id or by a name that the image knows. */
  readonly user: string;
  /** Whether the worker can write no file. */
  readonly readonlyRootFilesystem: boolean;
  /** What may be reached from the tasks. */
  readonly securityGroups: readonly ec2.ISecurityGroup[];
  /** Settings that are kept secret. */
  readonly secrets: Record<string, ecs.Secret>;
  /**
   * How ECS finds out whether a worker is healthy.
   *
   * @default - none
   */
  readonly healthCheck?: ecs.HealthCheck;
  /** Containers that run alongside the worker, by name. */
  readonly sidecars: Record<string, ecs.ContainerDefinitionOptions>;
  /** Whether people may open a shell in a task. */
  readonly enableExecuteCommand: boolean;
  /**
   * Where tasks get their tags from.
   *
   * @default - tasks get no tags
   */
  readonly propagateTags?: ecs.PropagatedTagSource;
}

/** Options of {@link WorkerService}. */
export interface WorkerServiceProps extends WorkerTaskProps {
  /** Which of the two services this is. */
  readonly track: Track;
  /** Cluster that the tasks run in. */
  readonly cluster: ecs.ICluster;
  /** Subnets that the tasks run in. */
  readonly subnets: ec2.SubnetSelection;
  /** Whether tasks get public addresses. */
  readonly assignPublicIp: boolean;
  /**
   * Tasks that the service keeps, once there is an image.
   *
   * @default - not in the template: Application Auto Scaling owns it, and a stack update leaves it alone
   */
  readonly desiredCount?: number;
  /** Lower bound of running tasks during a deployment, in percent of the desired count. */
  readonly minHealthyPercent: number;
  /** Upper bound of tasks during a deployment, in percent of the desired count. */
  readonly maxHealthyPercent: number;
  /**
   * Minutes for which a task may be protected from deployments and scale-in while it has work.
   *
   * @default - tasks are not protected, and have no permission to be
   */
  readonly protectedMinutesMax?: number;
  /**
   * Whether tasks beyond the first run on spare capacity that AWS may take back at two minutes' notice.
   *
   * @default - the launch type Fargate, which needs no capacity provider of the cluster
   */
  readonly spot?: boolean;
}

/**
 * One track: an ECS service with a task definition family, roles and a log group of its own, so that
 * nothing that changes for one track changes for the other.
 */
export class WorkerService extends Construct implements iam.IGrantable {
  /** The ECS service. */
  readonly service: ecs.FargateService;
  /** First revision of the family; releases register later ones. */
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** What the worker itself may do: consume the queue. */
  readonly taskRole: iam.Role;
  /** The tasks: what is granted to it, the worker may do. */
  readonly grantPrincipal: iam.IPrincipal;
  /** What ECS may do to start the worker: pull the image, write the log. */
  readonly executionRole: iam.Role;
  /** Minutes for which a task may be protected; absent where it may not be. */
  readonly protectedMinutesMax: number | undefined;
  /** The worker's log, with the outcome lines that releases are judged by. */
  readonly logGroup: logs.LogGroup;
  readonly #outcomes: OutcomeSource;

  constructor(scope: Construct, id: string, props: WorkerServiceProps) {
    super(scope, id);
    this.#outcomes = { appName: props.appName, track: props.track };
    this.protectedMinutesMax = props.protectedMinutesMax;
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention,
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      removalPolicy: RemovalPolicy.DESTROY,
    });

    this.taskRole = taskRole(this, props);
    this.grantPrincipal = this.taskRole;
    this.executionRole = ecsTasksRole(this, 'ExecutionRole');
    props.image.imageRepository.grantPull(this.executionRole);

    this.taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: props.cpu,
      memoryLimitMiB: props.memoryLimitMiB,
      runtimePlatform: {
        cpuArchitecture: props.image.architecture,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: this.taskRole,
      executionRole: this.executionRole,
    });
    this.taskDefinition.addContainer('Worker', this.#container(props));
    for (const [name, options] of Object.entries(props.sidecars)) {
      if (name === WORKER_CONTAINER) {
        throw new Error(`a sidecar cannot be named ${name}, which is the worker's own container`);
      }
      this.taskDefinition.addContainer(name, options);
    }
    if (props.enableExecuteCommand && props.readonlyRootFilesystem) {
      throw new Error(
        'enableExecuteCommand needs readonlyRootFilesystem: false, since ECS Exec writes into the container',
      );
    }

    // A strategy also without Spot: from a launch type to a strategy CloudFormation only gets by replacing the service.
    const strategy = props.spot === undefined ? undefined : strategyOf(props.spot);
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: props.cluster,
      taskDefinition: this.taskDefinition,
      vpcSubnets: props.subnets,
      assignPublicIp: props.assignPublicIp,
      securityGroups: [...props.securityGroups],
      ...(props.enableExecuteCommand ? { enableExecuteCommand: true } : {}),
      ...(props.propagateTags === undefined ? {} : { propagateTags: props.propagateTags }),
      minHealthyPercent: props.minHealthyPercent,
      maxHealthyPercent: props.maxHealthyPercent,
      // ECS would go back to the deployment that completed last, which on the canary may be the version that the
      // controller has just ended. The controller alone says what is restored; until then the old tasks go on.
      circuitBreaker: { enable: true, rollback: false },
      ...(strategy && {
        capacityProviderStrategies: strategy,
        // ECS refuses another strategy without a forced deployment, and CloudFormation forces one for another nonce.
        forceNewDeployment: { enabled: true, nonce: strategyNonce(strategy) },
      }),
    });
    (this.service.node.defaultChild as ecs.CfnService).desiredCount = Token.asNumber(
      Fn.conditionIf(props.hasImage.logicalId, props.desiredCount ?? Aws.NO_VALUE, 0),
    );
    // A task that starts before it may pull, or before there is a route to the registry, fails, and a few
    // such failures trip the circuit breaker.
    const { internetConnectivityEstablished } = props.cluster.vpc.selectSubnets(props.subnets);
    this.service.node.addDependency(this.executionRole, internetConnectivityEstablished);
  }

  /** Deliveries that the workers of this track received. */
  metricReceived(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return outcomes(this.#outcomes, 'Received', options);
  }

  /** First deliveries that ended for or against the version. */
  metricFirstFinished(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return outcomes(this.#outcomes, 'FirstFinished', options);
  }

  /** First deliveries that ended against the version. */
  metricFirstFailed(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return outcomes(this.#outcomes, 'FirstFailed', options);
  }

  /** Time that the handler took for a delivery, milliseconds; its 90th percentile unless told otherwise. */
  metricProcessingTime(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return outcomes(this.#outcomes, 'ProcessingTimeMs', { statistic: cloudwatch.Stats.p(90), ...options });
  }

  /** Age of a message at its first delivery, milliseconds; the largest unless told otherwise. */
  metricQueueAge(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return outcomes(this.#outcomes, 'QueueAgeMs', { statistic: cloudwatch.Stats.MAXIMUM, ...options });
  }

  /** Tasks that run; no value while none does. Periods must be one minute. */
  metricRunningTasks(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return runningTasks(this.service, options);
  }

  #container(props: WorkerServiceProps): ecs.ContainerDefinitionOptions {
    return {
      containerName: WORKER_CONTAINER,
      image: ecs.ContainerImage.fromRegistry(props.imageUri),
      environment: {
        // The worker must know these to renew its leases in time and to be done draining before SIGKILL.
        ...environmentOf(WORKER_VARIABLES, {
          visibilityTimeoutSeconds: String(props.queue.visibilityTimeout.toSeconds()),
          stopTimeoutSeconds: String(props.stopTimeout.toSeconds()),
        }),
        ...props.environment,
        ...environmentOf(WORKER_VARIABLES, {
          app: props.appName,
          track: props.track,
          queueUrl: props.queue.queue.queueUrl,
          // The worker must know which of the deliveries that it fails end in the dead-letter queue.
          ...(props.queue.maxReceiveCount !== undefined && {
            maxReceiveCount: String(props.queue.maxReceiveCount),
          }),
          ...(props.protectedMinutesMax !== undefined && {
            protectTasks: 'all',
            protectedMinutesMax: String(props.protectedMinutesMax),
          }),
        }),
      },
      secrets: props.secrets,
      ...(props.healthCheck === undefined ? {} : { healthCheck: props.healthCheck }),
      user: props.user,
      readonlyRootFilesystem: props.readonlyRootFilesystem,
      logging: ecs.LogDrivers.awsLogs({
        logGroup: this.logGroup,
        streamPrefix: WORKER_CONTAINER,
        // Given, since ECS's own default has changed. A log that takes nothing must not stop the work: lines are numbered, so
        // that those which a full buffer drops are noticed and left out, and it holds hours of them.
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
        maxBufferSize: Size.mebibytes(25),
      }),
      stopTimeout: props.stopTimeout,
    };
  }
}

function strategyOf(spot: boolean): ecs.CapacityProviderStrategy[] {
  return spot
    ? [
        { capacityProvider: 'FARGATE', base: 1, weight: 0 },
        { capacityProvider: 'FARGATE_SPOT', weight: 1 },
      ]
    : [{ capacityProvider: 'FARGATE', weight: 1 }];
}

/** Depends on the strategy only, so that nothing else forces a deployment: `FARGATE=1:0,FARGATE_SPOT=0:1`. */
function strategyNonce(strategy: readonly ecs.CapacityProviderStrategy[]): string {
  return strategy
    .map(({ capacityProvider, base = 0, weight = 0 }) => `${capacityProvider}=${base}:${weight}`)
    .join(',');
}

function ecsTasksRole(scope: Construct, id: string): iam.Role {
  return new iam.Role(scope, id, { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
}

function taskRole(scope: Construct, props: WorkerServiceProps): iam.Role {
  const role = ecsTasksRole(scope, 'TaskRole');
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'],
      resources: [props.queue.queue.queueArn],
    }),
  );
  if (props.encryptionKey !== undefined) allowServices(scope, props.encryptionKey);
  const keys = new Set([props.encryptionKey, props.queue.queue.encryptionMasterKey]);
  for (const key of keys) key?.grantDecrypt(role);
  if (props.protectedMinutesMax !== undefined) {
    // The ECS agent asks with the task's own role.
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['ecs:UpdateTaskProtection'],
        resources: [
          Stack.of(scope).formatArn({
            service: 'ecs',
            resource: 'task',
            resourceName: `${props.cluster.clusterName}/*`,
            arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
          }),
        ],
      }),
    );
  }
  return role;
}
