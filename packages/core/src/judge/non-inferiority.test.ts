import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binomial, Dice } from '../../test/judge-scenes.ts';
import { closestBaseline, NonInferiority } from './non-inferiority.ts';

/** The process after intervals of eight messages on each track, of which so many failed in all. */
function after(margin: number, history: readonly number[]): NonInferiority {
  const process = new NonInferiority(margin);
  history.forEach((failed, index) => {
    process.add(index, 8, Math.min(8, failed), 8, Math.max(0, failed - 8));
    process.settle(index);
  });
  return process;
}

/** By how much an interval of so many messages changes the evidence in the mean at a pair of failure rates. */
function meanFactor(
  margin: number,
  history: readonly number[],
  units: { readonly canary: number; readonly baseline: number },
  rates: { readonly canary: number; readonly baseline: number },
  power = 1,
): number {
  let mean = 0;
  for (let c = 0; c <= units.canary; c += 1) {
    for (let b = 0; b <= units.baseline; b += 1) {
      const process = after(margin, history);
      process.add(10_000, units.canary, c, units.baseline, b);
      process.settle(20_000);
      const factor = process.value / after(margin, history).value;
      mean +=
        binomial(units.canary, c, rates.canary) *
        binomial(units.baseline, b, rates.baseline) *
        factor ** power;
    }
  }
  return mean;
}

describe('non-inferiority', () => {
  test('is worth at most 1 in the mean for every pair of rates at least the margin apart', () => {
    for (const margin of [0.005, 0.02, 0.2]) {
      for (let baseline = 0; baseline <= 1 - margin; baseline += 0.04) {
        for (let canary = baseline + margin; canary <= 1; canary += 0.08) {
          const mean = meanFactor(margin, [0, 1, 0], { canary: 5, baseline: 11 }, { canary, baseline });
          expect(mean).toBeLessThan(1 + 1e-9);
        }
      }
    }
  });

  test('is worth at most 1 in the mean whatever came before and however many messages there are', () => {
    const few = fc.integer({ min: 1, max: 12 });
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({ canary: few, baseline: few }),
        fc.double({ min: 0.01, max: 0.4, noNaN: true }),
        part,
        part,
        fc.array(fc.integer({ min: 0, max: 16 }), { maxLength: 8 }),
        (units, margin, where, apart, history) => {
          const baseline = where * (1 - margin);
          const canary = baseline + margin + apart * (1 - margin - baseline);
          expect(meanFactor(margin, history, units, { canary, baseline })).toBeLessThan(1 + 1e-9);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('stays worth at most 1 in the mean when failures in clumps make it weaker', () => {
    for (const clumping of [1, 1.5, 4, 50]) {
      const mean = meanFactor(
        0.1,
        [1],
        { canary: 8, baseline: 12 },
        { canary: 0.15, baseline: 0.05 },
        1 / clumping,
      );
      expect(mean).toBeLessThan(1 + 1e-9);
    }
  });

  test('reaches what certifies in no more releases than the error rate allows, however often one looks', () => {
    const dice = new Dice(7);
    let certified = 0;
    for (let release = 0; release < 2000; release += 1) {
      const process = new NonInferiority(0.1);
      for (let index = 0; index < 60 && process.value < 20; index += 1) {
        process.add(index * 5000, 8, dice.binomial(8, 0.15), 24, dice.binomial(24, 0.05));
        process.settle((index + 1) * 5000);
      }
      if (process.value >= 20) certified += 1;
    }
    expect(certified).toBeLessThanOrEqual(2000 / 20);
    expect(certified).toBeGreaterThan(0);
  });

  test('certifies a clean canary and never one that fails the margin more', () => {
    const good = new NonInferiority(0.02);
    const bad = new NonInferiority(0.02);
    for (let index = 0; index < 100; index += 1) {
      good.add(index * 5000, 4, 0, 12, 0);
      good.settle((index + 1) * 5000);
      bad.add(index * 5000, 4, index % 12 === 0 ? 1 : 0, 12, 0);
      bad.settle((index + 1) * 5000);
    }
    expect(good.value).toBeGreaterThan(20);
    expect(bad.value).toBeLessThan(1);
  });

  test('pools what comes in small pieces, by units and time alone', () => {
    const process = new NonInferiority(0.1);
    process.add(0, 4, 0, 4, 0);
    process.settle(1000);
    expect(process.value).toBe(1);
    process.add(1000, 4, 0, 4, 0);
    process.settle(2000);
    const pooled = process.value;
    expect(pooled).toBeGreaterThan(1);
    const whole = new NonInferiority(0.1);
    whole.add(0, 8, 0, 8, 0);
    whole.settle(2000);
    expect(whole.value).toBe(pooled);
  });

  test('says nothing of one track alone', () => {
    const process = new NonInferiority(0.02);
    for (let index = 0; index < 50; index += 1) {
      process.add(index * 5000, 0, 0, 50, 0);
      process.settle((index + 1) * 5000);
    }
    expect(process.value).toBe(1);
  });

  test('measures against the nearest pair of rates', () => {
    const cost = (q: number) => {
      const kl = (p: number, r: number) => p * Math.log(p / r) + (1 - p) * Math.log((1 - p) / (1 - r));
      return 4 * kl(0.05, q + 0.02) + 12 * kl(0.05, q);
    };
    const q = closestBaseline(0.05, 0.02, 4, 12);
    expect(cost(q)).toBeLessThanOrEqual(Math.min(cost(q * 0.999), cost(q * 1.001)));
  });
});
