import { comparatorNames } from './comparators.ts';
import { BAKE_MS, type Detection, type Release } from './release.ts';
import { lowerBound, mean, quantile, standardError, upperBound } from './statistics.ts';
import { promotedUnseen } from './studies.ts';
import type { World } from './world.ts';

/** One method on the bad releases of a world. Times are from when the version went bad. */
export interface Method {
  /** Part of them that it rolled back within the hour, and within minutes. */
  readonly found: number;
  readonly within5: number;
  readonly within10: number;
  /** Part that it had rolled back while the version was still good. */
  readonly before: number;
  readonly meanMs: number;
  readonly meanHarmed: number;
  readonly p99Harmed: number;
  /** Of the mean of what was harmed. */
  readonly standardError: number;
}

function methodOf(detections: readonly (Detection | null | undefined)[], onsetMs: number): Method {
  const decided = detections.filter((detection) => detection !== null && detection !== undefined);
  const found = decided.filter(({ atMs }) => atMs > onsetMs);
  const harmed = found.map((detection) => detection.harmed);
  const within = (ms: number) => found.filter(({ atMs }) => atMs - onsetMs <= ms).length / detections.length;
  return {
    found: found.length / detections.length,
    within5: within(300_000),
    within10: within(600_000),
    before: (decided.length - found.length) / detections.length,
    meanMs: mean(found.map(({ atMs }) => atMs - onsetMs)),
    meanHarmed: mean(harmed),
    p99Harmed: harmed.length === 0 ? Number.NaN : quantile(harmed, 0.99),
    standardError: standardError(harmed),
  };
}

function partOf(releases: readonly Release[], is: (release: Release) => boolean): number {
  return releases.filter(is).length / releases.length;
}

/** The upper 99 % bound of the part of good releases that the judge rolls back. */
export function rolledBackAtMost(releases: readonly Release[], looks: number): number {
  return upperBound(releases.filter(({ judge }) => judge !== undefined).length, releases.length, looks);
}

/** What became of good releases, and what the comparators would have done. */
export function goodSummary(world: World, releases: readonly Release[], looks: number) {
  const full = releases.filter(({ comparators }) => comparators !== undefined);
  const rolledBack = releases.filter(({ judge }) => judge !== undefined).length;
  const passed = (when: (atMs: number) => boolean) =>
    partOf(
      full,
      ({ judge, passedAtMs }) => judge === undefined && passedAtMs !== undefined && when(passedAtMs),
    );
  return {
    world,
    releases: releases.length,
    rolledBack,
    upper: rolledBackAtMost(releases, looks),
    passedAtBake: passed((atMs) => atMs <= BAKE_MS),
    passedLater: passed((atMs) => atMs > BAKE_MS),
    inconclusive: partOf(full, ({ judge, passedAtMs }) => judge === undefined && passedAtMs === undefined),
    releasesInFull: full.length,
    comparators: comparatorNames.map((_, index) => full.filter((each) => each.comparators![index]).length),
  };
}

export type GoodSummary = ReturnType<typeof goodSummary>;

/** How soon each method found bad releases, and what they had cost by then. */
export function badSummary(world: World, releases: readonly Release[]) {
  const onsetMs = 1000 * (world.version?.onset ?? 0);
  const full = releases.filter(({ comparators }) => comparators !== undefined);
  const concerns = [...new Set(full.flatMap(({ concern }) => concern ?? []))].sort();
  return {
    world,
    releases: releases.length,
    judge: methodOf(
      releases.map(({ judge }) => judge),
      onsetMs,
    ),
    /** Passed before it was found, if it was: a policy that promotes would have promoted it. */
    passed: partOf(full, ({ passedAtMs }) => passedAtMs !== undefined && passedAtMs > onsetMs),
    concerns: concerns.map((about) => ({ about, part: partOf(full, ({ concern }) => concern === about) })),
    comparators: comparatorNames.map((_, index) =>
      methodOf(
        full.map((release) => release.comparators![index]),
        onsetMs,
      ),
    ),
  };
}

export type BadSummary = ReturnType<typeof badSummary>;

/** Promotion of releases that are worse by the margin, and of good ones in the same world. */
export function promotionSummary(world: World, marginal: readonly Release[], good: readonly Release[]) {
  const promoted = marginal.filter(({ passedAtMs }) => passedAtMs !== undefined).length;
  const passedAtMs = good.flatMap((release) => release.passedAtMs ?? []);
  return {
    world,
    releases: marginal.length,
    promoted,
    lower: lowerBound(promoted, marginal.length),
    upper: upperBound(promoted, marginal.length),
    unseen: promotedUnseen(world),
    rolledBack: partOf(marginal, ({ judge }) => judge !== undefined),
    goodPassed: passedAtMs.length / good.length,
    goodMedianMs: passedAtMs.length === 0 ? Number.NaN : quantile(passedAtMs, 0.5),
  };
}

export type PromotionSummary = ReturnType<typeof promotionSummary>;
