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
}

/** What a certification needs. */
export interface RequiredSample {
  /** Units of both tracks below which no method can certify, on average. */
  readonly unitsMin: number;
  /** Units that this judge takes, about. */
  readonly units: number;
  readonly canaryUnits: number;
  /** Time that they take at the plan's rate. */
  readonly durationMs: number;
  /** Whether any method could certify by the deadline, on average. */
  readonly possible: boolean;
  /** The smallest of the usual margins that this judge certifies by the deadline; undefined when none is. */
  readonly marginPossible?: number;
  /** All that in one sentence. */
  readonly sentence: string;
}

/** What this judge takes beyond the bound: for learning the failure rate, for stakes kept back, for whole blocks. */
const OVERHEAD = 1.2;
const MARGINS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/** How many units, and how much time, it takes to certify a good version: computable before the release begins. */
export function requiredSample(plan: SamplePlan): RequiredSample {
  const { unitsPerSecond, canaryShare, deadlineMs } = plan;
  const unitsMin = unitsNeeded(plan, plan.margin);
  const units = Math.ceil(OVERHEAD * unitsMin);
  const durationMs = (units / unitsPerSecond) * 1000;
  const possible = (unitsMin / unitsPerSecond) * 1000 <= deadlineMs;
  const marginPossible = MARGINS.find(
    (margin) => ((OVERHEAD * unitsNeeded(plan, margin)) / unitsPerSecond) * 1000 <= deadlineMs,
  );
  const where = `at ${amount(unitsPerSecond)} units/s and a margin of ${percent(plan.margin)}`;
  const within = `within ${duration(deadlineMs)}`;
  let sentence = `${where} certification takes about ${duration(durationMs)} (${units} units, ${Math.ceil(units * canaryShare)} of them on the canary)`;
  if (!possible) {
    const needed = `it needs ${Math.ceil(unitsMin)} units, ${duration((unitsMin / unitsPerSecond) * 1000)}`;
    const larger =
      marginPossible === undefined
        ? 'no usual margin can be; send more traffic or bake longer'
        : `at ${percent(marginPossible)} it takes about ${duration(((OVERHEAD * unitsNeeded(plan, marginPossible)) / unitsPerSecond) * 1000)}`;
    sentence = `${where} this cannot be certified ${within} by any method (${needed}); ${larger}`;
  } else if (durationMs > deadlineMs) {
    sentence += `, longer than the ${duration(deadlineMs)} there are; bake longer or widen the margin`;
  }
  return {
    unitsMin,
    units,
    canaryUnits: Math.ceil(units * canaryShare),
    durationMs,
    possible,
    ...(marginPossible === undefined ? {} : { marginPossible }),
    sentence,
  };
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

/** A number with three digits that count, large ones whole. */
export function amount(value: number): string {
  if (value >= 1e6) return value.toExponential(1).replace('e+', 'e');
  if (value >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}
