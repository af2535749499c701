import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binomial, cell, Dice, times } from '../../test/judge-scenes.ts';
import { metricWeights } from './evidence.ts';
import { GrossFailures } from './gross.ts';

/** What failing nearly everything must reach by itself at an error rate of 1 %. */
const decides = 100 / metricWeights.broken;

function line(finished: number, failed: number, received = finished) {
  return cell({ finished, failed, received });
}

function evidenceOf(...lines: readonly ReturnType<typeof line>[]): number {
  const gross = new GrossFailures();
  gross.observe(lines);
  return gross.value;
}

describe('failing nearly everything', () => {
  test('is worth at most 1 in the mean for a version that fails up to a quarter, and exactly 1 for a quarter', () => {
    for (const failing of [0, 0.01, 0.1, 0.2, 0.25]) {
      for (const messages of [1, 4, 12]) {
        const mean = times(messages + 1, (failed) => {
          const lines = times(messages, (index) => line(1, index < failed ? 1 : 0));
          return binomial(messages, failed, failing) * evidenceOf(...lines);
        }).reduce((sum, each) => sum + each, 0);
        expect(mean).toBeLessThan(1 + 1e-12);
        if (failing === 0.25) expect(mean).toBeGreaterThan(1 - 1e-12);
      }
    }
  });

  test('is never worth more for failures in one line than for the same in lines of their own', () => {
    const counts = fc
      .integer({ min: 0, max: 30 })
      .chain((finished) => fc.tuple(fc.constant(finished), fc.integer({ min: 0, max: finished })));
    fc.assert(
      fc.property(fc.array(counts, { maxLength: 5 }), fc.nat(10), (all, underWay) => {
        const together = all.map(([finished, failed]) => line(finished, failed, finished + underWay));
        const apart = all.flatMap(([finished, failed]) =>
          times(finished, (index) => line(1, index < failed ? 1 : 0)),
        );
        expect(evidenceOf(...together)).toBeLessThanOrEqual(evidenceOf(...apart) * (1 + 1e-12));
      }),
    );
  });

  test('is found after five failures in several lines, not in one', () => {
    expect(evidenceOf(...times(6, () => line(1, 1)))).toBeGreaterThan(decides);
    expect(evidenceOf(line(3, 3), line(3, 3))).toBeGreaterThan(decides);
    expect(evidenceOf(line(6, 6))).toBeLessThan(decides);
    expect(evidenceOf(line(1000, 1000))).toBeLessThan(decides);
  });

  test('is not found while most is still under way', () => {
    const slow = times(6, () => line(1, 1, 20));
    expect(evidenceOf(...slow)).toBeLessThan(1);
  });

  test('is soon beyond reach for a version that works, and is never bet on again', () => {
    const gross = new GrossFailures();
    for (let index = 0; index < 100; index += 1) gross.observe([line(10, 0)]);
    for (let index = 0; index < 50; index += 1) gross.observe([line(10, 10)]);
    expect(gross.value).toBeLessThan(1);
  });

  test('reaches what decides in no more releases than the error rate allows, however often one looks', () => {
    const dice = new Dice(5);
    let reached = 0;
    for (let release = 0; release < 2000; release += 1) {
      const gross = new GrossFailures();
      for (let index = 0; index < 100 && gross.value < 20; index += 1)
        gross.observe([line(1, dice.binomial(1, 0.25))]);
      if (gross.value >= 20) reached += 1;
    }
    expect(reached).toBeLessThanOrEqual(2000 / 20);
    expect(reached).toBeGreaterThan(0);
  });

  test('may be asked of lines that are not yet observed', () => {
    const gross = new GrossFailures();
    gross.observe([line(2, 2)]);
    const latest = times(4, () => line(1, 1));
    const asked = gross.with(latest);
    expect(gross.value).toBe(evidenceOf(line(2, 2)));
    gross.observe(latest);
    expect(gross.value).toBe(asked);
  });
});
