import {
  type JudgedMetric,
  type JudgePolicy,
  judgedMetrics,
  slownessToleranceBins,
} from '../judge/judge-policy.ts';
import { amount, duration, percent } from '../judge/required-sample.ts';
import { isSurelyMore } from './bound.ts';
import type { Certification } from './certification.ts';
import type { TaskDifferences } from './differences.ts';
import type { Replayed } from './replay.ts';
import type { Warming } from './warming.ts';

/** A setting that would fit this history better. */
export interface Recommendation {
  /** Its name as context of the CDK app (`-c name=value`). */
  readonly setting:
    | 'warmUpSeconds'
    | 'bakeMinutes'
    | 'decideWithinMinutes'
    | 'taskSpread'
    | 'slower'
    | 'margin'
    | 'dryRun';
  readonly value: number | readonly JudgedMetric[];
  /** What it was. */
  readonly before: number | readonly JudgedMetric[];
  readonly reason: string;
}

/** What a history has taught. */
export interface Learnt {
  readonly differences: TaskDifferences;
  readonly warming?: Warming;
  readonly certification: Certification;
}

/** The judge that fits a history, and why. */
export interface Adjustment {
  readonly policy: JudgePolicy;
  readonly reasons: Readonly<Partial<Record<Recommendation['setting'], string>>>;
}

const MINUTE_MS = 60_000;

/** A task that takes more than three times as long cannot be tolerated any more, only looked at. */
const SLOWER_MAX = 2;
const TASK_SPREAD_MAX = 2;

/** Where tolerances do not suffice, the next ones are so many times as wide. */
const WIDER = 1.5;

/** What the tasks themselves say, whatever releases were failed. */
export function adjustmentOf(policy: JudgePolicy, learnt: Learnt, replayed: readonly Replayed[]): Adjustment {
  let adjustment: Adjustment = { policy, reasons: {} };
  const { differences, warming } = learnt;
  if (warming !== undefined && warming.warmAfterMs > policy.warmUpMs) {
    adjustment = warmUpFor(adjustment, warming);
  }
  if (differences.rateSpread > policy.taskSpread) {
    const { worst } = differences;
    const one = worst
      ? `; task ${short(worst.task)} fails ${amount(worst.times)} times as often as the others`
      : '';
    adjustment = change(
      adjustment,
      'taskSpread',
      { taskSpread: Math.min(TASK_SPREAD_MAX, upTo(differences.rateSpread, 0.01)) },
      `tasks of one version fail at rates that differ by a factor of ${amount(Math.exp(differences.rateSpread))} (one standard deviation)${one}`,
    );
  }
  const { slowest } = differences;
  if (slowest !== undefined && slowest.bins > slownessToleranceBins(policy)) {
    const slower = slowerFor(policy, slowest.bins);
    const reason = `task ${short(slowest.task)} takes ${amount(slowest.times)} times as long as the others`;
    adjustment =
      slower > SLOWER_MAX
        ? inDryRun(adjustment, 'latency', reason)
        : change(adjustment, 'slower', { slower }, reason);
  }
  return marginFor(adjustment, learnt.certification, replayed);
}

/**
 * The same with wider tolerances for what still fails too many good releases; undefined where nothing does, or where
 * none is wide enough.
 */
export function widened(
  adjustment: Adjustment,
  still: readonly Replayed[],
  all: readonly Replayed[],
): Adjustment | undefined {
  let wider = adjustment;
  for (const [metric, reason] of tooMany(still, all, adjustment.policy.alpha)) {
    const { taskSpread, slower } = wider.policy;
    if (metric === 'failures' && taskSpread < TASK_SPREAD_MAX) {
      const wide = Math.min(TASK_SPREAD_MAX, upTo(taskSpread * WIDER, 0.01));
      wider = change(wider, 'taskSpread', { taskSpread: wide }, reason);
    } else if (metric === 'latency' && slower < SLOWER_MAX) {
      const wide = Math.min(SLOWER_MAX, upTo(slower * WIDER, 0.1));
      wider = change(wider, 'slower', { slower: wide }, reason);
    }
  }
  return wider === adjustment ? undefined : wider;
}

/**
 * The same with dry runs for what fails too many good releases however wide its tolerance; undefined where nothing
 * does. What was widened in vain is as narrow again as it was.
 */
export function withDryRuns(
  wide: Adjustment,
  narrow: Adjustment,
  still: readonly Replayed[],
  all: readonly Replayed[],
): Adjustment | undefined {
  let { policy, reasons } = wide;
  const gone = tooMany(still, all, policy.alpha);
  if (gone.size === 0) return undefined;
  const restore = (setting: 'taskSpread' | 'slower') => {
    policy = { ...policy, [setting]: narrow.policy[setting] };
    const { [setting]: _widened, ...others } = reasons;
    const known = narrow.reasons[setting];
    reasons = { ...others, ...(known !== undefined && { [setting]: known }) };
  };
  if (gone.has('failures')) restore('taskSpread');
  if (gone.has('latency')) restore('slower');
  let adjustment: Adjustment = { policy, reasons };
  for (const [metric, reason] of gone) adjustment = inDryRun(adjustment, metric, reason);
  return adjustment;
}

/** What changes from one policy to its adjustment. */
export function recommendationsOf(before: JudgePolicy, { policy, reasons }: Adjustment): Recommendation[] {
  const list: Recommendation[] = [];
  const add = (
    setting: Recommendation['setting'],
    now: Recommendation['value'],
    then: Recommendation['value'],
  ) => {
    const reason = reasons[setting];
    if (reason !== undefined) list.push({ setting, value: now, before: then, reason });
  };
  add('warmUpSeconds', policy.warmUpMs / 1000, before.warmUpMs / 1000);
  add('bakeMinutes', policy.bakeMsMin / MINUTE_MS, before.bakeMsMin / MINUTE_MS);
  add('decideWithinMinutes', policy.deadlineMs / MINUTE_MS, before.deadlineMs / MINUTE_MS);
  add('taskSpread', policy.taskSpread, before.taskSpread);
  add('slower', policy.slower, before.slower);
  add('margin', policy.margin, before.margin);
  add('dryRun', dryRunOf(policy), dryRunOf(before));
  return list;
}

/** Whether so many good releases were failed that the promised rate does not explain it, of all or of one kind. */
export function failsTooMany(failed: readonly Replayed[], all: readonly Replayed[], alpha: number): boolean {
  const kinds = ['task', 'start'] as const;
  const groups = [
    () => true,
    ...kinds.map(
      (kind) =>
        ({ release }: Replayed) =>
          release.kind === kind,
    ),
  ];
  return groups.some((is) => isSurelyMore(failed.filter(is).length, all.filter(is).length, alpha));
}

export const METRIC_WORDS: Readonly<Record<JudgedMetric, string>> = {
  failures: 'failures',
  broken: 'failing nearly everything',
  latency: 'latency',
  crashes: 'crashes',
  throughput: 'throughput',
  counters: 'your own counters',
};

/** The beginning of a task's id, as the console shows it. */
export function short(task: string): string {
  return task.slice(0, 8);
}

function warmUpFor(adjustment: Adjustment, { warmAfterMs, isLater, young, warm }: Warming): Adjustment {
  const { policy } = adjustment;
  const warmUpMs = upTo(warmAfterMs, 30_000);
  const slower = (young?.medianMs ?? Number.NaN) / (warm.medianMs ?? Number.NaN);
  const manners = [
    ...(young !== undefined && young.failureRate > warm.failureRate
      ? [`fail ${percent(young.failureRate)} of their messages, and later ${percent(warm.failureRate)}`]
      : []),
    ...(slower > 1 ? [`take ${amount(slower)} times as long as later`] : []),
  ];
  const age = isLater
    ? `even at ${duration(warmAfterMs)} of age`
    : `until they are ${duration(warmAfterMs)} old`;
  const warmer = change(
    adjustment,
    'warmUpSeconds',
    { warmUpMs },
    `${age} new tasks ${manners.join(', and ') || 'are not as they are later'}`,
  );
  if (policy.bakeMsMin >= warmUpMs) return warmer;
  const bakeMsMin = upTo(warmUpMs, MINUTE_MS);
  const baking = change(warmer, 'bakeMinutes', { bakeMsMin }, 'nothing may pass before its task is warm');
  if (policy.deadlineMs > bakeMsMin) return baking;
  return change(
    baking,
    'decideWithinMinutes',
    { deadlineMs: 2 * bakeMsMin },
    'it must be longer than the bake',
  );
}

function marginFor(
  adjustment: Adjustment,
  { margin, durationMs, marginPossible, messagesPerSecond }: Certification,
  replayed: readonly Replayed[],
): Adjustment {
  const passed = replayed.filter(({ outcome }) => outcome === 'passed').length;
  const { deadlineMs } = adjustment.policy;
  const isPossible = durationMs !== undefined && durationMs <= deadlineMs;
  if (isPossible || marginPossible === undefined || passed * 2 > replayed.length) return adjustment;
  const takes =
    durationMs === undefined
      ? `tasks differ by so much that ${percent(margin)} cannot be certified`
      : `at ${amount(messagesPerSecond)} messages/s certifying ${percent(margin)} takes ${duration(durationMs)}, and there are ${duration(deadlineMs)}; a longer decideWithinMinutes would do as well`;
  return change(adjustment, 'margin', { margin: marginPossible }, takes);
}

/** How `slower` must be set so that a task which is slower by so many bins is tolerated. */
function slowerFor(policy: JudgePolicy, bins: number): number {
  let slower = policy.slower;
  while (slower <= SLOWER_MAX && slownessToleranceBins({ ...policy, slower }) < bins) {
    slower = upTo(slower + 0.1, 0.1);
  }
  return slower;
}

function change(
  { policy, reasons }: Adjustment,
  setting: Recommendation['setting'],
  changes: Partial<JudgePolicy>,
  reason: string,
): Adjustment {
  const known = reasons[setting];
  const said = known === undefined ? reason : setting === 'dryRun' ? `${known}; ${reason}` : known;
  return { policy: { ...policy, ...changes }, reasons: { ...reasons, [setting]: said } };
}

function inDryRun(adjustment: Adjustment, metric: JudgedMetric, reason: string): Adjustment {
  const dryRun = [...new Set([...dryRunOf(adjustment.policy), metric])];
  return change(adjustment, 'dryRun', { dryRun }, reason);
}

function dryRunOf({ dryRun }: JudgePolicy): readonly JudgedMetric[] {
  return typeof dryRun === 'boolean' ? [] : dryRun;
}

/** The metrics that failed too many good releases, with how many. */
function tooMany(
  failed: readonly Replayed[],
  all: readonly Replayed[],
  alpha: number,
): Map<JudgedMetric, string> {
  const found = new Map<JudgedMetric, string>();
  for (const metric of judgedMetrics) {
    const its = failed.filter((each) => each.metric === metric);
    if (!failsTooMany(its, all, alpha)) continue;
    found.set(
      metric,
      `on ${METRIC_WORDS[metric]} ${its.length} of ${all.length} good releases would be failed`,
    );
  }
  return found;
}

/** Rounded up to a multiple, without the dust of binary fractions. */
function upTo(value: number, step: number): number {
  return Number((Math.ceil(value / step - 1e-9) * step).toPrecision(12));
}
