import { describe, expect, test } from 'vitest';
import { binomial, Dice, times } from '../../test/judge-scenes.ts';
import type { Crashes } from './block.ts';
import { CrashLoop } from './crashes.ts';
import { metricWeights } from './evidence.ts';

/** What the crashes' part of the evidence must reach by itself at an error rate of 1 %. */
const decides = 100 / metricWeights.crashes;

function seen(count: number, taskSeconds: number): Crashes {
  return { count, taskSeconds };
}

describe('a crash loop', () => {
  test.each([0.1, 1, 1.5])(
    'is worth at most 1 in the mean, given how many crashed, if the canary crashes up to %d times as often',
    (often) => {
      for (const [canarySeconds, stableSeconds] of [
        [5, 15],
        [10, 5],
        [1, 500],
      ] as const) {
        const odds = (often * canarySeconds) / stableSeconds;
        const chance = odds / (1 + odds);
        for (const crashes of [1, 2, 5]) {
          let mean = 0;
          for (let first = 0; first <= crashes; first += 1) {
            for (let second = 0; second <= 2; second += 1) {
              const loop = new CrashLoop();
              loop.observe(seen(first, canarySeconds), seen(crashes - first, stableSeconds), 0.1);
              loop.observe(seen(second, canarySeconds), seen(2 - second, stableSeconds), 0.2);
              mean += binomial(crashes, first, chance) * binomial(2, second, chance) * loop.value;
            }
          }
          expect(mean).toBeLessThan(1 + 1e-12);
          if (often === 1.5) expect(mean).toBeGreaterThan(1 - 1e-12);
        }
      }
    },
  );

  test.each([0, 0.05, 0.1])(
    'is worth at most 1 in the mean, at every look, if tasks die before their first success with a chance of %d',
    (chance) => {
      for (const lives of [1, 3, 10]) {
        // Those that die do so soon, and it takes until the end to know that the others live.
        for (const seenToDie of [0, 1, 2, lives]) {
          let mean = 0;
          for (let stillborn = 0; stillborn <= lives; stillborn += 1) {
            const loop = new CrashLoop();
            times(lives, () => loop.began());
            times(Math.min(seenToDie, stillborn), () => loop.diedStillborn());
            mean += binomial(lives, stillborn, chance) * loop.value;
          }
          expect(mean).toBeLessThan(1 + 1e-12);
          if (chance === 0.1 && seenToDie === lives) expect(mean).toBeGreaterThan(1 - 1e-12);
        }
      }
    },
  );

  test('is found after five tasks that die before their first success', () => {
    const loop = new CrashLoop();
    loop.began();
    times(5, () => {
      loop.began();
      loop.observe(seen(1, 5), seen(0, 15), 0.1);
      loop.diedStillborn();
    });
    expect(loop.value).toBeGreaterThan(decides);
  });

  test('is found after a few crashes of a canary alongside a stable that does not crash', () => {
    const loop = new CrashLoop();
    let crashes = 0;
    while (loop.value < decides && crashes < 100) {
      crashes += 1;
      loop.observe(seen(1, 5), seen(0, 15), crashes / 100);
    }
    expect(crashes).toBeGreaterThan(2);
    expect(crashes).toBeLessThan(10);
  });

  test('is not found where messages kill tasks of either track', () => {
    const dice = new Dice(4);
    let found = 0;
    for (let release = 0; release < 2000; release += 1) {
      const loop = new CrashLoop();
      for (let index = 0; index < 50 && loop.value < 100; index += 1) {
        const onCanary = dice.uniform() < 0.25 ? 1 : 0;
        loop.observe(seen(onCanary, 5), seen(1 - onCanary, 15), index / 50);
      }
      if (loop.value >= 100) found += 1;
    }
    expect(found).toBeLessThanOrEqual(2000 / 100);
  });

  test('says nothing where nothing crashed, or a track did not run', () => {
    const loop = new CrashLoop();
    times(1000, (index) => loop.observe(seen(0, 5), seen(0, 15), index / 1000));
    loop.observe(seen(3, 5), seen(0, 0), 1);
    loop.observe(seen(0, 0), seen(3, 5), 1);
    expect(loop.value).toBe(1);
  });
});
