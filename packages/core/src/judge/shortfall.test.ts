import { describe, expect, test } from 'vitest';
import { cell, Dice, times } from '../../test/judge-scenes.ts';
import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { Shortfall } from './shortfall.ts';

function comparison(canary: readonly Cell[], stable: readonly Cell[], index = 0): Comparison {
  return {
    fromMs: 0,
    toMs: 1,
    elapsed: (index + 1) / 100,
    warm: true,
    canary,
    baselines: [stable],
    starts: [],
  };
}

function finishing(...amounts: readonly number[]): Cell[] {
  return amounts.map((finished, index) => cell({ task: `task ${index}`, finished }));
}

const ofFinished = ({ finished }: Cell) => finished;

describe('doing less than each of stable does', () => {
  test('is worth at most 1 in the mean if the canary may be any of the tasks, with or without a tolerance', () => {
    for (const amounts of [
      [3, 5, 7, 9],
      [4, 4, 4, 9],
      [0, 0, 6, 6],
      [2, 8],
    ]) {
      for (const factor of [1, 1.5]) {
        const values = amounts.map((own, canary) => {
          const shortfall = new Shortfall(ofFinished, ofFinished, factor);
          const others = amounts.filter((_, task) => task !== canary);
          shortfall.observe(comparison(finishing(own), finishing(...others)));
          return shortfall.value;
        });
        const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
        expect(mean).toBeLessThan(1 + 1e-12);
        if (factor === 1) expect(mean).toBeGreaterThan(1 - 1e-12);
      }
    }
  });

  test('is found where the canary does half, and not where it lacks less than is tolerated', () => {
    const dice = new Dice(6);
    const [half, nearly] = [
      new Shortfall(ofFinished, ofFinished, 1.5),
      new Shortfall(ofFinished, ofFinished, 1.5),
    ];
    times(40, (index) => {
      const stable = finishing(...times(3, () => 95 + Math.floor(10 * dice.uniform())));
      half.observe(comparison(finishing(50), stable, index));
      nearly.observe(comparison(finishing(75), stable, index));
    });
    expect(half.value).toBeGreaterThan(1e6);
    expect(nearly.value).toBeLessThan(1);
  });

  test('leaves out tasks that do not count', () => {
    const shortfall = new Shortfall(
      ({ saturated, finished }) => (saturated ? finished : undefined),
      ofFinished,
      1.5,
    );
    times(40, (index) => shortfall.observe(comparison(finishing(1), finishing(100, 100, 100), index)));
    expect(shortfall.value).toBe(1);
  });
});
