import { lowerBound, upperBound } from './statistics.ts';
import type { BadSummary, GoodSummary, Method, PromotionSummary } from './summaries.ts';
import { count, percent } from './table.ts';
import type { World } from './world.ts';

/** Whether a target is met, as far as this many releases can tell: `unclear` where the 99 % bounds straddle it. */
export type Status = 'met' | 'NOT MET' | 'unclear';

export interface Target {
  readonly target: string;
  readonly measured: string;
  readonly status: Status;
}

/** What the targets are about. */
export interface Measurements {
  readonly good: readonly GoodSummary[];
  readonly bad: readonly BadSummary[];
  readonly promotions: readonly PromotionSummary[];
  readonly meanError: number;
}

/** An estimate with its 99 % bounds. */
interface Estimate {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What the upper 99 % bound of the part of good releases that are rolled back may be. */
export const FALSE_ROLLBACKS_MAX = 0.013;

export function targets({ good, bad, promotions, meanError }: Measurements): Target[] {
  const named = (name: string) =>
    bad.filter(({ world }) => world.messagesPerSecond === 10 && world.name === name);
  const everything = named('everything fails');
  const harmed = (summaries: readonly BadSummary[]) =>
    summaries.map(({ judge }) => withError(judge.meanHarmed, judge.standardError));
  const found = (summaries: readonly BadSummary[], part: (method: Method) => number) =>
    summaries.map(({ judge, releases }) => rate('', Math.round(part(judge) * releases), releases));
  return [
    atMost(
      'false rollbacks <= 1 % in each world',
      0.01,
      good.map(({ world, rolledBack, releases }) => exactly(nameOf(world), rolledBack / releases)),
      percent,
    ),
    atMost(
      'false rollbacks: upper 99 % bound <= 1.3 % in each world',
      FALSE_ROLLBACKS_MAX,
      good.map(({ world, rolledBack, releases, upper }) => {
        // Of few releases the bound says little: it breaks the target only where the rate itself surely does.
        return { name: nameOf(world), value: upper, low: lowerBound(rolledBack, releases), high: upper };
      }),
      percent,
    ),
    atMost('everything fails: harmed <= 8 in the mean', 8, harmed(everything), count),
    atMost(
      'everything fails: harmed <= 16 at p99',
      16,
      everything.map(({ judge }) => exactly('', judge.p99Harmed)),
      count,
    ),
    atMost('10 % fail: harmed <= 12 in the mean', 12, harmed(named('10 % fail')), count),
    atMost('5 % fail: harmed <= 20 in the mean', 20, harmed(named('5 % fail')), count),
    atLeast(
      '2 % fail: found within 10 min in >= 95 of 100',
      0.95,
      found(named('2 % fail'), ({ within10 }) => within10),
    ),
    atLeast(
      'slower by half, warm: found within 5 min in >= 95 of 100',
      0.95,
      found(named('slower by half, warm canary'), ({ within5 }) => within5),
    ),
    atMost(
      'false promotions <= 5 % in each world where any method can',
      0.05,
      promotions.flatMap(({ world, promoted, releases, unseen = 0 }) =>
        unseen > 0.05 ? [] : rate(nameOf(world), promoted, releases),
      ),
      percent,
    ),
    atMost('|E0[e] - 1| <= 1e-12, all blocks of up to 24 units', 1e-12, [exactly('', meanError)], (value) =>
      value.toExponential(1),
    ),
  ];
}

/** Judges the worst of several estimates against a limit that all must keep. */
function atMost(
  target: string,
  limit: number,
  estimates: readonly Estimate[],
  show: (value: number) => string,
): Target {
  if (estimates.length === 0) return { target, measured: 'not simulated', status: 'unclear' };
  const worst = estimates.reduce((worse, each) => (each.value > worse.value ? each : worse));
  const broken = estimates.some(({ low }) => low > limit);
  const kept = estimates.every(({ high }) => high <= limit);
  return { target, measured: words(worst, show), status: broken ? 'NOT MET' : kept ? 'met' : 'unclear' };
}

function atLeast(target: string, limit: number, estimates: readonly Estimate[]): Target {
  if (estimates.length === 0) return { target, measured: 'not simulated', status: 'unclear' };
  const worst = estimates.reduce((worse, each) => (each.value < worse.value ? each : worse));
  const broken = estimates.some(({ high }) => high < limit);
  const kept = estimates.every(({ low }) => low >= limit);
  return { target, measured: words(worst, percent), status: broken ? 'NOT MET' : kept ? 'met' : 'unclear' };
}

function words({ name, value, low, high }: Estimate, show: (value: number) => string): string {
  const bounds = low === high ? '' : ` (${show(low)} to ${show(high)})`;
  return `${show(value)}${bounds}${name === '' ? '' : `, ${name}`}`;
}

function nameOf({ name, messagesPerSecond }: World): string {
  return `${name}, ${messagesPerSecond} msg/s`;
}

const exactly = (name: string, value: number): Estimate => ({ name, value, low: value, high: value });

const withError = (value: number, error: number): Estimate => ({
  name: '',
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
