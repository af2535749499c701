import { describe, expect, test } from 'vitest';
import { cell, cells, Dice, times } from '../../test/judge-scenes.ts';
import type { Comparison } from './comparison.ts';
import { effectsOf } from './effect.ts';
import { slowBins } from './latency.ts';

/** Intervals in which the canary takes so many times as long as stable. */
function compared(dice: Dice, intervals: number, factor: number, warm = true): Comparison[] {
  const task = (medianMs: number) =>
    cell({ finished: 20, failed: dice.binomial(20, 0.02), durations: dice.durations(20, medianMs) });
  return times(intervals, (index) => ({
    fromMs: index * 15_000,
    toMs: (index + 1) * 15_000,
    elapsed: (index + 1) / 240,
    warm,
    canary: [task(100 * factor)],
    baselines: [times(3, () => task(100))],
    starts: [],
  }));
}

function slow(dice: Dice) {
  return slowBins(times(50, () => cell({ durations: dice.durations(20, 100) })));
}

describe('the effects', () => {
  test.each([1, 1.5, 0.7, 2.5])(
    'hold a true factor of latency of %d at every look in 95 of 100 releases',
    (factor) => {
      const dice = new Dice(1);
      let held = 0;
      for (let release = 0; release < 100; release += 1) {
        const bins = slow(dice);
        const all = compared(dice, 24, factor);
        const inside = [4, 12, 24].every((looked) => {
          const { latency } = effectsOf([], all.slice(0, looked), bins);
          const { low, high } = latency!.find(({ quantile }) => quantile === 0.5)!;
          return low <= factor && factor <= high;
        });
        if (inside) held += 1;
      }
      expect(held).toBeGreaterThanOrEqual(95);
    },
  );

  test('narrow the factor at the median with time', () => {
    const dice = new Dice(2);
    const bins = slow(dice);
    const all = compared(dice, 100, 1.5);
    const at = (looked: number) => effectsOf([], all.slice(0, looked), bins).latency![0]!;
    expect(at(100).high / at(100).low).toBeLessThan(at(10).high / at(10).low);
    expect(at(100).low).toBeGreaterThan(1.2);
    expect(at(100).high).toBeLessThan(1.9);
    expect(at(100).quantile).toBe(0.5);
  });

  test('give the difference of failure rates and its estimate', () => {
    const all = compared(new Dice(3), 60, 1).map((each) => ({
      ...each,
      canary: [cell({ finished: 100, failed: 6 })],
      baselines: [cells(3, { finished: 100, failed: 1 })],
    }));
    const { failures } = effectsOf(all, [], undefined);
    expect(failures?.estimate).toBeCloseTo(0.05, 12);
    expect(failures?.low).toBeGreaterThan(0.02);
    expect(failures?.high).toBeLessThan(0.08);
  });

  test('leave out what being young explains as soon as the canary is warm, and what is not measured', () => {
    const dice = new Dice(4);
    const young = compared(dice, 30, 3, false);
    const warm = compared(dice, 30, 1);
    const bins = slow(dice);
    const both = [...young, ...warm];
    expect(effectsOf(both, both, bins)).toEqual(effectsOf(warm, warm, bins));
    expect(effectsOf(young, young, bins).latency?.[0]?.low).toBeGreaterThan(1.5);
    const unmeasured = compared(dice, 3, 1).map((each) => ({ ...each, canary: [cell()] }));
    expect(effectsOf([], unmeasured, slow(dice))).toEqual({});
    expect(effectsOf([], compared(dice, 3, 1), undefined)).toEqual({});
  });
});
