/** Who promotes a release once the canary has baked. */
export type Approval = 'manual';

/** What happens to a release that waits for its verdict when a newer commit is ready for the canary. */
export type OnNewerCommit = 'supersede' | 'wait';

/** How a release is judged and promoted. Times are in milliseconds. */
export interface ReleasePolicy {
  /** Who promotes: `manual` leaves the verdict to a person at the pipeline's approval action. */
  readonly approval: Approval;
  /** How long the canary is observed at steady state before the release is offered for approval. */
  readonly bakeMs: number;
  /** How long both services are watched on the new version before it becomes the last good release. */
  readonly watchMs: number;
  /**
   * `supersede` ends a release that waits for its verdict as soon as a newer commit has been built;
   * `wait` keeps the newer commit in front of the canary until the release has ended.
   */
  readonly onNewerCommit: OnNewerCommit;
  /**
   * How many messages may reach the dead-letter queue during a release before it is rolled back.
   * Counted from the start of the release's canary deployment, so residue of earlier releases is free.
   */
  readonly deadLettersMax: number;
}

/** The policy of a release for which nothing was configured: ten minutes' bake, five minutes' watch. */
export const defaultReleasePolicy: ReleasePolicy = {
  approval: 'manual',
  bakeMs: 10 * 60_000,
  watchMs: 5 * 60_000,
  onNewerCommit: 'supersede',
  deadLettersMax: 0,
};

/** The longest bake or watch that a policy may ask for: one day, well under the approval's own timeout. */
export const longestObservationMs = 24 * 60 * 60_000;

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
    : `must be a whole number of milliseconds from 0 to ${longestObservationMs} (one day), not ${show(value)}`;

const count: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? undefined
    : `must be a whole number of messages, 0 or more, not ${show(value)}`;

const checks: Readonly<Record<keyof ReleasePolicy, Check>> = {
  approval: oneOf('manual'),
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
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
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
    if (!isSetting(setting)) {
      problems.push({
        setting,
        message: `"${setting}" is not a setting of the release policy; remove it or use one of ${Object.keys(checks).join(', ')}`,
      });
      continue;
    }
    const wrong = checks[setting](value);
    if (wrong !== undefined) problems.push({ setting, message: `"${setting}" ${wrong}` });
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, policy: { ...defaultReleasePolicy, ...document } };
}

function isSetting(name: string): name is keyof ReleasePolicy {
  return Object.hasOwn(checks, name);
}

function show(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
