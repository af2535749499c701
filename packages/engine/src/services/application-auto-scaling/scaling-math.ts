import type { StepScalingPolicyConfiguration } from '@aws-sdk/client-application-auto-scaling';

/** Bounds of a scalable target. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Capacity that a target tracking policy wants: in proportion to how far the metric is from its target.
 * Nothing runs and there is work: the minimum, at least one.
 */
export function trackedCapacity(current: number, value: number, target: number, { min }: Bounds): number {
  if (current === 0) return value > target ? Math.max(min, 1) : 0;
  return Math.ceil((current * value) / target);
}

/** Capacity that a step scaling policy wants, or undefined when no step covers the breach. */
export function steppedCapacity(
  current: number,
  value: number,
  threshold: number,
  policy: StepScalingPolicyConfiguration,
): number | undefined {
  const breach = value - threshold;
  const step = policy.StepAdjustments?.find(
    ({ MetricIntervalLowerBound: low, MetricIntervalUpperBound: high }) => covers(low, high, breach),
  );
  const adjustment = step?.ScalingAdjustment;
  if (adjustment === undefined) return undefined;
  switch (policy.AdjustmentType) {
    case 'ExactCapacity':
      return adjustment;
    case 'PercentChangeInCapacity':
      return Math.max(0, current + percentChange(current, adjustment, policy.MinAdjustmentMagnitude ?? 0));
    default:
      return Math.max(0, current + adjustment);
  }
}

/** Bounds are relative to the threshold; above it the lower one belongs to the step, below it the upper one. */
function covers(low: number | undefined, high: number | undefined, breach: number): boolean {
  if (breach >= 0)
    return (low ?? Number.NEGATIVE_INFINITY) <= breach && breach < (high ?? Number.POSITIVE_INFINITY);
  return (low ?? Number.NEGATIVE_INFINITY) < breach && breach <= (high ?? Number.POSITIVE_INFINITY);
}

/** AWS rounds towards zero, but never to nothing. */
function percentChange(current: number, percent: number, least: number): number {
  const exact = (current * percent) / 100;
  const direction = Math.sign(percent);
  const rounded = Math.abs(exact) < 1 && percent !== 0 ? 1 : Math.floor(Math.abs(exact));
  return direction * Math.max(rounded, least);
}

/**
 * Where a wanted capacity leads within the bounds, or undefined when nothing changes.
 *
 * As on AWS, a service outside its bounds is brought back by an activity in that direction only: scaling out
 * lifts it to the minimum, scaling in lowers it to the maximum.
 */
export function boundedCapacity(current: number, wanted: number, { min, max }: Bounds): number | undefined {
  const bounded = Math.min(Math.max(wanted, min), max);
  if (wanted > current) return bounded > current ? bounded : undefined;
  if (wanted < current) return bounded < current ? bounded : undefined;
  return undefined;
}
