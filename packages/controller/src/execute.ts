import { type Effect, isBarrier, stages } from '@queue-canary/core';
import type { Gateways, Outcome, StackUpdateGateway } from './gateways.ts';
import { messageOf } from './thrown.ts';

/** What became of one effect. Carries no tokens, so that it can be logged whole. */
export interface EffectReport {
  readonly kind: Effect['kind'];
  readonly outcome: Outcome['kind'] | 'failed' | 'skipped';
  readonly target?: string;
  readonly detail?: string;
}

export interface ExecutionReport {
  readonly effects: readonly EffectReport[];
  /** Whether the world had changed since it was observed, so that one has to look again. */
  readonly conflict: boolean;
  /** What failed; the other effects were carried out all the same. */
  readonly errors: readonly unknown[];
}

/**
 * Carries out a plan's effects in order.
 *
 * A barrier that does not succeed ends it there: nothing is touched for a decision that is not durable. Any
 * other failure leaves the remaining effects to be tried, since they do not depend on it.
 */
export async function execute(effects: readonly Effect[], gateways: Gateways): Promise<ExecutionReport> {
  const reports: EffectReport[] = [];
  const errors: unknown[] = [];
  let conflict = false;
  let closed = false;
  for (const effect of effects) {
    const about = { kind: effect.kind, ...targetOf(effect) };
    if (closed) {
      reports.push({ ...about, outcome: 'skipped' });
      continue;
    }
    try {
      const outcome = await carryOut(effect, gateways);
      conflict ||= outcome.kind === 'conflict';
      closed = outcome.kind === 'conflict' && isBarrier(effect);
      reports.push({
        ...about,
        outcome: outcome.kind,
        ...(outcome.detail !== undefined && { detail: outcome.detail }),
      });
    } catch (error) {
      errors.push(error);
      closed = isBarrier(effect);
      reports.push({ ...about, outcome: 'failed', detail: messageOf(error) });
    }
  }
  return { effects: reports, conflict, errors };
}

function carryOut(effect: Effect, gateways: Gateways): Promise<Outcome> {
  const { pipeline, services, record, notifications, stackUpdates } = gateways;
  switch (effect.kind) {
    case 'recordLastGood':
    case 'recordDecision':
    case 'recordRestored':
    case 'recordBaseline':
    case 'recordVerdict':
    case 'recordDrift':
    case 'recordHalt':
      return record.write(effect.next, effect.ifVersion);
    case 'requestRollback':
      return record.requestRollback(effect.request);
    case 'recordImage':
      return record.writeImage(effect.imageUri);
    case 'grantApproval':
      return pipeline.approve(effect);
    case 'stopExecution':
      return pipeline.stop(effect.executionId, effect.reason);
    case 'restoreService':
      return services.restore(effect);
    case 'startService':
      return services.start(effect.track);
    case 'closeCanaryStage':
      return pipeline.closeStage(stages.canary.stage, effect.reason);
    case 'openCanaryStage':
      return pipeline.openStage(stages.canary.stage);
    case 'completeJob':
      return pipeline.completeJob(effect.jobId, effect.outputs);
    case 'continueJob':
      return pipeline.continueJob(effect.jobId);
    case 'failJob':
      return pipeline.failJob(effect.jobId, effect.reason);
    case 'notify':
      return notifications.publish(effect.subject, effect.message);
    case 'answerStackUpdate':
      return updatesOf(stackUpdates).answer(effect.update, effect);
    case 'forgetStackUpdate':
      return updatesOf(stackUpdates).forget(effect.update);
  }
}

/** Only what a gateway has read is acted upon. */
function updatesOf(gateway: StackUpdateGateway | undefined): StackUpdateGateway {
  if (gateway === undefined) throw new Error('no stack update can be answered here');
  return gateway;
}

function targetOf(effect: Effect): { target?: string } {
  switch (effect.kind) {
    case 'restoreService':
      return { target: `${effect.track} to ${effect.imageUri}` };
    case 'startService':
      return { target: effect.track };
    case 'requestRollback':
      return { target: effect.request.executionId };
    case 'recordImage':
      return { target: effect.imageUri };
    case 'notify':
      return { target: effect.subject };
    case 'answerStackUpdate':
      return { target: `${effect.update.step}: ${effect.success ? 'go on' : 'roll back'}` };
    case 'forgetStackUpdate':
      return { target: effect.update.step };
    case 'openCanaryStage':
    case 'continueJob':
    case 'failJob':
      return {};
    default:
      return { target: effect.executionId };
  }
}
