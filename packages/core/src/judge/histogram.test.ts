import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  beyond,
  binOf,
  binStartMs,
  binsPerOctave,
  type Histogram,
  lastBin,
  merged,
  quantileBin,
  total,
} from './histogram.ts';

const histogram = fc
  .uniqueArray(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 9 })), { selector: ([bin]) => bin })
  .map((bins): Histogram => bins.sort(([a], [b]) => a - b));

describe('a histogram of durations', () => {
  test('has a bin for each duration, sixteen to a doubling', () => {
    expect([0, 0.5, 1, 2, 1000].map(binOf)).toEqual([0, 0, 0, 16, 159]);
    expect([Number.NaN, -5].map(binOf)).toEqual([0, 0]);
    expect([2 ** 24, 1e12, Number.POSITIVE_INFINITY].map(binOf)).toEqual([lastBin, lastBin, lastBin]);
    expect([0, 16, 32].map(binStartMs)).toEqual([0, 2, 4]);
    fc.assert(
      fc.property(fc.double({ min: 1.01, max: 1e6, noNaN: true }), (ms) => {
        expect(binStartMs(binOf(ms))).toBeLessThanOrEqual(ms * (1 + 1e-12));
        expect(binStartMs(binOf(ms) + 1)).toBeGreaterThan(ms * (1 - 1e-12));
        expect(Math.abs(binOf(2 * ms) - binOf(ms) - binsPerOctave)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('is added to another bin by bin, in order', () => {
    expect(
      merged(
        [
          [1, 2],
          [5, 1],
        ],
        [
          [0, 1],
          [5, 3],
          [9, 1],
        ],
      ),
    ).toEqual([
      [0, 1],
      [1, 2],
      [5, 4],
      [9, 1],
    ]);
    fc.assert(
      fc.property(histogram, histogram, fc.nat(20), (a, b, bin) => {
        const sum = merged(a, b);
        expect(sum).toEqual(merged(b, a));
        expect(total(sum)).toBe(total(a) + total(b));
        expect(beyond(sum, bin)).toBe(beyond(a, bin) + beyond(b, bin));
      }),
    );
  });

  test('has its quantiles where so many lie at most beyond', () => {
    expect(quantileBin([], 0.5)).toBeUndefined();
    expect(
      [0.5, 0.51, 0.9, 0.99].map((quantile) =>
        quantileBin(
          [
            [3, 50],
            [7, 40],
            [20, 10],
          ],
          quantile,
        ),
      ),
    ).toEqual([3, 7, 7, 20]);
    fc.assert(
      fc.property(histogram, fc.constantFrom(0.5, 0.9, 0.99), (all, quantile) => {
        const bin = quantileBin(all, quantile);
        if (bin !== undefined)
          expect(beyond(all, bin)).toBeLessThanOrEqual((1 - quantile) * total(all) + 1e-9);
      }),
    );
  });
});
