import { stages, tracks } from '../contract.ts';
import { consistentWithinMs } from './consistency.ts';
import type { Effect } from './effect.ts';
import { holdGate } from './gate.ts';
import { assessHealth } from './health.ts';
import {
  isActive,
  isBeingDeployed,
  type Journey,
  journeyOfUpdate,
  mayBeEnteringCanary,
  stageNamed,
} from './journey.ts';
import { judgementOf } from './judgement.ts';
import { nextLookMs, remaining } from './next-look.ts';
import type { Plan } from './phase.ts';
import { initialExecutionId } from './record.ts';
import type { SeenStackUpdate, StackUpdate } from './stack-update.ts';
import { isSteady, progress, type World } from './world.ts';

/** CloudFormation waits an hour for the answer of a resource; before that it gets one, with a reason. */
const answerWithinMs = 55 * 60_000;

/** From then on nothing is known of an update that has not asked again: CloudFormation must have given it up. */
const forgottenAfterMs = 3 * 60 * 60_000;

/** CloudFormation changes the canary at once after it was let to. A canary that is unchanged later will not be changed. */
const changesWithinMs = 5 * 60_000;

/**
 * The plan for a stack update that is under way; undefined where it has to wait for a release, or is over.
 *
 * A release and an update want the same canary: whichever has it first keeps it until its end, and the other waits.
 */
export function planStackUpdate(
  world: World,
  release: Journey | undefined,
  seen: SeenStackUpdate,
): Plan | undefined {
  const { update } = seen;
  const ageMs = ageOf(seen, world.nowMs);
  if (ageMs > forgottenAfterMs) return undefined;
  if (update.answeredAt !== undefined) return planHeld(world, seen, Date.parse(update.answeredAt));
  if (update.step === 'verdict') return planVerdict(world, seen, ageMs);
  if (!isBusy(world, release)) return planHold(world, seen);
  if (ageMs < answerWithinMs) return undefined;
  const reason =
    'a release is under way, and has been for all the time that CloudFormation waits: deploy again when it has ended';
  return updating([answer(update, false, reason, undefined)], [reason]);
}

/** One sentence about an update that waits for the release. */
export function waitingUpdate(seen: SeenStackUpdate | undefined, nowMs: number): readonly string[] {
  if (seen === undefined || seen.update.answeredAt !== undefined) return [];
  if (ageOf(seen, nowMs) > forgottenAfterMs) return [];
  return ['a stack update waits until the canary is free'];
}

function ageOf({ update }: SeenStackUpdate, nowMs: number): number {
  return nowMs - Date.parse(update.askedAt);
}

/** Lets CloudFormation change the canary, once nobody else can. */
function planHold(world: World, { update, changesConfiguration }: SeenStackUpdate): Plan {
  const same = 'the configuration is that of the last good release';
  if (world.record.lastGood === undefined || !changesConfiguration) {
    return updating([answer(update, true, same, undefined)], [same]);
  }
  const closing = hold(world);
  const reason = 'a stack update changes the configuration of the tasks: the canary gets it first';
  if (closing.length > 0) return { ...updating(closing, [reason]), nextWakeMs: consistentWithinMs };
  const held = { ...update, answeredAt: new Date(world.nowMs).toISOString() };
  return updating([answer(update, true, reason, held)], [reason]);
}

/** Keeps releases away from a canary that is the update's, until CloudFormation asks again or has put it back. */
function planHeld(world: World, seen: SeenStackUpdate, answeredAt: number): Plan | undefined {
  const { update, canaryIsChanged } = seen;
  const mayBegin = update.step === 'hold' && world.nowMs - answeredAt < changesWithinMs;
  if (!canaryIsChanged && !mayBegin && isSteady(world.canary)) {
    return updating([{ kind: 'forgetStackUpdate', update }], ['the canary has its configuration again']);
  }
  const what =
    update.step === 'hold'
      ? 'CloudFormation changes the configuration of the canary'
      : 'the new configuration was refused, and CloudFormation puts that of the canary back';
  return updating(hold(world), [what, ...progress(world)]);
}

/** Lets CloudFormation go on to stable once the judge has passed the canary's new configuration. */
function planVerdict(world: World, seen: SeenStackUpdate, ageMs: number): Plan {
  const { update, changesConfiguration } = seen;
  const { canary, stable, record, policy, observed, nowMs } = world;
  if (record.lastGood === undefined || !changesConfiguration || stable.desired === 0) {
    const reason =
      'there is nothing to judge: the configuration is that of the last good release, or stable has no task';
    return updating([answer(update, true, reason, undefined)], [reason]);
  }
  if (canary.primary.taskDefinitionArn !== update.taskDefinitionArn && ageMs > consistentWithinMs) {
    return refused(
      world,
      update,
      `the canary runs ${canary.primary.taskDefinitionArn} instead of what the update has: somebody else changed it`,
    );
  }
  const journey = journeyOfUpdate(update, canary);
  const judgement = judgementOf(observed, policy, journey, nowMs);
  const verdict = judgement?.known ? judgement.value.verdict : undefined;
  const health = assessHealth(observed, record, journey, policy, judgement, nowMs);
  const unmeasured = judgement?.known === false ? [judgement.problem] : health.unmeasured;
  const shown = verdict && { verdict };
  if (verdict?.kind === 'fail') return { ...refused(world, update, verdict.summary), ...shown };
  if (health.failure !== undefined) return { ...refused(world, update, health.failure), ...shown };
  const bakedAt = Date.parse(update.askedAt) + policy.bakeMs;
  // In a dry run the judge only says what it would have done.
  const passes = verdict?.kind === 'pass' || verdict?.code === 'dry-run';
  if (nowMs >= bakedAt && passes && !health.deadLettersPending && unmeasured.length === 0) {
    return { ...updating([answer(update, true, verdict.summary, undefined)], [verdict.summary]), ...shown };
  }
  const deadlineMs = Math.min(answerWithinMs, Math.max(policy.judge.deadlineMs, policy.bakeMs));
  if (ageMs >= deadlineMs) {
    const why = [...unmeasured, verdict?.summary ?? 'nothing was measured.'].join('; ');
    return {
      ...refused(
        world,
        update,
        `the configuration could not be judged within ${remaining(deadlineMs)}: ${why}`,
      ),
      ...shown,
    };
  }
  return {
    ...updating(hold(world), [
      'the canary runs the new configuration, and the judge decides',
      ...unmeasured.map((problem) => `not measured: ${problem}`),
      ...health.notes,
    ]),
    ...shown,
    nextWakeMs: nextLookMs(nowMs, journey, Date.parse(update.askedAt)),
  };
}

/** Fails the update: CloudFormation puts the canary's configuration back, and has not touched stable. */
function refused(world: World, update: StackUpdate, reason: string): Plan {
  const refused = { ...update, answeredAt: new Date(world.nowMs).toISOString() };
  return updating(
    [
      ...hold(world),
      answer(update, false, reason, refused),
      {
        kind: 'notify',
        subject: 'Configuration refused: the stack update is rolled back',
        message: `The new configuration of the tasks ran on the canary alone. ${reason} CloudFormation puts the canary back; stable has not been changed.`,
      },
    ],
    [reason],
  );
}

function updating(effects: readonly Effect[], reasons: readonly string[]): Plan {
  return { phase: 'updating', effects, reasons };
}

function answer(
  update: StackUpdate,
  success: boolean,
  reason: string,
  next: StackUpdate | undefined,
): Effect {
  return { kind: 'answerStackUpdate', update, success, reason, ...(next && { next }) };
}

/** Closes the Canary stage; nothing when it is closed already. */
function hold(world: World): Effect[] {
  return holdGate(
    world,
    world.record.lastGood?.executionId ?? initialExecutionId,
    'waits for a stack update',
  );
}

/** Whether a release, its rollback or a restoration has the canary, or may be about to take it. */
function isBusy({ pipeline, record }: World, release: Journey | undefined): boolean {
  const isOpen = (end: { readonly restoredAt?: string } | undefined) =>
    end !== undefined && end.restoredAt === undefined;
  return (
    (release !== undefined && isActive(release.execution)) ||
    isOpen(record.decision) ||
    isOpen(record.drift) ||
    tracks.some((track) => isBeingDeployed(pipeline, track)) ||
    (stageNamed(pipeline, stages.canary.stage)?.transitionEnabled !== false &&
      mayBeEnteringCanary(pipeline, release))
  );
}
