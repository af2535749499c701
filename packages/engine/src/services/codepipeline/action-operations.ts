import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { PipelineRunner } from './pipeline-runner.ts';
import { type Pipelines, stageOf } from './pipelines.ts';
import type { PipelineStore } from './store.ts';
import { actionDetail, page } from './views.ts';

interface Parts {
  readonly store: PipelineStore;
  readonly pipelines: Pipelines;
  readonly runner: PipelineRunner;
}

/** Runs of actions, and a person's answer to an approval action. */
export function actionOperations(engine: Engine, parts: Parts) {
  const { store, pipelines } = parts;

  return {
    ListActionExecutions: {
      resources: (input) => [pipelines.arn(input.pipelineName)],
      run: (input) => {
        const pipeline = pipelines.find(input.pipelineName);
        const wanted =
          input.filter?.latestInPipelineExecution?.pipelineExecutionId ?? input.filter?.pipelineExecutionId;
        const list = store
          .actionHistory(pipeline.name)
          .filter(({ executionId }) => wanted === undefined || executionId === wanted);
        const { items, nextToken } = page(list, input.maxResults, input.nextToken);
        return {
          actionExecutionDetails: items.map(actionDetail),
          ...(nextToken === undefined ? {} : { nextToken }),
        };
      },
    },
    PutApprovalResult: {
      resources: (input) => [pipelines.arn(input.pipelineName, input.stageName, input.actionName)],
      run: (input, call) => putApprovalResult(engine, parts, input, call),
    },
  } satisfies OperationTable<'codepipeline'>;
}

function putApprovalResult(
  engine: Engine,
  { store, pipelines, runner }: Parts,
  input: Input<'codepipeline', 'PutApprovalResult'>,
  { principal, atMs }: Call,
) {
  const pipeline = pipelines.find(input.pipelineName);
  const stage = stageOf(pipeline, input.stageName);
  if (!stage.actions?.some(({ name }) => name === input.actionName)) {
    throw new AwsFault(
      'ActionNotFoundException',
      `Stage ${input.stageName} of pipeline ${pipeline.name} has no action ${input.actionName}.`,
    );
  }
  const action = store
    .actionHistory(pipeline.name)
    .find(
      ({ token, stage: of, declaration }) =>
        token !== undefined &&
        token === input.token &&
        of === input.stageName &&
        declaration.name === input.actionName,
    );
  if (!action || (action.status !== 'InProgress' && !action.approval)) {
    throw new AwsFault(
      'InvalidApprovalTokenException',
      'The approval request already received a response or has expired: get the current token with GetPipelineState.',
    );
  }
  if (action.approval) {
    throw new AwsFault(
      'ApprovalAlreadyCompletedException',
      `The approval action has already been ${action.approval.status.toLowerCase()}.`,
    );
  }
  const status = input.result?.status === 'Approved' ? 'Approved' : 'Rejected';
  const summary = input.result?.summary ?? '';
  runner.actions.update(action.id, {
    approval: { status, summary, by: principal.arn },
    summary,
    lastUpdatedBy: principal.arn,
  });
  engine.journal.append('codepipeline', `approval.${status.toLowerCase()}`, {
    pipeline: pipeline.name,
    executionId: action.executionId,
    stage: action.stage,
    action: input.actionName,
    by: principal.arn,
    summary,
  });
  return { approvedAt: new Date(atMs) };
}
