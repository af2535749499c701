import { stages } from '../contract.ts';
import type { Verdict } from '../judge/evidence.ts';
import { writeRecord } from './bookkeeping.ts';
import { hasArrived } from './candidate.ts';
import type { Effect } from './effect.ts';
import { firstVerdict, hasNothingAlongside } from './first-release.ts';
import { again, complete, jobOf } from './jobs.ts';
import type { Journey } from './journey.ts';
import { approvalMessage, recordedVerdict, unchangedVerdict } from './judgement.ts';
import { nextLookMs, remaining } from './next-look.ts';
import { unasked } from './waits.ts';
import type { World } from './world.ts';

/** The judge's time: answers its job once the canary has baked and the verdict is settled. */
export function planJudging(
  world: World,
  release: Journey,
  bakedAt: number,
): { readonly effects: readonly Effect[]; readonly nextWakeMs: number; readonly reasons: readonly string[] } {
  const { policy, nowMs, judgement, record } = world;
  const { id } = release.execution;
  const verdict = judgement?.known ? judgement.value.verdict : undefined;
  const deadlineAt = release.canary.updatedAt + policy.judge.deadlineMs;
  const given =
    policy.approval !== 'manual' && isUnchanged(world, release)
      ? unchangedVerdict(id, nowMs)
      : firstVerdict(world, id);
  const answerAt = policy.approval === 'manual' ? bakedAt : deadlineAt;
  const unreadable = judgement?.known === false && nowMs < Math.max(answerAt, bakedAt) + unreadableMs;
  const settled =
    given !== undefined ||
    (!unreadable &&
      (policy.approval === 'manual' || (verdict === undefined ? nowMs >= deadlineAt : verdict.settled)));
  const job = jobOf(world, release, 'judge');
  const reasons = [
    ...(nowMs < bakedAt ? [`the canary is observed for ${remaining(bakedAt - nowMs)} more`] : []),
    ...(settled ? [] : [undecided(world)]),
  ];
  if (nowMs < bakedAt || !settled) {
    const lookMs = nextLookMs(nowMs, release, release.canary.updatedAt);
    const nextWakeMs = nowMs < bakedAt ? Math.min(lookMs, bakedAt - nowMs) : lookMs;
    return { effects: job ? [again(job)] : [], nextWakeMs, reasons };
  }
  const effects: Effect[] = [];
  const settledVerdict = given ?? (verdict && recordedVerdict(verdict, id, nowMs));
  // The answer to the job counts, not the verdict of an earlier look or an earlier attempt.
  const recorded = record.verdict?.executionId === id ? record.verdict : undefined;
  if (settledVerdict?.kind !== recorded?.kind || settledVerdict?.code !== recorded?.code) {
    const { verdict: _, ...others } = record;
    const next = settledVerdict === undefined ? others : { ...others, verdict: settledVerdict };
    effects.push(writeRecord(world, 'recordVerdict', id, next));
  }
  if (job !== undefined) {
    const said = given ? { ...given, statements: [] } : verdict;
    effects.push({ ...complete(job, id), outputs: outputsOf(world, said) });
  }
  const givenAt = recorded === undefined ? nowMs : Date.parse(recorded.decidedAt);
  reasons.push(...unasked(world, stages.judge.action, Math.max(bakedAt, givenAt)));
  return { effects, nextWakeMs: nextLookMs(nowMs, release, nowMs), reasons };
}

/**
 * How long an answer waits for a log that cannot be read: a throttled look must not decide. It is repeated, and the
 * judge's action has time enough.
 */
const unreadableMs = 10 * 60_000;

/** What a release waits for whose verdict is not settled. */
export function undecided(world: World): string {
  if (hasNothingAlongside(world)) return 'the first version is waited for until its canary runs and reports';
  return world.judgement?.known ? 'the judge decides' : 'the judge has nothing to judge yet';
}

/** Whether the candidate is the last good image, as in a pipeline's first execution, and the canary runs it. */
function isUnchanged(world: World, release: Journey): boolean {
  return hasArrived(world, release) && world.canary.imageDigest === world.record.lastGood?.imageDigest;
}

/** Variables of the Judge action, of which the approval's message is made. */
function outputsOf(
  world: World,
  verdict: Pick<Verdict, 'kind' | 'summary' | 'statements'> | undefined,
): Readonly<Record<string, string>> {
  const { policy, judgement } = world;
  const request =
    verdict?.kind === 'pass' && policy.approval === 'automatic'
      ? 'The policy promotes it; nothing is asked of you.'
      : 'Approve to release it to the stable service; reject to return the canary to the last good release.';
  if (verdict !== undefined) return { Verdict: verdict.kind, Message: approvalMessage(verdict, request) };
  const problem = judgement?.known === false ? judgement.problem : 'nothing was measured';
  const summary = `Unable to judge: ${problem}.`;
  return { Verdict: 'error', Message: approvalMessage({ summary, statements: [] }, request) };
}
