import type {
  CapacityProviderStrategyItem,
  ClusterConfiguration,
  ClusterSetting,
  Compatibility,
  ContainerDefinition,
  DeploymentConfiguration,
  EphemeralStorage,
  NetworkConfiguration,
  NetworkMode,
  PropagateTags,
  RuntimePlatform,
  Tag,
  TaskOverride,
  TaskStopCode,
} from '@aws-sdk/client-ecs';
import type { RolloutState, StopCause } from './scheduler.ts';

export interface StoredCluster {
  readonly name: string;
  readonly status: 'ACTIVE' | 'INACTIVE';
  readonly settings: readonly ClusterSetting[];
  readonly capacityProviders: readonly string[];
  readonly defaultStrategy: readonly CapacityProviderStrategyItem[];
  /** Recorded only: there is no ExecuteCommand. */
  readonly configuration?: ClusterConfiguration | undefined;
  readonly tags: readonly Tag[];
}

export interface StoredTaskDefinition {
  readonly family: string;
  readonly revision: number;
  readonly arn: string;
  readonly status: 'ACTIVE' | 'INACTIVE' | 'DELETE_IN_PROGRESS';
  readonly container: ContainerDefinition & { readonly name: string; readonly image: string };
  /** At the task level, where only Fargate asks for them. */
  readonly cpu?: string;
  readonly memory?: string;
  /** Absent in definitions that were stored before it was kept: those are Fargate's. */
  readonly compatibility?: Compatibilities;
  readonly taskRoleArn?: string;
  readonly executionRoleArn?: string;
  readonly runtimePlatform?: RuntimePlatform;
  readonly ephemeralStorage?: EphemeralStorage;
  readonly registeredAtMs: number;
  readonly deregisteredAtMs?: number;
  readonly deleteRequestedAtMs?: number;
  readonly registeredBy: string;
  readonly tags: readonly Tag[];
}

/** What a task definition was registered for, and what it turned out to fit. */
export interface Compatibilities {
  readonly networkMode?: NetworkMode | undefined;
  readonly requiresCompatibilities?: readonly Compatibility[] | undefined;
  readonly compatibilities: readonly Compatibility[];
}

/** A task definition that Fargate runs. */
export type FargateTaskDefinition = StoredTaskDefinition & { readonly cpu: string; readonly memory: string };

/** What a deployment runs: the part of a service whose change needs a new deployment. */
export interface RevisionSettings {
  readonly taskDefinitionArn: string;
  readonly capacityProviderStrategy: readonly CapacityProviderStrategyItem[];
  readonly networkConfiguration?: NetworkConfiguration;
  readonly platformVersion: string;
}

/** An immutable version of a service. */
export interface StoredRevision extends RevisionSettings {
  readonly arn: string;
  readonly serviceArn: string;
  readonly clusterArn: string;
  readonly createdAtMs: number;
  /** Digest that the image had when the first task of the revision pulled it; later tasks run the same. */
  readonly imageDigest?: string;
}

/** A deployment as `DescribeServices` lists it. The first of a service is its primary. */
export interface StoredDeployment {
  readonly id: string;
  readonly revisionArn: string;
  readonly serviceDeploymentArn: string;
  readonly rolloutState: RolloutState;
  readonly rolloutStateReason: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Tasks that it keeps while it is being replaced. */
  readonly target: number;
  readonly failures: number;
  readonly launchNotBeforeMs: number;
  readonly stableSinceMs?: number;
  readonly isRollback: boolean;
  readonly blockedReported: boolean;
  readonly alarms: {
    /** Already in ALARM when the deployment began: ignored, as on AWS. Absent until they were looked at. */
    readonly ignored?: readonly string[];
    readonly triggered: readonly string[];
    readonly bakeMs: number;
  };
}

export interface StoredService {
  readonly name: string;
  readonly arn: string;
  readonly clusterName: string;
  readonly clusterArn: string;
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  readonly desiredCount: number;
  readonly settings: RevisionSettings;
  readonly deploymentConfiguration: DeploymentConfiguration;
  readonly deployments: readonly StoredDeployment[];
  /** The deployment that completed last: where a failed one rolls back to. */
  readonly lastCompleted?: StoredDeployment;
  readonly steady: boolean;
  readonly events: ReadonlyArray<{ readonly id: string; readonly atMs: number; readonly message: string }>;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly enableECSManagedTags: boolean;
  /** Recorded only: there is no ExecuteCommand. */
  readonly enableExecuteCommand?: boolean;
  readonly propagateTags: PropagateTags;
  readonly healthCheckGracePeriodSeconds: number;
  readonly tags: readonly Tag[];
}

export type ServiceDeploymentState =
  | 'IN_PROGRESS'
  | 'SUCCESSFUL'
  | 'STOPPED'
  | 'STOP_REQUESTED'
  | 'ROLLBACK_IN_PROGRESS'
  | 'ROLLBACK_SUCCESSFUL'
  | 'ROLLBACK_FAILED';

/** A deployment as the service deployments API keeps it, also after it has ended. */
export interface StoredServiceDeployment {
  readonly arn: string;
  readonly deploymentId: string;
  readonly serviceArn: string;
  readonly clusterArn: string;
  readonly status: ServiceDeploymentState;
  readonly statusReason?: string;
  readonly targetRevisionArn: string;
  readonly sourceRevisionArns: readonly string[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly finishedAtMs?: number;
  readonly stoppedAtMs?: number;
  readonly rollback?: {
    readonly reason: string;
    readonly startedAtMs: number;
    readonly serviceRevisionArn: string;
  };
  readonly failureCount: number;
}

export type TaskStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED';

export type HealthStatus = 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';

export interface StoredTask {
  readonly id: string;
  readonly arn: string;
  readonly clusterName: string;
  readonly clusterArn: string;
  readonly taskDefinitionArn: string;
  readonly group: string;
  /** For tasks of a service, the id of their deployment. */
  readonly startedBy?: string;
  readonly enableExecuteCommand?: boolean;
  /** Of the call that ran it: the same token again asks for the same tasks. */
  readonly clientToken?: string;
  readonly serviceName?: string;
  /** Pinned by the first task of the revision that pulled the image. */
  readonly revisionArn?: string;
  readonly launchType?: 'FARGATE';
  readonly capacityProviderName?: string;
  readonly platformVersion: string;
  readonly lastStatus: TaskStatus;
  readonly desiredStatus: 'RUNNING' | 'STOPPED';
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly pullStartedAtMs?: number;
  readonly pullStoppedAtMs?: number;
  readonly startedAtMs?: number;
  readonly stoppingAtMs?: number;
  readonly executionStoppedAtMs?: number;
  readonly stoppedAtMs?: number;
  readonly stopCode?: TaskStopCode;
  readonly stoppedReason?: string;
  /** Why the service scheduler stopped it, if it did. */
  readonly stopCause?: StopCause;
  readonly container: {
    readonly arn: string;
    readonly name: string;
    readonly image: string;
    readonly imageDigest?: string;
    readonly runtimeId?: string;
    readonly exitCode?: number;
    readonly reason?: string;
    /** Absent when the container has no health check. */
    readonly health?: HealthStatus;
  };
  readonly overrides: TaskOverride;
  readonly cpu: string;
  readonly memory: string;
  readonly tags: readonly Tag[];
  readonly protectedUntilMs?: number;
  readonly seenHealthy: boolean;
}

/** A task to be started. */
export interface TaskLaunch {
  readonly clusterName: string;
  readonly definition: FargateTaskDefinition;
  readonly group: string;
  readonly startedBy?: string;
  readonly enableExecuteCommand: boolean;
  readonly clientToken?: string;
  readonly serviceName?: string;
  readonly revisionArn?: string;
  readonly launchType?: 'FARGATE';
  readonly capacityProviderName?: string;
  readonly platformVersion: string;
  readonly overrides: TaskOverride;
  readonly tags: readonly Tag[];
}

export interface TaskStop {
  readonly code: TaskStopCode;
  readonly reason: string;
  readonly cause?: StopCause;
}
