import type {
  ScalableTarget,
  ScalingActivity,
  ScalingPolicy,
} from '@aws-sdk/client-application-auto-scaling';
import type { Engine } from '../../dispatch/service.ts';
import type { StoredActivity, StoredPolicy, StoredTarget } from './model.ts';
import { DIMENSION, NAMESPACE } from './request.ts';
import { alarmArn, alarmNames } from './tracking-alarms.ts';

export function shownTarget(engine: Engine, target: StoredTarget): ScalableTarget {
  return {
    ServiceNamespace: NAMESPACE,
    ResourceId: target.resourceId,
    ScalableDimension: DIMENSION,
    MinCapacity: target.minCapacity,
    MaxCapacity: target.maxCapacity,
    RoleARN: `arn:aws:iam::${engine.accountId}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService`,
    CreationTime: new Date(target.createdAtMs),
    SuspendedState: target.suspended,
    ScalableTargetARN: target.arn,
  };
}

export function shownPolicy(engine: Engine, policy: StoredPolicy): ScalingPolicy {
  return {
    PolicyARN: policy.arn,
    PolicyName: policy.name,
    ServiceNamespace: NAMESPACE,
    ResourceId: policy.resourceId,
    ScalableDimension: DIMENSION,
    PolicyType: policy.step ? 'StepScaling' : 'TargetTrackingScaling',
    StepScalingPolicyConfiguration: policy.step,
    TargetTrackingScalingPolicyConfiguration: policy.tracking,
    Alarms: shownAlarms(engine, policy),
    CreationTime: new Date(policy.createdAtMs),
  };
}

export function shownAlarms(engine: Engine, policy: StoredPolicy) {
  return alarmNames(policy).map((AlarmName) => ({ AlarmName, AlarmARN: alarmArn(engine, AlarmName) }));
}

export function shownActivity(activity: StoredActivity): ScalingActivity {
  return {
    ActivityId: activity.id,
    ServiceNamespace: NAMESPACE,
    ResourceId: activity.resourceId,
    ScalableDimension: DIMENSION,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: new Date(activity.startedAtMs),
    EndTime: activity.endedAtMs === undefined ? undefined : new Date(activity.endedAtMs),
    StatusCode: activity.status,
    StatusMessage: activity.statusMessage,
  };
}
