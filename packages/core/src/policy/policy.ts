import { defaultJudgePolicy, type JudgePolicy, parseJudgePolicy } from '../judge/judge-policy.ts';

/**
 * Who promotes a release once the canary has baked.
 *
 * - `manual`: a person. The judge only advises; dead letters still roll back.
 * - `automatic`: a pass promotes and a fail rolls back; what the judge cannot decide goes to a person.
 * - `automatic-then-manual`: a fail rolls back; everything else goes to a person once the judge has settled.
 */
export type Approval = 'manual' | 'automatic' | 'automatic-then-manual';

/** What happens to a release that waits for its verdict when a newer commit is ready for the canary. */
export type OnNewerCommit = 'supersede' | 'wait';

/** How a release is judged and promoted. Times are in milliseconds. */
export interface ReleasePolicy {
  readonly approval: Approval;
  /** How long the canary is observed at steady state at least, before it is promoted or offered for approval. */
  readonly bakeMs: number;
  /** How long both services are watched on the new version before it becomes the last good release. */
  readonly watchMs: number;
  /**
   * `supersede` ends a release that waits for its verdict as soon as a newer commit has been built;
   * `wait` keeps the newer commit in front of the canary until the release has ended.
   */
  readonly onNewerCommit: OnNewerCommit;
  /**
   * How many messages the tasks of a release may send to the dead-letter queue before it is rolled back. Counted from
   * the start of its canary deployment.
   */
  readonly deadLettersMax: number;
  /** With which error rates the judge decides; its `bakeMsMin` is always `bakeMs`. */
  readonly judge: JudgePolicy;
}

/** The policy of a release for which nothing was configured: ten minutes' bake, five minutes' watch. */
export const defaultReleasePolicy: ReleasePolicy = {
  approval: 'manual',
  bakeMs: 10 * 60_000,
  watchMs: 5 * 60_000,
  onNewerCommit: 'supersede',
  deadLettersMax: 0,
  judge: { ...defaultJudgePolicy, bakeMsMin: 10 * 60_000 },
};

/**
 * The longest bake, watch or time to decide that a policy may ask for: twelve hours.
 *
 * CodePipeline gives up an invocation of a function after 24 hours, and each of them passes in one. The controller
 * holds every outcome line of a release, and judges all of them at each look: more than this it has no memory for.
 */
export const longestObservationMs = 12 * 60 * 60_000;

/** How long the judge may take where nothing else is said: longer where the release is observed longer. */
function usualDeadlineMs(bakeMs: number, visibilityTimeoutMs: number): number {
  const longEnoughMs = Math.max(defaultJudgePolicy.deadlineMs, 2 * Math.max(bakeMs, visibilityTimeoutMs));
  return Math.min(longEnoughMs, longestObservationMs);
}

/** One thing that is wrong with a policy, and what to do about it. */
export interface PolicyProblem {
  /** The setting, or `''` for the document as a whole. */
  readonly setting: string;
  readonly message: string;
}

export type PolicyResult =
  | { readonly ok: true; readonly policy: ReleasePolicy }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

type Check = (value: unknown) => string | undefined;

const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && allowed.includes(value)
      ? undefined
      : `must be ${allowed.map((a) => `"${a}"`).join(' or ')}, not ${show(value)}`;

const duration: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= longestObservationMs
    ? undefined
    : `must be a whole number of milliseconds from 0 to ${longestObservationMs} (twelve hours), not ${show(value)}`;

const count: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? undefined
    : `must be a whole number of messages, 0 or more, not ${show(value)}`;

const checks: Readonly<Record<Exclude<keyof ReleasePolicy, 'judge'>, Check>> = {
  approval: oneOf('manual', 'automatic', 'automatic-then-manual'),
  bakeMs: duration,
  watchMs: duration,
  onNewerCommit: oneOf('supersede', 'wait'),
  deadLettersMax: count,
};

/**
 * The policy that a JSON document asks for, with defaults for what it leaves out, or every problem it has.
 *
 * A setting that this version does not know is a problem, not ignored: a controller older than the
 * constructs that configured it must not promote under rules that it does not understand.
 */
export function parsePolicy(document: unknown): PolicyResult {
  if (!isObject(document)) {
    return {
      ok: false,
      problems: [
        {
          setting: '',
          message: `the release policy must be a JSON object, not ${show(document)}; use {} for the defaults`,
        },
      ],
    };
  }
  const given = new Map<string, unknown>(Object.entries(document));
  const problems: PolicyProblem[] = [];
  for (const [setting, value] of given) {
    if (setting === 'judge') continue;
    if (!isSetting(setting)) {
      problems.push({
        setting,
        message: `"${setting}" is not a setting of the release policy; remove it or use one of ${[...Object.keys(checks), 'judge'].join(', ')}`,
      });
      continue;
    }
    const wrong = checks[setting](value);
    if (wrong !== undefined) problems.push({ setting, message: `"${setting}" ${wrong}` });
  }
  const policy: ReleasePolicy = { ...defaultReleasePolicy, ...document };
  const judge = parseJudge(given.has('judge') ? given.get('judge') : {}, policy.bakeMs);
  problems.push(...judge.problems);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, policy: { ...policy, judge: judge.policy } };
}

function parseJudge(
  document: unknown,
  bakeMs: unknown,
): { readonly policy: JudgePolicy; readonly problems: readonly PolicyProblem[] } {
  const given: Partial<Record<string, unknown>> = isObject(document) ? document : {};
  if ('bakeMsMin' in given) {
    const message = '"judge.bakeMsMin" is set by "bakeMs"; remove it and set that';
    return { policy: defaultJudgePolicy, problems: [{ setting: 'judge.bakeMsMin', message }] };
  }
  const { visibilityTimeoutMs: hiddenMs, deadlineMs, warmUpMs = defaultJudgePolicy.warmUpMs } = given;
  const visibilityTimeoutMs = isDuration(hiddenMs) ? hiddenMs : defaultJudgePolicy.visibilityTimeoutMs;
  const bake = isDuration(bakeMs)
    ? { bakeMsMin: bakeMs, deadlineMs: usualDeadlineMs(bakeMs, visibilityTimeoutMs) }
    : {};
  const parsed = parseJudgePolicy(isObject(document) ? { ...bake, ...document } : document);
  const problems = counterProblems(given.counters);
  if (typeof deadlineMs === 'number' && deadlineMs > longestObservationMs) {
    const message = `"judge.deadlineMs" must be at most ${longestObservationMs} ms (twelve hours), not ${deadlineMs} ms: the controller cannot judge for longer`;
    problems.push({ setting: 'judge.deadlineMs', message });
  }
  if (parsed.ok) return { policy: parsed.policy, problems };
  const own = new Set(problems.map(({ setting }) => setting));
  const others = parsed.problems.map(({ setting, message }) => {
    if (setting === '') return { setting: 'judge', message };
    if (setting !== 'bakeMsMin') return { setting: `judge.${setting}`, message: inDocument(message) };
    return {
      setting: 'bakeMs',
      message: `"bakeMs" must be at least judge.warmUpMs, ${warmUpMs} ms, not ${bakeMs} ms: a canary would be promoted before it is warm; bake longer, or set judge.warmUpMs to what a task takes to be warm`,
    };
  });
  return {
    policy: defaultJudgePolicy,
    problems: [...others.filter(({ setting }) => !own.has(setting)), ...problems],
  };
}

/** What the judge says of its settings, said of the document that they are a part of. */
function inDocument(message: string): string {
  return message
    .replace(/^"([^"]*)"/, '"judge.$1"')
    .replace('bakeMsMin and visibilityTimeoutMs', 'bakeMs and judge.visibilityTimeoutMs');
}

/** A name that the worker counts under; it refuses others, and more than so many. */
const counterName = /^[A-Za-z0-9 _.:-]{1,64}$/;
const countersMax = 20;

/** What is wrong with counters beyond their values, which the judge checks: no worker could report them. */
function counterProblems(counters: unknown): PolicyProblem[] {
  if (!isObject(counters)) return [];
  const names = Object.keys(counters);
  const wrong = [
    ...(names.length > countersMax
      ? [`must be at most ${countersMax}, which is as many as a worker counts, not ${names.length}`]
      : []),
    ...names
      .filter((name) => !counterName.test(name))
      .map(
        (name) =>
          `must have names of 1 to 64 letters, digits, spaces and characters of _.:-, as the worker does, not ${show(name)}`,
      ),
    ...Object.entries(counters).flatMap(([name, counter]) =>
      Object.keys(isObject(counter) ? counter : {})
        .filter((field) => field !== 'worse' && field !== 'tolerance')
        .map((field) => `must give ${show(name)} worse and tolerance only, not ${show(field)}`),
    ),
  ];
  return wrong.map((each) => ({ setting: 'judge.counters', message: `"judge.counters" ${each}` }));
}

function isObject(value: unknown): value is Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDuration(value: unknown): value is number {
  return duration(value) === undefined;
}

function isSetting(name: string): name is keyof typeof checks {
  return Object.hasOwn(checks, name);
}

function show(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
