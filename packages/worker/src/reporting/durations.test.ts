import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binOf, Durations, LAST_BIN } from './durations.ts';

const durations = fc.oneof(
  fc.double({ min: 0, max: 100_000, noNaN: true }),
  fc.integer({ min: 0, max: 2 ** 27 }),
);

/** The last of the bins that begin at the duration or before, found by trying them all. */
function naiveBinOf(ms: number): number {
  let bin = 0;
  for (let next = 1; next <= LAST_BIN; next++) if (2 ** (next / 16) <= ms) bin = next;
  return bin;
}

test('a doubling has sixteen bins, and each begins at a power of two', () => {
  expect([0, 0.3, 1, 1.05, 2, 4, 1024].map(binOf)).toEqual([0, 0, 0, 1, 16, 32, 160]);
  expect([1.04, 1.1, 100, 250].map(binOf)).toEqual([0, 2, 106, 127]);
});

test('durations of many hours, and values that are not durations, have a bin as well', () => {
  expect([2 ** 24 - 1, 2 ** 24, 1e12, Number.POSITIVE_INFINITY].map(binOf)).toEqual([383, 384, 384, 384]);
  expect([-5, Number.NaN].map(binOf)).toEqual([0, 0]);
});

test('a duration is in the bin that trying them all finds', () => {
  fc.assert(
    fc.property(durations, (ms) => binOf(ms) === naiveBinOf(ms)),
    { numRuns: 2_000 },
  );
});

test('a histogram has each duration once, in ascending order of the bins', () => {
  fc.assert(
    fc.property(fc.array(durations, { maxLength: 200 }), (all) => {
      const counted = new Durations();
      for (const ms of all) counted.add(ms);
      const bins = [...new Set(all.map(naiveBinOf))].sort((a, b) => a - b);
      expect(counted.take()).toEqual(
        bins.map((bin) => [bin, all.filter((ms) => naiveBinOf(ms) === bin).length]),
      );
      expect(counted.take()).toEqual([]);
    }),
  );
});
