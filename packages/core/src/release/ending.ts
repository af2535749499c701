import type { Verdict } from '../judge/evidence.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import { writeRecord } from './bookkeeping.ts';
import { misdeployed } from './candidate.ts';
import type { Effect } from './effect.ts';
import type { Health } from './health.ts';
import {
  builds,
  hasReachedStable,
  intruders,
  isActive,
  type Journey,
  replacedBy,
  waitingForCanary,
} from './journey.ts';
import type { Observed } from './observed.ts';
import { type Decision, type RecordedVerdict, type ReleaseRecord, storedText } from './record.ts';
import { ownStopReason, stopPrefix } from './stop-reason.ts';
import { commitText, shortId, type World } from './world.ts';

/** A release's end as it will be recorded, or was. */
export type End = Pick<Decision, 'kind' | 'by' | 'reason'>;

/** Why the release must end or has ended without success; absent while it may go on or has succeeded. */
export function endOf(world: World, release: Journey, health: Health): End | undefined {
  const { record, policy, rollbackRequest } = world;
  const { execution } = release;
  if (record.lastGood?.executionId === execution.id) return undefined;
  if (record.decision?.executionId === execution.id) return record.decision;
  // Also of one that has been stopped for it, if that decision was written over.
  if (rollbackRequest?.executionId === execution.id && execution.status !== 'Succeeded') {
    return { kind: 'rollback', by: 'person', reason: rollbackRequest.reason };
  }
  const onRequest = hasReachedStable(release) ? 'rollback' : 'abort';
  if (!isActive(execution)) {
    switch (execution.status) {
      case 'Succeeded':
        return undefined;
      case 'Superseded':
        return { kind: onRequest, by: 'newerCommit', reason: 'a newer execution superseded it' };
      case 'Stopped':
      case 'Cancelled': {
        const own = ownStopReason(execution);
        if (own !== undefined) return { kind: onRequest, by: 'pipeline', reason: own };
        return { kind: onRequest, by: 'person', reason: stopped(release) };
      }
      default:
        return release.approval?.status === 'Failed'
          ? { kind: 'abort', by: 'person', reason: failed('it was not approved', release.approval.summary) }
          : { kind: 'rollback', by: 'pipeline', reason: pipelineFailure(release) };
    }
  }
  if (execution.status === 'Stopping') {
    return { kind: onRequest, by: 'person', reason: stopped(release) };
  }
  const verdict = failingVerdict(world);
  if (verdict !== undefined) return { kind: 'rollback', by: 'judge', reason: verdict.reason };
  if (health.failure !== undefined) return { kind: 'rollback', by: 'health', reason: health.failure };
  const later = replacedBy(world.pipeline, release);
  if (later !== undefined) {
    return {
      kind: onRequest,
      by: 'pipeline',
      reason: `execution ${later.id} has used the canary since, so the canary no longer runs this release: it was retried too late. Release it again`,
    };
  }
  const problem = misdeployed(world, release);
  if (problem !== undefined) return { kind: 'rollback', by: 'pipeline', reason: problem };
  // A release that promotes itself waits for nobody: ended here, none would ever be promoted where commits are frequent.
  const waits = release.approval?.status === 'InProgress' && !promotesItself(policy, record, execution.id);
  if (policy.onNewerCommit === 'supersede' && waits) {
    const newer = waitingForCanary(world.pipeline, release)[0];
    if (newer !== undefined) {
      return {
        kind: 'abort',
        by: 'newerCommit',
        reason: `a newer ${builds(world.pipeline) ? 'commit' : 'image'} is ready for the canary (execution ${newer.id}${newer.commit ? `, commit ${newer.commit}` : ''})`,
      };
    }
  }
  return undefined;
}

/** Whether the judge has passed the release, and the policy takes that for an approval. */
export function promotesItself(
  { approval }: ReleasePolicy,
  { verdict }: ReleaseRecord,
  executionId: string,
): boolean {
  return approval === 'automatic' && verdict?.executionId === executionId && verdict.kind === 'pass';
}

/** The verdict that ends the release, where the policy lets the judge end it. */
export function failingVerdict(
  world: World,
): { readonly verdict: Verdict; readonly reason: string } | undefined {
  const { policy, judgement } = world;
  if (policy.approval === 'manual' || judgement?.known !== true) return undefined;
  const { verdict, watch } = judgement.value;
  if (verdict.kind === 'fail') return { verdict, reason: verdict.summary };
  if (watch?.kind !== 'fail') return undefined;
  return {
    verdict: watch,
    reason: `After the promotion, with both services as the canary and stable before it as the baseline: ${watch.summary}`,
  };
}

export function decide(
  release: Journey,
  end: End,
  record: ReleaseRecord,
  version: number,
  nowMs: number,
  verdict?: RecordedVerdict,
): readonly Effect[] {
  const { execution } = release;
  const decision: Decision = {
    executionId: execution.id,
    kind: end.kind,
    reason: storedText(end.reason),
    by: end.by,
    decidedAt: new Date(nowMs).toISOString(),
  };
  const back = record.lastGood
    ? `Both services return to ${record.lastGood.imageUri}${commitText(record.lastGood.commit)}.`
    : 'There is no last good release to return to; a person must act.';
  return [
    {
      kind: 'recordDecision',
      executionId: execution.id,
      next: { ...record, decision, ...(verdict && { verdict }) },
      ifVersion: version,
    },
    {
      kind: 'notify',
      subject: `Release ${shortId(execution.id)} ${end.kind === 'abort' ? 'aborted' : 'is rolled back'}`,
      message: `Release ${execution.id}${commitText(execution.commit)} ended: ${end.reason}. ${back}`,
    },
  ];
}

export function confirmRestored(world: World, decision: Decision): Effect[] {
  const { lastGood } = world.record;
  return [
    writeRecord(world, 'recordRestored', decision.executionId, {
      ...world.record,
      decision: { ...decision, restoredAt: new Date(world.nowMs).toISOString() },
    }),
    {
      kind: 'notify',
      subject: `Release ${shortId(decision.executionId)}: both services restored`,
      message: `Both services run ${lastGood?.imageUri ?? 'the last good release'}${commitText(lastGood?.commit)} again.`,
    },
  ];
}

/** The gentlest way to end an execution: by its job, or by stopping it, which ends a waiting approval as well. */
export function endExecution(world: World, release: Journey, reason: string): Effect[] {
  const { job } = world.observed;
  const { id } = release.execution;
  const waits = release.record?.status === 'InProgress' || release.judge?.status === 'InProgress';
  if (job !== undefined && waits && (job.executionId ?? id) === id) {
    return [{ kind: 'failJob', jobId: job.id, reason }];
  }
  return [{ kind: 'stopExecution', executionId: id, reason: `${stopPrefix}${reason}` }];
}

export function endIntruders(world: World, release: Journey): Effect[] {
  return intruders(world.pipeline, release).flatMap((other) =>
    endExecution(
      { ...world, observed: withoutJob(world.observed) },
      other,
      `release ${release.execution.id} is under way, and there is only ever one`,
    ),
  );
}

function withoutJob(observed: Observed): Observed {
  const { job: _, ...rest } = observed;
  return rest;
}

function stopped(release: Journey): string {
  return failed('the pipeline execution was stopped', release.execution.stopReason);
}

function pipelineFailure(release: Journey): string {
  const run = [release.record, release.stable, release.approval, release.judge, release.canary].find(
    (candidate) => candidate?.status === 'Failed' || candidate?.status === 'Abandoned',
  );
  return run === undefined
    ? `the pipeline execution ended as ${release.execution.status}`
    : failed(`${run.stage}/${run.action} failed`, run.summary);
}

function failed(what: string, detail: string | undefined): string {
  return detail ? `${what}: ${detail}` : what;
}
