import { describe, expect, test } from 'vitest';
import { Wealth } from './wealth.ts';

/** The mean after intervals in each of which the factors are these or those, evenly. */
function meanOver(intervals: number, good: readonly number[], bad: readonly number[]): number {
  let sum = 0;
  for (let course = 0; course < 2 ** intervals; course += 1) {
    const wealth = new Wealth([1, 3]);
    for (let index = 0; index < intervals; index += 1) {
      wealth.bet((course >> index) & 1 ? good : bad, (index + 1) / 10);
    }
    sum += wealth.value;
  }
  return sum / 2 ** intervals;
}

describe('wealth', () => {
  test('keeps its mean where every factor has a mean of 1', () => {
    expect(meanOver(8, [1.5, 1.9], [0.5, 0.1])).toBeCloseTo(1, 12);
    expect(meanOver(8, [1.5, 1.8], [0.4, 0.1])).toBeLessThan(1);
  });

  test('is not ruined by bets that lose everything before the horizon', () => {
    const wealth = new Wealth([1]);
    for (let index = 1; index < 10; index += 1) wealth.bet([0], index / 10);
    expect(wealth.value).toBeGreaterThan(0.005);
    wealth.bet([50], 1);
    expect(wealth.value).toBeGreaterThan(0.25);
    wealth.bet([0], 1);
    expect(wealth.value).toBeCloseTo(0, 12);
  });

  test('goes on by itself as a copy', () => {
    const wealth = new Wealth([1, 2]);
    wealth.bet([2, 3], 0.1);
    const copy = wealth.copy();
    expect(copy.value).toBe(wealth.value);
    wealth.bet([4, 5], 0.2);
    copy.bet([0.5, 0.5], 0.2);
    expect(copy.value).toBeLessThan(wealth.value / 4);
  });

  test('says no more than a number can hold, and yet knows how much it is', () => {
    const wealth = new Wealth([1]);
    for (let index = 0; index < 10; index += 1) wealth.bet([1e100], 0.5);
    expect(wealth.value).toBe(1e250);
    expect(wealth.ln).toBeCloseTo(1000 * Math.LN10, 0);
    for (let index = 0; index < 10; index += 1) wealth.bet([1e-100], 1);
    expect(wealth.value).toBeCloseTo(0.95, 1);
  });

  test('may lose all', () => {
    const wealth = new Wealth([1, 1]);
    wealth.bet([0, 0], 1);
    expect(wealth.value).toBe(0);
    wealth.bet([9, 9], 1);
    expect(wealth.value).toBe(0);
  });
});
