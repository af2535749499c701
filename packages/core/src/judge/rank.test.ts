import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Dice, times } from '../../test/judge-scenes.ts';
import { type Badness, WorstTask } from './rank.ts';

/** Every way to call some of the tasks the canary's. */
function assignments(scores: readonly number[], canaryTasks: number): Badness[] {
  const all: Badness[] = [];
  for (let chosen = 0; chosen < 2 ** scores.length; chosen += 1) {
    const isCanary = (_: number, task: number) => ((chosen >> task) & 1) === 1;
    const canary = scores.filter(isCanary);
    if (canary.length !== canaryTasks) continue;
    all.push({ canary, baseline: scores.filter((score, task) => !isCanary(score, task)) });
  }
  return all;
}

function after(intervals: readonly (readonly Badness[])[]): number {
  const worst = new WorstTask();
  for (const [index, comparisons] of intervals.entries()) worst.observe(comparisons, (index + 1) / 10);
  return worst.value;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Every sequence of so many scores of 0, 1 and 2: all patterns of ties that three values make. */
function scoresOf(tasks: number): number[][] {
  return times(3 ** tasks, (code) => times(tasks, (task) => Math.floor(code / 3 ** task) % 3));
}

describe('being the worst task', () => {
  test.each([1, 2, 3, 4, 5])(
    'is worth at most 1 in the mean if the canary may be any of the tasks, however bad these are: %i of stable',
    (stableTasks) => {
      for (const canaryTasks of [1, 2, 3]) {
        if (canaryTasks + stableTasks > 7) continue;
        for (const scores of scoresOf(canaryTasks + stableTasks)) {
          const value = mean(assignments(scores, canaryTasks).map((each) => after([[each]])));
          expect(value).toBeLessThan(1 + 1e-12);
          if (canaryTasks === 1 && stableTasks <= 3) expect(value).toBeGreaterThan(1 - 1e-12);
        }
      }
    },
  );

  test('is worth at most 1 in the mean whatever came before', () => {
    const score = fc.integer({ min: 0, max: 3 });
    const badness = fc.record({
      canary: fc.array(score, { minLength: 1, maxLength: 2 }),
      baseline: fc.array(score, { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(badness, { maxLength: 6 }), badness, (past, { canary, baseline }) => {
        const before = past.map((each) => [each]);
        const next = assignments([...canary, ...baseline], canary.length);
        expect(mean(next.map((each) => after([...before, [each]])))).toBeLessThan(after(before) + 1e-12);
      }),
      { numRuns: 200 },
    );
  });

  test('is worth at most 1 in the mean if the canary is like one of two baselines, whatever the other does', () => {
    for (const scores of scoresOf(4)) {
      for (const other of [[0], [1, 2], [2, 2, 2]]) {
        const values = assignments(scores, 1).flatMap((like) =>
          assignments([0, 1, 1, 2], 1).map((later) => ({
            first: after([[like, { canary: like.canary, baseline: other }], [later]]),
            second: after([[{ canary: like.canary, baseline: other }, like], [later]]),
          })),
        );
        expect(mean(values.map(({ first }) => first))).toBeLessThan(1 + 1e-12);
        expect(mean(values.map(({ second }) => second))).toBeLessThan(1 + 1e-12);
      }
    }
  });

  test('reaches what decides in no more releases than the error rate allows, however often one looks', () => {
    const dice = new Dice(3);
    let reached = 0;
    for (let release = 0; release < 2000; release += 1) {
      const worst = new WorstTask();
      for (let index = 0; index < 200; index += 1) {
        // Few values, so that there are many ties.
        const [canary, ...baseline] = times(4, () => Math.floor(4 * dice.uniform()));
        worst.observe([{ canary: [canary!], baseline }], index / 200);
        if (worst.value >= 20) {
          reached += 1;
          break;
        }
      }
    }
    expect(reached).toBeLessThanOrEqual(2000 / 20);
  });

  test('needs several intervals, however bad the canary was in one', () => {
    const worst: Badness = { canary: [1e9], baseline: times(9, () => 0) };
    expect(after([[worst]])).toBeLessThan(4);
    expect(after(times(7, () => [worst]))).toBeGreaterThan(1000);
  });

  test('says nothing where all tasks are alike, or one side has none', () => {
    expect(after([[{ canary: [0], baseline: [0, 0, 0] }]])).toBeCloseTo(1, 12);
    expect(after([[{ canary: [], baseline: [1] }], [{ canary: [1], baseline: [] }], []])).toBe(1);
  });

  test('is not won by one of several canary tasks alone as fast as by all', () => {
    const one = after(times(10, () => [{ canary: [2, 0], baseline: [1, 1, 1] }]));
    const all = after(times(10, () => [{ canary: [2, 2], baseline: [1, 1, 1] }]));
    expect(all).toBeGreaterThan(20 * one);
  });
});
