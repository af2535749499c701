import {
  consistentWithinMs,
  isEnding,
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
import { type Observer, observerOver } from './observe.ts';
import { messageOf } from './thrown.ts';
import { UserError } from './user-error.ts';

/**
 * How long an invocation that has to answer a job keeps looking before it asks CodePipeline to call again, which
 * takes that 30 s. Well within the function's time, and within the 20 min in which CodePipeline wants an answer.
 */
const vigilMs = 4 * 60_000;

/** How often to look again at once when the world changed between looking and acting. */
const attemptsMax = 3;

/** After a first conflict, and twice that after a second: it comes again while AWS answers with what it met. */
const afterConflictMs = 2_500;

export interface ControllerOptions {
  readonly gateways: Gateways;
  readonly policy: ReleasePolicy;
  /** Now, epoch milliseconds. */
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Takes one structured line for each look. */
  readonly log: (line: LogLine) => void;
}

/** One look, for the log: no tokens, no message contents. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly request: string;
  readonly phase: Phase;
  readonly executionId?: string;
  readonly verdict?: string;
  readonly reasons: readonly string[];
  readonly effects: readonly EffectReport[];
}

/** What an invocation came to, for whoever invoked it. */
export interface Answer {
  readonly phase: Phase;
  readonly executionId?: string;
  /** What the judge says, in words. */
  readonly verdict?: string;
  readonly reasons: readonly string[];
  readonly effects: readonly EffectReport[];
}

/**
 * The controller as a function of Lambda events: observe, plan, execute.
 *
 * It throws when an effect failed or the world would not stand still, after everything else has been done,
 * so that Lambda's and EventBridge's retries look again; and when the record cannot be read.
 */
export function createHandler(options: ControllerOptions): (event: unknown) => Promise<Answer> {
  const controller = new Controller(options);
  return (event) => controller.handle(event);
}

/** One look at the release, and what followed from it. */
interface Look {
  readonly plan: Plan;
  readonly report: ExecutionReport;
  /** When to look again within this invocation; `undefined`: not at all. */
  readonly lookAgainMs: number | undefined;
  /** Why the record cannot be read. */
  readonly unreadable: string | undefined;
}

class Controller {
  readonly #options: ControllerOptions;
  readonly #observe: Observer;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#observe = observerOver(options.gateways);
  }

  async handle(event: unknown): Promise<Answer> {
    const request = parseEvent(event);
    switch (request.kind) {
      case 'job':
        return this.#settle('job', request.job);
      case 'unreadableJob': {
        const { jobId, reason } = request;
        const { errors } = await execute([{ kind: 'failJob', jobId, reason }], this.#options.gateways);
        if (errors.length > 0) throw failure(errors);
        return this.#settle('job');
      }
      case 'wake':
        return this.#settle(request.source);
      case 'rollback':
        return this.#rollback(request.executionId, request.reason);
    }
  }

  async #look(request: string, job: Job | undefined, vigilUntil: number): Promise<Look> {
    const { gateways, policy, nowMs, log } = this.#options;
    const now = nowMs();
    const observed = await this.#observe(now, job);
    const planned = plan(observed, policy, now);
    const seenAt = nowMs();
    // The next look may take as long as this one has, and must end in time as well.
    const tookMs = seenAt - now;
    const lookAgainMs = holdsOut(planned, seenAt + tookMs, vigilUntil) ? planned.nextWakeMs : undefined;
    const effects =
      lookAgainMs === undefined
        ? planned.effects
        : planned.effects.filter((effect) => effect.kind !== 'continueJob');
    const report = await execute(effects, gateways);
    log({
      level:
        report.errors.length > 0
          ? 'error'
          : planned.phase === 'halted' || planned.phase === 'drifted'
            ? 'warn'
            : 'info',
      request,
      ...answer(planned, report.effects),
    });
    const unreadable = observed.record.known ? undefined : observed.record.problem;
    return { plan: planned, report, lookAgainMs, unreadable };
  }

  async #settle(request: string, job?: Job): Promise<Answer> {
    const { nowMs, sleep } = this.#options;
    const reports: EffectReport[] = [];
    const vigilUntil = nowMs() + vigilMs;
    let unanswered = job;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const {
        plan: planned,
        report,
        lookAgainMs,
        unreadable,
      } = await this.#look(request, unanswered, vigilUntil);
      reports.push(...report.effects);
      // A job takes one answer: a later look must not try to give it another.
      if (report.effects.some(answersJob)) unanswered = undefined;
      if (report.errors.length > 0) throw failure([...report.errors, ...(await this.#keepAlive(unanswered))]);
      // A halt that cannot be written down: the alarm on failing invocations reports it to people.
      if (unreadable !== undefined) throw new UserError('Halted', unreadable);
      if (report.conflict) {
        await this.#restAfter(attempt);
        continue;
      }
      if (lookAgainMs === undefined) return answer(planned, reports);
      await sleep(lookAgainMs);
      attempt = 0;
    }
    const contention = new UserError(
      'Contention',
      `the release changed while it was acted upon, ${attemptsMax} times in a row; the next wake looks again`,
    );
    throw failure([contention, ...(await this.#keepAlive(unanswered))]);
  }

  /**
   * Has CodePipeline call again for a job that could not be answered. Lambda repeats a failed invocation only
   * twice; after that nobody would know of the job any more, and its action would wait until it times out.
   */
  async #keepAlive(job: Job | undefined): Promise<readonly unknown[]> {
    if (job === undefined) return [];
    const { errors } = await execute([{ kind: 'continueJob', jobId: job.id }], this.#options.gateways);
    return errors;
  }

  async #restAfter(attempt: number): Promise<void> {
    if (attempt < attemptsMax) await this.#options.sleep(attempt * afterConflictMs);
  }

  /** Answers only when the release that is meant is seen to be rolled back, or that a person must act. */
  async #rollback(executionId: string | undefined, reason: string): Promise<Answer> {
    const { nowMs, sleep } = this.#options;
    const id = await this.#request(executionId, reason);
    const until = nowMs() + consistentWithinMs;
    for (;;) {
      const answer = await this.#settle('rollback');
      const { phase, executionId, reasons } = answer;
      if (phase === 'halted' || (executionId === id && isEnding(phase))) return answer;
      if (nowMs() >= until) {
        throw new UserError(
          'NotRolledBack',
          `release ${id} is not rolled back: execution ${executionId} is ${phase} (${reasons.join('; ')}). The request is kept, and is carried out if that release is still under way; see "queue-canary release status"`,
        );
      }
      await sleep(afterConflictMs);
    }
  }

  /** Makes the request durable, and says which execution it is about. A refusal may rest on an old answer. */
  async #request(executionId: string | undefined, reason: string): Promise<string> {
    const { gateways, nowMs, sleep } = this.#options;
    const wanted = { reason, ...(executionId !== undefined && { executionId }) };
    const until = nowMs() + consistentWithinMs;
    for (;;) {
      const now = nowMs();
      const request = requestRollback(await this.#observe(now), wanted, now);
      if (request.ok) {
        const { errors } = await execute(request.effects, gateways);
        if (errors.length > 0) throw failure(errors);
        return request.executionId;
      }
      if (nowMs() >= until) throw new UserError('NothingToRollBack', request.problem);
      await sleep(afterConflictMs);
    }
  }
}

/** Whether to look again here instead of asking CodePipeline to call again. */
function holdsOut({ effects, nextWakeMs }: Plan, nowMs: number, vigilUntil: number): boolean {
  return (
    nextWakeMs !== undefined &&
    nowMs + nextWakeMs < vigilUntil &&
    effects.some(({ kind }) => kind === 'continueJob')
  );
}

function answer(planned: Plan, effects: readonly EffectReport[]): Answer {
  return {
    phase: planned.phase,
    ...(planned.release && { executionId: planned.release.executionId }),
    ...(planned.verdict && { verdict: planned.verdict.summary }),
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
