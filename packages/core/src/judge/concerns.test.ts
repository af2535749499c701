import { describe, expect, test } from 'vitest';
import { cell, Dice, OLD_MS, times } from '../../test/judge-scenes.ts';
import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { Concerns } from './concerns.ts';

/** What stands after so many intervals. */
function concernsAfter(
  intervals: number,
  canary: (dice: Dice, index: number) => Partial<Cell>,
  stable: (dice: Dice, index: number) => Partial<Cell> = () => ({}),
  starts?: Partial<Cell>,
) {
  const dice = new Dice(1);
  const past = times(60, () => cell({ durations: dice.durations(30, 100) }));
  const concerns = new Concerns(past);
  const task = (work: Partial<Cell>) => cell({ durations: dice.durations(30, 100), ...work });
  for (let index = 0; index < intervals; index += 1) {
    const comparison: Comparison = {
      fromMs: index,
      toMs: index + 1,
      elapsed: (index + 1) / 720,
      warm: true,
      canary: [task(canary(dice, index))],
      baselines: [times(3, (n) => task({ task: `stable ${n}`, ...stable(dice, index) }))],
      starts:
        starts === undefined ? [] : times(3, (n) => task({ task: `stable ${n}`, ageMs: OLD_MS, ...starts })),
    };
    concerns.observe(comparison);
  }
  return concerns.concerns(100);
}

describe('a concern', () => {
  test('is none where both tracks do the same', () => {
    const usual = (dice: Dice) => {
      const failed = dice.binomial(10, 0.1);
      return { failed, errors: { Timeout: failed }, types: { order: [10, failed] as const }, memoryMiB: 100 };
    };
    expect(concernsAfter(200, usual, usual, { memoryMiB: 100 })).toEqual([]);
  });

  test('is an error class that only the canary has', () => {
    const [concern, ...others] = concernsAfter(
      60,
      () => ({ failed: 1, errors: { TypeError: 1 } }),
      () => ({ failed: 1, errors: { Timeout: 1 } }),
    );
    expect(others).toEqual([]);
    expect(concern).toMatchObject({ about: 'errorClass' });
    expect(concern?.summary).toMatch(
      /^errors of class TypeError come more often on the canary than on stable \(.+ to 1\)$/,
    );
  });

  test('is a message type that fails on the canary alone', () => {
    const types = (failed: number) => ({ refund: [1, failed] as const, order: [9, 1 - failed] as const });
    const [concern, ...others] = concernsAfter(
      60,
      () => ({ failed: 1, types: types(1) }),
      () => ({ failed: 1, types: types(0) }),
    );
    expect(others).toEqual([]);
    expect(concern).toMatchObject({ about: 'messageType' });
    expect(concern?.summary).toMatch(/^messages of type refund fail more often on the canary than on stable/);
  });

  test('is work that is done suspiciously fast', () => {
    const dropping = (dice: Dice) => ({ durations: [[10, 6] as const, ...dice.durations(24, 100)] });
    const [concern, ...others] = concernsAfter(60, dropping);
    expect(others).toEqual([]);
    expect(concern).toMatchObject({ about: 'faster' });
    expect(concern?.summary).toContain("in less than a third of the time that stable's quickest take");
    expect(concernsAfter(200, (dice) => ({ durations: dice.durations(30, 70) }))).toEqual([]);
  });

  test('is memory far beyond what stable took at its age', () => {
    const [concern, ...others] = concernsAfter(20, () => ({ memoryMiB: 400 }), undefined, { memoryMiB: 200 });
    expect(others).toEqual([]);
    expect(concern).toMatchObject({ about: 'memory' });
    expect(concern?.summary).toContain('more than 1.5 times the memory');
    expect(concernsAfter(100, () => ({ memoryMiB: 280 }), undefined, { memoryMiB: 200 })).toEqual([]);
    expect(concernsAfter(100, () => ({ memoryMiB: 9000 }))).toEqual([]);
  });

  test('needs more where many classes are followed, and follows no more than fifty', () => {
    const many = (dice: Dice, index: number) => {
      const failed = dice.binomial(10, 0.2);
      return { failed, errors: { [`E${index}`]: failed } };
    };
    expect(concernsAfter(200, many, many)).toEqual([]);
    const others = Object.fromEntries(times(20, (index) => [`E${index}`, 1]));
    const found = (alongside: (index: number) => Record<string, number>) => {
      const failing = (index: number, own: number) => ({
        failed: 1,
        errors: { ...alongside(index), TypeError: own },
      });
      return times(40, (n) => {
        const canary = (_: Dice, index: number) => failing(index, 1);
        return concernsAfter(n, canary, (_, index) => failing(index, 0)).length > 0;
      }).indexOf(true);
    };
    const alone = found(() => ({}));
    expect(alone).toBeGreaterThan(3);
    expect(found((index) => (index === 0 ? others : {}))).toBeGreaterThan(alone + 1);
    const late = (_: Dice, index: number) =>
      index < 60 ? { failed: 1, errors: { [`E${index}`]: 1 } } : { failed: 1, errors: { Late: 1 } };
    expect(concernsAfter(300, late)).toEqual([]);
  });

  test('is never more than chance makes where equal tracks have rare errors', () => {
    let found = 0;
    for (let release = 0; release < 200; release += 1) {
      const dice = new Dice(release);
      const concerns = new Concerns([]);
      const task = () => {
        const failed = dice.binomial(20, 0.02);
        return cell({ finished: 20, failed, errors: failed > 0 ? { Rare: failed } : {} });
      };
      for (let index = 0; index < 100; index += 1) {
        concerns.observe({
          fromMs: index,
          toMs: index + 1,
          elapsed: index / 100,
          warm: true,
          canary: [task()],
          baselines: [times(3, task)],
          starts: [],
        });
      }
      if (concerns.concerns(10).length > 0) found += 1;
    }
    expect(found).toBeLessThanOrEqual(20);
  });
});
