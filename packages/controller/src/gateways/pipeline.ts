import {
  type ActionExecutionDetail,
  type StageState as AwsStageState,
  type CodePipelineClient,
  DisableStageTransitionCommand,
  EnableStageTransitionCommand,
  GetPipelineStateCommand,
  type GetPipelineStateCommandOutput,
  ListActionExecutionsCommand,
  type ListActionExecutionsCommandInput,
  ListPipelineExecutionsCommand,
  type PipelineExecutionSummary,
  PutApprovalResultCommand,
  PutJobFailureResultCommand,
  PutJobSuccessResultCommand,
  StopPipelineExecutionCommand,
} from '@aws-sdk/client-codepipeline';
import {
  type ActionRun,
  type Execution,
  isActive,
  type PendingApproval,
  type PipelineState,
  type StageState,
  stages,
} from '@queue-canary/core';
import { done, type Outcome, type PipelineGateway } from '../gateways.ts';
import { awsErrorCode, messageOf } from '../thrown.ts';
import { UserError } from '../user-error.ts';

/** CodePipeline's largest page. */
const pageSize = 100;

/** How far back to look: 300 executions and 300 action runs, some fifty whole releases. */
const pagesMax = 3;

/** The pipeline through CodePipeline's API. */
export class AwsPipelineGateway implements PipelineGateway {
  readonly #client: CodePipelineClient;
  readonly #name: string;

  constructor(client: CodePipelineClient, pipelineName: string) {
    this.#client = client;
    this.#name = pipelineName;
  }

  /**
   * The pipeline's stages, its executions and what their actions did.
   *
   * The state alone would not do: it shows only the latest execution of each stage, and the release under
   * test is often neither the latest of its stage nor the newest of the pipeline.
   */
  async read(): Promise<PipelineState> {
    const state = await this.#state();
    const executions = await this.#executions();
    const actions = await this.#actions(executions);
    const approval = pendingApproval(state.stageStates ?? []);
    return {
      name: this.#name,
      stages: (state.stageStates ?? []).map(stageState),
      executions,
      actions,
      ...(approval && { approval }),
    };
  }

  async approve(approval: {
    readonly stage: string;
    readonly action: string;
    readonly token: string;
    readonly reason: string;
  }): Promise<Outcome> {
    return settle(
      () =>
        this.#client.send(
          new PutApprovalResultCommand({
            pipelineName: this.#name,
            stageName: approval.stage,
            actionName: approval.action,
            token: approval.token,
            result: { status: 'Approved', summary: approval.reason.slice(0, 512) },
          }),
        ),
      { conflict: ['ApprovalAlreadyCompletedException', 'InvalidApprovalTokenException'] },
    );
  }

  async stop(executionId: string, reason: string): Promise<Outcome> {
    return settle(
      () =>
        this.#client.send(
          new StopPipelineExecutionCommand({
            pipelineName: this.#name,
            pipelineExecutionId: executionId,
            abandon: true,
            reason: reason.slice(0, 200),
          }),
        ),
      {
        alreadyDone: ['DuplicatedStopRequestException'],
        conflict: ['PipelineExecutionNotStoppableException'],
      },
    );
  }

  async closeStage(stage: string, reason: string): Promise<Outcome> {
    await this.#client.send(
      new DisableStageTransitionCommand({
        pipelineName: this.#name,
        stageName: stage,
        transitionType: 'Inbound',
        reason: reason.slice(0, 300),
      }),
    );
    return done;
  }

  async openStage(stage: string): Promise<Outcome> {
    await this.#client.send(
      new EnableStageTransitionCommand({
        pipelineName: this.#name,
        stageName: stage,
        transitionType: 'Inbound',
      }),
    );
    return done;
  }

  async completeJob(jobId: string, outputs?: Readonly<Record<string, string>>): Promise<Outcome> {
    return settle(
      () =>
        this.#client.send(
          new PutJobSuccessResultCommand({ jobId, ...(outputs && { outputVariables: { ...outputs } }) }),
        ),
      jobOver,
    );
  }

  /** The continuation token carries nothing: what is left to do is observed, not remembered. */
  async continueJob(jobId: string): Promise<Outcome> {
    return settle(
      () => this.#client.send(new PutJobSuccessResultCommand({ jobId, continuationToken: 'watching' })),
      jobOver,
    );
  }

  async failJob(jobId: string, reason: string): Promise<Outcome> {
    return settle(
      () =>
        this.#client.send(
          new PutJobFailureResultCommand({
            jobId,
            failureDetails: { type: 'JobFailed', message: reason.slice(0, 5000) },
          }),
        ),
      jobOver,
    );
  }

  async #state(): Promise<GetPipelineStateCommandOutput> {
    try {
      return await this.#client.send(new GetPipelineStateCommand({ name: this.#name }));
    } catch (error) {
      if (awsErrorCode(error) !== 'PipelineNotFoundException') throw error;
      throw new UserError(
        'PipelineNotFound',
        `there is no pipeline ${this.#name}; deploy the pipeline stack, or check the name and region`,
        { cause: error },
      );
    }
  }

  async #executions(): Promise<readonly Execution[]> {
    const executions: Execution[] = [];
    let nextToken: string | undefined;
    for (let page = 0; page < pagesMax; page += 1) {
      const output = await this.#client.send(
        new ListPipelineExecutionsCommand({
          pipelineName: this.#name,
          maxResults: pageSize,
          ...(nextToken !== undefined && { nextToken }),
        }),
      );
      executions.push(...(output.pipelineExecutionSummaries ?? []).flatMap(execution));
      nextToken = output.nextToken;
      if (nextToken === undefined) break;
    }
    return executions;
  }

  /** Recent action runs, and all runs of executions that are active but began before those. */
  async #actions(executions: readonly Execution[]): Promise<readonly ActionRun[]> {
    const recent = await this.#actionPages({ pipelineName: this.#name }, pagesMax);
    const runs = [...recent.runs];
    if (!recent.complete) {
      const oldest = Math.min(...recent.runs.map((run) => run.startedAt));
      for (const { id, startedAt, status } of executions) {
        if (!isActive({ id, startedAt, status, updatedAt: startedAt }) || startedAt >= oldest) continue;
        const own = await this.#actionPages(
          { pipelineName: this.#name, filter: { pipelineExecutionId: id } },
          pagesMax,
        );
        runs.push(...own.runs.filter((run) => run.startedAt < oldest));
      }
    }
    return runs;
  }

  async #actionPages(
    input: ListActionExecutionsCommandInput,
    pages: number,
  ): Promise<{ readonly runs: readonly ActionRun[]; readonly complete: boolean }> {
    const runs: ActionRun[] = [];
    let nextToken: string | undefined;
    for (let page = 0; page < pages; page += 1) {
      const output = await this.#client.send(
        new ListActionExecutionsCommand({
          ...input,
          maxResults: pageSize,
          ...(nextToken !== undefined && { nextToken }),
        }),
      );
      runs.push(...(output.actionExecutionDetails ?? []).flatMap(actionRun));
      nextToken = output.nextToken;
      if (nextToken === undefined) return { runs, complete: true };
    }
    return { runs, complete: false };
  }
}

const jobOver = { conflict: ['InvalidJobStateException', 'JobNotFoundException'] } as const;

async function settle(
  act: () => Promise<unknown>,
  codes: { readonly alreadyDone?: readonly string[]; readonly conflict?: readonly string[] },
): Promise<Outcome> {
  try {
    await act();
    return done;
  } catch (error) {
    const code = awsErrorCode(error) ?? '';
    if (codes.alreadyDone?.includes(code)) return { kind: 'alreadyDone', detail: messageOf(error) };
    if (codes.conflict?.includes(code)) return { kind: 'conflict', detail: `${code}: ${messageOf(error)}` };
    throw error;
  }
}

function execution(summary: PipelineExecutionSummary): Execution[] {
  const { pipelineExecutionId: id, status, startTime } = summary;
  if (id === undefined || status === undefined || startTime === undefined) return [];
  const source = summary.sourceRevisions?.find((revision) => revision.actionName === stages.source.action);
  return [
    {
      id,
      status,
      startedAt: startTime.getTime(),
      updatedAt: (summary.lastUpdateTime ?? startTime).getTime(),
      ...(source?.revisionId !== undefined && { commit: source.revisionId }),
      ...(source?.revisionSummary !== undefined && { commitMessage: source.revisionSummary.trim() }),
      ...(summary.stopTrigger?.reason !== undefined && { stopReason: summary.stopTrigger.reason }),
    },
  ];
}

function actionRun(detail: ActionExecutionDetail): ActionRun[] {
  const { pipelineExecutionId, stageName, actionName, status, startTime } = detail;
  if (!(pipelineExecutionId && stageName && actionName && status && startTime)) return [];
  const result = detail.output?.executionResult;
  const summary = result?.errorDetails?.message ?? result?.externalExecutionSummary;
  return [
    {
      executionId: pipelineExecutionId,
      stage: stageName,
      action: actionName,
      status,
      startedAt: startTime.getTime(),
      updatedAt: (detail.lastUpdateTime ?? startTime).getTime(),
      ...(summary !== undefined && { summary }),
    },
  ];
}

function stageState(stage: AwsStageState): StageState {
  const inbound = [
    ...(stage.inboundExecutions ?? []),
    ...(stage.inboundExecution ? [stage.inboundExecution] : []),
  ].flatMap(({ pipelineExecutionId }) => (pipelineExecutionId === undefined ? [] : [pipelineExecutionId]));
  const transition = stage.inboundTransitionState;
  return {
    name: stage.stageName ?? '',
    ...(stage.latestExecution?.pipelineExecutionId !== undefined && {
      latestExecutionId: stage.latestExecution.pipelineExecutionId,
    }),
    ...(stage.latestExecution?.status !== undefined && { latestStatus: stage.latestExecution.status }),
    inboundExecutionIds: [...new Set(inbound)],
    transitionEnabled: transition?.enabled ?? true,
    ...(transition?.disabledReason !== undefined && { transitionDisabledReason: transition.disabledReason }),
  };
}

function pendingApproval(states: readonly AwsStageState[]): PendingApproval | undefined {
  for (const stage of states) {
    for (const action of stage.actionStates ?? []) {
      const run = action.latestExecution;
      const executionId = stage.latestExecution?.pipelineExecutionId;
      if (run?.status !== 'InProgress' || run.token === undefined || executionId === undefined) continue;
      return {
        executionId,
        stage: stage.stageName ?? '',
        action: action.actionName ?? '',
        token: run.token,
        ...(run.lastStatusChange && { since: run.lastStatusChange.getTime() }),
      };
    }
  }
  return undefined;
}
