import type { PolicyProblem } from '../policy/policy.ts';

/** A metric that a release may have to be certified on before it is promoted. */
export type CertifiedMetric = 'failures' | 'latency';

/** With which error rates, and within which time, a release is judged. Times are in milliseconds. */
export interface JudgePolicy {
  /** Probability that a release which is as good as the baseline is ever failed, however often one looks. */
  readonly alpha: number;
  /** Probability that a release which is worse by the margin is ever passed, for each required metric. */
  readonly beta: number;
  /** By how much more of its units than the baseline the canary must be shown not to fail. */
  readonly delta: number;
  /** By how much more of its units the canary must be shown not to exceed the baseline's p90, where required. */
  readonly latencyDelta: number;
  /** How many times the baseline's odds of failing a canary may have without being failed; 1 tolerates nothing. */
  readonly oddsRatioTolerance: number;
  /** Metrics that must be certified for a pass. */
  readonly required: readonly CertifiedMetric[];
  /** Share of the receives below which a canary counts as stalled: well below what its capacity gives it. */
  readonly shareMin: number;
  /** Units that each track must have finished in every stratum of first attempts before a pass. */
  readonly unitsMin: number;
  /** How long the canary must have been observed before a pass; never less than the visibility timeout. */
  readonly bakeMsMin: number;
  /** The queue's visibility timeout: a message that the canary lost shows up only after it. */
  readonly visibilityTimeoutMs: number;
  /** When, after the start, a release that could be neither passed nor failed is left to a person. */
  readonly deadlineMs: number;
  /** How long after the start latency is left out: new tasks are slow until they are warm. */
  readonly warmUpMs: number;
  /** After how long without any unit, or without any block, the judge says that it has no data. */
  readonly silenceMs: number;
}

/** One false rollback in a hundred releases, one false promotion in twenty at a margin of 2 %, an hour's time. */
export const defaultJudgePolicy: JudgePolicy = {
  alpha: 0.01,
  beta: 0.05,
  delta: 0.02,
  latencyDelta: 0.05,
  oddsRatioTolerance: 1,
  required: ['failures'],
  shareMin: 0.05,
  unitsMin: 30,
  bakeMsMin: 30_000,
  visibilityTimeoutMs: 30_000,
  deadlineMs: 60 * 60_000,
  warmUpMs: 30_000,
  silenceMs: 60_000,
};

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

const checks: Readonly<Record<keyof JudgePolicy, Check>> = {
  alpha: between(1e-6, 0.2, 'a probability'),
  beta: between(1e-6, 0.5, 'a probability'),
  delta: between(1e-4, 0.5, 'a difference of failure rates'),
  latencyDelta: between(1e-3, 0.5, 'a difference of rates'),
  oddsRatioTolerance: between(1, 100, 'a ratio of odds'),
  required,
  shareMin: between(1e-4, 0.9, 'a share'),
  unitsMin: (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
      ? undefined
      : `must be a whole number of units, 1 or more, not ${show(value)}`,
  bakeMsMin: duration,
  visibilityTimeoutMs: duration,
  deadlineMs: duration,
  warmUpMs: duration,
  silenceMs: duration,
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
  if (policy.deadlineMs <= bakeMs) {
    const message = `"deadlineMs" must be later than the shortest bake, ${bakeMs} ms (the longer of bakeMsMin and visibilityTimeoutMs), not ${policy.deadlineMs}: such a release could never pass`;
    problems.push({ setting: 'deadlineMs', message });
  }
  if (policy.silenceMs < 5000) {
    const message = `"silenceMs" must be at least 5000, the length of a block, not ${policy.silenceMs}: there would never be data`;
    problems.push({ setting: 'silenceMs', message });
  }
  if (policy.required.includes('latency') && policy.warmUpMs >= policy.deadlineMs) {
    const message = `"warmUpMs" must be shorter than deadlineMs, ${policy.deadlineMs}, not ${policy.warmUpMs}: latency could never be certified`;
    problems.push({ setting: 'warmUpMs', message });
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
