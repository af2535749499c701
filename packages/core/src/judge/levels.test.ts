import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cell } from '../../test/judge-scenes.ts';
import type { Comparison } from './comparison.ts';
import { Difference } from './difference.ts';
import { Levels } from './levels.ts';

function comparison(canaryFailed: number, stableFailed: number, index: number): Comparison {
  return {
    fromMs: index,
    toMs: index + 1,
    elapsed: (index + 1) / 100,
    warm: true,
    canary: [cell({ failed: canaryFailed })],
    baselines: [[cell({ failed: stableFailed }), cell()]],
    starts: [],
  };
}

/** Failures of the canary beyond so many in an interval. */
function beyond(tolerated: number): Difference {
  return new Difference({
    canary: ({ finished, failed }) => ({ units: finished, failed: Math.max(0, failed - tolerated) }),
    baseline: ({ finished, failed }) => ({ units: finished, failed }),
  });
}

describe('levels of tolerance', () => {
  test('give the same evidence whether a tolerance was asked for early, late or again and again', () => {
    const failed = fc.integer({ min: 0, max: 10 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(failed, failed), { maxLength: 30 }),
        fc.array(fc.nat(30)),
        (all, asked) => {
          const [early, late, often] = [0, 1, 2].map(() => new Levels([0, 1, 2], beyond)) as [
            Levels<Difference>,
            Levels<Difference>,
            Levels<Difference>,
          ];
          early.at(1);
          const plain = beyond(1);
          for (const [index, [canary, stable]] of all.entries()) {
            const each = comparison(canary, stable, index);
            for (const levels of [early, late, often]) levels.observe(each);
            plain.observe(each);
            if (asked.includes(index)) often.at(index % 3);
          }
          const expected = plain.value(0.2);
          expect([early, late, often].map((levels) => levels.at(1).value(0.2))).toEqual(
            Array(3).fill(expected),
          );
        },
      ),
    );
  });

  test('find the least tolerance that suffices, and none beyond the largest', () => {
    const levels = new Levels([1, 2, 5], beyond);
    expect([0, 1, 1.01, 4, 5, 5.5].map((needed) => levels.atLeast(needed))).toEqual([
      1,
      1,
      2,
      5,
      5,
      undefined,
    ]);
  });
});
