import { nonInferiorityRate } from '../../packages/core/src/judge/non-inferiority.ts';
import { regressionRate } from '../../packages/core/src/judge/required-sample.ts';
import {
  certificationScenarios,
  disturbedScenarios,
  lateScenarios,
  nullScenarios,
  regressionScenarios,
} from './scenarios.ts';
import { comparatorNames, type Detection, type Release } from './simulation.ts';
import { lowerBound, mean, quantile, standardError, upperBound } from './statistics.ts';
import type { Scenario } from './trace.ts';
import type { Aim } from './work.ts';

/** Many releases of one scenario. */
export interface Study {
  readonly group: Group;
  readonly scenario: Scenario;
  readonly releases: number;
  readonly aim: Aim;
  /** Keeps the seeds of scenarios apart. */
  readonly number: number;
  /** How much work a release is, about, in milliseconds. */
  readonly cost: number;
}

export type Group = 'null' | 'regression' | 'disturbed' | 'early' | 'late' | 'good' | 'worse';

/** How many releases of a scenario are simulated. */
export interface Sizes {
  readonly good: number;
  readonly bad: number;
}

/** Part of the releases that must have been found, or certified, for their mean sample to be one. */
const NEARLY_ALL = 0.99;

/** False promotions come so close to their limit that telling takes more releases. */
const WORSE_TIMES = 4;

export function studies({ good, bad }: Sizes, quick: boolean): Study[] {
  const judged = ({ buckets, unitsPerSecond }: Scenario) =>
    buckets ? 10 + 0.011 * unitsPerSecond : 3 + 0.33 * unitsPerSecond;
  const released = (group: Group, first: number, scenarios: readonly Scenario[], releases: number) =>
    scenarios.map((scenario, index): Study => {
      const cost = group === 'null' ? judged(scenario) : 2;
      return { group, scenario, releases, aim: 'all methods', number: first + index, cost };
    });
  const late = lateScenarios();
  const certified = certificationScenarios();
  return [
    ...released('null', 0, nullScenarios(quick), good),
    ...released('regression', 100, regressionScenarios(), bad),
    ...released('disturbed', 200, disturbedScenarios(), bad),
    ...late.map(({ early }, index): Study => {
      return { group: 'early', scenario: early, releases: bad, aim: 'judge', number: 300 + index, cost: 0.2 };
    }),
    ...late.map(({ late: begun }, index): Study => {
      const number = 300 + index;
      return { group: 'late', scenario: begun, releases: bad, aim: 'all methods', number, cost: 4 };
    }),
    ...certified.map(({ delta, scenario }, index): Study => {
      return { group: 'good', scenario, releases: bad, aim: { delta }, number: 500 + index, cost: 0.5 };
    }),
    ...certified.map(({ delta, scenario }, index): Study => {
      const worse = { ...scenario, canaryRate: scenario.baselineRate + delta };
      const releases = WORSE_TIMES * good;
      return { group: 'worse', scenario: worse, releases, aim: { delta }, number: 600 + index, cost: 2 };
    }),
  ];
}

/** One method on the bad releases of a scenario. */
export interface Method {
  /** Part of them that it rolled back, once they had gone bad. */
  readonly found: number;
  /** Part that it had rolled back before. */
  readonly before: number;
  readonly meanMs: number;
  readonly meanHarmed: number;
  readonly p99Harmed: number;
}

function methodOf(detections: readonly (Detection | undefined)[], onsetMs: number): Method {
  const decided = detections.filter((detection) => detection !== undefined);
  const found = decided.filter(({ atMs }) => atMs > onsetMs);
  const harmed = found.map((detection) => detection.harmed);
  return {
    found: found.length / detections.length,
    before: (decided.length - found.length) / detections.length,
    meanMs: mean(found.map(({ atMs }) => atMs - onsetMs)),
    meanHarmed: mean(harmed),
    p99Harmed: harmed.length === 0 ? Number.NaN : quantile(harmed, 0.99),
  };
}

/** What each method did with good releases, the judge first. */
export function goodReleases(scenario: Scenario, releases: readonly Release[]) {
  const rollbacks = [
    releases.filter(({ judge }) => judge !== undefined).length,
    ...comparatorNames.map((_, method) => releases.filter((release) => release.comparators[method]).length),
  ];
  return {
    name: scenario.name,
    scenario,
    releases: releases.length,
    rollbacks,
    upper: upperBound(rollbacks[0]!, releases.length),
  };
}

export type GoodReleases = ReturnType<typeof goodReleases>;

/** What each method did with bad releases, and the judge's sample beside the least that any method needs. */
export function badReleases(scenario: Scenario, releases: readonly Release[]) {
  const { canaryRate, baselineRate, share, onsetMs = 0 } = scenario;
  const judge = methodOf(
    releases.map((release) => release.judge),
    onsetMs,
  );
  const units = releases.flatMap((release) => (release.judge === undefined ? [] : [release.judge.units]));
  const bounded = typeof share === 'number' && !scenario.bursts && !scenario.buckets && onsetMs === 0;
  const bound = bounded ? Math.log(100) / regressionRate(canaryRate, baselineRate, share) : Number.NaN;
  return {
    name: scenario.name,
    scenario,
    judge,
    ...sampleOf(units, releases.length, bound),
    comparators: comparatorNames.map((_, method) =>
      methodOf(
        releases.map((release) => release.comparators[method]),
        onsetMs,
      ),
    ),
  };
}

export type BadReleases = ReturnType<typeof badReleases>;

/** Certification of releases as good as the baseline, and of ones that are worse by the margin. */
export function certifiedReleases(
  scenario: Scenario,
  delta: number,
  good: readonly Release[],
  worse: readonly Release[],
) {
  const { baselineRate } = scenario;
  const units = good.flatMap(({ judge }) => (judge === undefined ? [] : [judge.units]));
  const falsely = worse.filter(({ judge }) => judge !== undefined).length;
  const bound =
    Math.log(20) /
    nonInferiorityRate(baselineRate, delta, scenario.share === 'drifting' ? 0.25 : scenario.share);
  return {
    name: scenario.name,
    passed: units.length / good.length,
    ...sampleOf(units, good.length, bound),
    falsePromotions: falsely / worse.length,
    lower: lowerBound(falsely, worse.length),
    upper: upperBound(falsely, worse.length),
  };
}

export type CertifiedReleases = ReturnType<typeof certifiedReleases>;

function sampleOf(units: readonly number[], releases: number, bound: number) {
  const sample = mean(units);
  return {
    units: sample,
    bound,
    standardError: standardError(units) / bound,
    sampleToBound: units.length >= NEARLY_ALL * releases ? sample / bound : Number.NaN,
  };
}
