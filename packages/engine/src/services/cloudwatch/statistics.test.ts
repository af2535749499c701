import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Distribution, parseStatistic } from './statistics.ts';

function distribution(values: ReadonlyArray<readonly [number, number]>): Distribution {
  const count = values.reduce((sum, [, times]) => sum + times, 0);
  return {
    count,
    sum: values.reduce((sum, [value, times]) => sum + value * times, 0),
    min: Math.min(...values.map(([value]) => value)),
    max: Math.max(...values.map(([value]) => value)),
    values: values.toSorted(([a], [b]) => a - b),
  };
}

/** 1 to 100, each once. */
const hundred = distribution(Array.from({ length: 100 }, (_, index) => [index + 1, 1] as const));

describe('of the numbers 1 to 100', () => {
  test.each([
    ['SampleCount', 100],
    ['Sum', 5050],
    ['Average', 50.5],
    ['Minimum', 1],
    ['Maximum', 100],
    ['p50', 50],
    ['p99', 99],
    ['p99.9', 100],
    ['p0', 1],
    ['p100', 100],
    ['TC(10:20)', 10],
    ['TC(:20)', 20],
    ['TC(95:)', 5],
    ['PR(:25)', 25],
    ['PR(90:200)', 10],
    ['TC(80%:90%)', 10],
    ['TM(10%:90%)', 50.5],
    ['tm50', 25.5],
    ['TS(98:)', 199],
    ['tc90', 90],
  ])('%s is %d', (name, expected) => {
    expect(parseStatistic(name).of(hundred)).toBe(expected);
  });
});

test('counts weigh values', () => {
  const weighted = distribution([
    [1, 97],
    [500, 3],
  ]);
  expect(parseStatistic('p95').of(weighted)).toBe(1);
  expect(parseStatistic('p98').of(weighted)).toBe(500);
  expect(parseStatistic('TC(100:)').of(weighted)).toBe(3);
});

test('a summary gives no percentile, unless all its values are equal', () => {
  expect(parseStatistic('p50').of({ count: 4, sum: 10, min: 1, max: 4 })).toBeUndefined();
  expect(parseStatistic('p50').of({ count: 4, sum: 12, min: 3, max: 3 })).toBe(3);
});

test('a trimmed mean of nothing is missing, a trimmed count is zero', () => {
  expect(parseStatistic('TM(200:300)').of(hundred)).toBeUndefined();
  expect(parseStatistic('TC(200:300)').of(hundred)).toBe(0);
});

test.each(['p101', 'Median', 'TC(5:1)', 'TM(10%:90)', 'PR(10%:20%)', 'wm90', ''])('%s is refused', (name) => {
  expect(() => parseStatistic(name)).toThrow(/not supported|invalid/);
});

test('trimmed counts of adjacent ranges add up to all values', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 9 })), { minLength: 1 }),
      fc.integer({ min: -60, max: 60 }),
      (values, cut) => {
        const all = distribution(values);
        const below = parseStatistic(`TC(:${cut})`).of(all)!;
        const above = parseStatistic(`TC(${cut}:)`).of(all)!;
        expect(below + above).toBe(all.count);
      },
    ),
  );
});
