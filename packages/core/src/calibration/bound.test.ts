import { expect, test } from 'vitest';
import { isSurelyMore, upperBound } from './bound.ts';

test.each([
  [0, 459, 0.00998],
  [0, 10, 0.36904],
  [1, 100, 0.06454],
  [24, 87, 0.40166],
])('%i events in %i trials leave a rate of %f possible, with 99 % confidence', (events, trials, rate) => {
  expect(upperBound(events, trials, 0.99)).toBeCloseTo(rate, 4);
});

test('knows nothing of no trials, and bounds nothing where all are events', () => {
  expect(upperBound(0, 0, 0.99)).toBe(1);
  expect(upperBound(5, 5, 0.99)).toBe(1);
});

test('takes a few events for chance, and more of them not', () => {
  expect(isSurelyMore(0, 1000, 0.01)).toBe(false);
  expect(isSurelyMore(1, 20, 0.01)).toBe(false);
  expect(isSurelyMore(3, 20, 0.01)).toBe(true);
  expect(isSurelyMore(14, 1000, 0.01)).toBe(false);
  expect(isSurelyMore(20, 1000, 0.01)).toBe(true);
});
