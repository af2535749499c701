import { describe, expect, test } from 'vitest';
import {
  amount,
  duration,
  odds,
  percent,
  regressionRate,
  requiredSample,
  type SamplePlan,
} from './required-sample.ts';

const plan: SamplePlan = {
  unitsPerSecond: 1,
  canaryShare: 0.25,
  failureRate: 0.001,
  margin: 0.005,
  beta: 0.05,
  deadlineMs: 60 * 60_000,
};

describe('the required sample', () => {
  test('says up front what cannot be certified in time, and which margin can', () => {
    const sample = requiredSample(plan);
    expect(sample.possible).toBe(false);
    expect(sample.marginPossible).toBe(0.01);
    expect(sample.sentence).toMatch(
      /^at 1 units\/s and a margin of 0\.5 % this cannot be certified within 60 min by any method \(it needs \d+ units, \d+ min\); at 1 % it takes about \d+ min$/,
    );
  });

  test('says how long a certification takes', () => {
    const sample = requiredSample({ ...plan, margin: 0.02 });
    expect(sample.possible).toBe(true);
    expect(sample.sentence).toMatch(/^at 1 units\/s and a margin of 2 % certification takes about 1\d min/);
    expect(sample.units).toBeGreaterThan(sample.unitsMin);
    expect(sample.durationMs).toBe(sample.units * 1000);
    expect(sample.canaryUnits).toBe(Math.ceil(sample.units / 4));
  });

  test('warns when only a perfect method could do it, and when no margin can be certified', () => {
    const bound = requiredSample({ ...plan, margin: 0.02 }).unitsMin;
    const tight = requiredSample({ ...plan, margin: 0.02, deadlineMs: bound * 1100 });
    expect(tight.possible).toBe(true);
    expect(tight.sentence).toMatch(/, longer than the \d+ min there are: at 3 % it takes about \d+ min$/);
    const starved = requiredSample({ ...plan, unitsPerSecond: 0.001 });
    expect(starved.marginPossible).toBeUndefined();
    expect(starved.sentence).toContain('send more traffic or bake longer');
  });

  test('answers in the words of the rate and margin that it was asked about', () => {
    const noisy = { ...plan, failureRate: 0.01, unit: 'messages' as const };
    expect(requiredSample(noisy).sentence).toBe(
      'at 1 messages/s and a margin of 0.5 % this cannot be certified within 60 min by any method (it needs 14921 messages, 4.2 h); at 2 % it takes about 28 min',
    );
    expect(requiredSample({ ...noisy, margin: 0.02 }).sentence).toBe(
      'at 1 messages/s and a margin of 2 % certification takes about 28 min (1680 messages, 420 of them on the canary)',
    );
  });

  test('counts the bake, and the units that each track needs, where they take longer', () => {
    const fast = { ...plan, unitsPerSecond: 1000, bakeMs: 30_000 };
    expect(requiredSample(fast).durationMs).toBe(30_000);
    const coarse = { ...plan, margin: 0.2, trackUnitsMin: 30 };
    expect(requiredSample(coarse)).toMatchObject({ units: 120, canaryUnits: 30, durationMs: 120_000 });
  });

  test.each<[Partial<SamplePlan>, string]>([
    [{ unitsPerSecond: 0 }, 'the tracks finish nothing; send traffic'],
    [{ unitsPerSecond: Number.NaN }, 'the tracks finish NaN units/s'],
    [{ canaryShare: 0 }, 'the canary takes 0 % of the units'],
    [{ canaryShare: 1 }, 'the canary takes 100 % of the units'],
    [{ failureRate: 1 }, 'a good version cannot fail 100 % of its units'],
    [{ margin: 0 }, 'a margin of 0 % is no difference'],
    [{ beta: 0 }, 'an error rate of 0 %'],
  ])('says why nothing can be certified: %j', (change, words) => {
    const sample = requiredSample({ ...plan, ...change });
    expect(sample.sentence).toContain(`nothing can be certified: `);
    expect(sample.sentence).toContain(words);
    expect(sample).toMatchObject({ possible: false, units: Number.POSITIVE_INFINITY });
  });

  test('needs more for a smaller margin, a noisier baseline and a smaller share', () => {
    const units = (change: Partial<SamplePlan>) => requiredSample({ ...plan, ...change }).unitsMin;
    expect(units({ margin: 0.01 })).toBeLessThan(units({}));
    expect(units({ failureRate: 0.01 })).toBeGreaterThan(units({}));
    expect(units({ canaryShare: 0.1 })).toBeGreaterThan(units({}));
  });
});

describe('the bound on finding a regression', () => {
  test('is the mutual information of track and outcome', () => {
    expect(Math.log(100) / regressionRate(1, 0.001, 0.25)).toBeCloseTo(8.26, 1);
    expect(regressionRate(0.01, 0.01, 0.25)).toBeCloseTo(0, 15);
  });
});

describe('numbers in words', () => {
  test('have the digits that count', () => {
    expect([0.005, 0.123456, 1, 0].map(percent)).toEqual(['0.5 %', '12.3 %', '100 %', '0 %']);
    expect([999, 40_000, 3_600_000, 9_000_000].map(duration)).toEqual(['1 s', '40 s', '60 min', '2.5 h']);
    expect([1.2345, 243.4, 3.21e12, 1e250].map(amount)).toEqual(['1.23', '243', '3.2e12', '1.0e250']);
    expect([0, 0.0123, 1, 341.2, 999_999, 1e6].map(odds)).toEqual([
      'less than 0.01 to 1',
      '0.0123 to 1',
      '1 to 1',
      '341 to 1',
      '999999 to 1',
      'more than a million to 1',
    ]);
  });
});
