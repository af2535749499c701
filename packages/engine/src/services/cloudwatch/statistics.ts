import { AwsFault } from '../../errors.ts';

/** What is known about the values of one period. */
export interface Distribution {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** Each value with how often it came, in ascending order; absent when only a summary was published or kept. */
  readonly values?: ReadonlyArray<readonly [value: number, count: number]>;
}

/** A statistic of a period; `undefined` when the period's values do not determine it. */
export interface Statistic {
  readonly name: string;
  /** Whether single values are needed, not only count, sum, minimum and maximum. */
  readonly needsValues: boolean;
  readonly of: (values: Distribution) => number | undefined;
}

const SIMPLE: Readonly<Record<string, (values: Distribution) => number>> = {
  SampleCount: ({ count }) => count,
  Sum: ({ sum }) => sum,
  Average: ({ sum, count }) => sum / count,
  Minimum: ({ min }) => min,
  Maximum: ({ max }) => max,
};

const PERCENTILE = /^p(\d{1,2}(?:\.\d{1,10})?|100)$/i;
const TRIMMED_SHORT = /^(tm|tc|ts)(\d{1,2}(?:\.\d{1,10})?)$/i;
const TRIMMED = /^(TM|TC|TS|PR)\(([^:()]*):([^:()]*)\)$/i;

/**
 * Parses a CloudWatch statistic: `SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum`, percentiles (`p99.9`),
 * trimmed mean, count and sum (`TM`, `TC`, `TS`) and percentile rank (`PR`), with bounds in values
 * (`TC(0.5:10)`, above the lower, up to the upper) or in percent (`TM(10%:90%)`).
 *
 * Percentiles are by nearest rank over the exact values. Winsorized mean and IQM are refused.
 */
export function parseStatistic(name: string): Statistic {
  const simple = SIMPLE[name];
  if (simple) return { name, needsValues: false, of: simple };
  const percentile = PERCENTILE.exec(name);
  if (percentile) {
    const rank = Number(percentile[1]) / 100;
    return { name, needsValues: true, of: (values) => percentileOf(values, rank) };
  }
  const short = TRIMMED_SHORT.exec(name);
  if (short) return trimmed(name, short[1]!.toUpperCase(), '', `${short[2]}%`);
  const full = TRIMMED.exec(name);
  if (full) return trimmed(name, full[1]!.toUpperCase(), full[2]!.trim(), full[3]!.trim());
  throw new AwsFault(
    'InvalidParameterValueException',
    `The value ${name} for parameter Stat is not supported: use SampleCount, Sum, Average, Minimum, Maximum, a percentile such as p99, or TM, TC, TS or PR with bounds such as TC(0:100).`,
  );
}

function percentileOf(distribution: Distribution, rank: number): number | undefined {
  const sorted = sortedValues(distribution);
  if (!sorted) return undefined;
  const wanted = rank * distribution.count;
  let seen = 0;
  for (const [value, count] of sorted) {
    seen += count;
    if (seen >= wanted) return value;
  }
  return sorted.at(-1)?.[0];
}

function trimmed(name: string, kind: string, lower: string, upper: string): Statistic {
  const inPercent = lower.endsWith('%') || upper.endsWith('%');
  const bound = (text: string, open: number) => {
    const number = text === '' ? open : Number(text.replace(/%$/, ''));
    const wrongUnit = text !== '' && text.endsWith('%') !== inPercent;
    if (Number.isNaN(number) || wrongUnit || (inPercent && (number < 0 || number > 100))) {
      throw new AwsFault(
        'InvalidParameterValueException',
        `The bounds of the statistic ${name} are invalid: give two numbers or two percentages.`,
      );
    }
    return number;
  };
  const low = bound(lower, inPercent ? 0 : Number.NEGATIVE_INFINITY);
  const high = bound(upper, inPercent ? 100 : Number.POSITIVE_INFINITY);
  if (low >= high || (kind === 'PR' && inPercent)) {
    throw new AwsFault('InvalidParameterValueException', `The bounds of the statistic ${name} are invalid.`);
  }
  return {
    name,
    needsValues: true,
    of: (distribution) => {
      const sorted = sortedValues(distribution);
      if (!sorted) return undefined;
      const { count, sum } = inPercent
        ? withinRanks(sorted, (low / 100) * distribution.count, (high / 100) * distribution.count)
        : withinValues(sorted, low, high);
      switch (kind) {
        case 'TC':
          return count;
        case 'TS':
          return sum;
        case 'PR':
          return (100 * count) / distribution.count;
        default:
          return count === 0 ? undefined : sum / count;
      }
    },
  };
}

function withinValues(sorted: ReadonlyArray<readonly [number, number]>, low: number, high: number) {
  let count = 0;
  let sum = 0;
  for (const [value, times] of sorted) {
    if (value <= low || value > high) continue;
    count += times;
    sum += value * times;
  }
  return { count, sum };
}

function withinRanks(sorted: ReadonlyArray<readonly [number, number]>, low: number, high: number) {
  let count = 0;
  let sum = 0;
  let rank = 0;
  for (const [value, times] of sorted) {
    const kept = Math.max(0, Math.min(rank + times, high) - Math.max(rank, low));
    count += kept;
    sum += value * kept;
    rank += times;
  }
  return { count, sum };
}

/** Single values in ascending order; a summary of equal values counts as such. */
function sortedValues(
  distribution: Distribution,
): ReadonlyArray<readonly [value: number, count: number]> | undefined {
  if (distribution.values) return distribution.values;
  if (distribution.min === distribution.max) return [[distribution.min, distribution.count]];
  return undefined;
}
