import type { ReleasePolicy } from '../policy/policy.ts';
import { adoptedLastGood, writeRecord } from './bookkeeping.ts';
import { disagreement } from './consistency.ts';
import { withoutDrift } from './drift.ts';
import { isBarrier } from './effect.ts';
import { endOf } from './ending.ts';
import { closeGate } from './gate.ts';
import { announcingHalt } from './halt.ts';
import { assessHealth, type Health } from './health.ts';
import { answeringJob } from './jobs.ts';
import { currentRelease, isActive, type Journey } from './journey.ts';
import { judgementOf } from './judgement.ts';
import { known, type Observed } from './observed.ts';
import { type Plan, summarise } from './phase.ts';
import { planActive } from './plan-active.ts';
import { planEnding } from './plan-ending.ts';
import { planIdle } from './plan-idle.ts';
import { planStackUpdate, waitingUpdate } from './plan-stack-update.ts';
import { planSucceeded } from './plan-succeeded.ts';
import { positionOf } from './position.ts';
import { initialExecutionId, type ReleaseRecord } from './record.ts';
import { heldByPeople, heldByWindows } from './waits.ts';
import type { World } from './world.ts';

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
  const { pipeline, canary, stable, record, stackUpdate = known(undefined) } = observed;
  if (!(pipeline.known && canary.known && stable.known && record.known && stackUpdate.known)) {
    const problems = [pipeline, canary, stable, record, stackUpdate].flatMap((r) =>
      r.known ? [] : [r.problem],
    );
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
  const update = stackUpdate.value;
  const updating = update && planStackUpdate(seen, release, update);
  if (updating) return answeringJob(seen, updating);
  const world = { ...seen, record: trueRecord(seen, release) };
  const planned = release === undefined ? planIdle(world) : planRelease(world, release);
  const reasons = [
    ...planned.reasons,
    ...waitingUpdate(update, nowMs),
    ...heldByWindows(world),
    ...heldByPeople(world.pipeline),
  ];
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

/** How soon to look again at answers that do not agree. */
const disagreeingWakeMs = 5_000;
