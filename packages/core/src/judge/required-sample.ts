import { nonInferiorityRate } from './non-inferiority.ts';
import { entropy, ln } from './numerics.ts';

/** What is assumed of a release when asking how long its certification takes. */
export interface SamplePlan {
  /** Units per second of both tracks together. */
  readonly unitsPerSecond: number;
  /** The canary's part of them. */
  readonly canaryShare: number;
  /** Failure rate of a good version. */
  readonly failureRate: number;
  /** By how much more the canary must be shown not to fail. */
  readonly margin: number;
  /** Probability of promoting a version that is worse by the margin. */
  readonly beta: number;
  /** Time there is. */
  readonly deadlineMs: number;
  /** How long a release is observed at least, however soon it is certified; `shortestBakeMs` of a policy. */
  readonly bakeMs?: number;
  /** Units that each track needs at least; `unitsMin` of a policy. */
  readonly trackUnitsMin?: number;
  /** What a unit is called in the sentence. */
  readonly unit?: 'units' | 'messages' | 'batches';
}

/** The messages and the time that a certification needs. */
export interface RequiredSample {
  /** Units of both tracks below which no method can certify, on average; Infinity where none ever can. */
  readonly unitsMin: number;
  /** Units that this judge needs, approximately. */
  readonly units: number;
  readonly canaryUnits: number;
  /** Time that they take at the plan's rate, and at least the bake. */
  readonly durationMs: number;
  /** Whether any method could certify by the deadline, on average. */
  readonly possible: boolean;
  /** The smallest of the usual margins that this judge certifies by the deadline; absent if none is. */
  readonly marginPossible?: number;
  /** The same in one sentence. */
  readonly sentence: string;
}

/** What this judge takes beyond the bound: for learning the failure rate, for stakes kept back, for whole blocks. */
const OVERHEAD = 1.2;
const MARGINS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/**
 * How many units, and how much time, it takes to certify a good version: computable before the release begins.
 *
 * Of a plan under which nothing can be certified, such as one without traffic, the sentence says why.
 */
export function requiredSample(plan: SamplePlan): RequiredSample {
  const { canaryShare, deadlineMs, margin, unit = 'units' } = plan;
  const obstacle = obstacleOf(plan);
  if (obstacle !== undefined) {
    const none = Number.POSITIVE_INFINITY;
    const sentence = `nothing can be certified: ${obstacle}`;
    return { unitsMin: none, units: none, canaryUnits: none, durationMs: none, possible: false, sentence };
  }
  const unitsMin = unitsNeeded(plan, margin);
  const units = unitsTaken(plan, margin);
  const canaryUnits = Math.ceil(units * canaryShare);
  const durationMs = timeTaken(plan, margin);
  const possible = timeOf(plan, unitsMin) <= deadlineMs;
  const marginPossible = MARGINS.find((larger) => timeTaken(plan, larger) <= deadlineMs);
  const where = `at ${amount(plan.unitsPerSecond)} ${unit}/s and a margin of ${percent(margin)}`;
  const larger =
    marginPossible === undefined
      ? 'no usual margin can be; send more traffic or bake longer'
      : `at ${percent(marginPossible)} it takes about ${duration(timeTaken(plan, marginPossible))}`;
  let sentence = `${where} certification takes about ${duration(durationMs)} (${units} ${unit}, ${canaryUnits} of them on the canary)`;
  if (!possible) {
    const needed = `it needs ${Math.ceil(unitsMin)} ${unit}, ${duration(timeOf(plan, unitsMin))}`;
    sentence = `${where} this cannot be certified within ${duration(deadlineMs)} by any method (${needed}); ${larger}`;
  } else if (durationMs > deadlineMs) {
    sentence += `, longer than the ${duration(deadlineMs)} there are: ${larger}`;
  }
  return {
    unitsMin,
    units,
    canaryUnits,
    durationMs,
    possible,
    ...(marginPossible === undefined ? {} : { marginPossible }),
    sentence,
  };
}

/** Why no sample can be computed, in words; undefined when one can. */
function obstacleOf({
  unitsPerSecond,
  canaryShare,
  failureRate,
  margin,
  beta,
}: SamplePlan): string | undefined {
  if (!(unitsPerSecond > 0 && unitsPerSecond < Number.POSITIVE_INFINITY)) {
    return `the tracks finish ${unitsPerSecond === 0 ? 'nothing' : `${unitsPerSecond} units/s`}; send traffic`;
  }
  if (!(canaryShare > 0 && canaryShare < 1)) {
    return `the canary takes ${percent(canaryShare)} of the units, and there is nothing to compare unless both tracks take part`;
  }
  if (!(failureRate >= 0 && failureRate < 1)) {
    return `a good version cannot fail ${percent(failureRate)} of its units`;
  }
  if (!(margin > 0 && margin < 1)) return `a margin of ${percent(margin)} is no difference of failure rates`;
  if (!(beta > 0 && beta < 1)) return `an error rate of ${percent(beta)} is no probability between 0 and 1`;
  return undefined;
}

/** Units that this judge takes. */
function unitsTaken(plan: SamplePlan, margin: number): number {
  const { canaryShare, trackUnitsMin = 0 } = plan;
  const both = trackUnitsMin / Math.min(canaryShare, 1 - canaryShare);
  return Math.ceil(Math.max(OVERHEAD * unitsNeeded(plan, margin), both));
}

/** Time that they take, and at least the bake. */
function timeTaken(plan: SamplePlan, margin: number): number {
  return Math.max(timeOf(plan, unitsTaken(plan, margin)), plan.bakeMs ?? 0);
}

function timeOf({ unitsPerSecond }: SamplePlan, units: number): number {
  return (units / unitsPerSecond) * 1000;
}

function unitsNeeded({ canaryShare, failureRate, beta }: SamplePlan, margin: number): number {
  return ln(1 / beta) / nonInferiorityRate(failureRate, margin, canaryShare);
}

/**
 * The fastest that evidence against a regression can grow, in nats per unit of both tracks together, for a
 * method that knows neither rate beforehand: `ln(1/alpha)` over this bounds the expected sample from below.
 */
export function regressionRate(canaryRate: number, baselineRate: number, share: number): number {
  const pooled = share * canaryRate + (1 - share) * baselineRate;
  return entropy(pooled) - share * entropy(canaryRate) - (1 - share) * entropy(baselineRate);
}

/** A rate in percent, with as many digits as it needs: `0.5 %`, `12.3 %`. */
export function percent(rate: number): string {
  return `${amount(rate * 100)} %`;
}

/** A time span in the largest unit that leaves a number worth reading: `40 s`, `12 min`, `3.5 h`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'forever';
  if (ms < 120_000) return `${amount(Math.ceil(ms / 1000))} s`;
  if (ms < 120 * 60_000) return `${amount(Math.ceil(ms / 60_000))} min`;
  return `${amount(Math.ceil(ms / 360_000) / 10)} h`;
}

/** Evidence: the digits of what is far beyond all that decides, or far below, say nothing. */
export function odds(eValue: number): string {
  if (eValue >= 1e6) return 'more than a million to 1';
  return eValue < 0.01 ? 'less than 0.01 to 1' : `${amount(eValue)} to 1`;
}

/** A number with three digits that count, large ones whole. */
export function amount(value: number): string {
  if (value >= 1e6) return value.toExponential(1).replace('e+', 'e');
  if (value >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}
