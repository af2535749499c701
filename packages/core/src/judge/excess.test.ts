import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binomial, Dice, shifted, times } from '../../test/judge-scenes.ts';
import type { Counts } from './block.ts';
import { ExcessFailures, nullLaw } from './excess.ts';
import { regressionRate } from './required-sample.ts';

interface Interval {
  readonly canary: Counts;
  readonly baselines: readonly Counts[];
}

function of(units: number, failed: number): Counts {
  return { units, failed };
}

/** The process after these intervals, which are equal parts of the horizon. */
function after(intervals: readonly Interval[], horizon = 20, alike = false): ExcessFailures {
  const process = new ExcessFailures(alike);
  for (const [index, { canary, baselines }] of intervals.entries()) {
    process.observe(canary, baselines, (index + 1) / horizon);
  }
  return process;
}

function choose(n: number, k: number): number {
  return binomial(n, k, 0.5) * 2 ** n;
}

/** Every split of the failures between the tracks, with its probability where the odds of failing have a ratio. */
function splits(canary: number, baseline: number, failures: number, ratio: number) {
  const all: { interval: Interval; weight: number }[] = [];
  for (let k = Math.max(0, failures - baseline); k <= Math.min(canary, failures); k += 1) {
    all.push({
      interval: { canary: of(canary, k), baselines: [of(baseline, failures - k)] },
      weight: choose(canary, k) * choose(baseline, failures - k) * ratio ** k,
    });
  }
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  return all.map(({ interval, weight }) => ({ interval, probability: weight / total }));
}

const track = fc
  .integer({ min: 0, max: 12 })
  .chain((units) => fc.record({ units: fc.constant(units), failed: fc.integer({ min: 0, max: units }) }));
const interval = fc.record({ canary: track, baseline: track }).map(({ canary, baseline }) => ({
  canary,
  baselines: [baseline],
}));

describe('failures beyond what the baseline explains', () => {
  test('are worth exactly 1 in the mean over how the next interval splits, whatever came before, if tasks are equal', () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 8 }), interval, fc.boolean(), (past, next, alike) => {
        const before = after(past, 20, alike).value(0);
        const { canary, baselines } = next;
        const failures = canary.failed + baselines[0]!.failed;
        const mean = splits(canary.units, baselines[0]!.units, failures, 1)
          .map(
            ({ interval: split, probability }) => probability * after([...past, split], 20, alike).value(0),
          )
          .reduce((sum, each) => sum + each, 0);
        expect(Math.abs(mean / before - 1)).toBeLessThan(1e-12);
      }),
      { numRuns: 150 },
    );
  });

  test('are worth less in the mean where the canary is better', () => {
    for (const ratio of [0.9, 0.5, 0.1]) {
      const mean = splits(6, 18, 5, ratio)
        .map(({ interval: split, probability }) => probability * after([split]).value(0))
        .reduce((sum, each) => sum + each, 0);
      expect(mean).toBeLessThan(1);
    }
  });

  test.each([0.02, 0.1, 0.26, 0.6, 2])(
    'are worth at most 1 in the mean where tasks differ by a ratio that is drawn once, of the law for a spread of %d',
    (spread) => {
      const { ratios, probabilities } = nullLaw(spread);
      expect(probabilities.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 12);
      for (const margins of [
        [3, 9, 2, 4, 8, 5, 5, 5, 1],
        [1, 4, 1, 8, 3, 4, 2, 12, 7],
      ] as const) {
        let mean = 0;
        for (const [step, ratio] of ratios.entries()) {
          for (const first of splits(margins[0], margins[1], margins[2], ratio)) {
            for (const second of splits(margins[3], margins[4], margins[5], ratio)) {
              for (const third of splits(margins[6], margins[7], margins[8], ratio)) {
                const value = after([first.interval, second.interval, third.interval]).value(spread);
                mean +=
                  probabilities[step]! * first.probability * second.probability * third.probability * value;
              }
            }
          }
        }
        expect(mean).toBeLessThan(1 + 1e-9);
        expect(mean).toBeGreaterThan(0.9);
      }
    },
  );

  test('are worth at most 1 in the mean if either of two baselines explains them, whatever the other does', () => {
    const [now, starts, other] = [0.3, 0.6, 0.05];
    for (const spread of [0, 0.3]) {
      const { ratios, probabilities } = spread === 0 ? { ratios: [1], probabilities: [1] } : nullLaw(spread);
      for (const explains of ['now', 'starts']) {
        const [nowRate, startsRate] = explains === 'now' ? [now, other] : [other, starts];
        let mean = 0;
        for (const [step, ratio] of ratios.entries()) {
          const young = shifted(explains === 'now' ? nowRate : startsRate, ratio);
          const warm = shifted(nowRate, ratio);
          for (const [k, b, s, warmK, warmB] of combinations([2, 3, 2, 2, 3] as const)) {
            const probability =
              binomial(2, k, young) *
              binomial(3, b, nowRate) *
              binomial(2, s, startsRate) *
              binomial(2, warmK, warm) *
              binomial(3, warmB, nowRate);
            const value = after([
              { canary: of(2, k), baselines: [of(3, b), of(2, s)] },
              { canary: of(2, warmK), baselines: [of(3, warmB)] },
            ]).value(spread);
            mean += probabilities[step]! * probability * value;
          }
        }
        expect(mean).toBeLessThan(1 + 1e-9);
      }
    }
  });

  test('say nothing against a baseline that has finished nothing, and so nothing at all', () => {
    const failing = { canary: of(8, 8), baselines: [of(24, 0), of(0, 0)] };
    expect(after([failing, failing]).value(0)).toBe(1);
    expect(after([{ canary: of(8, 8), baselines: [] }]).value(0)).toBe(1);
    expect(after([{ canary: of(8, 8), baselines: [of(0, 0)] }]).value(0)).toBe(1);
  });

  test('keep what was won against both baselines when only one is left', () => {
    const young = { canary: of(8, 4), baselines: [of(24, 0), of(24, 12)] };
    const warm = { canary: of(8, 4), baselines: [of(24, 0)] };
    const later = times(4, () => warm);
    const explained = after([young, young]).value(0);
    expect(explained).toBeLessThan(2);
    expect(after([young, young, ...later]).value(0)).toBeGreaterThan(10 * explained);
    expect(after([young, young, ...later]).value(0)).toBeLessThan(
      after([warm, warm, ...later]).value(0) / 10,
    );
  });

  test('reach what decides in no more releases than the error rate allows, however often one looks', () => {
    const dice = new Dice(1);
    const { ratios, probabilities } = nullLaw(0.3);
    let reached = 0;
    for (let release = 0; release < 2000; release += 1) {
      const failing = shifted(0.05, dice.pick([...ratios], probabilities));
      const process = new ExcessFailures();
      for (let index = 0; index < 60; index += 1) {
        const canary = of(8, dice.binomial(8, failing));
        process.observe(canary, [of(24, dice.binomial(24, 0.05))], index / 60);
        if (process.value(0.3) >= 20) {
          reached += 1;
          break;
        }
      }
    }
    expect(reached).toBeLessThanOrEqual(2000 / 20);
    expect(reached).toBeGreaterThan(0);
  });

  test('are no evidence against a task that differs as tasks do, wherever its ratio lies and however many there are', () => {
    for (const logRatio of [0, 0.06, 0.125, 0.19, 0.25, 0.375]) {
      const process = new ExcessFailures();
      const failing = shifted(0.01, Math.exp(logRatio));
      for (let index = 0; index < 720; index += 1) {
        const failed = Math.round((index + 1) * 2000 * failing) - Math.round(index * 2000 * failing);
        process.observe(of(2000, failed), [of(6000, 60)], index / 720);
        expect(process.value(0.3)).toBeLessThan(100);
      }
    }
  });

  test.each([
    [0.3, 0.001],
    [0.2, 0.01],
    [0.5, 0.05],
    [0.95, 0.1],
  ])(
    'remain evidence however many fail, a part of %d alongside %d, where no number holds how surely',
    (canary, stable) => {
      for (const units of [1000, 10_000]) {
        const process = new ExcessFailures();
        for (let index = 0; index < 100; index += 1) {
          process.observe(of(units, canary * units), [of(3 * units, 3 * stable * units)], index / 720);
          expect(process.value(0.25)).toBeGreaterThan(1e6);
        }
        expect(process.value(0)).toBe(1e250);
      }
    },
  );
});

/** Every choice of one number from 0 to each limit. */
function combinations<T extends readonly number[]>(limits: T): { -readonly [each in keyof T]: number }[] {
  const all = limits.reduce<number[][]>(
    (chosen, limit) => chosen.flatMap((each) => times(limit + 1, (next) => [...each, next])),
    [[]],
  );
  return all as { -readonly [each in keyof T]: number }[];
}

describe('the bets on failures', () => {
  test('decide after a handful of failures of a canary that fails everything', () => {
    const failing = { canary: of(4, 4), baselines: [of(12, 0)] };
    expect(after([failing], 720).value(0)).toBeGreaterThan(100);
    expect(after([failing, failing], 720).value(0.3)).toBeGreaterThan(1000);
  });

  test('ignore failures that both tracks share, and a canary that is better', () => {
    const shared = times(500, () => ({ canary: of(4, 1), baselines: [of(12, 3)] }));
    const better = times(500, () => ({ canary: of(4, 0), baselines: [of(12, 2)] }));
    expect(after(shared, 1000).value(0)).toBeLessThan(1);
    expect(after(better, 1000).value(0)).toBeLessThan(1);
  });

  test('find a regression that begins late, for the stake is paid in over the horizon', () => {
    const good = times(1000, (index) => ({
      canary: of(4, index % 4 === 0 ? 1 : 0),
      baselines: [of(12, index % 4 === 0 ? 0 : 1)],
    }));
    const process = after(good, 2000);
    expect(process.value(0)).toBeLessThan(1);
    let intervals = 0;
    while (process.value(0) < 200 && intervals < 50) {
      intervals += 1;
      process.observe(of(4, 4), [of(12, 1)], (1000 + intervals) / 2000);
    }
    expect(intervals).toBeLessThanOrEqual(4);
  });

  test('tolerate a greater difference where tasks differ more', () => {
    const process = after(
      times(500, (index) => ({ canary: of(20, index % 2), baselines: [of(60, index % 4 === 0 ? 1 : 0)] })),
      500,
    );
    const values = [0, 0.1, 0.3, 1].map((spread) => process.value(spread));
    expect(values[0]).toBeGreaterThan(1000);
    expect(values[1]).toBeLessThan(values[0]! / 10);
    expect(values[2]).toBeLessThan(values[1]! / 10);
    expect(values[3]).toBeLessThan(10);
  });

  test('find a doubled failure rate among tasks that are alike with not much more than twice the messages that any method needs in the mean', () => {
    const dice = new Dice(1);
    const releases = 300;
    let messages = 0;
    for (let release = 0; release < releases; release += 1) {
      const process = new ExcessFailures(true);
      for (let index = 0; index < 10_000 && process.value(0) < 200; index += 1) {
        process.observe(of(20, dice.binomial(20, 0.02)), [of(60, dice.binomial(60, 0.01))], index / 2000);
        messages += 80;
      }
    }
    const bound = Math.log(100) / regressionRate(0.02, 0.01, 0.25);
    expect(messages / releases / bound).toBeGreaterThan(1);
    expect(messages / releases / bound).toBeLessThan(2.3);
  });

  test('are chosen with what was seen of stable before the release', () => {
    const [knows, guesses] = [new ExcessFailures(), new ExcessFailures()];
    knows.learn(of(100_000, 20_000));
    for (const process of [knows, guesses]) process.observe(of(10, 3), [of(30, 6)], 0.01);
    expect(knows.value(0)).not.toBe(guesses.value(0));
  });
});
