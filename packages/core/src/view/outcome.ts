import { stages } from '../contract.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import { mayBeFromBefore } from '../release/consistency.ts';
import { promotesItself } from '../release/ending.ts';
import { isActive, releases, stageNamed } from '../release/journey.ts';
import {
  type Execution,
  known,
  type Observed,
  type PipelineState,
  type Reading,
  unknown,
} from '../release/observed.ts';
import type { Plan } from '../release/phase.ts';
import type { DecidedBy, ReleaseRecord } from '../release/record.ts';
import { ownStopReason } from '../release/stop-reason.ts';

/** What became of an execution of the pipeline, or whom it waits for. */
export interface ReleaseOutcome {
  readonly executionId: string;
  readonly commit?: string;
  readonly image?: string;
  /**
   * - `promoted`: both services run it, and it is the last good release.
   * - `rolledBack`: both services run the last good release again.
   * - `notReleased`: it ended before it reached the canary, and changed nothing.
   * - `superseded`: a newer one took its place.
   * - `waiting`: it goes on only when a person acts.
   */
  readonly outcome: 'promoted' | 'rolledBack' | 'notReleased' | 'superseded' | 'waiting';
  /** Who or what ended it, where it was rolled back. */
  readonly by?: DecidedBy;
  /** Why, in a sentence for a person. */
  readonly reason: string;
}

type Ending = Pick<ReleaseOutcome, 'outcome' | 'by' | 'reason'>;

/** Who decides, in words. */
export const DECIDERS: Readonly<Record<DecidedBy, string>> = {
  judge: 'the judge',
  health: 'dead letters',
  person: 'a person',
  pipeline: 'the pipeline',
  newerCommit: 'a newer release',
};

/** The outcome of an execution, undefined while it is open; unknown while what was observed does not tell. */
export function outcomeOf(
  { pipeline, record }: Observed,
  policy: ReleasePolicy,
  planned: Plan,
  executionId: string,
  nowMs: number,
): Reading<ReleaseOutcome | undefined> {
  if (!pipeline.known) return pipeline;
  if (!record.known) return record;
  const execution = pipeline.value.executions.find(({ id }) => id === executionId);
  if (execution === undefined) return unknown(`the pipeline does not list execution ${executionId}`);
  const { commit, image } = execution;
  const ending =
    endingOf(pipeline.value, record.value.record, planned, execution) ??
    waitOf(pipeline.value, record.value.record, policy, planned, execution, nowMs);
  return known(
    ending && {
      executionId,
      ...(commit !== undefined && { commit }),
      ...(image !== undefined && { image }),
      ...ending,
    },
  );
}

function endingOf(
  pipeline: PipelineState,
  { lastGood, decision, verdict }: ReleaseRecord,
  planned: Plan,
  execution: Execution,
): Ending | undefined {
  const { id, status, stopReason } = execution;
  const isCurrent = planned.release?.executionId === id;
  if (lastGood?.executionId === id) {
    const judged = verdict?.executionId === id ? verdict.summary : 'it is the last good release';
    return { outcome: 'promoted', reason: judged };
  }
  if (decision?.executionId === id) {
    if (isCurrent && (planned.phase === 'rollingBack' || planned.phase === 'halted')) return undefined;
    const { by, reason } = decision;
    return by === 'newerCommit' ? { outcome: 'superseded', reason } : { outcome: 'rolledBack', by, reason };
  }
  if (status === 'Superseded') return { outcome: 'superseded', reason: 'a newer execution took its place' };
  // What has touched the canary ends by a decision, which is yet to be recorded or was written over since.
  const isRelease = releases(pipeline).some((release) => release.execution.id === id);
  if (isActive({ status }) || (isRelease && isCurrent)) return undefined;
  if (status === 'Succeeded') return { outcome: 'promoted', reason: 'another release has followed it' };
  const failed = pipeline.actions.find((run) => run.executionId === id && run.status === 'Failed');
  const cause =
    failed && `${failed.action} failed${failed.summary === undefined ? '' : `: ${failed.summary}`}`;
  const reason =
    cause ?? ownStopReason(execution) ?? stopReason ?? `its execution is ${status.toLowerCase()}`;
  return isRelease ? { outcome: 'rolledBack', by: 'pipeline', reason } : { outcome: 'notReleased', reason };
}

/** What a person must do before the execution goes on. */
function waitOf(
  pipeline: PipelineState,
  record: ReleaseRecord,
  policy: ReleasePolicy,
  { phase, release, reasons }: Plan,
  { id }: Execution,
  nowMs: number,
): Ending | undefined {
  const current = release?.executionId;
  const asked = current !== undefined && isAsked(pipeline, record, policy, current, nowMs);
  if (current === id) {
    if (phase === 'halted') return { outcome: 'waiting', reason: reasons.join('; ') };
    if (!asked) return undefined;
    return { outcome: 'waiting', reason: 'queue-canary approve promotes it, queue-canary reject ends it' };
  }
  const canary = stageNamed(pipeline, stages.canary.stage);
  if (canary?.inboundExecutionIds.includes(id) !== true) return undefined;
  const halted = phase === 'halted' && !canary.transitionEnabled;
  if (!halted && !(asked && policy.onNewerCommit === 'wait')) return undefined;
  return {
    outcome: 'waiting',
    reason: `release ${current ?? ''} is before it and waits for a person${halted ? `: ${reasons.join('; ')}` : ''}`,
  };
}

/** Whether a person is asked to decide the release: its approval waits, and the controller will not answer it. */
function isAsked(
  { approval }: PipelineState,
  record: ReleaseRecord,
  policy: ReleasePolicy,
  executionId: string,
  nowMs: number,
): boolean {
  if (approval?.executionId !== executionId) return false;
  if (policy.approval !== 'automatic') return true;
  // The verdict is recorded before the approval begins, but the answer that shows the record may be older.
  if (record.verdict?.executionId !== executionId) return !mayBeFromBefore(approval.since ?? 0, nowMs);
  return !promotesItself(policy, record, executionId);
}

/** What became of a release, in a few words. */
export function outcomeTitle({ outcome, by }: Pick<ReleaseOutcome, 'outcome' | 'by'>): string {
  const titles: Readonly<Record<ReleaseOutcome['outcome'], string>> = {
    promoted: 'promoted',
    rolledBack: `rolled back by ${DECIDERS[by ?? 'pipeline']}`,
    notReleased: 'not released',
    superseded: 'superseded',
    waiting: 'waiting for a person',
  };
  return titles[outcome];
}

/** One line for people that says it all. */
export function renderOutcome(ended: ReleaseOutcome): string {
  const { executionId, commit, image, reason } = ended;
  const what = image ?? (commit === undefined ? `execution ${executionId}` : `commit ${commit}`);
  return `${outcomeTitle(ended)}: ${what}: ${reason}`;
}
