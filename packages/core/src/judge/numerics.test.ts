import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { divergence, entropy, exp, ln, ln1p, lnGamma } from './numerics.ts';

const close = (actual: number, expected: number, relative = 5e-16) =>
  Math.abs(actual - expected) <= relative * Math.abs(expected);

describe('ln and exp', () => {
  test('agree with the platform to the last places over the whole range', () => {
    fc.assert(
      fc.property(fc.double({ min: 5e-324, max: 1e308, noNaN: true }), (x) =>
        Math.abs(x - 1) < 1e-3 ? close(ln(x), Math.log(x), 1e-12) : close(ln(x), Math.log(x)),
      ),
    );
    fc.assert(
      fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => close(exp(x), Math.exp(x), 6e-16)),
    );
    fc.assert(
      fc.property(
        fc.double({ min: -0.9, max: 10, noNaN: true }).filter((y) => y === 0 || Math.abs(y) > 1e-300),
        (y) => close(ln1p(y), Math.log1p(y), 2e-15),
      ),
    );
  });

  test('say what lies outside', () => {
    expect(ln(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(ln(-1)).toBeNaN();
    expect(ln(1)).toBe(0);
    expect(exp(0)).toBe(1);
    expect(exp(1000)).toBe(Number.POSITIVE_INFINITY);
    expect(exp(-1000)).toBe(0);
  });

  test('have the digits that every platform must have', () => {
    const digits = [0.001, 0.25, 3, 1e9].map((x) => ln(x));
    expect(digits).toEqual([-6.907755278982137, -1.3862943611198906, 1.0986122886681098, 20.72326583694641]);
    expect([-3, 0.5, 20].map((x) => exp(x))).toEqual([
      0.049787068367863944, 1.6487212707001282, 485165195.4097903,
    ]);
  });
});

describe('divergence and entropy', () => {
  test('are zero where nothing is learnt and infinite where the hypothesis is impossible', () => {
    expect(divergence(0.3, 0.3)).toBe(0);
    expect(divergence(0, 0.02)).toBeCloseTo(0.0202027073175, 12);
    expect(divergence(0.1, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(entropy(0)).toBe(0);
    expect(entropy(0.5)).toBeCloseTo(Math.LN2, 15);
  });
});

describe('lnGamma', () => {
  test('is the logarithm of factorials, and of half the circle at a half', () => {
    let factorial = 1;
    for (let n = 1; n <= 30; n += 1) {
      expect(Math.abs(lnGamma(n) - Math.log(factorial))).toBeLessThan(1e-11);
      factorial *= n;
    }
    expect(lnGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 11);
    expect(lnGamma(10_000.5) - lnGamma(9_999.5)).toBeCloseTo(Math.log(9_999.5), 9);
  });
});
