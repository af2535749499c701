import {
  type ActionExecutionDetail,
  type StageState as AwsStageState,
  type CodePipelineClient,
  DisableStageTransitionCommand,
  EnableStageTransitionCommand,
  GetPipelineStateCommand,
  type GetPipelineStateCommandOutput,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineExecutionSummary,
  PutApprovalResultCommand,
  PutJobFailureResultCommand,
  PutJobSuccessResultCommand,
  type SourceRevision,
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

/** How far back to look for an execution that a stage shows: among the newest 300. */
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
   * test is often neither the latest of its stage nor the newest of the pipeline. But every execution that matters is
   * in a stage, waits for one, or was the last in one: when those are found, older pages are left alone. Action runs are
   * asked for by execution: of those that are active, of the one that used the canary last, and of the newest.
   */
  async read(): Promise<PipelineState> {
    const state = await this.#state();
    const shown = (state.stageStates ?? []).map(stageState);
    const executions = await this.#executions(
      shown.flatMap(({ latestExecutionId: latest, inboundExecutionIds }) => [
        ...(latest === undefined ? [] : [latest]),
        ...inboundExecutionIds,
      ]),
      shown.some(({ name }) => name === stages.build.stage),
    );
    const onCanary = shown.find(({ name }) => name === stages.canary.stage)?.latestExecutionId;
    const wanted = executions.filter(
      (execution, index) => index === 0 || isActive(execution) || execution.id === onCanary,
    );
    const actions = await Promise.all(wanted.map(({ id }) => this.#actions(id)));
    const approval = pendingApproval(state.stageStates ?? []);
    return {
      name: this.#name,
      stages: shown,
      executions,
      actions: actions.flat(),
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

  /** Newest first, until the given ones are among them. */
  async #executions(sought: readonly string[], built: boolean): Promise<readonly Execution[]> {
    const executions: Execution[] = [];
    const missing = new Set(sought);
    let nextToken: string | undefined;
    for (let page = 0; page < pagesMax; page += 1) {
      const output = await this.#client.send(
        new ListPipelineExecutionsCommand({
          pipelineName: this.#name,
          maxResults: pageSize,
          ...(nextToken !== undefined && { nextToken }),
        }),
      );
      executions.push(
        ...(output.pipelineExecutionSummaries ?? []).flatMap((summary) => execution(summary, built)),
      );
      for (const { id } of executions) missing.delete(id);
      nextToken = output.nextToken;
      if (nextToken === undefined || missing.size === 0) break;
    }
    return executions;
  }

  /** All runs of an execution, retries included. */
  async #actions(executionId: string): Promise<readonly ActionRun[]> {
    const runs: ActionRun[] = [];
    let nextToken: string | undefined;
    do {
      const output = await this.#client.send(
        new ListActionExecutionsCommand({
          pipelineName: this.#name,
          filter: { pipelineExecutionId: executionId },
          maxResults: pageSize,
          ...(nextToken !== undefined && { nextToken }),
        }),
      );
      runs.push(...(output.actionExecutionDetails ?? []).flatMap(actionRun));
      nextToken = output.nextToken;
    } while (nextToken !== undefined);
    return runs;
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

function execution(summary: PipelineExecutionSummary, built: boolean): Execution[] {
  const { pipelineExecutionId: id, status, startTime } = summary;
  if (id === undefined || status === undefined || startTime === undefined) return [];
  const source = summary.sourceRevisions?.find((revision) => revision.actionName === stages.source.action);
  return [
    {
      id,
      status,
      startedAt: startTime.getTime(),
      updatedAt: (summary.lastUpdateTime ?? startTime).getTime(),
      ...(source && (built ? commitIn(source) : { image: source.revisionSummary?.trim() ?? '' })),
      ...(summary.stopTrigger?.reason !== undefined && { stopReason: summary.stopTrigger.reason }),
    },
  ];
}

function commitIn({
  revisionId,
  revisionSummary,
}: SourceRevision): Pick<Execution, 'commit' | 'commitMessage'> {
  return {
    ...(revisionId !== undefined && { commit: revisionId }),
    ...(revisionSummary !== undefined && { commitMessage: messageIn(revisionSummary).trim() }),
  };
}

/** Of a commit that came by a connection CodePipeline gives JSON as the summary, in which the message is a field. */
function messageIn(summary: string): string {
  if (!summary.startsWith('{"ProviderType":')) return summary;
  try {
    const { CommitMessage } = JSON.parse(summary) as { readonly CommitMessage?: unknown };
    return typeof CommitMessage === 'string' ? CommitMessage : summary;
  } catch {
    return summary;
  }
}

function actionRun(detail: ActionExecutionDetail): ActionRun[] {
  const { pipelineExecutionId, stageName, actionName, status, startTime } = detail;
  if (!(pipelineExecutionId && stageName && actionName && status && startTime)) return [];
  const result = detail.output?.executionResult;
  const summary = result?.errorDetails?.message ?? result?.externalExecutionSummary;
  const variables = detail.output?.outputVariables;
  return [
    {
      executionId: pipelineExecutionId,
      stage: stageName,
      action: actionName,
      status,
      startedAt: startTime.getTime(),
      updatedAt: (detail.lastUpdateTime ?? startTime).getTime(),
      ...(summary !== undefined && { summary }),
      ...(variables !== undefined && { variables }),
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
