import { between, duration, messages } from '../settings/kinds.ts';
import {
  defaultsOf,
  isObject,
  type Kind,
  notAnObject,
  problemsIn,
  type SettingProblem,
  type Settings,
  show,
  type ValuesOf,
} from '../settings/setting.ts';
import { binsPerOctave } from './histogram.ts';
import { ln } from './numerics.ts';

/** A metric that a release may have to be certified on before it is promoted. */
export type CertifiedMetric = 'failures' | 'latency';

/** What can fail a release, each with a part of the error budget. */
export type JudgedMetric = 'failures' | 'broken' | 'latency' | 'crashes' | 'throughput' | 'counters';

export const judgedMetrics: readonly JudgedMetric[] = [
  'failures',
  'broken',
  'latency',
  'crashes',
  'throughput',
  'counters',
];

/** A counter of the team's own, per finished message: which way is worse, and how much worse is no reason yet. */
export interface CounterPolicy {
  /** Whether less or more of it is worse. */
  readonly worse: 'less' | 'more';
  /** Part by which the canary's may be worse than stable's: 0.25 tolerates a quarter. */
  readonly tolerance: number;
}

const HOUR_MS = 60 * 60_000;
const DAY = [24 * HOUR_MS, 'one day'] as const;

/**
 * The longest bake, watch or time to decide that a policy may ask for.
 *
 * CodePipeline gives up an invocation of a function after 24 hours, and each of them passes in one. The controller holds
 * every outcome line of a release in memory and judges all of them at each look: it has no memory for more than this.
 */
export const OBSERVATION_MAX = [12 * HOUR_MS, 'twelve hours'] as const;

const OBSERVATION_MINUTES_MAX = OBSERVATION_MAX[0] / 60_000;

/** The settings of the judge. Times are in milliseconds. */
export const judgeSettings = {
  alpha: {
    kind: between(1e-6, 0.2, 'a probability'),
    default: 0.01,
    defaultText: '0.01: one release in a hundred',
    property: 'falseRollbackRate',
    text: `Probability that the judge ever fails a version that is as good as stable, however often it looks. A smaller rate
needs more failures of a bad version.`,
  },
  beta: {
    kind: between(1e-6, 0.5, 'a probability'),
    default: 0.05,
    defaultText: '0.05: one such release in twenty',
    property: 'falsePromotionRate',
    text: 'Probability that the judge passes a version that is worse than stable by the margin, for each required metric.',
  },
  margin: {
    kind: between(1e-4, 0.5, 'a difference of failure rates'),
    default: 0.02,
    defaultText: '0.02',
    property: 'margin',
    text: `How many percentage points more failures than stable a pass must exclude: 0.02 is two points. Half the margin
needs two to four times as many messages, so a slow queue needs a larger margin or more time.`,
  },
  latencyMargin: {
    kind: between(1e-3, 0.5, 'a difference of rates'),
    default: 0.05,
    defaultText: 'a pass does not depend on latency',
    property: 'latencyMargin',
    text: `How many percentage points more of its messages than stable's own 10 % may exceed stable's 90th percentile of
processing time: with 0.05, a pass must show that no more than 15 % of the canary's do. If it is given, a pass needs this in
addition to \`margin\`. Without it latency can still fail a release, but does not hold back a pass.`,
  },
  slower: {
    kind: between(0.1, 10, 'a part'),
    default: 0.5,
    defaultText: '0.5',
    property: 'slower',
    text: `The slowdown from which on a version is bad: 0.5 is half as long again, which fails a release on latency. About half
of it is tolerated.`,
  },
  taskSpread: {
    kind: between(0.01, 3, 'a standard deviation'),
    default: 0.25,
    defaultText: '0.25: a quarter',
    property: 'taskSpread',
    text: `How much tasks of one version differ: the standard deviation of the logarithm of their odds of failing. The judge
learns from stable's tasks if they differ more. This is the least that it assumes, even if stable has only one task. Set it if
tasks are known to differ and stable has few.`,
  },
  required: {
    kind: requiredMetrics(),
    default: ['failures'],
    defaultText: 'failures, and latency where `latencyMargin` is set',
    text: 'Metrics that must be certified for a pass.',
  },
  messagesMin: {
    kind: messages,
    default: 30,
    defaultText: '30',
    property: 'messagesMin',
    text: 'Messages that each track must have finished before a pass.',
  },
  bakeMsMin: {
    kind: duration(DAY, 'minutes', OBSERVATION_MINUTES_MAX),
    default: 180_000,
    defaultText: 'the bake',
    text: 'Time that the canary must have been observed before a pass, which also waits for the visibility timeout.',
  },
  visibilityTimeoutMs: {
    kind: duration(DAY, 'seconds', DAY[0] / 1000),
    default: 30_000,
    defaultText: "the queue's",
    text: "The queue's visibility timeout. A message that the canary lost is received again only after it.",
  },
  deadlineMs: {
    kind: duration(OBSERVATION_MAX, 'minutes', OBSERVATION_MINUTES_MAX),
    default: HOUR_MS,
    defaultText: 'one hour; twice the bake or the visibility timeout if that is longer, within the limit',
    property: 'decideWithin',
    context: 'decideWithinMinutes',
    text: `Time from steady state on within which the judge must pass or fail the canary. After it the verdict is inconclusive
and a person decides. Longer than the bake and the visibility timeout, and at most twelve hours: CodePipeline waits 24 hours for
the controller, which holds in memory what the workers reported meanwhile. ECS forgets stopped tasks after an hour, so crashes
count for no longer than that.`,
  },
  warmUpMs: {
    kind: duration(DAY, 'seconds', 3600),
    default: 180_000,
    defaultText: 'three minutes',
    property: 'warmUpTime',
    context: 'warmUpSeconds',
    text: `Time that a task takes to be warm. A younger task is compared with stable's tasks at the same age, and no release
passes on that alone, so the bake must be at least as long. Where work takes long, the judge waits longer by itself.`,
  },
  silenceMs: {
    kind: duration(DAY, 'seconds', DAY[0] / 1000),
    default: 60_000,
    defaultText: 'one minute',
    text: 'Time without any message, or without any block, after which the judge says that it has no data.',
  },
  counters: {
    kind: countersKind(),
    default: {},
    defaultText: 'none is judged',
    property: 'counters',
    text: `Counters of your own that are judged, by the names that the handler uses: whether less or more per finished message
is worse, and what part of stable's count is tolerated (0.25 is a quarter).`,
  },
  dryRun: {
    kind: dryRunKind(),
    default: false,
    defaultText: 'false',
    property: 'dryRun',
    text: `The judge says what it would have done, without doing it. With \`true\` a person decides about each release that it
would have passed or failed. With a list, the named metrics do not count towards a fail.`,
  },
} satisfies Settings;

/** With which error rates, and within which time, a release is judged. Times are in milliseconds. */
export type JudgePolicy = ValuesOf<typeof judgeSettings>;

/** One false rollback in a hundred releases, one false promotion in twenty at a margin of 2 %, an hour's time. */
export const defaultJudgePolicy: JudgePolicy = defaultsOf(judgeSettings);

function requiredMetrics(): Kind<readonly CertifiedMetric[]> {
  return {
    check: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((metric) => metric === 'failures' || metric === 'latency') &&
      new Set(value).size === value.length
        ? undefined
        : `must list "failures", "latency" or both, each once, not ${show(value)}; a pass needs at least one`,
    form: { as: 'some', type: 'CertifiedMetric', choices: ['failures', 'latency'] },
  };
}

function dryRunKind(): Kind<boolean | readonly JudgedMetric[]> {
  return {
    check: (value) =>
      typeof value === 'boolean' ||
      (Array.isArray(value) && value.every((metric) => judgedMetrics.some((known) => known === metric)))
        ? undefined
        : `must be true, false or a list of ${judgedMetrics.join(', ')}, not ${show(value)}`,
    form: { as: 'flagOrSome', type: 'JudgedMetric', choices: judgedMetrics },
  };
}

function countersKind(): Kind<Readonly<Record<string, CounterPolicy>>> {
  return { check: wrongWithCounters, form: { as: 'counters' } };
}

/** A name that the worker counts under. It refuses others, and more than so many. */
const COUNTER_NAME = /^[A-Za-z0-9 _.:-]{1,64}$/;
const COUNTERS_MAX = 20;

function wrongWithCounters(value: unknown): string | undefined {
  if (!isObject(value)) return `must be an object of counters by name, not ${show(value)}`;
  const names = Object.keys(value);
  if (names.length > COUNTERS_MAX) {
    return `must be at most ${COUNTERS_MAX}, which is as many as a worker counts, not ${names.length}`;
  }
  const misnamed = names.find((name) => !COUNTER_NAME.test(name));
  if (misnamed !== undefined) {
    return `must have names of 1 to 64 letters, digits, spaces and characters of _.:-, as the worker does, not ${show(misnamed)}`;
  }
  for (const [name, counter] of Object.entries(value)) {
    const { worse, tolerance, ...others } = (isObject(counter) ? counter : {}) as Partial<CounterPolicy>;
    const known = worse === 'less' || worse === 'more';
    const max = worse === 'less' ? 0.99 : 10;
    if (!known || typeof tolerance !== 'number' || !(tolerance >= 0.01 && tolerance <= max)) {
      return `must give "${name}" as {"worse": "less" or "more", "tolerance": a part from 0.01 to 10, below 1 for "less"}, not ${show(counter)}`;
    }
    const [unknown] = Object.keys(others);
    if (unknown !== undefined)
      return `must give ${show(name)} worse and tolerance only, not ${show(unknown)}`;
  }
  return undefined;
}

/** How much slower is tolerated, in bins of durations: somewhat more than half the way to what is bad. */
export function slownessToleranceBins({ slower }: JudgePolicy): number {
  return Math.max(1, Math.round((TOLERATED_PART * binsPerOctave * ln(1 + slower)) / Math.LN2));
}

/** At a half, a fifth of a quarter: what is slower by half is found within minutes, what is slower by a quarter is not. */
const TOLERATED_PART = 0.54;

/** Whether a metric only says what it would have done. */
export function isDryRun({ dryRun }: JudgePolicy, metric: JudgedMetric): boolean {
  return typeof dryRun === 'boolean' ? dryRun : dryRun.includes(metric);
}

export type JudgePolicyResult =
  | { readonly ok: true; readonly policy: JudgePolicy }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/** The judge policy that a JSON document asks for, with defaults for what it leaves out, or every problem it has. */
export function parseJudgePolicy(document: unknown): JudgePolicyResult {
  if (!isObject(document)) {
    return { ok: false, problems: [notAnObject(document, "the judge's policy")] };
  }
  const problems = problemsIn(document, judgeSettings, 'the judge');
  if (problems.length > 0) return { ok: false, problems };
  const policy: JudgePolicy = { ...defaultJudgePolicy, ...document };
  const bakeMs = shortestBakeMs(policy);
  if (policy.bakeMsMin < policy.warmUpMs) {
    const message = `"bakeMsMin" must be at least warmUpMs, ${policy.warmUpMs} ms, not ${policy.bakeMsMin}: a canary would be passed before it is warm; bake longer, or set the time that a task takes to be warm`;
    problems.push({ setting: 'bakeMsMin', message });
  }
  if (policy.deadlineMs <= bakeMs) {
    const message = `"deadlineMs" must be later than the shortest bake, ${bakeMs} ms (the longer of bakeMsMin and visibilityTimeoutMs), not ${policy.deadlineMs}: such a release could never pass`;
    problems.push({ setting: 'deadlineMs', message });
  }
  if (policy.silenceMs < 5000) {
    const message = `"silenceMs" must be at least 5000, the length of a block, not ${policy.silenceMs}: there would never be data`;
    problems.push({ setting: 'silenceMs', message });
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, policy };
}

/** How long a release is observed at least before it may pass. */
export function shortestBakeMs(policy: JudgePolicy): number {
  return Math.max(policy.bakeMsMin, policy.visibilityTimeoutMs);
}
