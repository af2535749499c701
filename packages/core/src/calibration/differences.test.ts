import { expect, test } from 'vitest';
import { sequence } from '../../test/random-lines.ts';
import type { Cell } from '../judge/block.ts';
import { Differences, type TaskDifferences } from './differences.ts';
import type { Release } from './releases.ts';

/** Windows in which each task finishes a thousand messages in each half, and fails about so many of them. */
function learnt(
  failing: readonly number[],
  windows: number,
  takesBin = failing.map(() => 100),
): TaskDifferences {
  const random = sequence(4);
  const tasks = failing.map((_, index) => `t${index}`);
  const differences = new Differences();
  for (let window = 0; window < windows; window += 1) {
    const cells = tasks.map((task, index) => {
      const half = (): Cell => ({
        task,
        ageMs: 3_600_000,
        received: 1000,
        finished: 1000,
        failed: failedOf(failing[index]!, random),
        retried: 0,
        retriedFailed: 0,
        saturated: false,
        durations: [
          [takesBin[index]!, 45 + Math.floor(10 * random())],
          [takesBin[index]! + 3, 45 + Math.floor(10 * random())],
        ],
      });
      return [task, [half(), half()]] as const;
    });
    const releases = tasks.map((task): Release => {
      const others = tasks.filter((other) => other !== task);
      return { kind: 'task', task, revision: 'r', others, fromMs: 0, untilMs: 0, ageMs: 0, besideWarm: true };
    });
    differences.observe({ first: 0, end: 2, cells: new Map(cells) }, releases, 60_000);
  }
  return differences.result;
}

/** A thousand messages, each of which fails by itself. */
function failedOf(mean: number, random: () => number): number {
  let failed = 0;
  for (let message = 0; message < 1000; message += 1) if (random() < mean / 1000) failed += 1;
  return failed;
}

test('takes chance for no difference', () => {
  expect(learnt([10, 10, 10], 60)).toEqual({ rateSpread: 0 });
  expect(learnt([2, 2, 2, 2, 2, 2], 30)).toEqual({ rateSpread: 0 });
});

test('finds how much tasks differ alongside the others, and which of them stands out', () => {
  const { rateSpread, worst, slowest } = learnt([10, 10, 20, 10], 60);
  // Compared with the others the one fails twice as often, and each of the others three quarters as often.
  expect(rateSpread).toBeGreaterThan(0.4);
  expect(rateSpread).toBeLessThan(0.6);
  expect(worst).toMatchObject({ task: 't2', times: expect.closeTo(2, 0) });
  expect(slowest).toBeUndefined();
});

test('finds a task that is slower for good, by its factor', () => {
  const { rateSpread, slowest } = learnt([10, 10, 10], 20, [100, 108, 100]);
  expect(rateSpread).toBe(0);
  expect(slowest).toMatchObject({ task: 't1', bins: expect.closeTo(8, 0), times: expect.closeTo(1.41, 1) });
});

test('says nothing of a few windows', () => {
  expect(learnt([10, 10, 40], 2)).toEqual({ rateSpread: 0 });
});
