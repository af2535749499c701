import { expect, it } from 'vitest';
import { thresholdsFrom } from './thresholds.ts';

it('takes for each quantile the median of the past, weighted by what each period has seen', () => {
  const past = [
    { count: 100, p50: 10, p90: 20, p99: 30 },
    { count: 10, p50: 500, p90: 900, p99: 990 },
    { count: 100, p50: 12, p90: 22, p99: 90 },
  ];
  expect(thresholdsFrom(past)).toEqual({ p50: 12, p90: 22, p99: 90 });
});

it('says nothing of a past that is too short', () => {
  expect(thresholdsFrom([])).toBeUndefined();
  expect(thresholdsFrom([{ count: 49, p50: 10, p90: 20, p99: 30 }])).toBeUndefined();
});
