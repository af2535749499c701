import { lowerBound, upperBound } from './statistics.ts';
import type { BadReleases, CertifiedReleases, GoodReleases } from './studies.ts';
import { count, percent, ratio } from './table.ts';
import type { Throughput } from './throughput.ts';

/** Whether a target is met, as far as this many releases can tell: `unclear` where the 99 % bounds straddle it. */
export type Status = 'met' | 'NOT MET' | 'unclear';

export interface Target {
  readonly number: string;
  readonly target: string;
  readonly measured: string;
  readonly status: Status;
}

/** What the targets are about. */
export interface Measurements {
  readonly nulls: readonly GoodReleases[];
  readonly regressions: readonly BadReleases[];
  readonly late: readonly { readonly name: string; readonly ratio: number }[];
  readonly certifications: readonly CertifiedReleases[];
  readonly meanError: number;
  readonly throughput: readonly Throughput[];
}

/** An estimate with its 99 % bounds. */
interface Estimate {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export function targets(measurements: Measurements): Target[] {
  const { nulls, regressions, late, certifications, meanError, throughput } = measurements;
  const judgeAt = (canaryRate: number) =>
    regressions.find(
      ({ scenario }) =>
        scenario.canaryRate === canaryRate &&
        scenario.baselineRate === 0.001 &&
        scenario.unitsPerSecond === 10,
    )!.judge;
  const falseRollbacks = nulls.reduce((sum, { rollbacks }) => sum + rollbacks[0]!, 0);
  const goodReleases = nulls.reduce((sum, { releases }) => sum + releases, 0);
  const samples = regressions
    .filter(({ sampleToBound }) => Number.isFinite(sampleToBound))
    .map((each) => ({ ...each, estimate: withError(each.name, each.sampleToBound, each.standardError) }));
  const partly = samples.filter(({ scenario }) => scenario.canaryRate <= 0.1).map(({ estimate }) => estimate);
  const wholly = samples.filter(({ scenario }) => scenario.canaryRate === 1).map(({ estimate }) => estimate);
  const promoted = certifications.filter(({ sampleToBound }) => Number.isFinite(sampleToBound));
  const failures = (canaryRate: number, what: 'meanHarmed' | 'p99Harmed') => [
    exactly('10 msg/s', judgeAt(canaryRate)[what]),
  ];
  return [
    atMost(
      '1',
      'false rollbacks <= 1 % in every null scenario',
      0.01,
      nulls.map(({ name, rollbacks, releases }) => rate(name, rollbacks[0]!, releases)),
      percent,
    ),
    atMost(
      '1',
      'false rollbacks <= 1 % over all null scenarios',
      0.01,
      [rate('', falseRollbacks, goodReleases)],
      percent,
    ),
    atMost('2', '100 %: failures <= 8 in the mean', 8, failures(1, 'meanHarmed'), count),
    atMost('2', '100 %: failures <= 16 at p99', 16, failures(1, 'p99Harmed'), count),
    atMost('2', '10 %: failures <= 10 in the mean', 10, failures(0.1, 'meanHarmed'), count),
    atMost('2', '2 %: failures <= 10 in the mean', 10, failures(0.02, 'meanHarmed'), count),
    atMost('3', 'sample <= 2.0x its bound up to 10 %', 2, partly, ratio),
    atMost('3', 'sample <= 3.0x its bound at 100 %', 3, wholly, ratio),
    atMost(
      '4',
      'a regression at 30 min harms <= 2x one at once',
      2,
      late.map(({ name, ratio: times }) => exactly(name, times)),
      ratio,
    ),
    atMost(
      '5',
      'false promotions <= 5 % at the margin',
      0.05,
      certifications.map(({ name, falsePromotions, lower, upper }) => {
        return { name, value: falsePromotions, low: lower, high: upper };
      }),
      percent,
    ),
    atMost(
      '5',
      'promotion sample <= 1.25x its bound, 10 msg/s',
      1.25,
      promoted.map(({ name, sampleToBound, standardError }) => withError(name, sampleToBound, standardError)),
      ratio,
    ),
    atMost(
      '6',
      '|E0[e] - 1| <= 1e-12, all blocks of up to 24 units',
      1e-12,
      [exactly('', meanError)],
      (value) => value.toExponential(1),
    ),
    // By the fastest round: on a shared machine processor time too is spent waiting for what others evict.
    ...throughput.map(
      ({ name, blocksPerSecond, best }): Target => ({
        number: '8',
        target: `one million blocks judged per second: ${name}`,
        measured: `${thousands(best)}, median ${thousands(blocksPerSecond)}`,
        status: best >= 1e6 ? 'met' : 'NOT MET',
      }),
    ),
  ];
}

/** Judges the worst of several estimates against a limit that all must keep. */
function atMost(
  number: string,
  target: string,
  limit: number,
  estimates: readonly Estimate[],
  show: (value: number) => string,
): Target {
  if (estimates.length === 0) return { number, target, measured: 'nothing', status: 'unclear' };
  const worst = estimates.reduce((worse, each) => (each.value > worse.value ? each : worse));
  const broken = estimates.some(({ low }) => low > limit);
  const kept = estimates.every(({ high }) => high <= limit);
  const bounds = worst.low === worst.high ? '' : ` (${show(worst.low)} to ${show(worst.high)})`;
  return {
    number,
    target,
    measured: `${show(worst.value)}${bounds}${worst.name === '' ? '' : `, ${worst.name}`}`,
    status: broken ? 'NOT MET' : kept ? 'met' : 'unclear',
  };
}

const thousands = (value: number): string => `${Math.round(value / 1000)} thousand`;

const exactly = (name: string, value: number): Estimate => ({ name, value, low: value, high: value });

const withError = (name: string, value: number, error: number): Estimate => ({
  name,
  value,
  low: value - 2.326 * error,
  high: value + 2.326 * error,
});

const rate = (name: string, hits: number, trials: number): Estimate => ({
  name,
  value: hits / trials,
  low: lowerBound(hits, trials),
  high: upperBound(hits, trials),
});
