import type {
  ScalingActivityStatusCode,
  StepScalingPolicyConfiguration,
  SuspendedState,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling';

/** A scaling activity that a cooldown still counts from. */
export interface RecentScaling {
  readonly atMs: number;
  readonly cooldownSeconds: number;
  /** Capacity before the activity: during the cooldown a larger scale-out is still counted from here. */
  readonly fromCapacity: number;
}

/** An ECS service whose desired count may be scaled. */
export interface StoredTarget {
  /** `service/<cluster>/<service>` */
  readonly resourceId: string;
  readonly arn: string;
  readonly minCapacity: number;
  readonly maxCapacity: number;
  readonly suspended: Required<{ [K in keyof SuspendedState]: boolean }>;
  readonly createdAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly lastScaleOut?: RecentScaling;
  readonly lastScaleIn?: RecentScaling;
}

export interface StoredPolicy {
  readonly arn: string;
  readonly name: string;
  readonly resourceId: string;
  readonly createdAtMs: number;
  readonly step?: StepScalingPolicyConfiguration;
  readonly tracking?: TargetTrackingScalingPolicyConfiguration;
  /** Names of the alarms that a target tracking policy keeps for itself. */
  readonly alarms?: { readonly high: string; readonly low?: string };
}

/** Bounds that a target gets by a schedule. */
export interface StoredScheduledAction {
  readonly arn: string;
  readonly name: string;
  readonly resourceId: string;
  readonly schedule: string;
  readonly minCapacity: number | undefined;
  readonly maxCapacity: number | undefined;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  readonly createdAtMs: number;
}

export interface StoredActivity {
  readonly id: string;
  readonly resourceId: string;
  readonly description: string;
  readonly cause: string;
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly status: ScalingActivityStatusCode;
  readonly statusMessage: string;
}
