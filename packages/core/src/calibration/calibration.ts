import type { VerdictCode } from '../judge/evidence.ts';
import { type JudgedMetric, type JudgePolicy, judgedMetrics } from '../judge/judge-policy.ts';
import { duration, percent } from '../judge/required-sample.ts';
import { pastMs, startsMs } from '../measurement/measurement.ts';
import { upperBound } from './bound.ts';
import { type Certification, certificationOf } from './certification.ts';
import { Differences, type TaskDifferences } from './differences.ts';
import type { History } from './history.ts';
import {
  adjustmentOf,
  type Recommendation,
  recommendationsOf,
  widened,
  withDryRuns,
} from './recommendations.ts';
import { even, leastMs, type Possible, type Release, releasesIn, type Window } from './releases.ts';
import { type Replayed, replay } from './replay.ts';
import { sceneOf } from './scene.ts';
import { type Traffic, Traffics } from './traffic.ts';
import { type Warming, Warmings } from './warming.ts';

/** How sure the bounds of rates are. */
export const boundConfidence = 0.99;

/** Outcomes of the replayed releases of one kind. */
export interface ReplayOutcomes {
  readonly releases: number;
  readonly failed: number;
  /** Failed releases that would have passed before they failed. */
  readonly failedAfterPass: number;
  /** The rate of failed ones is at most this, with {@link boundConfidence}, if releases are independent. */
  readonly failedRateUpTo: number;
  readonly passed: number;
  readonly inconclusive: number;
  /** Median time to a pass; absent if none passed. */
  readonly medianMsToPass?: number;
}

/** A release that would have failed although its version is as good as the others. */
export interface FailedRelease {
  readonly kind: Release['kind'];
  readonly task: string;
  readonly revision: string;
  readonly fromMs: number;
  readonly ageMs: number;
  readonly metric: JudgedMetric;
  readonly afterMs: number;
  readonly summary: string;
}

/** How a judge would treat good releases, by stable's own log, and which settings would fit better. */
export interface Calibration {
  readonly history: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly lines: number;
    /** Tasks that wrote, and those whose lines were kept. */
    readonly tasks: number;
    readonly tasksKept: number;
    /** On average. */
    readonly tasksAtOnce: number;
  };
  readonly outcomes: {
    readonly together: ReplayOutcomes;
    /** Warm tasks in the middle of their lives. */
    readonly task: ReplayOutcomes;
    /** Tasks that had just started, at once and 40 s later. */
    readonly start: ReplayOutcomes;
  };
  readonly byMetric: readonly {
    readonly metric: JudgedMetric;
    readonly failed: number;
    readonly rateUpTo: number;
  }[];
  /** Metrics in dry run that would have failed releases. */
  readonly byDryRun: readonly { readonly metric: JudgedMetric; readonly releases: number }[];
  readonly byCode: readonly { readonly code: VerdictCode; readonly releases: number }[];
  readonly failed: readonly FailedRelease[];
  readonly learnt: {
    readonly differences: TaskDifferences;
    /** Absent where no start is on record. */
    readonly warming?: Warming;
    readonly traffic: Traffic;
    readonly certification: Certification;
  };
  readonly recommendations: readonly Recommendation[];
  /** Absent where nothing is recommended. */
  readonly recommended?: Recommended;
  /** What there is too little of, and for how long one has to wait. */
  readonly missing: readonly string[];
}

/** The judge with all recommendations, and what it makes of releases that were failed, and of some that were undecided. */
export interface Recommended {
  readonly policy: JudgePolicy;
  readonly failed: { readonly tried: number; readonly stillFailed: number };
  readonly undecided: { readonly tried: number; readonly passed: number; readonly failed: number };
}

export type CalibrationResult =
  | { readonly ok: true; readonly calibration: Calibration }
  /** What is missing for any result at all, in words. */
  | { readonly ok: false; readonly missing: string };

/** How far it has come, in releases. */
export interface CalibrationProgress {
  readonly doing: 'replaying' | 'trying';
  readonly done: number;
  readonly total: number;
}

/** Rounds in which tolerances are widened before a metric is given up. */
const ROUNDS = 3;

/** Of so many releases that were undecided it is tried whether another judge would decide. */
const UNDECIDED_MAX = 30;

/**
 * Replays stable's history as releases that never were. The canary of each is one of stable's own tasks, so every
 * one of them is good, and each that would be failed is a false rollback.
 *
 * It takes minutes, so it reports after each release, and whoever asks may stop.
 */
export function* calibrate(
  history: History,
  policy: JudgePolicy,
): Generator<CalibrationProgress, CalibrationResult> {
  const possible = releasesIn(history, policy);
  if (possible.windows.length === 0) return { ok: false, missing: whatIsMissing(history, policy, possible) };
  const differences = new Differences();
  const traffics = new Traffics();
  const warmings = new Warmings();
  for (const life of history.lives().filter(({ fromItsStart }) => fromItsStart)) {
    warmings.observe(history.between([life], life.startedAt, life.startedAt + startsMs));
  }
  const total = possible.windows.reduce((sum, { releases }) => sum + releases.length, 0);
  const replayed: Replayed[] = [];
  for (const window of possible.windows) {
    const scene = sceneOf(history, window.lives, window.fromMs, window.toMs);
    if (window.kind === 'task') {
      differences.observe(scene, window.releases, policy.warmUpMs);
      traffics.observe(scene, window.fromMs + pastMs, policy.warmUpMs);
    }
    for (const release of window.releases) {
      replayed.push(replay(policy, history, window, scene, release));
      yield { doing: 'replaying', done: replayed.length, total };
    }
  }
  const { all, kept } = history.tasks;
  const tasksAtOnce = possible.tasksAtOnce * (all / kept);
  const traffic = traffics.result(tasksAtOnce);
  const warming = warmings.result(policy, traffic.clumping);
  const circumstances = { traffic, differences: differences.result, tasksAtOnce };
  const learnt = {
    differences: differences.result,
    ...(warming && { warming }),
    certification: certificationOf(policy, circumstances),
  };
  const before = replayed.filter(({ outcome }) => outcome === 'failed');
  const undecided = replayed.filter(({ outcome }) => outcome === 'inconclusive');
  const narrow = adjustmentOf(policy, learnt, replayed);
  let adjustment = narrow;
  let still: readonly Replayed[] = before;
  for (let round = 0; ; round += 1) {
    if (adjustment.policy !== policy) {
      const tried = yield* again(history, possible.windows, before, adjustment.policy);
      still = tried.filter(({ outcome }) => outcome === 'failed');
    }
    const wider = round < ROUNDS ? widened(adjustment, still, replayed) : undefined;
    if (wider === undefined) break;
    adjustment = wider;
  }
  const withDry = withDryRuns(adjustment, narrow, still, replayed);
  if (withDry !== undefined) adjustment = withDry;
  const tried =
    adjustment.policy === policy
      ? []
      : yield* again(
          history,
          possible.windows,
          [...before, ...even(undecided, UNDECIDED_MAX)],
          adjustment.policy,
        );
  const recommendations = recommendationsOf(policy, adjustment);
  return {
    ok: true,
    calibration: {
      history: { ...history.covered!, lines: history.lines, tasks: all, tasksKept: kept, tasksAtOnce },
      outcomes: {
        together: outcomesOf(replayed),
        task: outcomesOf(replayed.filter(({ release }) => release.kind === 'task')),
        start: outcomesOf(replayed.filter(({ release }) => release.kind === 'start')),
      },
      byMetric: judgedMetrics.flatMap((metric) => {
        const failed = before.filter((each) => each.metric === metric).length;
        return failed === 0
          ? []
          : [{ metric, failed, rateUpTo: upperBound(failed, replayed.length, boundConfidence) }];
      }),
      byDryRun: judgedMetrics.flatMap((metric) => {
        const releases = replayed.filter(({ wouldFail }) => wouldFail.includes(metric)).length;
        return releases === 0 ? [] : [{ metric, releases }];
      }),
      byCode: codesOf(undecided),
      failed: before.map(failedRelease),
      learnt: { ...learnt, traffic },
      recommendations,
      ...(recommendations.length > 0 && { recommended: recommendedOf(adjustment.policy, before, tried) }),
      missing: whatIsThin(history, policy, possible, replayed),
    },
  };
}

/** Releases that have been replayed, judged by another policy. */
function* again(
  history: History,
  windows: readonly Window[],
  before: readonly Replayed[],
  policy: JudgePolicy,
): Generator<CalibrationProgress, readonly Replayed[]> {
  const wanted = new Set(before.map(({ release }) => release));
  const replayed: Replayed[] = [];
  for (const window of windows) {
    const releases = window.releases.filter((release) => wanted.has(release));
    if (releases.length === 0) continue;
    const scene = sceneOf(history, window.lives, window.fromMs, window.toMs);
    for (const release of releases) {
      replayed.push(replay(policy, history, window, scene, release));
      yield { doing: 'trying', done: replayed.length, total: wanted.size };
    }
  }
  return replayed;
}

function recommendedOf(
  policy: JudgePolicy,
  before: readonly Replayed[],
  tried: readonly Replayed[],
): Recommended {
  const failed = new Set(before.map(({ release }) => release));
  const [first, second] = [
    tried.filter(({ release }) => failed.has(release)),
    tried.filter(({ release }) => !failed.has(release)),
  ];
  const count = (replayed: readonly Replayed[], outcome: Replayed['outcome']) =>
    replayed.filter((each) => each.outcome === outcome).length;
  return {
    policy,
    failed: { tried: first.length, stillFailed: count(first, 'failed') },
    undecided: { tried: second.length, passed: count(second, 'passed'), failed: count(second, 'failed') },
  };
}

function outcomesOf(replayed: readonly Replayed[]): ReplayOutcomes {
  const of = (outcome: Replayed['outcome']) => replayed.filter((each) => each.outcome === outcome);
  const failed = of('failed');
  const passed = of('passed');
  const times = passed.flatMap(({ passedAfterMs }) => passedAfterMs ?? []).sort((a, b) => a - b);
  const median = times[Math.floor((times.length - 1) / 2)];
  return {
    releases: replayed.length,
    failed: failed.length,
    failedAfterPass: failed.filter(({ passedAfterMs }) => passedAfterMs !== undefined).length,
    failedRateUpTo: upperBound(failed.length, replayed.length, boundConfidence),
    passed: passed.length,
    inconclusive: of('inconclusive').length,
    ...(median !== undefined && { medianMsToPass: median }),
  };
}

function codesOf(replayed: readonly Replayed[]): { readonly code: VerdictCode; readonly releases: number }[] {
  return [...Map.groupBy(replayed, ({ code }) => code)]
    .map(([code, its]) => ({ code, releases: its.length }))
    .sort((a, b) => b.releases - a.releases || (a.code < b.code ? -1 : 1));
}

function failedRelease({ release, metric, failedAfterMs, summary }: Replayed): FailedRelease {
  const { kind, task, revision, fromMs, ageMs } = release;
  return { kind, task, revision, fromMs, ageMs, metric: metric!, afterMs: failedAfterMs!, summary };
}

/** Why there is no release at all. */
function whatIsMissing(history: History, policy: JudgePolicy, { tasksAtOnce }: Possible): string {
  const covered = history.covered;
  if (covered === undefined) {
    return "the log holds no outcome lines of stable's tasks; deploy a worker with @queue-canary/worker and let it run for a day at least";
  }
  if (Math.round(tasksAtOnce) < 3) {
    return `of stable's tasks ${tasksAtOnce.toFixed(1)} ran at once, and it takes three: one that plays the canary, and two alongside it. Run three (-c stableTasks=3) for a day at least`;
  }
  const neededMs = pastMs + policy.warmUpMs + leastMs(policy);
  const shortMs = neededMs - (covered.toMs - covered.fromMs);
  if (shortMs > 0) {
    return `there are ${duration(covered.toMs - covered.fromMs)} of lines, and a single release takes ${duration(neededMs)}; wait for ${minutes(shortMs)}, better for a day`;
  }
  return `no task ran for ${duration(leastMs(policy))} on end alongside two others of its version; wait until stable has run one version for longer, or try a shorter bake with --policy`;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function minutes(ms: number): string {
  return ms < 2 * HOUR_MS ? `${Math.ceil(ms / 60_000)} min` : longTime(ms);
}

/** A time that may be days. */
export function longTime(ms: number): string {
  return ms < 2 * DAY_MS ? duration(ms) : `${(ms / DAY_MS).toFixed(1)} days`;
}

/** What there is too little of to be sure. */
function whatIsThin(
  history: History,
  policy: JudgePolicy,
  { starts, windows }: Possible,
  replayed: readonly Replayed[],
): string[] {
  const missing: string[] = [];
  const { fromMs, toMs } = history.covered!;
  const enough = Math.ceil(Math.log(1 - boundConfidence) / Math.log1p(-policy.alpha));
  if (replayed.length < enough) {
    const waitMs = ((enough - replayed.length) / replayed.length) * (toMs - fromMs);
    const further = fromMs - history.fromMs > HOUR_MS ? '' : ', or look back further with --days';
    missing.push(
      `To be sure of a rate of ${percent(policy.alpha)} takes ${enough} releases of which none fails; there are ${replayed.length}. Wait for ${longTime(waitMs)}${further}.`,
    );
  }
  if (starts === 0) {
    missing.push(
      'No task started in these days, so how long one takes to be warm is not known. The next deployment shows it.',
    );
  } else if (
    !windows.some(({ releases }) => releases.some(({ kind, besideWarm }) => kind === 'start' && besideWarm))
  ) {
    missing.push(
      'All tasks started together, without warm ones alongside them, so none was judged while it was young. Stop a single task of stable to see one.',
    );
  }
  return missing;
}
