import { stages } from '../contract.ts';
import type { Effect } from './effect.ts';
import { promotesItself } from './ending.ts';
import type { Health } from './health.ts';
import type { Journey } from './journey.ts';
import { nextLookMs } from './next-look.ts';
import { type Plan, summarise } from './phase.ts';
import type { World } from './world.ts';

/** A settled release: the judge's pass answers the approval where the policy says so, else a person does. */
export function planApproval(
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
    promotesItself(world.policy, world.record, release.execution.id) &&
    !health.deadLettersPending &&
    health.unmeasured.length === 0;
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
