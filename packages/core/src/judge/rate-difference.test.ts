import { describe, expect, test } from 'vitest';
import { Dice, times } from '../../test/judge-scenes.ts';
import { RateDifference } from './rate-difference.ts';

describe('the interval of a difference of failure rates', () => {
  test.each([
    [0.02, 0.02],
    [0.05, 0.01],
    [0.3, 0.4],
    [0.001, 0],
  ])(
    'holds the true difference at each of several looks in 95 of 100 releases, at rates of %d and %d',
    (canary, stable) => {
      const dice = new Dice(1);
      let held = 0;
      for (let release = 0; release < 100; release += 1) {
        const process = new RateDifference();
        const inside = times(30, (index) => {
          const own = { units: 50, failed: dice.binomial(50, canary) };
          const others = { units: 150, failed: dice.binomial(150, stable) };
          process.add(own, others);
          if (index % 8 !== 5) return true;
          const { low, high } = process.interval(40);
          return low <= canary - stable && canary - stable <= high;
        });
        if (inside.every((each) => each)) held += 1;
      }
      expect(held).toBeGreaterThanOrEqual(95);
    },
  );

  test('is everything before both tracks have finished something', () => {
    const process = new RateDifference();
    expect(process.interval(40)).toEqual({ low: -1, high: 1 });
    process.add({ units: 500, failed: 3 }, { units: 0, failed: 0 });
    expect(process.interval(40)).toEqual({ low: -1, high: 1 });
  });

  test('narrows around the difference', () => {
    const process = new RateDifference();
    const width = () => {
      const { low, high } = process.interval(40);
      expect(low).toBeLessThan(0.02);
      expect(high).toBeGreaterThan(0.02);
      return high - low;
    };
    const widths = times(4, (round) => {
      times(20 * 4 ** round, () => {
        process.add({ units: 100, failed: 3 }, { units: 300, failed: 3 });
      });
      return width();
    });
    for (const [index, each] of widths.entries())
      if (index > 0) expect(each).toBeLessThan(0.7 * widths[index - 1]!);
    expect(widths.at(-1)).toBeLessThan(0.006);
  });

  test('is narrow where little fails, and where much does after a few messages', () => {
    const [much, little] = [new RateDifference(), new RateDifference()];
    for (let index = 0; index < 10; index += 1) {
      much.add({ units: 10, failed: 4 }, { units: 30, failed: 0 });
      little.add({ units: 60, failed: index % 2 }, { units: 180, failed: 2 });
    }
    expect(much.interval(40).low).toBeGreaterThan(0.2);
    expect(much.interval(40).high).toBeLessThan(0.65);
    expect(little.interval(40).low).toBeGreaterThan(-0.03);
    expect(little.interval(40).high).toBeLessThan(0.04);
  });

  test('excludes 0 where the canary surely fails more, or less', () => {
    const [more, less] = [new RateDifference(), new RateDifference()];
    for (let index = 0; index < 30; index += 1) {
      more.add({ units: 100, failed: 10 }, { units: 300, failed: 3 });
      less.add({ units: 100, failed: 0 }, { units: 300, failed: 30 });
    }
    expect(more.interval(40).low).toBeGreaterThan(0.05);
    expect(less.interval(40).high).toBeLessThan(-0.05);
  });
});
