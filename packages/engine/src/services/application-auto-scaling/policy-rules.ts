import type {
  PutScalingPolicyRequest,
  StepScalingPolicyConfiguration,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling';
import type { StoredPolicy } from './model.ts';
import { invalid } from './request.ts';

export function readPolicy(input: PutScalingPolicyRequest): Pick<StoredPolicy, 'step' | 'tracking'> {
  const { PolicyType = 'StepScaling' } = input;
  if (PolicyType === 'StepScaling' && input.StepScalingPolicyConfiguration) {
    return { step: readStep(input.StepScalingPolicyConfiguration) };
  }
  if (PolicyType === 'TargetTrackingScaling' && input.TargetTrackingScalingPolicyConfiguration) {
    return { tracking: readTracking(input.TargetTrackingScalingPolicyConfiguration) };
  }
  throw invalid(
    PolicyType === 'PredictiveScaling'
      ? 'the local engine does not support PredictiveScaling: use TargetTrackingScaling or StepScaling'
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
    throw invalid(
      `the local engine does not support the predefined metric ${type}: use ECSServiceAverageCPUUtilization, ECSServiceAverageMemoryUtilization or a metric of your own`,
    );
  }
  if (own && !own.Metrics?.length && !(own.MetricName && own.Namespace && own.Statistic)) {
    throw invalid('A customized metric needs MetricName, Namespace and Statistic, or Metrics.');
  }
  return tracking;
}
