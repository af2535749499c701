import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConditionalLaw } from './conditional-law.ts';

function choose(n: number, k: number): bigint {
  if (k < 0 || k > n) return 0n;
  let result = 1n;
  for (let i = 1; i <= k; i += 1) result = (result * BigInt(n - k + i)) / BigInt(i);
  return result;
}

/** A double as the exact fraction that it is, over a power of two. */
function fraction(x: number): { numerator: bigint; bits: number } {
  let scaled = x;
  let bits = 0;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    bits += 1;
  }
  return { numerator: BigInt(scaled), bits };
}

/** numerator / denominator, right to seventeen digits. */
function quotient(numerator: bigint, denominator: bigint): number {
  const shift = 120n + BigInt(Math.max(0, denominator.toString(2).length - numerator.toString(2).length));
  return Number((numerator << shift) / denominator) / 2 ** Number(shift);
}

/** psi^x_c / E0[psi^K] in rational arithmetic. */
function exactEValue(
  canary: number,
  baseline: number,
  failures: number,
  canaryFailed: number,
  psi: number,
): number {
  const { numerator, bits } = fraction(psi);
  const power = (k: number) => (numerator ** BigInt(k)) << BigInt(bits * (failures - k));
  let sum = 0n;
  for (let k = 0; k <= failures; k += 1) {
    sum += choose(canary, k) * choose(baseline, failures - k) * power(k);
  }
  return quotient(power(canaryFailed) * choose(canary + baseline, failures), sum);
}

const margins = fc
  .record({ canary: fc.integer({ min: 1, max: 24 }), baseline: fc.integer({ min: 1, max: 24 }) })
  .chain(({ canary, baseline }) =>
    fc.record({
      canary: fc.constant(canary),
      baseline: fc.constant(baseline),
      failures: fc.integer({ min: 1, max: canary + baseline - 1 }),
    }),
  );
const oddsRatio = fc.double({ min: 1, max: 1000, noNaN: true });

/** Every split of the failures, with its probability at odds ratio psi as an exact quotient. */
function splits(canary: number, baseline: number, failures: number, psi = 1n) {
  const terms: { canaryFailed: number; weight: bigint }[] = [];
  for (let k = Math.max(0, failures - baseline); k <= Math.min(canary, failures); k += 1) {
    terms.push({
      canaryFailed: k,
      weight: choose(canary, k) * choose(baseline, failures - k) * psi ** BigInt(k),
    });
  }
  const total = terms.reduce((sum, { weight }) => sum + weight, 0n);
  return terms.map(({ canaryFailed, weight }) => ({ canaryFailed, probability: quotient(weight, total) }));
}

describe('the conditional e-value', () => {
  test('agrees with rational arithmetic to the last places', () => {
    fc.assert(
      fc.property(margins, oddsRatio, ({ canary, baseline, failures }, psi) => {
        const law = new ConditionalLaw();
        law.load(canary, baseline, failures, 1);
        for (const { canaryFailed } of splits(canary, baseline, failures)) {
          const exact = exactEValue(canary, baseline, failures, canaryFailed, psi);
          const relative = Math.abs(law.eValue(canaryFailed, psi) / exact - 1);
          expect(relative).toBeLessThan(1e-13);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('has mean 1 over every split of every block of up to 16 units', () => {
    const law = new ConditionalLaw();
    let blocks = 0;
    for (let units = 2; units <= 16; units += 1) {
      for (let canary = 1; canary < units; canary += 1) {
        for (let failures = 1; failures < units; failures += 1) {
          law.load(canary, units - canary, failures, 1);
          const law0 = splits(canary, units - canary, failures);
          for (const psi of [1.001, 2, 37.5, 1000]) {
            const mean = law0.reduce(
              (sum, { canaryFailed, probability }) => sum + probability * law.eValue(canaryFailed, psi),
              0,
            );
            expect(Math.abs(mean - 1)).toBeLessThan(1e-12);
          }
          blocks += 1;
        }
      }
    }
    expect(blocks).toBe(1240);
  });

  test('has mean 1 in large buckets, where its terms leave the range of doubles', () => {
    const law = new ConditionalLaw();
    for (const [canary, baseline, failures] of [
      [250, 750, 500],
      [1250, 3750, 60],
      [400, 100, 450],
    ] as const) {
      law.load(canary, baseline, failures, 1);
      const law0 = splits(canary, baseline, failures);
      for (const psi of [1.2, 30, 1000]) {
        const mean = law0.reduce((sum, { canaryFailed, probability }) => {
          const value = law.eValue(canaryFailed, psi);
          return sum + (probability === 0 ? 0 : probability * value);
        }, 0);
        // Splits rarer than 1e-36 are beyond the quotient; far-off bets live on them, so allow only from below.
        expect(mean).toBeLessThan(1 + 1e-11);
        if (psi < 2) expect(mean).toBeGreaterThan(1 - 1e-11);
      }
      const everySplit = law0.map(({ canaryFailed }) => law.eValue(canaryFailed, 1000));
      expect(everySplit.every((value) => value >= 0 && value <= 1e250)).toBe(true);
    }
  });

  test('has the same value scaled or not, and any order of magnitude', () => {
    const law = new ConditionalLaw();
    law.load(200, 201, 60, 1);
    const exact = exactEValue(200, 201, 60, 45, 8);
    expect(Math.abs(law.eValue(45, 8) / exact - 1)).toBeLessThan(1e-12);
    law.load(2000, 2000, 1900, 1);
    expect(law.eValue(1900, 1000)).toBe(1e250);
    expect(law.eValue(0, 1000)).toBe(0);
  });

  test.each([
    [300, 300, 250],
    [120, 480, 300],
    [390, 60, 400],
  ] as const)(
    'agrees with rational arithmetic where splits are many: %i and %i units, %i failures',
    (canary, baseline, failures) => {
      const law = new ConditionalLaw();
      law.load(canary, baseline, failures, 1);
      const expected = Math.round((failures * canary) / (canary + baseline));
      for (const psi of [1.001, 1.86, 1000]) {
        for (const canaryFailed of [expected - 6, expected, expected + 25]) {
          const exact = exactEValue(canary, baseline, failures, canaryFailed, psi);
          const value = law.eValue(canaryFailed, psi);
          if (exact < 1e-19) expect(value).toBeLessThan(1e-18);
          else expect(Math.abs(value / exact - 1)).toBeLessThan(1e-11);
        }
      }
    },
  );

  test('of a large bucket has the digits that every platform must give', () => {
    const law = new ConditionalLaw();
    law.load(1250, 3750, 2500, 1);
    expect([1.001, 1.86, 1000].map((psi) => law.eValue(660, psi))).toEqual([
      1.0354803422214125, 9.241084810518038e-11, 0,
    ]);
  });

  test('has a mean of at most 1 for every odds ratio up to the tolerance, and exactly 1 at it', () => {
    fc.assert(
      fc.property(
        margins,
        fc.integer({ min: 1, max: 6 }),
        oddsRatio,
        ({ canary, baseline, failures }, tolerance, psi) => {
          const law = new ConditionalLaw();
          law.load(canary, baseline, failures, tolerance);
          const bet = Math.max(psi, tolerance);
          for (let truth = 1; truth <= tolerance; truth += 1) {
            const mean = splits(canary, baseline, failures, BigInt(truth)).reduce(
              (sum, { canaryFailed, probability }) => sum + probability * law.eValue(canaryFailed, bet),
              0,
            );
            if (truth === tolerance) expect(Math.abs(mean - 1)).toBeLessThan(1e-12);
            else expect(mean).toBeLessThanOrEqual(1 + 1e-12);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('says nothing where there is nothing to compare', () => {
    const law = new ConditionalLaw();
    for (const [canary, baseline, failures] of [
      [0, 9, 3],
      [9, 0, 3],
      [4, 5, 0],
      [4, 5, 9],
    ] as const) {
      expect(law.load(canary, baseline, failures, 1)).toBe(false);
      expect(law.eValue(0, 1000)).toBe(1);
    }
  });
});
