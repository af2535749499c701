import type { PolicyProblem } from '../policy/policy.ts';
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
  readonly worse: 'less' | 'more';
  /** Part by which the canary's may be worse than stable's: 0.25 tolerates a quarter. */
  readonly tolerance: number;
}

/** With which error rates, and within which time, a release is judged. Times are in milliseconds. */
export interface JudgePolicy {
  /** Probability that a release which is as good as stable is ever failed, however often one looks. */
  readonly alpha: number;
  /** Probability that a release which is worse by the margin is ever passed, for each required metric. */
  readonly beta: number;
  /** By how much more of its messages than stable the canary must be shown not to fail. */
  readonly margin: number;
  /** By how much more of its messages the canary must be shown not to exceed stable's p90, where required. */
  readonly latencyMargin: number;
  /** From which part on being slower counts as bad: 0.5 is half as long again. About half of it is tolerated. */
  readonly slower: number;
  /**
   * How much tasks of one version are taken to differ where stable's tasks do not show more: the standard deviation
   * of the logarithm of their odds of failing. 0.25 is a quarter.
   */
  readonly taskSpread: number;
  /** Metrics that must be certified for a pass. */
  readonly required: readonly CertifiedMetric[];
  /** Messages that each track must have finished before a pass. */
  readonly messagesMin: number;
  /** How long the canary must have been observed before a pass; never less than the visibility timeout. */
  readonly bakeMsMin: number;
  /** The queue's visibility timeout: a message that the canary lost shows up only after it. */
  readonly visibilityTimeoutMs: number;
  /** When, after the start, a release that could be neither passed nor failed is left to a person. */
  readonly deadlineMs: number;
  /** How old a task is before it counts as warm; while it is younger it is compared with tasks of its age. */
  readonly warmUpMs: number;
  /** After how long without any message, or without any block, the judge says that it has no data. */
  readonly silenceMs: number;
  /** The team's own counters that are judged, by name. */
  readonly counters: Readonly<Record<string, CounterPolicy>>;
  /** Says what it would have done, and does nothing: as a whole, or for these metrics. */
  readonly dryRun: boolean | readonly JudgedMetric[];
}

/** One false rollback in a hundred releases, one false promotion in twenty at a margin of 2 %, an hour's time. */
export const defaultJudgePolicy: JudgePolicy = {
  alpha: 0.01,
  beta: 0.05,
  margin: 0.02,
  latencyMargin: 0.05,
  slower: 0.5,
  taskSpread: 0.25,
  required: ['failures'],
  messagesMin: 30,
  bakeMsMin: 180_000,
  visibilityTimeoutMs: 30_000,
  deadlineMs: 60 * 60_000,
  warmUpMs: 180_000,
  silenceMs: 60_000,
  counters: {},
  dryRun: false,
};

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
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

type Check = (value: unknown) => string | undefined;

const dayMs = 24 * 60 * 60_000;

const between =
  (least: number, most: number, meaning: string): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most
      ? undefined
      : `must be ${meaning} from ${least} to ${most}, not ${show(value)}`;

const duration: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= dayMs
    ? undefined
    : `must be a whole number of milliseconds from 0 to ${dayMs} (one day), not ${show(value)}`;

const required: Check = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((metric) => metric === 'failures' || metric === 'latency') &&
  new Set(value).size === value.length
    ? undefined
    : `must list "failures", "latency" or both, each once, not ${show(value)}; a pass needs at least one`;

const dryRun: Check = (value) =>
  typeof value === 'boolean' ||
  (Array.isArray(value) && value.every((metric) => judgedMetrics.some((known) => known === metric)))
    ? undefined
    : `must be true, false or a list of ${judgedMetrics.join(', ')}, not ${show(value)}`;

const counters: Check = (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `must be an object of counters by name, not ${show(value)}`;
  }
  for (const [name, counter] of Object.entries(value)) {
    const { worse, tolerance } = (counter ?? {}) as Partial<CounterPolicy>;
    const known = worse === 'less' || worse === 'more';
    const most = worse === 'less' ? 0.99 : 10;
    if (!known || typeof tolerance !== 'number' || !(tolerance >= 0.01 && tolerance <= most)) {
      return `must give "${name}" as {"worse": "less" or "more", "tolerance": a part from 0.01 to 10, below 1 for "less"}, not ${show(counter)}`;
    }
  }
  return undefined;
};

const checks: Readonly<Record<keyof JudgePolicy, Check>> = {
  alpha: between(1e-6, 0.2, 'a probability'),
  beta: between(1e-6, 0.5, 'a probability'),
  margin: between(1e-4, 0.5, 'a difference of failure rates'),
  latencyMargin: between(1e-3, 0.5, 'a difference of rates'),
  slower: between(0.1, 10, 'a part'),
  taskSpread: between(0.01, 3, 'a standard deviation'),
  required,
  messagesMin: (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
      ? undefined
      : `must be a whole number of messages, 1 or more, not ${show(value)}`,
  bakeMsMin: duration,
  visibilityTimeoutMs: duration,
  deadlineMs: duration,
  warmUpMs: duration,
  silenceMs: duration,
  counters,
  dryRun,
};

/** The judge policy that a JSON document asks for, with defaults for what it leaves out, or every problem it has. */
export function parseJudgePolicy(document: unknown): JudgePolicyResult {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    const message = `the judge's policy must be a JSON object, not ${show(document)}; use {} for the defaults`;
    return { ok: false, problems: [{ setting: '', message }] };
  }
  const problems: PolicyProblem[] = [];
  for (const [setting, value] of Object.entries(document)) {
    if (!isSetting(setting)) {
      const message = `"${setting}" is not a setting of the judge; remove it or use one of ${Object.keys(checks).join(', ')}`;
      problems.push({ setting, message });
      continue;
    }
    const wrong = checks[setting](value);
    if (wrong !== undefined) problems.push({ setting, message: `"${setting}" ${wrong}` });
  }
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

function isSetting(name: string): name is keyof JudgePolicy {
  return Object.hasOwn(checks, name);
}

function show(value: unknown): string {
  if (typeof value !== 'object' && typeof value !== 'string') return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return 'a value that JSON cannot hold';
  }
}
