import { describe, expect, test } from 'vitest';
import { cell, Dice, times } from '../../test/judge-scenes.ts';
import type { Cell } from './block.ts';
import type { Comparison } from './comparison.ts';
import { beyond, binsPerOctave, total } from './histogram.ts';
import { QUANTILE_WEIGHTS, Slower, slowBins } from './latency.ts';

/** A factor in bins. */
function bins(factor: number): number {
  return Math.round(Math.log2(factor) * binsPerOctave);
}

function task(dice: Dice, medianMs: number, n = 30, sd = 0.5): Cell {
  return cell({ finished: n, durations: dice.durations(n, medianMs, sd) });
}

function past(dice: Dice): Cell[] {
  return times(60, () => task(dice, 100));
}

/** The evidence that the canary is slower than is tolerated, after intervals of such durations. */
function evidenceAt(
  tolerated: number,
  canary: (dice: Dice) => Cell,
  options: {
    readonly stable?: (dice: Dice, index: number) => Cell;
    readonly seed?: number;
    readonly intervals?: number;
  } = {},
): number {
  const { stable = (dice) => task(dice, 100), seed = 1, intervals = 60 } = options;
  const dice = new Dice(seed);
  const known = past(dice);
  const slower = new Slower(slowBins(known)!, bins(tolerated), known, QUANTILE_WEIGHTS);
  for (let index = 0; index < intervals; index += 1) {
    const comparison: Comparison = {
      fromMs: index,
      toMs: index + 1,
      elapsed: (index + 1) / 240,
      warm: true,
      canary: [canary(dice)],
      baselines: [times(3, () => stable(dice, index))],
      starts: [],
    };
    slower.observe(comparison);
  }
  return slower.value;
}

describe('what is slow', () => {
  test("is told by the quantiles of stable's past, where there is enough of it", () => {
    const known = past(new Dice(3));
    const slow = slowBins(known)!;
    const all = known.reduce((sum, { durations }) => sum + total(durations!), 0);
    for (const [index, part] of [0.5, 0.1, 0.01].entries()) {
      const beyondIt = known.reduce((sum, { durations }) => sum + beyond(durations!, slow[index]!), 0);
      expect(beyondIt / all).toBeLessThanOrEqual(part);
      expect(beyondIt / all).toBeGreaterThan(0.7 * part - 0.005);
    }
    expect(slowBins(known.slice(0, 3))).toBeUndefined();
    expect(slowBins([cell()])).toBeUndefined();
  });
});

describe('a canary', () => {
  test('that takes more than is tolerated is found', () => {
    expect(evidenceAt(1.25, (dice) => task(dice, 150))).toBeGreaterThan(1e4);
    expect(evidenceAt(1.25, (dice) => task(dice, 400), { intervals: 12 })).toBeGreaterThan(1000);
  });

  test('that takes just as long, or less than is tolerated, is not', () => {
    for (const seed of times(20, (index) => index)) {
      expect(evidenceAt(1.25, (dice) => task(dice, 100), { seed })).toBeLessThan(10);
      expect(evidenceAt(1.25, (dice) => task(dice, 115), { seed })).toBeLessThan(10);
    }
  });

  test('that is slow just by what is tolerated gathers no more evidence than the error rate allows', () => {
    const reached = times(300, (seed) => {
      return evidenceAt(2, (dice) => task(dice, 200), { seed, intervals: 30 });
    }).filter((value) => value >= 20);
    expect(reached.length).toBeLessThanOrEqual(300 / 20);
  });

  test('that is slow in the tail alone is found', () => {
    const tail = (dice: Dice) => {
      const quick = dice.durations(27, 100);
      return cell({ finished: 30, durations: [...quick, [bins(3000), 3]] });
    };
    expect(evidenceAt(1.25, tail)).toBeGreaterThan(1000);
  });

  test('that is slow in the middle, and yet as quick as is tolerated on the whole, is not', () => {
    const mixed = () =>
      cell({ finished: 30, durations: [[bins(80), 12] as const, [bins(150), 18] as const] });
    expect(evidenceAt(1.25, mixed)).toBeLessThan(10);
    const slower = () =>
      cell({ finished: 30, durations: [[bins(120), 12] as const, [bins(150), 18] as const] });
    expect(evidenceAt(1.25, slower)).toBeGreaterThan(1000);
  });

  test('is not blamed for a pause that hits both tracks', () => {
    let paused = 0;
    const slowing = (dice: Dice) => {
      paused += 1;
      return task(dice, paused % 4 === 0 ? 1000 : 100);
    };
    const stable = (dice: Dice, index: number) => task(dice, (index + 1) % 4 === 0 ? 1000 : 100);
    expect(evidenceAt(1.25, slowing, { stable })).toBeLessThan(1);
  });

  test('whose durations are not measured is not judged', () => {
    expect(evidenceAt(1.25, () => cell())).toBe(1);
  });
});
