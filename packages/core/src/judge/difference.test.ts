import { describe, expect, test } from 'vitest';
import { cell, cells, Dice, times } from '../../test/judge-scenes.ts';
import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { Difference } from './difference.ts';
import { ExcessFailures } from './excess.ts';
import { WorstTask } from './rank.ts';

const failures = ({ finished, failed }: Cell) => ({ units: finished, failed });

function comparison(
  canary: readonly Cell[],
  baselines: readonly (readonly Cell[])[],
  index: number,
): Comparison {
  return {
    fromMs: index,
    toMs: index + 1,
    elapsed: Math.min(1, (index + 1) / 100),
    warm: true,
    canary,
    baselines,
    starts: [],
  };
}

/** The evidence after so many intervals. */
function after(
  intervals: number,
  canary: (index: number) => Partial<Cell>,
  stable: Partial<Cell> = {},
): number {
  const difference = new Difference({ canary: failures, baseline: failures });
  for (let index = 0; index < intervals; index += 1) {
    difference.observe(comparison([cell(canary(index))], [cells(3, stable)], index));
  }
  return difference.value(0.3);
}

describe('a difference', () => {
  test('is found in a canary that goes on failing more', () => {
    expect(after(20, (index) => ({ failed: index % 2 }))).toBeGreaterThan(100);
    expect(after(8, () => ({ failed: 5 }))).toBeGreaterThan(1000);
  });

  test('is not found in a single burst, however many messages failed together', () => {
    const burst = after(50, (index) => ({ finished: 100, failed: index === 10 ? 90 : 0 }), { finished: 100 });
    expect(burst).toBeLessThan(10);
  });

  test('is not found in a task that is a little worse, however often it is the worst', () => {
    const worse = after(300, (index) => ({ finished: 1000, failed: 11 + (index % 2) }), {
      finished: 1000,
      failed: 10,
    });
    expect(worse).toBeLessThan(1);
  });

  test.each([
    {
      canary: 'a task that replaces another and is worse, as tasks may be',
      tasks: ['first', 'second'],
      found: false,
    },
    { canary: 'a task that becomes worse', tasks: ['first', 'first'], found: true },
  ])('is found in $canary: $found', ({ tasks, found }) => {
    const worse = after(
      100,
      (index) =>
        index < 60
          ? { task: tasks[0]!, finished: 1000, failed: 8 + (index % 2) }
          : { task: tasks[1]!, finished: 1000, failed: 30 + (index % 2) },
      { finished: 1000, failed: 10 },
    );
    if (found) expect(worse).toBeGreaterThan(100);
    else expect(worse).toBeLessThan(1);
  });

  test('is worth the less of what messages and what intervals say', () => {
    const dice = new Dice(2);
    const [difference, messages, intervals] = [
      new Difference({ canary: failures, baseline: failures }),
      new ExcessFailures(),
      new WorstTask(),
    ];
    for (let index = 0; index < 60; index += 1) {
      const canary = cell({ failed: dice.binomial(10, index < 30 ? 0.1 : 0.4) });
      const stable = times(3, () => cell({ failed: dice.binomial(10, 0.1) }));
      const failed = stable.reduce((sum, each) => sum + each.failed, 0);
      difference.observe(comparison([canary], [stable], index));
      messages.observe(failures(canary), [{ units: 30, failed }], (index + 1) / 100);
      intervals.observe(
        [{ canary: [canary.failed], baseline: stable.map((each) => each.failed) }],
        (index + 1) / 100,
      );
      expect(difference.value(0.2)).toBeCloseTo(Math.min(messages.value(0.2), intervals.value), 8);
    }
  });

  test('is not explained by more messages, nor by none', () => {
    expect(after(100, () => ({ finished: 400, failed: 4 }), { finished: 100, failed: 1 })).toBeLessThan(2);
    expect(after(100, () => ({ finished: 0, failed: 0 }), { failed: 1 })).toBe(1);
  });

  test('may go by scores of its own where counts say too little', () => {
    const age = ({ ageMs }: Cell) => ageMs;
    const scored = new Difference({
      canary: failures,
      baseline: failures,
      scores: { canary: age, baseline: () => undefined },
    });
    for (let index = 0; index < 20; index += 1)
      scored.observe(comparison([cell({ failed: 5 })], [cells(3)], index));
    expect(scored.value(0)).toBe(1);
  });

  test('bets by what it has learnt of stable', () => {
    const [knows, guesses] = [0, 1].map(() => new Difference({ canary: failures, baseline: failures })) as [
      Difference,
      Difference,
    ];
    knows.learn(cells(9, { finished: 1000, failed: 200 }));
    for (let index = 0; index < 10; index += 1) {
      for (const difference of [knows, guesses]) {
        difference.observe(comparison([cell({ failed: 4 })], [cells(3, { failed: 2 })], index));
      }
    }
    expect(knows.value(0)).not.toBe(guesses.value(0));
  });
});
