import {
  type Job,
  type Phase,
  type Plan,
  plan,
  type ReleasePolicy,
  requestRollback,
} from '@queue-canary/core';
import { parseEvent } from './event.ts';
import { type EffectReport, type ExecutionReport, execute } from './execute.ts';
import type { Gateways } from './gateways.ts';
import { observerOver } from './observe.ts';
import { messageOf } from './thrown.ts';
import { UserError } from './user-error.ts';

/** How often to look again at once when the world changed between looking and acting. */
const attemptsMax = 3;

export interface ControllerOptions {
  readonly gateways: Gateways;
  readonly policy: ReleasePolicy;
  /** Now, epoch milliseconds. */
  readonly nowMs: () => number;
  /** Takes one structured line for each look. */
  readonly log: (line: LogLine) => void;
}

/** One look, for the log: no tokens, no message contents. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly request: string;
  readonly phase: Phase;
  readonly executionId?: string;
  readonly reasons: readonly string[];
  readonly effects: readonly EffectReport[];
}

/** What an invocation came to, for whoever invoked it. */
export interface Answer {
  readonly phase: Phase;
  readonly executionId?: string;
  readonly reasons: readonly string[];
  readonly effects: readonly EffectReport[];
}

/**
 * The controller as a function of Lambda events: observe, plan, execute.
 *
 * It throws when an effect failed or the world would not stand still, after everything else has been done,
 * so that Lambda's and EventBridge's retries look again.
 */
export function createHandler(options: ControllerOptions): (event: unknown) => Promise<Answer> {
  const { gateways, policy, nowMs, log } = options;
  const observe = observerOver(gateways);

  async function look(
    request: string,
    job: Job | undefined,
  ): Promise<{ plan: Plan; report: ExecutionReport }> {
    const now = nowMs();
    const planned = plan(await observe(now, job), policy, now);
    const report = await execute(planned.effects, gateways);
    log({
      level: report.errors.length > 0 ? 'error' : planned.phase === 'halted' ? 'warn' : 'info',
      request,
      ...answer(planned, report.effects),
    });
    return { plan: planned, report };
  }

  async function settle(request: string, job?: Job): Promise<Answer> {
    const reports: EffectReport[] = [];
    let unanswered = job;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const { plan: planned, report } = await look(request, unanswered);
      reports.push(...report.effects);
      // A job takes one answer: a later look must not try to give it another.
      if (report.effects.some(answersJob)) unanswered = undefined;
      if (report.errors.length > 0) throw failure(report.errors);
      if (!report.conflict) return answer(planned, reports);
    }
    throw new UserError(
      'Contention',
      `the release changed while it was acted upon, ${attemptsMax} times in a row; the next wake looks again`,
    );
  }

  async function rollback(executionId: string | undefined, reason: string): Promise<void> {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const now = nowMs();
      const request = requestRollback(
        await observe(now),
        { reason, ...(executionId !== undefined && { executionId }) },
        now,
      );
      if (!request.ok) throw new UserError('NothingToRollBack', request.problem);
      const report = await execute(request.effects, gateways);
      if (report.errors.length > 0) throw failure(report.errors);
      if (!report.conflict) return;
    }
    throw new UserError('Contention', 'the release changed while the rollback was written; ask again');
  }

  return async (event) => {
    const request = parseEvent(event);
    switch (request.kind) {
      case 'job':
        return settle('job', request.job);
      case 'wake':
        return settle(request.source);
      case 'rollback':
        await rollback(request.executionId, request.reason);
        return settle('rollback');
    }
  };
}

function answer(planned: Plan, effects: readonly EffectReport[]): Answer {
  return {
    phase: planned.phase,
    ...(planned.release && { executionId: planned.release.executionId }),
    reasons: planned.reasons,
    effects,
  };
}

function answersJob(report: EffectReport): boolean {
  return (
    (report.kind === 'completeJob' || report.kind === 'continueJob' || report.kind === 'failJob') &&
    (report.outcome === 'done' || report.outcome === 'conflict')
  );
}

function failure(errors: readonly unknown[]): Error {
  const [first] = errors;
  if (errors.length === 1 && first instanceof Error) return first;
  return new AggregateError(errors, errors.map(messageOf).join('; '));
}
