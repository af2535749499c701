import { describe, expect, test } from 'vitest';
import { cell, Dice, times } from '../../test/judge-scenes.ts';
import { Heterogeneity } from './heterogeneity.ts';

/** What is known after so many intervals of tasks that fail at these rates and take this long at the median. */
function after(
  intervals: number,
  rates: readonly number[],
  medians: readonly number[] = rates.map(() => 100),
  seed = 1,
): Heterogeneity {
  const dice = new Dice(seed);
  const heterogeneity = new Heterogeneity();
  for (let index = 0; index < intervals; index += 1) {
    heterogeneity.observe(
      rates.map((rate, task) => {
        const durations = dice.durations(20, medians[task]!);
        return cell({ task: `${task}`, finished: 100, failed: dice.binomial(100, rate), durations });
      }),
    );
  }
  return heterogeneity;
}

describe("the spread of stable's failure rates", () => {
  test('is mostly 0 where tasks are alike, and small where chance makes it more', () => {
    const spreads = times(100, (seed) => after(60, [0.02, 0.02, 0.02], undefined, seed).rateSpread);
    expect(spreads.filter((spread) => spread > 0).length).toBeLessThan(15);
    expect(Math.max(...spreads)).toBeLessThan(0.3);
  });

  test('is about what it is where tasks surely differ', () => {
    const { rateSpread } = after(400, [0.01, 0.02, 0.04, 0.08]);
    // Standard deviation over mean of these rates; the logarithms' is 0.9.
    expect(rateSpread).toBeGreaterThan(0.6);
    expect(rateSpread).toBeLessThan(1.1);
  });

  test('is not made of a single failure, nor of a single task', () => {
    const one = new Heterogeneity();
    one.observe([
      cell({ task: 'a', finished: 1000, failed: 1 }),
      cell({ task: 'b', finished: 1000 }),
      cell({ task: 'c', finished: 1000 }),
    ]);
    expect(one.rateSpread).toBe(0);
    expect(after(100, [0.3]).rateSpread).toBe(0);
    expect(new Heterogeneity().rateSpread).toBe(0);
  });

  test('as a difference of rates says by how much a task may be luckier than its version', () => {
    const { sd, tasks } = after(400, [0.02, 0.06]).failureRateSpread;
    expect(tasks).toBe(2);
    expect(sd).toBeGreaterThan(0.02);
    expect(sd).toBeLessThan(0.035);
    expect(after(400, [0.03, 0.03, 0.03]).failureRateSpread.sd).toBeLessThan(0.003);
    expect(after(1, [0.5]).failureRateSpread).toEqual({ sd: 0, tasks: 1 });
  });
});

describe("the slowness of stable's slowest task", () => {
  test('is nearly 0 where tasks are alike', () => {
    const worst = times(30, (seed) => after(30, [0, 0, 0], undefined, seed).slownessBins);
    expect(Math.max(...worst)).toBeLessThan(0.5);
  });

  test('is by how many bins it is slower than all', () => {
    const bins = after(200, [0, 0, 0, 0], [100, 100, 100, 200]).slownessBins;
    // Twice as slow as the others is 16 bins, and three quarters of that from the mean of all.
    expect(bins).toBeGreaterThan(11);
    expect(bins).toBeLessThan(12.5);
  });

  test('is 0 where nothing was measured', () => {
    const unmeasured = new Heterogeneity();
    unmeasured.observe([cell({ task: 'a' }), cell({ task: 'b' })]);
    expect(unmeasured.slownessBins).toBe(0);
  });
});
