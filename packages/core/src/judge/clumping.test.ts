import { describe, expect, test } from 'vitest';
import { cell, Dice, times } from '../../test/judge-scenes.ts';
import { Clumping } from './clumping.ts';

/** The factor after so many intervals of three tasks whose failures come so many at once. */
function factorOf(clump: number, seed: number, intervals = 4000, failing = 0.02): number {
  const dice = new Dice(seed);
  const clumping = new Clumping();
  for (let index = 0; index < intervals; index += 1) {
    clumping.observe(
      times(3, () => {
        const finished = 100;
        return cell({ finished, failed: clump * dice.binomial(finished / clump, failing) });
      }),
    );
  }
  return clumping.factor;
}

describe('clumping', () => {
  test('is about 1 where messages fail by themselves, and never less', () => {
    expect(new Clumping().factor).toBe(1);
    for (const seed of [1, 2, 3]) {
      expect(factorOf(1, seed)).toBeLessThan(1.1);
      expect(factorOf(1, seed)).toBeGreaterThanOrEqual(1);
      expect(factorOf(1, seed, 20)).toBeLessThan(1.6);
    }
  });

  test.each([2, 5, 10])('is about %i where so many fail together', (clump) => {
    expect(factorOf(clump, clump) / clump).toBeGreaterThan(0.85);
    expect(factorOf(clump, clump) / clump).toBeLessThan(1.15);
  });

  test('is the same where most messages fail', () => {
    expect(factorOf(5, 1, 4000, 0.6) / 5).toBeGreaterThan(0.85);
    expect(factorOf(5, 1, 4000, 0.6) / 5).toBeLessThan(1.15);
  });

  test('sees a single burst', () => {
    const clumping = new Clumping();
    for (let index = 0; index < 100; index += 1)
      clumping.observe([cell({ finished: 50 }), cell({ finished: 50 })]);
    clumping.observe([cell({ finished: 50, failed: 20 })]);
    expect(clumping.factor).toBeGreaterThan(5);
  });
});
