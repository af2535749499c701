import type { Verdict } from '../judge/evidence.ts';
import type { Lateness } from '../measurement/lateness.ts';
import type { Effect } from './effect.ts';
import type { Health } from './health.ts';
import type { Journey } from './journey.ts';
import type { Position } from './position.ts';

/**
 * Where the current release is.
 *
 * - `idle`: no execution has touched the canary yet.
 * - `deploying`: the canary is being brought to the candidate.
 * - `baking`: the canary is steady and observed, before the release is offered for approval.
 * - `awaitingApproval`: a person decides.
 * - `promoting`: stable is being brought to the candidate, or both are watched on it.
 * - `succeeded`: the release is the last good one.
 * - `rollingBack`: the release was ended; both services are on their way to the last good release.
 * - `rolledBack`: the release was ended and both services run the last good release.
 * - `aborted`: the same, for a release that was ended on request before stable was touched.
 * - `updating`: a stack update has the canary: its configuration is deployed there, judged, or put back.
 * - `drifted`: no release is under way, but a service was changed from outside; it returns to the last good release.
 * - `halted`: the controller cannot see, or has nothing to return to; a person must act.
 */
export type Phase =
  | 'idle'
  | 'deploying'
  | 'baking'
  | 'awaitingApproval'
  | 'promoting'
  | 'succeeded'
  | 'rollingBack'
  | 'rolledBack'
  | 'aborted'
  | 'updating'
  | 'drifted'
  | 'halted';

/** Whether a release in this phase was ended without success. */
export function isEnding(phase: Phase): boolean {
  return phase === 'rollingBack' || phase === 'rolledBack' || phase === 'aborted';
}

/** The release that a plan is about. */
export interface ReleaseSummary {
  /** The pipeline execution's id: the identity of the release. */
  readonly executionId: string;
  readonly commit?: string;
  readonly commitMessage?: string;
  /** What its release request names, where the pipeline builds nothing. */
  readonly image?: string;
  /** When its canary deployment began, epoch milliseconds. */
  readonly startedAt: number;
  /** When its present phase began, epoch milliseconds. */
  readonly since: number;
  /** Messages dead-lettered since it began; absent while they cannot be counted. */
  readonly deadLetters?: number;
}

export interface Plan {
  readonly phase: Phase;
  /**
   * Where the release still is while this plan's decision to end it is not recorded. Who only looks sees it there: at the
   * next look the same may speak against it no more.
   */
  readonly undecided?: Position;
  readonly release?: ReleaseSummary;
  /** What the judge says now; absent before the canary is steady, and when it cannot be told. */
  readonly verdict?: Verdict;
  /** How late the workers' lines come; absent while nothing is judged. */
  readonly lateness?: Lateness;
  /** In the order in which to carry them out; see {@link Effect} for which depend on which. */
  readonly effects: readonly Effect[];
  /** When looking again can show something new without an event, in milliseconds from now. */
  readonly nextWakeMs?: number;
  /** Why, in sentences for a person. */
  readonly reasons: readonly string[];
}

export function summarise(release: Journey, health: Health, since: number): ReleaseSummary {
  const { execution } = release;
  return {
    executionId: execution.id,
    ...(execution.commit !== undefined && { commit: execution.commit }),
    ...(execution.commitMessage !== undefined && { commitMessage: execution.commitMessage }),
    ...(execution.image !== undefined && { image: execution.image }),
    startedAt: release.canaryStartedAt,
    since,
    ...(health.deadLetters !== undefined && { deadLetters: health.deadLetters }),
  };
}
