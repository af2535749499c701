import type { Duration } from 'aws-cdk-lib';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as logs from 'aws-cdk-lib/aws-logs';

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
   * A cluster of yours must have the capacity providers `FARGATE` and `FARGATE_SPOT` where this is given, true or false;
   * to give or withdraw it later replaces both services.
   *
   * @default - true in a cluster that is made here; in one of yours, the launch type Fargate
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
   * Settings of the canary's tasks alone. What differs between the tracks is compared by the judge along with the
   * versions.
   *
   * @default - those of `environment`
   */
  readonly canaryEnvironment?: Record<string, string>;

  /**
   * Settings of stable's tasks alone.
   *
   * @default - those of `environment`
   */
  readonly stableEnvironment?: Record<string, string>;

  /**
   * Settings of the worker that are kept secret, by the name of the variable.
   *
   * @default - none
   */
  readonly secrets?: Record<string, ecs.Secret>;

  /**
   * How ECS finds out whether a worker is healthy. A canary that never is ends its release.
   *
   * @default - none: the worker runs, or it has exited
   */
  readonly healthCheck?: ecs.HealthCheck;

  /**
   * Containers that run alongside the worker in every task of both tracks, by name. A release does not change their images.
   *
   * @default - none
   */
  readonly sidecars?: Record<string, ecs.ContainerDefinitionOptions>;

  /**
   * Whether people may open a shell in a task by ECS Exec, which writes into the container:
   * `readonlyRootFilesystem` must be false.
   *
   * @default - false
   */
  readonly enableExecuteCommand?: boolean;

  /**
   * Where tasks get their tags from.
   *
   * @default - tasks get no tags
   */
  readonly propagateTags?: ecs.PropagatedTagSource;

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
   * TCP ports that tasks may connect to, at any address, in the security group that is made for them. Rules that say more
   * can be added to the services' `connections`.
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
