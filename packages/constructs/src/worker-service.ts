import { type Duration, RemovalPolicy, Size } from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { CanaryImage } from './canary-image.ts';
import { type Track, WORKER_CONTAINER_NAME } from './names.ts';
import type { WorkerQueue } from './worker-queue.ts';

/** What both services of a pair have in common. */
export interface WorkerTaskProps {
  /** Where the image comes from. */
  readonly image: CanaryImage;
  /** Queue that the worker consumes. */
  readonly queue: WorkerQueue;
  /** Name under which outcomes are reported (dimension `App`). */
  readonly appName: string;
  /** CPU units of a task; 1024 are one vCPU. */
  readonly cpu: number;
  /** Memory of a task. */
  readonly memoryLimitMiB: number;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopTimeout: Duration;
  /**
   * Settings of the worker, beside those that the construct sets. The two timeouts may be overridden; the
   * app, the track, the queue and what is said of it may not.
   */
  readonly environment: Record<string, string>;
  /** How long the worker's log is kept. */
  readonly logRetention: logs.RetentionDays;
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
   * Tasks that the service keeps.
   *
   * @default - not in the template: Application Auto Scaling owns it, and a stack update leaves it alone
   */
  readonly desiredCount?: number;
  /** Lower bound of running tasks during a deployment, in percent of the desired count. */
  readonly minHealthyPercent: number;
  /** Upper bound of tasks during a deployment, in percent of the desired count. */
  readonly maxHealthyPercent: number;
  /** Whether tasks beyond the first run on spare capacity that AWS may take back at two minutes' notice. */
  readonly spot: boolean;
}

/**
 * One track: an ECS service with a task definition family, roles and a log group of its own, so that
 * nothing that changes for one track changes for the other.
 */
export class WorkerService extends Construct {
  /** The ECS service. */
  readonly service: ecs.FargateService;
  /** First revision of the family; releases register later ones. */
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** What the worker itself may do: consume the queue. */
  readonly taskRole: iam.Role;
  /** What ECS may do to start the worker: pull the image, write the log. */
  readonly executionRole: iam.Role;
  /** The worker's log, with the outcome lines that releases are judged by. */
  readonly logGroup: logs.LogGroup;

  constructor(scope: Construct, id: string, props: WorkerServiceProps) {
    super(scope, id);
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    this.taskRole = ecsTasksRole(this, 'TaskRole');
    this.taskRole.addToPolicy(
      new iam.PolicyStatement({
        actions: [
          'sqs:ReceiveMessage',
          'sqs:DeleteMessage',
          'sqs:ChangeMessageVisibility',
          'sqs:GetQueueAttributes',
        ],
        resources: [props.queue.queue.queueArn],
      }),
    );
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
    this.taskDefinition.addContainer('Worker', {
      containerName: WORKER_CONTAINER_NAME,
      // Read at deployment: a stack update starts from the last promoted image instead of resetting it.
      image: ecs.ContainerImage.fromRegistry(`{{resolve:ssm:${props.image.imageParameter.parameterName}}}`),
      environment: {
        // What the worker must know to renew its leases in time and to be done draining before SIGKILL.
        VISIBILITY_TIMEOUT_SECONDS: String(props.queue.visibilityTimeout.toSeconds()),
        STOP_TIMEOUT_SECONDS: String(props.stopTimeout.toSeconds()),
        ...props.environment,
        QC_APP: props.appName,
        QC_TRACK: props.track,
        QUEUE_URL: props.queue.queue.queueUrl,
        // How it knows which of the deliveries that it fails end in the dead-letter queue.
        MAX_RECEIVE_COUNT: String(props.queue.maxReceiveCount),
      },
      logging: ecs.LogDrivers.awsLogs({
        logGroup: this.logGroup,
        streamPrefix: WORKER_CONTAINER_NAME,
        // Given, since ECS's own default has changed. A log that takes nothing must not stop the work: lines are numbered, so
        // that those which a full buffer drops are noticed and left out, and it holds hours of them.
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
        maxBufferSize: Size.mebibytes(25),
      }),
      stopTimeout: props.stopTimeout,
    });

    this.service = new ecs.FargateService(this, 'Service', {
      cluster: props.cluster,
      taskDefinition: this.taskDefinition,
      vpcSubnets: props.subnets,
      assignPublicIp: props.assignPublicIp,
      ...(props.desiredCount === undefined ? {} : { desiredCount: props.desiredCount }),
      minHealthyPercent: props.minHealthyPercent,
      maxHealthyPercent: props.maxHealthyPercent,
      circuitBreaker: { enable: true, rollback: true },
      ...(props.spot
        ? {
            capacityProviderStrategies: [
              { capacityProvider: 'FARGATE', base: 1, weight: 0 },
              { capacityProvider: 'FARGATE_SPOT', weight: 1 },
            ],
          }
        : {}),
    });
    // A task that starts before it may pull, or before there is a route to the registry, fails, and a few
    // such failures trip the circuit breaker.
    const { internetConnectivityEstablished } = props.cluster.vpc.selectSubnets(props.subnets);
    this.service.node.addDependency(this.executionRole, internetConnectivityEstablished);
  }
}

function ecsTasksRole(scope: Construct, id: string): iam.Role {
  return new iam.Role(scope, id, { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
}
