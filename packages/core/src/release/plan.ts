import type { Verdict } from '../judge/evidence.ts';
import type { Lateness } from '../measurement/lateness.ts';
import { reportMs } from '../measurement/line.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import {
  adoptedLastGood,
  followBaseline,
  followImage,
  followTaskDefinitions,
  lastGoodFrom,
  writeRecord,
} from './bookkeeping.ts';
import { hasArrived } from './candidate.ts';
import { disagreement, mayBeFromBefore } from './consistency.ts';
import { driftHistory, planDrift, withoutDrift } from './drift.ts';
import { type Effect, isBarrier } from './effect.ts';
import {
  confirmRestored,
  decide,
  type End,
  endExecution,
  endIntruders,
  endOf,
  failingVerdict,
  promotesItself,
} from './ending.ts';
import { firstVerdict, hasNothingAlongside, starts } from './first-release.ts';
import { closeGate, holdGate, openGate } from './gate.ts';
import { announcingHalt } from './halt.ts';
import { assessHealth, type Health } from './health.ts';
import { currentRelease, hasReachedStable, isActive, type Journey } from './journey.ts';
import { approvalMessage, judgementOf, recordedVerdict, unchangedVerdict } from './judgement.ts';
import { type Job, type Observed, stages, tracks } from './observed.ts';
import { type Position, positionOf } from './position.ts';
import { type Decision, initialExecutionId, type ReleaseRecord } from './record.ts';
import { finishEarlierRollback, restoration } from './restoration.ts';
import { heldByPeople, unasked } from './waits.ts';
import { commitText, onOneImage, progress, shortId, type World } from './world.ts';

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
  /** When its canary deployment began, epoch milliseconds. */
  readonly startedAt: number;
  /** When it came to where it is now, epoch milliseconds. */
  readonly since: number;
  /** Messages dead-lettered since it began, as far as known. */
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

/**
 * How soon to look again while a release is judged: just after the workers' next reports at first, then not sooner than
 * after ten seconds and a twentieth of the time that it has been observed, since a look adds little to all that is known.
 * An account's applications share CloudWatch Logs' five reads a second, so each also has its own place within the
 * five seconds.
 */
function nextLookMs(nowMs: number, { execution }: Journey, sinceMs: number): number {
  const ageMs = nowMs - sinceMs;
  const apartMs = ageMs < youngMs ? reportMs : Math.min(rareLookMs, Math.max(2 * reportMs, ageMs / 20));
  const restMs = apartMs - reportMs;
  return restMs + reportMs - ((nowMs + restMs - reportedWithinMs - placeOf(execution.id)) % reportMs);
}

/** So long after its steady state a canary that fails everything is to be found at its next report. */
const youngMs = 30_000;

/** How far apart looks get at most. */
const rareLookMs = 60_000;

/** Between 0 and four seconds, by the execution's id. */
function placeOf(executionId: string): number {
  let hash = 0;
  for (let index = 0; index < executionId.length; index += 1) {
    hash = (hash * 31 + executionId.charCodeAt(index)) % 4_001;
  }
  return hash;
}

/**
 * How long after the end of an interval its reports are usually there: the log driver sends every five seconds, each
 * task's at its own time, and a second later the last of them can be read. Modulo the workers' interval, two seconds.
 */
const reportedWithinMs = 7_000;

/**
 * How long an answer waits for a log that cannot be read: a throttled look must not decide. It is repeated, and the
 * judge's action has time enough.
 */
const unreadableMs = 10 * 60_000;

/**
 * How long after the watch both services may take to be steady. CodePipeline fails the action after 24 hours in all, and
 * its failure would roll back a release for a shortage of capacity.
 * https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
 */
const steadyWithinMs = 2 * 60 * 60_000;

/** How soon to look again at services that are being restored; ECS events usually come first. */
const restoringWakeMs = 10_000;

/** How soon to look again at answers that do not agree. */
const disagreeingWakeMs = 5_000;

/**
 * What to do now, from what is to be seen now.
 *
 * It is level-triggered: it knows nothing of the event that woke it, so duplicated, late and reordered
 * wakes yield the same plan, and a plan whose effects have been carried out yields none.
 */
export function plan(observed: Observed, policy: ReleasePolicy, nowMs: number): Plan {
  return announcingHalt(observed, planWhatIsSeen(observed, policy, nowMs), nowMs);
}

function planWhatIsSeen(observed: Observed, policy: ReleasePolicy, nowMs: number): Plan {
  const { pipeline, canary, stable, record } = observed;
  if (!(pipeline.known && canary.known && stable.known && record.known)) {
    const problems = [pipeline, canary, stable, record].flatMap((r) => (r.known ? [] : [r.problem]));
    return {
      phase: 'halted',
      effects: observed.job ? [{ kind: 'continueJob', jobId: observed.job.id }] : [],
      reasons: problems,
    };
  }
  const seen: World = {
    observed,
    policy,
    nowMs,
    pipeline: pipeline.value,
    canary: canary.value,
    stable: stable.value,
    record: record.value.record,
    recordVersion: record.value.version,
    ...(record.value.rollbackRequest && { rollbackRequest: record.value.rollbackRequest }),
  };
  const release = currentRelease(seen.pipeline);
  const world = { ...seen, record: trueRecord(seen, release) };
  const planned = release === undefined ? planIdle(world) : planRelease(world, release);
  const reasons = [...planned.reasons, ...heldByPeople(world.pipeline)];
  return answeringJob(world, writingRecord(seen, world, { ...planned, reasons }));
}

/** The record, true to what is seen of the time between releases. */
function trueRecord(seen: World, release: Journey | undefined): ReleaseRecord {
  const lastGood = release && adoptedLastGood(seen);
  return lastGood === undefined ? withoutDrift(seen) : { ...seen.record, lastGood };
}

/** What the record was made true to is written by itself, unless a write of the plan holds it anyway. */
function writingRecord(seen: World, { record }: World, planned: Plan): Plan {
  if (record === seen.record || planned.effects.some(isBarrier)) return planned;
  const kind = record.lastGood === seen.record.lastGood ? 'recordDrift' : 'recordLastGood';
  const about = record.lastGood?.executionId ?? initialExecutionId;
  return { ...planned, effects: [writeRecord(seen, kind, about, record), ...planned.effects] };
}

function planRelease(world: World, release: Journey): Plan {
  const { observed, policy, nowMs, record } = world;
  const judgement = judgementOf(observed, policy, release, nowMs);
  const judged: World = { ...world, ...(judgement && { judgement }) };
  const health = assessHealth(observed, record, release, policy, judgement, nowMs);
  const disagreeing = disagreement(judged, release);
  if (disagreeing !== undefined) return planLater(judged, release, health, disagreeing);
  const end = endOf(judged, release, health);
  const planned =
    end !== undefined
      ? planEnding(judged, release, health, end)
      : isActive(release.execution)
        ? planActive(judged, release, health)
        : planSucceeded(judged, release, health);
  const notes = judgement?.known ? judgement.value.notes : [];
  return {
    ...planned,
    ...(judgement?.known && { verdict: judgement.value.watch ?? judgement.value.verdict }),
    ...(judgement?.known && judgement.value.lateness && { lateness: judgement.value.lateness }),
    reasons: [...planned.reasons, ...notes],
  };
}

/** Nothing but to keep others from the canary, until the answers about the pipeline agree. */
function planLater(world: World, release: Journey, health: Health, why: string): Plan {
  const { phase, since } = positionOf(world, release);
  return {
    phase,
    release: summarise(release, health, since),
    effects: closeGate(world, release),
    nextWakeMs: disagreeingWakeMs,
    reasons: [why],
  };
}

/**
 * The writes that make a person's wish to roll back durable, or why there is nothing to roll back.
 *
 * Carry them out, then plan as after any wake. An answer of AWS may be old, and so may a refusal be: ask again for a while.
 */
export function requestRollback(
  observed: Observed,
  request: { readonly executionId?: string; readonly reason: string },
  nowMs: number,
):
  | { readonly ok: true; readonly effects: readonly Effect[]; readonly executionId: string }
  | { readonly ok: false; readonly problem: string } {
  const { pipeline, record } = observed;
  if (!pipeline.known) return { ok: false, problem: pipeline.problem };
  if (!record.known) return { ok: false, problem: record.problem };
  const release = currentRelease(pipeline.value);
  const { executionId } = request;
  if (release === undefined) {
    return { ok: false, problem: 'no release has reached the canary, so there is nothing to roll back' };
  }
  const { id } = release.execution;
  if (executionId !== undefined && executionId !== id) {
    return {
      ok: false,
      problem: `execution ${executionId} is not the current release; that is ${id}. Look at its status and ask again`,
    };
  }
  if (record.value.record.lastGood?.executionId === id) {
    return {
      ok: false,
      problem: `release ${id} is already the last good release, so there is nothing to return to; push a revert commit instead`,
    };
  }
  if (record.value.record.decision?.executionId === id) return { ok: true, effects: [], executionId: id };
  if (!isActive(release.execution)) {
    return { ok: false, problem: `release ${id} has already ended (${release.execution.status})` };
  }
  const { reason } = request;
  const requestedAt = new Date(nowMs).toISOString();
  const end: End = { kind: 'rollback', by: 'person', reason };
  return {
    ok: true,
    executionId: id,
    effects: [
      // Other writers may write over the decision, but not over the request. The decision stops what they have planned.
      { kind: 'requestRollback', request: { executionId: id, reason, requestedAt } },
      ...decide(release, end, record.value.record, record.value.version, nowMs),
    ],
  };
}

/** Ends what is still active, and brings both services back to the last good release. */
function planEnding(world: World, release: Journey, health: Health, end: End): Plan {
  const { record } = world;
  const { id } = release.execution;
  const active = isActive(release.execution);
  const decided = record.decision?.executionId === id ? record.decision : undefined;
  const reasons = [end.reason];
  const undecided = decided === undefined && active ? { undecided: positionOf(world, release) } : {};
  const summary = summarise(release, health, decided ? Date.parse(decided.decidedAt) : world.nowMs);
  const phase = end.kind === 'abort' ? 'aborted' : 'rolledBack';
  if (decided !== undefined && !active && wasRestored(decided, release)) {
    const effects = [...followTaskDefinitions(world, []), ...openGate(world, release)];
    return unlessDrifted(world, release, { phase, release: summary, effects, reasons });
  }

  const stops = active ? endExecution(world, release, end.reason) : [];
  const { restores, obstacles, ...seen } = restoration(world, release);
  // What the execution did last before it ended may not be seen yet.
  const restored = seen.restored && !mayBeFromBefore(release.execution.updatedAt, world.nowMs);
  const effects: Effect[] = [];
  if (decided === undefined) {
    const failing = end.by === 'judge' ? failingVerdict(world)?.verdict : undefined;
    const verdict = failing && recordedVerdict(failing, id, world.nowMs);
    effects.push(...decide(release, end, record, world.recordVersion, world.nowMs, verdict));
  }
  if (decided !== undefined && restored && !active) effects.push(...confirmRestored(world, decided));
  const going = obstacles.length === 0 && (active || !restored);
  // The stage is closed before the execution ends, or the next one would enter it at that very moment.
  if (going) effects.push(...closeGate(world, release));
  effects.push(...stops, ...endIntruders(world, release), ...restores);

  if (obstacles.length > 0) {
    if (!active) effects.push(...openGate(world, release));
    return { phase: 'halted', ...undecided, release: summary, effects, reasons: [...reasons, ...obstacles] };
  }
  if (going) {
    return {
      phase: 'rollingBack',
      ...undecided,
      release: summary,
      effects,
      nextWakeMs: restoringWakeMs,
      reasons: [...reasons, ...progress(world)],
    };
  }
  effects.push(...followTaskDefinitions(world, effects), ...openGate(world, release));
  return { phase, release: summary, effects, reasons };
}

/**
 * Whether both services were seen restored since the release last touched them. From then on tasks that come and go
 * are ECS's business, and what else runs was changed from outside.
 */
function wasRestored({ restoredAt }: Decision, { canaryLastStartedAt, stable }: Journey): boolean {
  const touchedAt = Math.max(canaryLastStartedAt, stable?.startedAt ?? 0);
  return restoredAt !== undefined && Date.parse(restoredAt) >= touchedAt;
}

/** The plan of a time in which no release is under way, unless a service was changed from outside. */
function unlessDrifted(world: World, release: Journey | undefined, planned: Plan): Plan {
  const drift = planDrift(world, release, tracks);
  if (drift === undefined)
    return { ...planned, reasons: [...planned.reasons, ...driftHistory(world.record)] };
  const { halted, since, effects, reasons } = drift;
  const id = release?.execution.id ?? initialExecutionId;
  // The next release would be compared with what should not run. A halt lets in the one that may mend it.
  const gate = halted ? openGate(world, release) : holdGate(world, id, 'is being restored');
  return {
    phase: halted ? 'halted' : 'drifted',
    ...(planned.release && { release: { ...planned.release, since } }),
    effects: [...effects, ...gate],
    nextWakeMs: restoringWakeMs,
    reasons,
  };
}

/** Lets a healthy release go on, and answers the job that asks whether it has arrived. */
function planActive(world: World, release: Journey, health: Health): Plan {
  const { policy } = world;
  const { execution } = release;
  const { phase, since } = positionOf(world, release);
  const unmeasured = [...health.unmeasured, ...unjudged(world)];
  const reasons = [...unmeasured.map((problem) => `not measured: ${problem}`), ...health.notes];
  const standing = [...endIntruders(world, release), ...closeGate(world, release), ...starts(world, release)];

  if (phase === 'succeeded') {
    const job = jobOf(world, release, 'record');
    return {
      phase,
      release: summarise(release, health, since),
      effects: [...standing, ...(job ? [complete(job, execution.id)] : [])],
      reasons: [...reasons, 'it is recorded as the last good release; the pipeline is finishing'],
    };
  }

  const effects: Effect[] = [...followBaseline(world, release, health)];
  if (release.record !== undefined) {
    const watch = planWatch(world, release, release.record.startedAt, health);
    return {
      phase,
      release: summarise(release, health, since),
      effects: watch.good ? [...watch.effects, ...standing] : [...effects, ...standing, ...watch.effects],
      ...(watch.nextWakeMs !== undefined && { nextWakeMs: watch.nextWakeMs }),
      reasons: [...reasons, ...watch.reasons],
    };
  }
  effects.push(...followTaskDefinitions(world, effects));
  const stable = keepStable(world, release, effects);
  effects.push(...stable.effects, ...standing);
  reasons.push(...stable.reasons);
  if (phase === 'promoting') {
    return {
      phase,
      release: summarise(release, health, since),
      effects,
      reasons: [...reasons, 'stable is being brought to the candidate'],
    };
  }
  if (phase === 'deploying') {
    return {
      phase,
      release: summarise(release, health, since),
      effects,
      reasons: [...reasons, 'the canary is being brought to the candidate'],
    };
  }
  if (phase === 'awaitingApproval') return planApproval(world, release, health, since, effects, reasons);
  const bakedAt = since + policy.bakeMs;
  const judging = planJudging(world, release, bakedAt);
  return {
    phase,
    release: summarise(release, health, since),
    effects: [...effects, ...judging.effects],
    nextWakeMs: judging.nextWakeMs,
    reasons: [...reasons, ...judging.reasons],
  };
}

/** Until the release is let through to stable, stable runs the last good release, whoever else has changed it. */
function keepStable(
  world: World,
  release: Journey,
  before: readonly Effect[],
): Pick<Plan, 'effects' | 'reasons'> {
  if (hasReachedStable(release) || release.approval?.status === 'Succeeded')
    return { effects: [], reasons: [] };
  const { decision } = world.record;
  if (decision !== undefined && decision.restoredAt === undefined) {
    return { effects: finishEarlierRollback(world, release), reasons: [] };
  }
  const { effects, reasons } = planDrift(world, release, ['stable']) ?? { effects: [], reasons: [] };
  return { effects: before.some(isBarrier) ? [] : effects, reasons };
}

/** What the judge needs to see and does not. */
function unjudged({ judgement }: World): readonly string[] {
  return judgement === undefined || judgement.known ? [] : [judgement.problem];
}

/** The judge's time: answers its job once the canary has baked and the verdict is settled. */
function planJudging(
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
  // What the job is answered with is what counts, not what an earlier look or an earlier attempt has said.
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

/** What a release waits for whose verdict is not settled. */
function undecided(world: World): string {
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

/** A settled release: the judge's pass answers the approval where the policy says so, else a person does. */
function planApproval(
  world: World,
  release: Journey,
  health: Health,
  since: number,
  before: readonly Effect[],
  reasons: readonly string[],
): Plan {
  const { record, pipeline } = world;
  const { id } = release.execution;
  const passed =
    promotesItself(world, release) && !health.deadLettersPending && health.unmeasured.length === 0;
  const { approval } = pipeline;
  const effects = [...before];
  const ours = approval?.stage === stages.approval.stage && approval.action === stages.approval.action;
  if (passed && ours && approval.executionId === id) {
    const { stage, action, token } = approval;
    effects.push({
      kind: 'grantApproval',
      executionId: id,
      stage,
      action,
      token,
      reason: record.verdict?.summary ?? '',
    });
  }
  return {
    phase: 'awaitingApproval',
    release: summarise(release, health, since),
    effects,
    nextWakeMs: nextLookMs(world.nowMs, release, since),
    reasons: [
      ...reasons,
      passed ? 'the judge has passed it, and the policy promotes it' : 'a person decides whether to promote',
    ],
  };
}

/** The job that this wake has to answer, if it is the given action's of the current release. */
function jobOf(world: World, release: Journey, step: 'judge' | 'record'): Job | undefined {
  const { job } = world.observed;
  if (job === undefined || (job.executionId ?? release.execution.id) !== release.execution.id)
    return undefined;
  return job.action === undefined || job.action === stages[step].action ? job : undefined;
}

interface Watch {
  readonly good: boolean;
  readonly effects: readonly Effect[];
  readonly nextWakeMs?: number;
  readonly reasons: readonly string[];
}

/** The end of a promotion: both services steady on the candidate, and the watch period over. */
function planWatch(world: World, release: Journey, since: number, health: Health): Watch {
  const { policy, nowMs, record } = world;
  const job = jobOf(world, release, 'record');
  const reasons: string[] = [];
  const arrived = starts(world, release).length > 0 ? undefined : onOneImage(world);
  const lookMs = nextLookMs(nowMs, release, since);
  if (arrived === undefined)
    reasons.push('the services are not steady on the candidate yet', ...progress(world));
  const watchedAt = since + policy.watchMs;
  if (arrived === undefined && nowMs >= watchedAt + steadyWithinMs && job !== undefined) {
    return askForCapacity(world, release, job, reasons);
  }
  if (arrived !== undefined) reasons.push(...unasked(world, stages.record.action, watchedAt));
  if (nowMs < watchedAt) reasons.push(`both services are watched for ${remaining(watchedAt - nowMs)} more`);
  if (
    arrived === undefined ||
    nowMs < watchedAt ||
    health.unmeasured.length > 0 ||
    health.deadLettersPending ||
    job === undefined
  ) {
    return {
      good: false,
      effects: job === undefined ? [] : [again(job)],
      nextWakeMs: nowMs < watchedAt ? Math.min(lookMs, watchedAt - nowMs) : lookMs,
      reasons,
    };
  }
  const { execution } = release;
  const lastGood = lastGoodFrom(world, arrived, execution.id, execution.commit);
  return {
    good: true,
    effects: [
      writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }),
      ...followImage(world, lastGood),
      {
        kind: 'notify',
        subject: `Release ${shortId(execution.id)} succeeded`,
        message: `Both services run ${lastGood.imageUri}${commitText(execution.commit)}. It is the last good release now.`,
      },
      complete(job, execution.id),
    ],
    reasons: ['both services are steady on the candidate and the watch period is over'],
  };
}

/**
 * Ends the pipeline's wait for services that do not become steady, and asks a person. Nothing speaks against the
 * release, so it is not rolled back; it is recorded as good when both services are steady after all.
 */
function askForCapacity(world: World, release: Journey, job: Job, reasons: readonly string[]): Watch {
  const { id, commit } = release.execution;
  const { lastGood } = world.record;
  return {
    good: false,
    effects: [
      {
        kind: 'notify',
        subject: `Release ${shortId(id)} needs you: its services are not steady`,
        message: `Release ${id}${commitText(commit)} runs on both services, but they have not become steady since its watch: ${progress(world).join('; ')}. Nothing was found wrong with the release, and it is not rolled back. See why ECS cannot place the tasks. When both services are steady, it is recorded as the last good release; until then that is ${lastGood?.imageUri ?? 'none'}.`,
      },
      complete(job, id),
    ],
    reasons: [...reasons, 'a person must see to it: the services have not become steady in time'],
  };
}

/** A release that is over and good: keeps the record true to what runs, and lets the next one in. */
function planSucceeded(world: World, release: Journey, health: Health): Plan {
  const { record } = world;
  const { execution } = release;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  const image = onOneImage(world);
  if (record.lastGood?.executionId === execution.id) {
    effects.push(...followTaskDefinitions(world, effects), ...followImage(world, record.lastGood));
  } else if (release.record?.status === 'Succeeded' && image !== undefined && hasArrived(world, release)) {
    const lastGood = lastGoodFrom(world, image, execution.id, execution.commit);
    effects.push(writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }));
    reasons.push('the pipeline has finished it, and both services are steady on its image');
  } else {
    reasons.push('the pipeline has finished it, but it is not recorded as the last good release');
  }
  effects.push(...openGate(world, release));
  if (world.observed.alarms.known) {
    for (const alarm of world.observed.alarms.value) {
      if (alarm.value === 'ALARM') {
        reasons.push(`alarm ${alarm.name} is in ALARM, but no release is under way: nothing is rolled back`);
      }
    }
  }
  const stuck =
    record.lastGood?.executionId !== execution.id &&
    release.record?.status === 'Succeeded' &&
    image === undefined;
  const planned: Plan = {
    phase: stuck ? 'halted' : 'succeeded',
    release: summarise(release, health, execution.updatedAt),
    effects,
    reasons: stuck ? [...reasons, ...progress(world)] : reasons,
  };
  // Both services may be on their way to what the record does not hold yet.
  const unrecorded = record.lastGood?.executionId !== execution.id && release.record?.status === 'Succeeded';
  return unrecorded ? planned : unlessDrifted(world, release, planned);
}

/** No release yet: adopts what both services were created with, so that the first release has a way back. */
function planIdle(world: World): Plan {
  const { record } = world;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  if (record.lastGood === undefined) {
    const image = onOneImage(world);
    if (tracks.every((track) => world[track].imageDigest === undefined && world[track].desired === 0)) {
      reasons.push(
        'there is no image yet, and no task: push the worker, and its release starts both services',
      );
    } else if (image === undefined) {
      reasons.push('no last good release yet: the services are not steady on one image', ...progress(world));
    } else {
      const lastGood = lastGoodFrom(world, image, initialExecutionId, undefined);
      effects.push(writeRecord(world, 'recordLastGood', initialExecutionId, { ...record, lastGood }));
      reasons.push('both services run one image at steady state: it is the first last good release');
    }
  } else {
    effects.push(...followTaskDefinitions(world, effects));
    reasons.push('no release has reached the canary');
  }
  effects.push(...openGate(world, undefined));
  return unlessDrifted(world, undefined, { phase: 'idle', effects, reasons });
}

/** A job that nobody answers keeps its pipeline action waiting until it times out: every one gets an answer. */
function answeringJob(world: World, planned: Plan): Plan {
  const { job } = world.observed;
  if (job === undefined || planned.effects.some((effect) => 'jobId' in effect)) return planned;
  return { ...planned, effects: [...planned.effects, answerOther(world, job)] };
}

/** The answer to a job whose release is not the current one or not at its end. */
function answerOther(world: World, job: Job): Effect {
  const { executionId } = job;
  if (executionId === undefined) return again(job);
  if (world.record.lastGood?.executionId === executionId) return complete(job, executionId);
  const execution = world.pipeline.executions.find((candidate) => candidate.id === executionId);
  if (execution !== undefined && isActive(execution)) return again(job);
  return { kind: 'failJob', jobId: job.id, reason: `execution ${executionId} has already ended` };
}

function again(job: Job): Effect {
  return { kind: 'continueJob', jobId: job.id };
}

function complete(job: Job, executionId: string): Extract<Effect, { kind: 'completeJob' }> {
  return { kind: 'completeJob', jobId: job.id, executionId };
}

function summarise(release: Journey, health: Health, since: number): ReleaseSummary {
  const { execution } = release;
  return {
    executionId: execution.id,
    ...(execution.commit !== undefined && { commit: execution.commit }),
    ...(execution.commitMessage !== undefined && { commitMessage: execution.commitMessage }),
    startedAt: release.canaryStartedAt,
    since,
    ...(health.deadLetters !== undefined && { deadLetters: health.deadLetters }),
  };
}

function remaining(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
