import { describe, expect, test } from 'vitest';
import { boundedCapacity, steppedCapacity, trackedCapacity } from './scaling-math.ts';

const bounds = { min: 3, max: 10 };

describe('target tracking', () => {
  test.each([
    [3, 200, 100, 6],
    [3, 101, 100, 4],
    [4, 50, 100, 2],
    [5, 89, 100, 5],
    [0, 200, 100, 3],
  ])('with %i tasks and a metric of %i for a target of %i wants %i', (current, value, target, wanted) => {
    expect(trackedCapacity(current, value, target, bounds)).toBe(wanted);
  });
});

describe('a step policy', () => {
  const steps = [
    { MetricIntervalUpperBound: -10, ScalingAdjustment: -2 },
    { MetricIntervalLowerBound: -10, MetricIntervalUpperBound: 0, ScalingAdjustment: -1 },
    { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 1 },
    { MetricIntervalLowerBound: 10, ScalingAdjustment: 3 },
  ];

  test.each([
    [50, 6],
    [59.9, 6],
    [60, 8],
    [45, 4],
    [40, 3],
    [20, 3],
  ])('for a metric of %d against 50 goes from 5 to %i', (value, wanted) => {
    expect(
      steppedCapacity(5, value, 50, { AdjustmentType: 'ChangeInCapacity', StepAdjustments: steps }),
    ).toBe(wanted);
  });

  test('has no opinion on a breach that no step covers', () => {
    const only = [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }];
    expect(steppedCapacity(5, 49, 50, { StepAdjustments: only })).toBeUndefined();
  });

  test('with an exact capacity ignores what runs', () => {
    const exact = { AdjustmentType: 'ExactCapacity' as const, StepAdjustments: [{ ScalingAdjustment: 3 }] };
    expect(steppedCapacity(0, 7, 1, exact)).toBe(3);
  });

  test.each([
    [10, 15, 0, 11],
    [3, 10, 0, 4],
    [3, -10, 0, 2],
    [10, -25, 0, 8],
    [10, 10, 3, 13],
  ])('from %i by %i percent, at least %i, goes to %i', (current, percent, least, wanted) => {
    expect(
      steppedCapacity(current, 5, 1, {
        AdjustmentType: 'PercentChangeInCapacity',
        MinAdjustmentMagnitude: least,
        StepAdjustments: [{ ScalingAdjustment: percent }],
      }),
    ).toBe(wanted);
  });
});

describe('bounds', () => {
  test.each([
    ['caps at the maximum', 5, 40, 10],
    ['stops at the minimum', 5, 1, 3],
    ['lifts a service below the minimum when it scales out', 1, 2, 3],
    ['leaves a service below the minimum when it scales in', 2, 1, undefined],
    ['lowers a service above the maximum when it scales in', 14, 12, 10],
    ['leaves a service above the maximum when it scales out', 12, 14, undefined],
    ['changes nothing when nothing is wanted', 5, 5, undefined],
  ])('%s', (_what, current, wanted, capacity) => {
    expect(boundedCapacity(current, wanted, bounds)).toBe(capacity);
  });
});
