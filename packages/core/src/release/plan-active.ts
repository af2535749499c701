import { followBaseline, followTaskDefinitions } from './bookkeeping.ts';
import { planDrift } from './drift.ts';
import { type Effect, isBarrier } from './effect.ts';
import { endIntruders } from './ending.ts';
import { starts } from './first-release.ts';
import { closeGate } from './gate.ts';
import type { Health } from './health.ts';
import { complete, jobOf } from './jobs.ts';
import { hasReachedStable, type Journey } from './journey.ts';
import { type Plan, summarise } from './phase.ts';
import { planApproval } from './plan-approval.ts';
import { planJudging } from './plan-judging.ts';
import { planWatch } from './plan-watch.ts';
import { positionOf } from './position.ts';
import { finishEarlierRollback } from './restoration.ts';
import type { World } from './world.ts';

/** Lets a healthy release go on, and answers the job that asks whether it has arrived. */
export function planActive(world: World, release: Journey, health: Health): Plan {
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
