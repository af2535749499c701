import { createObserver, type Observer } from '@queue-canary/controller';
import {
  type Observed,
  outcomeOf,
  type Plan,
  plan,
  type Reading,
  type ReleaseOutcome,
  type ReleaseView,
  renderStatus,
  stages,
  viewRelease,
} from '@queue-canary/core';
import { sleep } from '@queue-canary/engine';
import type { Context, ReleaseContext } from '../context.ts';
import { controllerSettings } from '../controller-settings.ts';
import { pipelineOutputs } from '../stacks.ts';
import { CliError } from '../user-error.ts';

/** What is known of the release at one moment. */
export interface ReleaseStatus {
  readonly view: ReleaseView;
  readonly observed: Observed;
  readonly plan: Plan;
  /** What became of an execution; undefined while it is open. */
  outcomeOf(executionId: string): Reading<ReleaseOutcome | undefined>;
}

/** Looks at the release with the controller's own eyes; changes nothing. */
export async function releaseReader(
  context: Pick<ReleaseContext, 'app' | 'clients' | 'clock' | 'target'>,
): Promise<() => Promise<ReleaseStatus>> {
  const { names, policy } = await controllerSettings(context);
  const observe: Observer = createObserver({ names, connection: context.target.connection });
  return async () => {
    const nowMs = context.clock.nowMs();
    const observed = await observe(nowMs);
    const planned = plan(observed, policy, nowMs);
    return {
      view: viewRelease(observed, planned),
      observed,
      plan: planned,
      outcomeOf: (executionId) => outcomeOf(observed, policy, planned, executionId, nowMs),
    };
  };
}

export async function releaseStatus(context: Context, json: boolean): Promise<void> {
  const { view } = await (await releaseReader(context))();
  if (json) context.print(JSON.stringify(view, null, 2));
  else
    for (const line of renderStatus(view, context.clock.nowMs(), context.terminal.style)) context.print(line);
}

/** Shows the status again and again until Ctrl-C. */
export async function releaseWatch(context: Context): Promise<void> {
  const { clock, signal } = context;
  const read = await releaseReader(context);
  const show = statusPrinter(context);
  while (!signal.aborted) {
    const status = await read();
    show(status);
    await sleep(clock, watchPauseMs(context.target.kind, status.plan), signal);
  }
}

/** Shows the status in place of the last one; where there is no terminal, only when something happened. */
export function statusPrinter(context: ReleaseContext): (status: Pick<ReleaseStatus, 'view'>) => void {
  const { terminal, clock } = context;
  let shown = '';
  return ({ view }) => {
    const lines = renderStatus(view, clock.nowMs(), terminal.style);
    if (terminal.interactive) {
      context.print(
        `\u001b[H\u001b[2J${lines.join('\n')}\n\n${terminal.style('quiet', 'Ctrl-C ends watching; the release goes on')}`,
      );
      return;
    }
    // Ages change all the time; a log wants a report only when something happened.
    const now = renderStatus(view, view.since ?? 0).join('\n');
    if (now !== shown) context.print(`${lines.join('\n')}\n`);
    shown = now;
  };
}

/** A person can wait this long for what an event reports to the controller at once. */
const AWS_PAUSE_MS = 5000;

/**
 * How long to wait between two looks. On AWS the calls count against the account's limits like the controller's, so who
 * watches a release that is judged looks as rarely as it does; an engine of one's own may be asked each second.
 */
export function watchPauseMs(
  target: Context['target']['kind'],
  { nextWakeMs = 0 }: Pick<Plan, 'nextWakeMs'>,
): number {
  return target === 'local' ? 1000 : Math.max(AWS_PAUSE_MS, nextWakeMs);
}

export interface VerdictOptions {
  readonly summary: string;
  /** Token of the approval that is meant; without it the one that is pending now. */
  readonly token?: string;
}

/** Answers the pending approval. A token that no longer fits is refused, so nobody approves unseen work. */
export async function answerApproval(
  context: Context,
  status: 'Approved' | 'Rejected',
  options: VerdictOptions,
): Promise<void> {
  const { PipelineName } = await pipelineOutputs(context.clients.cloudformation, context.app);
  const { stage, action } = stages.approval;
  const token = options.token ?? (await pendingToken(context, PipelineName));
  try {
    await context.clients.codepipeline.putApprovalResult({
      pipelineName: PipelineName,
      stageName: stage,
      actionName: action,
      token,
      result: { status, summary: options.summary },
    });
  } catch (error) {
    if (
      ['InvalidApprovalTokenException', 'ApprovalAlreadyCompletedException'].includes((error as Error).name)
    ) {
      throw new CliError(
        `this approval is no longer pending (${(error as Error).message}): look at "queue-canary release status" and answer the one that is pending`,
      );
    }
    throw error;
  }
}

/** How long, and how often, to ask for an approval that may have begun just now: an answer of AWS may be some seconds old. */
const PENDING_WITHIN_MS = 10_000;
const ASK_AGAIN_MS = 1_000;

async function pendingToken(context: Context, pipelineName: string): Promise<string> {
  const { clock, signal } = context;
  const untilMs = clock.nowMs() + PENDING_WITHIN_MS;
  for (;;) {
    const token = await shownToken(context, pipelineName);
    if (token !== undefined) return token;
    if (clock.nowMs() >= untilMs || signal.aborted) break;
    await sleep(clock, ASK_AGAIN_MS, signal);
  }
  const { plan } = await (await releaseReader(context))();
  throw new CliError(
    `no approval is pending: the release is ${plan.phase}${plan.reasons.length > 0 ? ` (${plan.reasons.join('; ')})` : ''}; "queue-canary release status" shows where it is`,
  );
}

/** The token of the approval that AWS's answer shows as pending. */
async function shownToken(
  { clients: { codepipeline } }: Context,
  pipelineName: string,
): Promise<string | undefined> {
  const { stageStates } = await codepipeline.getPipelineState({ name: pipelineName });
  const approval = stageStates
    ?.find(({ stageName }) => stageName === stages.approval.stage)
    ?.actionStates?.find(({ actionName }) => actionName === stages.approval.action)?.latestExecution;
  return approval?.status === 'InProgress' ? approval.token : undefined;
}

/** Asks the controller to roll the current release back; an error when that cannot be done. */
export async function rollback(context: Context, reason: string): Promise<string> {
  const { ControllerFunctionName } = await pipelineOutputs(context.clients.cloudformation, context.app);
  const { FunctionError, Payload } = await context.clients.lambda.invoke({
    FunctionName: ControllerFunctionName,
    Payload: Buffer.from(JSON.stringify({ queueCanary: 'rollback', reason })),
  });
  const answer = JSON.parse(Payload?.transformToString() || '{}') as {
    errorMessage?: string;
    phase?: string;
    reasons?: string[];
  };
  if (FunctionError !== undefined)
    throw new CliError(answer.errorMessage ?? 'the controller failed; see "queue-canary logs controller"');
  const text = `${answer.phase}: ${(answer.reasons ?? []).join('; ')}`;
  if (answer.phase === 'halted') throw new CliError(text);
  return text;
}
