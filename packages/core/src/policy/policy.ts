import {
  defaultJudgePolicy,
  type JudgePolicy,
  judgeSettings,
  OBSERVATION_MAX,
  parseJudgePolicy,
} from '../judge/judge-policy.ts';
import { duration, messages, oneOf, texts } from '../settings/kinds.ts';
import {
  defaultsOf,
  isObject,
  notAnObject,
  problemsIn,
  type Setting,
  type SettingProblem,
  type Settings,
  type ValuesOf,
} from '../settings/setting.ts';
import { WINDOW_EXAMPLE, wrongWithWindow } from './release-window.ts';

/** Who promotes a release once the canary has baked: see the property `approval`. */
export type Approval = 'manual' | 'automatic' | 'automatic-then-manual';

/** What happens to a release that waits for its verdict when a newer commit is ready for the canary. */
export type OnNewerCommit = 'supersede' | 'wait';

/** The longest bake, watch or time to decide that a policy may ask for, in milliseconds: twelve hours. */
export const [longestObservationMs] = OBSERVATION_MAX;

const observation = duration(OBSERVATION_MAX, 'minutes', longestObservationMs / 60_000);

/** The settings of a release but for the judge's. Times are in milliseconds. */
export const releaseSettings = {
  approval: {
    kind: oneOf<Approval>('Approval', 'manual', 'automatic', 'automatic-then-manual'),
    default: 'manual',
    defaultText: 'manual',
    property: 'approval',
    text: `Who promotes a release.

- \`manual\`: a person decides, and the judge only advises.
- \`automatic\`: a pass promotes without a person and a fail rolls back. An inconclusive verdict goes to a person.
- \`automatic-then-manual\`: a fail rolls back. Everything else goes to a person, with the evidence, once the judge has settled.

Dead letters roll a release back under each of them, see \`alarmThreshold\`.`,
  },
  bakeMs: {
    kind: observation,
    default: 10 * 60_000,
    defaultText: 'ten minutes',
    property: 'bakeTime',
    context: 'bakeMinutes',
    text: `Time for which the canary is observed at steady state before the release is promoted or offered for approval. The judge
may fail it earlier. It passes none before the queue's visibility timeout is over, since a message that the canary lost is
received again only then. At least \`warmUpTime\`, and at most twelve hours.`,
  },
  watchMs: {
    kind: observation,
    default: 5 * 60_000,
    defaultText: 'five minutes',
    property: 'watchTime',
    context: 'watchMinutes',
    text: `Time for which both services are watched on the new version before it becomes the last good release. At most twelve
hours.`,
  },
  onNewerCommit: {
    kind: oneOf<OnNewerCommit>('OnNewerCommit', 'supersede', 'wait'),
    default: 'supersede',
    defaultText: 'supersede',
    property: 'onNewerCommit',
    text: `What happens to a release that waits for its verdict when a newer commit has been built: \`supersede\` ends it, \`wait\`
keeps the newer commit in front of the canary until the release has ended.`,
  },
  releaseWindows: {
    kind: texts(wrongWithWindow, {
      pattern: /^\S+ \S+ \S+$/,
      expected: `windows such as ${WINDOW_EXAMPLE}, with commas between them`,
    }),
    default: [],
    defaultText: 'at any time',
    property: 'releaseWindows',
    text: `When releases may reach the canary: days, hours and a time zone, as in \`${WINDOW_EXAMPLE}\`. At other times they wait
in front of it, but for the first release of all. A release that has begun goes on to its end, and a rollback is always
possible.`,
  },
  alarmThreshold: {
    kind: messages,
    default: 1,
    defaultText: '1',
    property: 'alarmThreshold',
    text: `Dead letters that end a release, counted from the start of the canary's deployment and caused by its own tasks. As
many new ones from one minute to the next raise the alarm, which makes the controller look.`,
  },
} satisfies Settings;

/** How a release is judged and promoted. Times are in milliseconds. */
export type ReleasePolicy = ValuesOf<typeof releaseSettings> & {
  /** With which error rates the judge decides; its `bakeMsMin` is always `bakeMs`. */
  readonly judge: JudgePolicy;
};

/** The policy of a release for which nothing was configured: ten minutes' bake, five minutes' watch. */
export const defaultReleasePolicy: ReleasePolicy = {
  ...defaultsOf(releaseSettings),
  judge: { ...defaultJudgePolicy, bakeMsMin: releaseSettings.bakeMs.default },
};

/** Each setting of the policy by its path in the document, such as `bakeMs` and `judge.alpha`. */
export const policySettings: ReadonlyMap<string, Setting<unknown>> = new Map<string, Setting<unknown>>([
  ...Object.entries(releaseSettings),
  ...Object.entries(judgeSettings)
    .filter(([name]) => name !== 'bakeMsMin')
    .map(([name, setting]): [string, Setting<unknown>] => [`judge.${name}`, setting]),
]);

export type PolicyResult =
  | { readonly ok: true; readonly policy: ReleasePolicy }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/**
 * The policy that a JSON document asks for, with defaults for what it leaves out, or every problem it has.
 *
 * A setting that this version does not know is a problem, not ignored: a controller older than the
 * constructs that configured it must not promote under rules that it does not understand.
 */
export function parsePolicy(document: unknown): PolicyResult {
  if (!isObject(document)) {
    return { ok: false, problems: [notAnObject(document, 'the release policy')] };
  }
  const { judge: judgeDocument = {}, ...own } = document;
  const problems = problemsIn(own, releaseSettings, 'the release policy', 'judge');
  const policy = { ...defaultReleasePolicy, ...own };
  const judge = parseJudge(judgeDocument, policy.bakeMs);
  problems.push(...judge.problems);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, policy: { ...policy, judge: judge.policy } };
}

/** The document that `parsePolicy` makes this policy of, with every setting written out. */
export function policyDocument({ judge: { bakeMsMin: _, ...judge }, ...policy }: ReleasePolicy): object {
  return { ...policy, judge };
}

interface ParsedJudge {
  readonly policy: JudgePolicy;
  readonly problems: readonly SettingProblem[];
}

function parseJudge(document: unknown, bakeMs: unknown): ParsedJudge {
  const given = isObject(document) ? document : {};
  if ('bakeMsMin' in given) {
    const message = '"judge.bakeMsMin" is set by "bakeMs"; remove it and set that';
    return { policy: defaultJudgePolicy, problems: [{ setting: 'judge.bakeMsMin', message }] };
  }
  const parsed = parseJudgePolicy(isObject(document) ? { ...usual(given, bakeMs), ...document } : document);
  if (parsed.ok) return { policy: parsed.policy, problems: [] };
  const { warmUpMs = defaultJudgePolicy.warmUpMs } = given;
  const problems = parsed.problems.map(({ setting, message }) => {
    if (setting === '') return { setting: 'judge', message };
    if (setting !== 'bakeMsMin') return { setting: `judge.${setting}`, message: inDocument(message) };
    return {
      setting: 'bakeMs',
      message: `"bakeMs" must be at least judge.warmUpMs, ${warmUpMs} ms, not ${bakeMs} ms: a canary would be promoted before it is warm; bake longer, or set judge.warmUpMs to what a task takes to be warm`,
    };
  });
  return { policy: defaultJudgePolicy, problems };
}

/** Defaults of the judge that follow from other settings. */
function usual(given: Partial<Record<string, unknown>>, bakeMs: unknown): Partial<JudgePolicy> {
  return {
    ...(given.latencyMargin !== undefined && { required: ['failures', 'latency'] }),
    ...(isDuration(bakeMs) && {
      bakeMsMin: bakeMs,
      deadlineMs: usualDeadlineMs(bakeMs, given.visibilityTimeoutMs),
    }),
  };
}

/** How long the judge may take where nothing else is said: longer where the release is observed longer. */
function usualDeadlineMs(bakeMs: number, hiddenMs: unknown): number {
  const visibilityTimeoutMs = isDuration(hiddenMs) ? hiddenMs : defaultJudgePolicy.visibilityTimeoutMs;
  const longEnoughMs = Math.max(defaultJudgePolicy.deadlineMs, 2 * Math.max(bakeMs, visibilityTimeoutMs));
  return Math.min(longEnoughMs, longestObservationMs);
}

function isDuration(value: unknown): value is number {
  return observation.check(value) === undefined;
}

/** A message about the judge's settings, with their names in the document. */
function inDocument(message: string): string {
  return message
    .replace(/^"([^"]*)"/, '"judge.$1"')
    .replace('bakeMsMin and visibilityTimeoutMs', 'bakeMs and judge.visibilityTimeoutMs');
}
