import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { block, cell, cells, OLD_MS, START, STEP, times } from '../../test/judge-scenes.ts';
import type { Block, Cell } from './block.ts';
import { Comparisons } from './comparison.ts';

const WARM_MS = 180_000;
const HOUR_MS = 60 * 60_000;

function comparisons(): Comparisons {
  return new Comparisons(START, HOUR_MS, WARM_MS);
}

const young = (ageMs = 60_000, task = 'canary 0') => cell({ task, ageMs });

describe('what may be compared', () => {
  test('is a warm canary with the warm tasks of stable', () => {
    const compared = comparisons().of(block(9));
    expect(compared).toMatchObject({ fromMs: START + 9 * STEP, toMs: START + 10 * STEP, warm: true });
    expect(compared?.elapsed).toBeCloseTo((10 * STEP) / HOUR_MS, 12);
    expect(compared?.canary.map(({ task }) => task)).toEqual(['canary 0']);
    expect(compared?.baselines.map((baseline) => baseline.length)).toEqual([3]);
  });

  test('is nothing of a young canary where nobody knows how stable began', () => {
    expect(comparisons().of(block(0, { canary: [young()] }))).toBeUndefined();
    expect(comparisons().of(block(0, { canary: [] }))).toBeUndefined();
  });

  test('is a young canary with stable now and with how stable began', () => {
    const starts = cells(2, { ageMs: 60_000 });
    const compared = comparisons().of(block(0, { canary: [young()], starts }));
    expect(compared).toMatchObject({ warm: false, starts });
    expect(compared?.baselines).toEqual([cells(3), starts]);
  });

  test('leaves out the young tasks of a canary that has a warm one', () => {
    const canary = [young(WARM_MS - 1, 'young'), young(WARM_MS, 'warm')];
    const compared = comparisons().of(block(0, { canary, starts: cells(1, { ageMs: WARM_MS }) }));
    expect(compared?.warm).toBe(true);
    expect(compared?.canary.map(({ task }) => task)).toEqual(['warm']);
    expect(compared?.baselines).toHaveLength(1);
    expect(compared?.starts).toHaveLength(1);
  });

  test('never takes the young tasks of stable, which scales out, for a control', () => {
    const stable = [...cells(2), cell({ task: 'new', ageMs: WARM_MS - STEP, failed: 10 })];
    const starts = cells(1, { ageMs: 60_000 });
    for (const canary of [[cell()], [young()]]) {
      const compared = comparisons().of(block(0, { canary, stable, starts }));
      expect(compared?.baselines[0]?.map(({ task }) => task)).toEqual(['stable 0', 'stable 1']);
    }
  });

  test('ends its part of the horizon with the horizon', () => {
    expect(comparisons().of(block(2000))?.elapsed).toBe(1);
  });
});

describe('a disturbance of stable', () => {
  /** Two of three tasks of stable fail everything. */
  const disturbed = (index: number) =>
    block(index, { stable: [...cells(2, { failed: 10 }), cell({ task: 'stable 2' })] });

  /** Indices of the blocks that are compared. */
  function compared(all: readonly Block[]): number[] {
    const process = comparisons();
    return all.flatMap((each, index) => (process.of(each) === undefined ? [] : [index]));
  }

  test('is left out, and the 90 s after it', () => {
    const all = times(40, (index) => (index === 5 || index === 6 ? disturbed(index) : block(index)));
    const recovered = 6 + 1 + 90_000 / STEP;
    expect(compared(all)).toEqual([0, 1, 2, 3, 4, ...times(40 - recovered, (index) => recovered + index)]);
  });

  test('that has begun before the release reaches into it', () => {
    const process = comparisons();
    for (let index = -20; index < 0; index += 1)
      process.learn(index === -2 ? disturbed(index) : block(index));
    expect(process.isDisturbed(START)).toBe(true);
    expect(process.of(block(0))).toBeUndefined();
    expect(process.isDisturbed(START - STEP + 90_000)).toBe(false);
    expect(process.of(block(17))).toBeDefined();
  });

  test('is not what a bad canary fails, however much', () => {
    const bad = times(20, (index) => block(index, { canary: [cell({ failed: 10 })] }));
    expect(compared(bad)).toHaveLength(20);
  });

  test('is not one bad task of stable among several', () => {
    const one = times(20, (index) =>
      block(index, { stable: [...cells(2), cell({ task: 'bad', failed: 7 })] }),
    );
    expect(compared(one)).toHaveLength(20);
  });

  test('is not what stable always fails', () => {
    const process = comparisons();
    const usual = (index: number) => block(index, { stable: cells(3, { finished: 30, failed: 5 }) });
    for (let index = -50; index < 0; index += 1) process.learn(usual(index));
    expect(times(20, (index) => process.of(usual(index))).filter((each) => each !== undefined)).toHaveLength(
      20,
    );
  });

  const counts = fc
    .integer({ min: 0, max: 12 })
    .chain((finished) =>
      fc.record({ finished: fc.constant(finished), failed: fc.integer({ min: 0, max: finished }) }),
    );
  const tracks = fc.record({
    canary: fc.array(counts, { minLength: 1, maxLength: 2 }),
    stable: fc.array(counts, { minLength: 1, maxLength: 3 }),
  });

  /** The counts as tasks of a track. */
  function tasksOf(track: string, all: readonly { finished: number; failed: number }[]): Cell[] {
    return all.map((each, task) => cell({ task: `${track} ${task}`, ageMs: OLD_MS, ...each }));
  }

  test('is seen by margins and the past: how the failures of an interval split does not say whether it is left out', () => {
    fc.assert(
      fc.property(fc.array(tracks, { maxLength: 30 }), tracks, fc.nat(), (past, next, where) => {
        const isCompared = (canaryFailed: number, failed: number) => {
          const process = comparisons();
          past.forEach(({ canary, stable }, index) => {
            process.of(
              block(index, { canary: tasksOf('canary', canary), stable: tasksOf('stable', stable) }),
            );
          });
          const canary = spread(next.canary, canaryFailed);
          const stable = spread(next.stable, failed - canaryFailed);
          const last = block(past.length, {
            canary: tasksOf('canary', canary),
            stable: tasksOf('stable', stable),
          });
          return process.of(last) !== undefined;
        };
        const [canaryUnits, stableUnits] = [next.canary, next.stable].map((all) => total(all, 'finished'));
        const failed = total(next.canary, 'failed') + total(next.stable, 'failed');
        const least = Math.max(0, failed - stableUnits!);
        const most = Math.min(canaryUnits!, failed);
        const anywhere = least + (where % (most - least + 1));
        expect(isCompared(anywhere, failed)).toBe(isCompared(total(next.canary, 'failed'), failed));
      }),
      { numRuns: 300 },
    );
  });

  test('is seen in what stable failed, not the canary, where later intervals are left out for it', () => {
    const same = (onStable: boolean) =>
      block(0, {
        canary: [cell({ finished: 20, failed: onStable ? 0 : 10 })],
        stable: cells(2, { finished: 20, failed: onStable ? 5 : 0 }),
      });
    expect(compared([same(true), block(1), block(2)])).toEqual([0]);
    expect(compared([same(false), block(1), block(2)])).toEqual([0, 1, 2]);
  });
});

function total(all: readonly { finished: number; failed: number }[], what: 'finished' | 'failed'): number {
  return all.reduce((sum, each) => sum + each[what], 0);
}

/** The same units with so many failures, on the first tasks first. */
function spread(all: readonly { finished: number; failed: number }[], failed: number) {
  let left = failed;
  return all.map(({ finished }) => {
    const here = Math.min(left, finished);
    left -= here;
    return { finished, failed: here };
  });
}
