import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Margins } from './block.ts';
import { CrashLoop } from './crash-loop.ts';
import { DeadLetters } from './dead-letters.ts';
import { ExcessFailures, type ExcessStratum, newExcessStratum } from './excess.ts';
import { SlowerUnits } from './latency.ts';
import { closestBaseline, NonInferiority } from './non-inferiority.ts';
import { regressionRate } from './required-sample.ts';
import { Stall } from './stall.ts';

const counts = (
  canaryUnits: number,
  canaryFailed: number,
  baselineUnits: number,
  baselineFailed: number,
): Margins => ({
  canary: { units: canaryUnits, failed: canaryFailed },
  baseline: { units: baselineUnits, failed: baselineFailed },
});

/** When the index-th of `of` blocks runs: of 16 units each, or so long that each is judged by itself. */
const short = (index: number, of: number): [number, number, number] => [
  index * 1600,
  (index + 1) * 1600,
  index / of,
];
const long = (index: number, of: number): [number, number, number] => [
  index * 15_000,
  (index + 1) * 15_000,
  index / of,
];

/** The process of failures, with its strata by name. */
class Failures {
  readonly #process: ExcessFailures;
  readonly #strata = new Map<string, ExcessStratum>();

  constructor(tolerance: number) {
    this.#process = new ExcessFailures(tolerance);
  }

  get value(): number {
    return this.#process.value;
  }

  observe(name: string, { canary, baseline }: Margins, fromMs: number, toMs: number, elapsed: number): void {
    const stratum = this.#strata.get(name) ?? newExcessStratum();
    this.#strata.set(name, stratum);
    this.#process.observe(stratum, canary, baseline, fromMs, toMs, elapsed);
  }
}

const track = fc
  .integer({ min: 0, max: 12 })
  .chain((units) => fc.record({ units: fc.constant(units), failed: fc.integer({ min: 0, max: units }) }));
const margins = fc.record({ canary: track, baseline: track });
const past = fc.array(fc.record({ stratum: fc.constantFrom('a', 'b'), margins }), { maxLength: 12 });

function binomial(n: number, k: number, p: number): number {
  let result = 1;
  for (let i = 1; i <= k; i += 1) result *= ((n - k + i) / i) * p;
  return result * (1 - p) ** (n - k);
}

/** Every choice of one number from 0 to each limit. */
function everyCombination(
  limits: readonly [number, number, number, number],
): [number, number, number, number][] {
  const [a, b, c, d] = limits.map((limit) => times(limit + 1, (n) => n));
  return a!.flatMap((w) =>
    b!.flatMap((x) => c!.flatMap((y) => d!.map((z): [number, number, number, number] => [w, x, y, z]))),
  );
}

function times<T>(n: number, make: (index: number) => T): T[] {
  return Array.from({ length: n }, (_, index) => make(index));
}

describe('failures', () => {
  it('never grow in the mean over what the next block may show, whatever came before, if the version does not matter', () => {
    fc.assert(
      fc.property(past, margins, fc.constantFrom(1, 0.5, 0.05), (blocks, next, oddsRatio) => {
        const replay = () => {
          const process = new Failures(1);
          blocks.forEach((block, index) => {
            process.observe(block.stratum, block.margins, ...long(index, 100));
          });
          return process;
        };
        const before = replay().value;
        const { canary, baseline } = next;
        const failures = canary.failed + baseline.failed;
        let mean = 0;
        let total = 0;
        for (let k = Math.max(0, failures - baseline.units); k <= Math.min(canary.units, failures); k += 1) {
          const process = replay();
          process.observe(
            'a',
            counts(canary.units, k, baseline.units, failures - k),
            ...long(blocks.length, 100),
          );
          const weight =
            binomial(canary.units, k, 0.5) * binomial(baseline.units, failures - k, 0.5) * oddsRatio ** k;
          mean += weight * process.value;
          total += weight;
        }
        const change = mean / total / before - 1;
        if (oddsRatio === 1) expect(Math.abs(change)).toBeLessThan(1e-12);
        else expect(change).toBeLessThan(1e-12);
      }),
      { numRuns: 80 },
    );
  });

  it('decide after a few failures of a canary that fails everything', () => {
    const process = new Failures(1);
    process.observe('', counts(4, 4, 12, 0), ...short(0, 1000));
    expect(process.value).toBeGreaterThan(200);
  });

  it('ignore failures that both tracks share, and a canary that is better', () => {
    const shared = new Failures(1);
    const better = new Failures(1);
    for (let block = 0; block < 500; block += 1) {
      shared.observe('', counts(4, 1, 12, 3), ...short(block, 1000));
      better.observe('', counts(4, 0, 12, 2), ...short(block, 1000));
    }
    expect(shared.value).toBeLessThan(1);
    expect(better.value).toBeLessThan(1);
  });

  it('are not fooled by a stratum that fails more and that the canary sees more of', () => {
    const separate = new Failures(1);
    const mixed = new Failures(1);
    for (let block = 0; block < 200; block += 1) {
      separate.observe('first', counts(4, 0, 12, 0), ...short(block, 1000));
      separate.observe('second', counts(3, 3, 1, 1), ...short(block, 1000));
      mixed.observe('all', counts(7, 3, 13, 1), ...short(block, 1000));
    }
    expect(separate.value).toBe(1);
    expect(mixed.value).toBeGreaterThan(1e6);
  });

  it('find a regression that begins late, for the stake is paid in over the horizon', () => {
    const process = new Failures(1);
    for (let block = 0; block < 1000; block += 1)
      process.observe(
        '',
        counts(4, block % 4 === 0 ? 1 : 0, 12, block % 4 === 0 ? 0 : 1),
        ...short(block, 2000),
      );
    expect(process.value).toBeLessThan(1);
    let blocks = 0;
    while (process.value < 200 && blocks < 50) {
      blocks += 1;
      process.observe('', counts(4, 4, 12, 1), ...short(1000 + blocks, 2000));
    }
    expect(blocks).toBeLessThanOrEqual(4);
  });

  it('wait for each other where units are few, and keep their mean when units fall to the tracks by chance', () => {
    const share = 0.3;
    let mean = 0;
    let judged = 0;
    for (const [a, b, c, d] of everyCombination([2, 5, 1, 8])) {
      const process = new Failures(1);
      process.observe('', counts(a + b, a, 7 - a - b, 2 - a), 0, 5000, 0);
      expect(process.value).toBe(1);
      process.observe('', counts(c + d, c, 9 - c - d, 1 - c), 5000, 10_000, 0.1);
      if (process.value !== 1) judged += 1;
      mean +=
        binomial(2, a, share) *
        binomial(5, b, share) *
        binomial(1, c, share) *
        binomial(8, d, share) *
        process.value;
    }
    expect(judged).toBeGreaterThan(300);
    expect(Math.abs(mean - 1)).toBeLessThan(1e-12);
  });

  it('of one unit at a time, in strata that rarely see one, still tell the tracks apart', () => {
    const process = new Failures(1);
    for (let index = 0; index < 64; index += 1) {
      const onCanary = index % 4 === 0;
      process.observe('rare', onCanary ? counts(1, 1, 0, 0) : counts(0, 0, 1, 0), ...short(index, 1000));
    }
    expect(process.value).toBeGreaterThan(200);
  });

  it('find a doubled failure rate with less than twice the units that any method needs in the mean', () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const releases = 400;
    let units = 0;
    for (let release = 0; release < releases; release += 1) {
      const process = new Failures(1);
      for (let block = 0; process.value < 200; block += 1) {
        let [canary, canaryFailed, baselineFailed] = [0, 0, 0];
        for (let unit = 0; unit < 16; unit += 1) {
          const onCanary = random() < 0.25;
          const failed = random() < (onCanary ? 0.02 : 0.01);
          if (onCanary) canary += 1;
          if (failed && onCanary) canaryFailed += 1;
          if (failed && !onCanary) baselineFailed += 1;
        }
        process.observe(
          '',
          counts(canary, canaryFailed, 16 - canary, baselineFailed),
          ...short(block, 100_000),
        );
        units += 16;
      }
    }
    const bound = Math.log(100) / regressionRate(0.02, 0.01, 0.25);
    expect(units / releases / bound).toBeLessThan(2);
    expect(units / releases / bound).toBeGreaterThan(1);
  });

  it('tolerate what the policy tolerates', () => {
    const strict = new Failures(1);
    const tolerant = new Failures(8);
    for (let block = 0; block < 400; block += 1) {
      const seen = counts(8, block % 2, 24, block % 3 === 0 ? 1 : 0);
      strict.observe('', seen, ...short(block, 1000));
      tolerant.observe('', seen, ...short(block, 1000));
    }
    expect(strict.value).toBeGreaterThan(1000);
    expect(tolerant.value).toBeLessThan(1);
  });
});

describe('latency', () => {
  it('rises with units beyond the median or far out in the tail, and not without', () => {
    const [same, slower, tail] = [new SlowerUnits(1), new SlowerUnits(1), new SlowerUnits(1)];
    for (let block = 0; block < 60; block += 1) {
      const usual = counts(4, block % 10 < 4 ? 1 : 0, 12, 1);
      const rare = counts(4, 0, 12, block % 8 === 0 ? 1 : 0);
      same.observe({ p50: counts(4, 2, 12, 6), p90: usual, p99: rare }, ...short(block, 1000));
      slower.observe({ p50: counts(4, 4, 12, 6), p90: usual, p99: rare }, ...short(block, 1000));
      tail.observe(
        { p50: counts(4, 2, 12, 6), p90: counts(4, 1, 12, 1), p99: counts(4, 1, 12, 0) },
        ...short(block, 1000),
      );
    }
    expect(same.value).toBeLessThan(1.5);
    expect(slower.value).toBeGreaterThan(1e4);
    expect(tail.value).toBeGreaterThan(1e4);
  });
});

describe('a stall', () => {
  it('shows when the canary takes nothing while the baseline does, early or late', () => {
    const early = new Stall(0.1);
    early.observe({ canary: 0, baseline: 100 }, 0);
    expect(early.value).toBeGreaterThan(1000);
    const late = new Stall(0.1);
    for (let block = 0; block < 500; block += 1) late.observe({ canary: 4, baseline: 12 }, block / 1000);
    expect(late.value).toBeLessThan(1);
    for (let block = 0; block < 20; block += 1)
      late.observe({ canary: 0, baseline: 12 }, (500 + block) / 1000);
    expect(late.value).toBeGreaterThan(1000);
  });

  it('never grows in the mean for a share of at least the smallest allowed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0.0005, 0.05, 0.12, 0.3),
        fc.double({ min: 1, max: 3, noNaN: true }),
        fc.array(fc.record({ canary: fc.nat(9), baseline: fc.nat(9) }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 12 }),
        (shareMin, above, blocks, next) => {
          const replay = () => {
            const stall = new Stall(shareMin);
            blocks.forEach((block, index) => {
              stall.observe(block, index / 20);
            });
            return stall;
          };
          const before = replay().value;
          const mean = times(next + 1, (canary) => {
            const stall = replay();
            stall.observe({ canary, baseline: next - canary }, 0.5);
            return binomial(next, canary, shareMin * above) * stall.value;
          }).reduce((sum, value) => sum + value, 0);
          expect(mean).toBeLessThanOrEqual(before * (1 + 1e-12));
        },
      ),
      { numRuns: 80 },
    );
  });
});

describe('a crash loop', () => {
  /** Part of the error budget that crashes are worth, times what decides at alpha = 1 %. */
  const decides = 100 / 0.15;

  it('is seen after two crashes within forty seconds, not after one', () => {
    const once = new CrashLoop();
    once.observe({ count: 1, taskSeconds: 20 }, 0);
    expect(once.value).toBeLessThan(decides);
    const twice = new CrashLoop();
    twice.observe({ count: 2, taskSeconds: 40 }, 0.01);
    expect(twice.value).toBeGreaterThan(decides);
  });

  it('is never seen in a canary that does not crash, for however many task-hours', () => {
    const crashes = new CrashLoop();
    for (let hour = 0; hour < 1000; hour += 1) {
      crashes.observe({ count: 0, taskSeconds: 3600 }, Math.min(1, hour / 100));
      expect(crashes.value).toBeLessThanOrEqual(1);
    }
  });

  it('never grows in the mean for at most one crash in six task-hours', () => {
    for (const hours of [0.01, 1, 6]) {
      for (const perHour of [1 / 6, 1 / 20, 0.001]) {
        let mean = 0;
        let probability = Math.exp(-perHour * hours);
        for (let count = 0; count < 60; count += 1) {
          const crashes = new CrashLoop();
          crashes.observe({ count, taskSeconds: hours * 3600 }, 0);
          mean += probability * crashes.value;
          probability *= (perHour * hours) / (count + 1);
        }
        expect(mean).toBeLessThanOrEqual(1 + 1e-9);
        if (perHour === 1 / 6 && hours === 0.01) expect(mean).toBeGreaterThan(0.99);
      }
    }
  });
});

describe('dead letters', () => {
  it('speak against the canary that received them more often than its share, and not otherwise', () => {
    const replay = (canaryReceives: number) => {
      const process = new DeadLetters();
      process.received(250, 1000);
      process.observe(
        times(8, () => ({ receives: 3, canaryReceives })),
        0.1,
      );
      return process.value;
    };
    expect(replay(3)).toBeGreaterThan(1000);
    expect(replay(1)).toBeLessThan(2);
    expect(replay(0)).toBeLessThan(1);
  });

  it('never grow in the mean for a share within the allowance', () => {
    for (const share of [0.1, 0.25, 0.31]) {
      const mean = times(4, (canaryReceives) => {
        const process = new DeadLetters();
        process.received(249, 998);
        process.observe([{ receives: 3, canaryReceives }], 0.2);
        return binomial(3, canaryReceives, share) * process.value;
      }).reduce((sum, value) => sum + value, 0);
      expect(mean).toBeLessThanOrEqual(1);
    }
  });
});

describe('non-inferiority', () => {
  it('never grows in the mean for any pair of rates at least the margin apart', () => {
    fc.assert(
      fc.property(
        fc.record({ canary: fc.integer({ min: 1, max: 12 }), baseline: fc.integer({ min: 1, max: 12 }) }),
        fc.double({ min: 0.01, max: 0.4, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(fc.integer({ min: 0, max: 16 }), { maxLength: 8 }),
        ({ canary, baseline }, margin, where, apart, history) => {
          const baselineRate = where * (1 - margin);
          const canaryRate = baselineRate + margin + apart * (1 - margin - baselineRate);
          const replay = () => {
            const process = new NonInferiority(margin);
            history.forEach((failed, index) => {
              process.add(index, 8, Math.min(8, failed), 8, Math.max(0, failed - 8));
              process.settle(index);
            });
            return process;
          };
          const before = replay().value;
          let mean = 0;
          for (let c = 0; c <= canary; c += 1) {
            for (let b = 0; b <= baseline; b += 1) {
              const process = replay();
              process.add(10_000, canary, c, baseline, b);
              process.settle(20_000);
              mean += binomial(canary, c, canaryRate) * binomial(baseline, b, baselineRate) * process.value;
            }
          }
          expect(mean / before).toBeLessThanOrEqual(1 + 1e-9);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('certifies a clean canary and never one that fails the margin more', () => {
    const good = new NonInferiority(0.02);
    const bad = new NonInferiority(0.02);
    for (let block = 0; block < 100; block += 1) {
      good.add(block * 1600, 4, 0, 12, 0);
      good.settle((block + 1) * 1600);
      bad.add(block * 1600, 4, block % 12 === 0 ? 1 : 0, 12, 0);
      bad.settle((block + 1) * 1600);
    }
    expect(good.value).toBeGreaterThan(20);
    expect(bad.value).toBeLessThan(1);
  });

  it('pools what comes in small pieces, by units and time alone', () => {
    const process = new NonInferiority(0.1);
    process.add(0, 4, 0, 4, 0);
    process.settle(1000);
    expect(process.value).toBe(1);
    process.add(1000, 4, 0, 4, 0);
    process.settle(2000);
    const pooled = process.value;
    expect(pooled).toBeGreaterThan(1);
    const whole = new NonInferiority(0.1);
    whole.add(0, 8, 0, 8, 0);
    whole.settle(2000);
    expect(whole.value).toBe(pooled);
  });

  it('measures against the nearest pair of rates', () => {
    const cost = (q: number) => {
      const kl = (p: number, r: number) => p * Math.log(p / r) + (1 - p) * Math.log((1 - p) / (1 - r));
      return 4 * kl(0.05, q + 0.02) + 12 * kl(0.05, q);
    };
    const q = closestBaseline(0.05, 0.02, 4, 12);
    expect(cost(q)).toBeLessThanOrEqual(Math.min(cost(q * 0.999), cost(q * 1.001)));
  });
});
