import type {
  PutScalingPolicyRequest,
  ScalableTarget,
  ScalingActivity,
  ScalingPolicy,
  StepScalingPolicyConfiguration,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { StoredActivity, StoredPolicy, StoredTarget } from './model.ts';
import { Scaler } from './scaler.ts';
import { ScheduledActions, shownAction } from './scheduled-actions.ts';
import {
  alarmArn,
  alarmNames,
  deleteTrackingAlarms,
  lacksAlarms,
  putTrackingAlarms,
} from './tracking-alarms.ts';

const NAMESPACE = 'ecs';
const DIMENSION = 'ecs:service:DesiredCount';
const LARGEST_PAGE = 50;

interface TargetKey {
  readonly ServiceNamespace?: string | undefined;
  readonly ResourceId?: string | undefined;
  readonly ScalableDimension?: string | undefined;
}

/**
 * Application Auto Scaling for the desired count of ECS services: target tracking and step scaling policies,
 * driven by CloudWatch alarms, and scheduled actions. No predictive scaling.
 *
 * CloudWatch reports an alarm that acts on a policy through the journal (`cloudwatch`, `alarm.action`).
 */
export function createApplicationAutoScaling(engine: Engine): Service<'application-auto-scaling'> {
  const tables = {
    targets: engine.state.table<StoredTarget>('application-auto-scaling.targets'),
    policies: engine.state.table<StoredPolicy>('application-auto-scaling.policies'),
    activities: engine.state.table<StoredActivity>('application-auto-scaling.activities'),
  };
  const { targets, policies, activities } = tables;
  const scaler = new Scaler(engine, tables);
  const scheduled = new ScheduledActions(engine, {
    targets,
    onBounds: (resourceId) => scaler.enforceBounds(resourceId),
  });
  let unsubscribe: (() => void) | undefined;

  const requireTarget = (key: TargetKey): StoredTarget => {
    const resourceId = resourceOf(key);
    const target = targets.get(resourceId);
    if (target) return target;
    throw new AwsFault(
      'ObjectNotFoundException',
      `No scalable target registered for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}`,
    );
  };
  const policyNamed = (resourceId: string, name: string | undefined) =>
    [...policies.values()].find((policy) => policy.resourceId === resourceId && policy.name === name);
  const byArn = (arn: string | undefined) => {
    const target = [...targets.values()].find((each) => each.arn === arn);
    if (target) return target;
    throw new AwsFault('ResourceNotFoundException', `The resource ${arn} does not exist.`);
  };
  const conditions = (key: TargetKey) => ({
    'application-autoscaling:service-namespace': key.ServiceNamespace ?? '',
    'application-autoscaling:scalable-dimension': key.ScalableDimension ?? DIMENSION,
  });

  return {
    name: 'application-auto-scaling',
    operations: {
      RegisterScalableTarget: {
        conditions,
        run: async (input) => {
          const resourceId = resourceOf(input);
          const existing = targets.get(resourceId);
          const min = input.MinCapacity ?? existing?.minCapacity;
          const max = input.MaxCapacity ?? existing?.maxCapacity;
          if (min === undefined || max === undefined) {
            throw invalid('Both MinCapacity and MaxCapacity are required to register a new scalable target.');
          }
          if (min < 0 || max < min) {
            throw invalid(
              `Maximum capacity (${max}) cannot be less than minimum capacity (${min}), nor negative.`,
            );
          }
          await scaler.requireService(resourceId);
          const target = targets.put(resourceId, {
            ...existing,
            resourceId,
            arn:
              existing?.arn ??
              `arn:aws:application-autoscaling:${engine.region}:${engine.accountId}:scalable-target/${engine.ids.hex(32)}`,
            minCapacity: min,
            maxCapacity: max,
            suspended: {
              DynamicScalingInSuspended: false,
              DynamicScalingOutSuspended: false,
              ScheduledScalingSuspended: false,
              ...existing?.suspended,
              ...defined(input.SuspendedState ?? {}),
            },
            createdAtMs: existing?.createdAtMs ?? engine.clock.nowMs(),
            tags: { ...existing?.tags, ...input.Tags },
          });
          scaler.enforceBounds(resourceId);
          return { ScalableTargetARN: target.arn };
        },
      },
      DeregisterScalableTarget: {
        conditions,
        run: async (input) => {
          const { resourceId } = requireTarget(input);
          for (const policy of [...policies.values()]) {
            if (policy.resourceId !== resourceId) continue;
            await deleteTrackingAlarms(engine, policy);
            policies.delete(policy.arn);
          }
          scheduled.removeAllOf(resourceId);
          targets.delete(resourceId);
          return {};
        },
      },
      DescribeScalableTargets: {
        run: (input) => {
          requireNamespace(input.ServiceNamespace);
          const found = [...targets.values()]
            .filter(({ resourceId }) => !input.ResourceIds?.length || input.ResourceIds.includes(resourceId))
            .map((target) => shownTarget(engine, target));
          const { items, NextToken } = page(found, input);
          return { ScalableTargets: items, NextToken };
        },
      },
      PutScheduledAction: {
        conditions,
        run: (input) => {
          scheduled.put(requireTarget(input).resourceId, input);
          return {};
        },
      },
      DeleteScheduledAction: {
        conditions,
        run: (input) => {
          const resourceId = resourceOf(input);
          const action = scheduled.find(resourceId, input.ScheduledActionName);
          if (!action) {
            throw new AwsFault(
              'ObjectNotFoundException',
              `No scheduled action found for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}: ${input.ScheduledActionName}`,
            );
          }
          scheduled.remove(action);
          return {};
        },
      },
      DescribeScheduledActions: {
        run: (input) => {
          requireNamespace(input.ServiceNamespace);
          const names = input.ScheduledActionNames ?? [];
          const found = scheduled
            .all()
            .filter(({ resourceId }) => input.ResourceId === undefined || resourceId === input.ResourceId)
            .filter(({ name }) => names.length === 0 || names.includes(name));
          const { items, NextToken } = page(found, input);
          return { ScheduledActions: items.map(shownAction), NextToken };
        },
      },
      PutScalingPolicy: {
        conditions,
        run: async (input) => {
          const { resourceId } = requireTarget(input);
          const existing = policyNamed(resourceId, input.PolicyName);
          const configuration = readPolicy(input);
          const name = input.PolicyName ?? '';
          const policy: StoredPolicy = {
            arn:
              existing?.arn ??
              `arn:aws:autoscaling:${engine.region}:${engine.accountId}:scalingPolicy:${engine.ids.uuid()}:resource/${NAMESPACE}/${resourceId}:policyName/${name}`,
            name,
            resourceId,
            createdAtMs: existing?.createdAtMs ?? engine.clock.nowMs(),
            ...configuration,
            ...(configuration.tracking
              ? { alarms: namesOfAlarms(engine, resourceId, configuration.tracking, existing) }
              : {}),
          };
          if (existing) await deleteTrackingAlarms(engine, withoutAlarmsOf(existing, policy));
          policies.put(policy.arn, policy);
          await putTrackingAlarms(engine, policy);
          return { PolicyARN: policy.arn, Alarms: shownAlarms(engine, policy) };
        },
      },
      DeleteScalingPolicy: {
        conditions,
        run: async (input) => {
          const resourceId = resourceOf(input);
          const policy = policyNamed(resourceId, input.PolicyName);
          if (!policy) {
            throw new AwsFault(
              'ObjectNotFoundException',
              `No scaling policy found for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}: ${input.PolicyName}`,
            );
          }
          await deleteTrackingAlarms(engine, policy);
          policies.delete(policy.arn);
          return {};
        },
      },
      DescribeScalingPolicies: {
        run: (input) => {
          requireNamespace(input.ServiceNamespace);
          const found = [...policies.values()]
            .filter(
              ({ resourceId, name }) =>
                (input.ResourceId === undefined || input.ResourceId === resourceId) &&
                (!input.PolicyNames?.length || input.PolicyNames.includes(name)),
            )
            .map((policy) => shownPolicy(engine, policy));
          const { items, NextToken } = page(found, input);
          return { ScalingPolicies: items, NextToken };
        },
      },
      DescribeScalingActivities: {
        run: (input) => {
          requireNamespace(input.ServiceNamespace);
          const found = [...activities.values()]
            .filter(({ resourceId }) => input.ResourceId === undefined || input.ResourceId === resourceId)
            .reverse()
            .map(shownActivity);
          const { items, NextToken } = page(found, input);
          return { ScalingActivities: items, NextToken };
        },
      },
      ListTagsForResource: {
        resources: (input) => [input.ResourceARN ?? ''],
        run: (input) => ({ Tags: { ...byArn(input.ResourceARN).tags } }),
      },
      TagResource: {
        resources: (input) => [input.ResourceARN ?? ''],
        run: (input) => {
          const target = byArn(input.ResourceARN);
          targets.put(target.resourceId, { ...target, tags: { ...target.tags, ...input.Tags } });
          return {};
        },
      },
      UntagResource: {
        resources: (input) => [input.ResourceARN ?? ''],
        run: (input) => {
          const target = byArn(input.ResourceARN);
          const tags = Object.fromEntries(
            Object.entries(target.tags).filter(([key]) => !input.TagKeys?.includes(key)),
          );
          targets.put(target.resourceId, { ...target, tags });
          return {};
        },
      },
    },
    start: async () => {
      scaler.start();
      scheduled.start();
      unsubscribe = engine.journal.subscribe(({ source, type, detail }) => {
        if (source !== 'cloudwatch' || type !== 'alarm.action') return;
        const { actionArn, alarmName, newState, value, threshold } = detail;
        if (typeof actionArn !== 'string' || !policies.has(actionArn)) return;
        scaler.signal(actionArn, {
          alarmName: String(alarmName),
          newState: String(newState),
          value: typeof value === 'number' ? value : undefined,
          threshold: Number(threshold),
        });
      });
      for (const policy of [...policies.values()]) {
        if (await lacksAlarms(engine, policy)) await putTrackingAlarms(engine, policy);
      }
    },
    stop: async () => {
      scheduled.stop();
      unsubscribe?.();
      await scaler.idle();
    },
  };
}

function resourceOf({ ServiceNamespace, ResourceId, ScalableDimension }: TargetKey): string {
  requireNamespace(ServiceNamespace);
  if (ScalableDimension !== undefined && ScalableDimension !== DIMENSION) {
    throw invalid(`the local engine scales ${DIMENSION} only, not ${ScalableDimension}`);
  }
  if (!/^service\/[^/]+\/[^/]+$/.test(ResourceId ?? '')) {
    throw invalid(`Unsupported resource ID ${ResourceId}: an ECS service is service/<cluster>/<service>.`);
  }
  return ResourceId!;
}

function requireNamespace(namespace: string | undefined): void {
  if (namespace !== NAMESPACE) {
    throw invalid(`the local engine scales services of the namespace ${NAMESPACE} only, not ${namespace}`);
  }
}

function readPolicy(input: PutScalingPolicyRequest): Pick<StoredPolicy, 'step' | 'tracking'> {
  const { PolicyType = 'StepScaling' } = input;
  if (PolicyType === 'StepScaling' && input.StepScalingPolicyConfiguration) {
    return { step: readStep(input.StepScalingPolicyConfiguration) };
  }
  if (PolicyType === 'TargetTrackingScaling' && input.TargetTrackingScalingPolicyConfiguration) {
    return { tracking: readTracking(input.TargetTrackingScalingPolicyConfiguration) };
  }
  throw invalid(
    PolicyType === 'PredictiveScaling'
      ? 'the local engine does not support PredictiveScaling'
      : `A policy of type ${PolicyType} needs ${PolicyType}PolicyConfiguration.`,
  );
}

function readStep(step: StepScalingPolicyConfiguration): StepScalingPolicyConfiguration {
  const steps = step.StepAdjustments ?? [];
  if (steps.length === 0) throw invalid('At least one step adjustment must be specified.');
  if (!step.AdjustmentType) throw invalid('An adjustment type must be specified.');
  if (
    step.AdjustmentType === 'ExactCapacity' &&
    steps.some(({ ScalingAdjustment }) => ScalingAdjustment! < 0)
  ) {
    throw invalid('The scaling adjustment must not be negative with the adjustment type ExactCapacity.');
  }
  const intervals = steps
    .map(({ MetricIntervalLowerBound, MetricIntervalUpperBound }) => ({
      low: MetricIntervalLowerBound ?? Number.NEGATIVE_INFINITY,
      high: MetricIntervalUpperBound ?? Number.POSITIVE_INFINITY,
    }))
    .sort((a, b) => a.low - b.low);
  for (const [index, { low, high }] of intervals.entries()) {
    const next = intervals[index + 1];
    if (low >= high)
      throw invalid('The upper bound of a step adjustment must be greater than its lower bound.');
    if (next && next.low !== high) throw invalid('Step adjustments must neither overlap nor leave a gap.');
  }
  return step;
}

function readTracking(
  tracking: TargetTrackingScalingPolicyConfiguration,
): TargetTrackingScalingPolicyConfiguration {
  const {
    PredefinedMetricSpecification: predefined,
    CustomizedMetricSpecification: own,
    TargetValue,
  } = tracking;
  if (!(TargetValue !== undefined && TargetValue > 0)) throw invalid('TargetValue must be greater than 0.');
  if ((predefined === undefined) === (own === undefined)) {
    throw invalid(
      'Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given.',
    );
  }
  const type = predefined?.PredefinedMetricType;
  if (
    type !== undefined &&
    type !== 'ECSServiceAverageCPUUtilization' &&
    type !== 'ECSServiceAverageMemoryUtilization'
  ) {
    throw invalid(`the local engine does not support the predefined metric ${type}`);
  }
  if (own && !own.Metrics?.length && !(own.MetricName && own.Namespace && own.Statistic)) {
    throw invalid('A customized metric needs MetricName, Namespace and Statistic, or Metrics.');
  }
  return tracking;
}

function namesOfAlarms(
  engine: Engine,
  resourceId: string,
  { DisableScaleIn }: TargetTrackingScalingPolicyConfiguration,
  existing: StoredPolicy | undefined,
): NonNullable<StoredPolicy['alarms']> {
  const name = (kind: 'High' | 'Low') => `TargetTracking-${resourceId}-Alarm${kind}-${engine.ids.uuid()}`;
  const high = existing?.alarms?.high ?? name('High');
  return DisableScaleIn ? { high } : { high, low: existing?.alarms?.low ?? name('Low') };
}

/** The old policy with only those alarms that the new one does not keep. */
function withoutAlarmsOf(old: StoredPolicy, next: StoredPolicy): StoredPolicy {
  const kept = alarmNames(next);
  const [high, low] = alarmNames(old).filter((name) => !kept.includes(name));
  const { alarms: _, ...rest } = old;
  return high === undefined ? rest : { ...rest, alarms: low === undefined ? { high } : { high, low } };
}

function shownTarget(engine: Engine, target: StoredTarget): ScalableTarget {
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

function shownPolicy(engine: Engine, policy: StoredPolicy): ScalingPolicy {
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

function shownAlarms(engine: Engine, policy: StoredPolicy) {
  return alarmNames(policy).map((AlarmName) => ({ AlarmName, AlarmARN: alarmArn(engine, AlarmName) }));
}

function shownActivity(activity: StoredActivity): ScalingActivity {
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

function page<T>(
  all: readonly T[],
  { NextToken, MaxResults }: { NextToken?: string | undefined; MaxResults?: number | undefined },
): { items: T[]; NextToken: string | undefined } {
  const from = NextToken === undefined ? 0 : Number(NextToken);
  if (!Number.isInteger(from) || from < 0) {
    throw new AwsFault('InvalidNextTokenException', 'The next token supplied was invalid.');
  }
  const end = from + Math.min(Math.max(MaxResults ?? LARGEST_PAGE, 1), LARGEST_PAGE);
  return { items: all.slice(from, end), NextToken: end < all.length ? String(end) : undefined };
}

function defined(values: object): Record<string, boolean> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}
