import { AwsFault } from '../../errors.ts';
import type { Output } from '../../sdk/services.ts';
import type { PipelineStore, StoredAction, StoredExecution, StoredPipeline } from './store.ts';

type StageState = NonNullable<Output<'codepipeline', 'GetPipelineState'>['stageStates']>[number];
type ActionState = NonNullable<StageState['actionStates']>[number];
type ExecutionSummary = NonNullable<
  Output<'codepipeline', 'ListPipelineExecutions'>['pipelineExecutionSummaries']
>[number];
type ActionDetail = NonNullable<
  Output<'codepipeline', 'ListActionExecutions'>['actionExecutionDetails']
>[number];

/** Stages as GetPipelineState shows them: what is in each, what waits before it, and the latest of each action. */
export function stageStates(store: PipelineStore, pipeline: StoredPipeline): StageState[] {
  // Not those that the machine knows: an answer may be of a moment ago.
  const live = store.history(pipeline.name).reverse();
  return (pipeline.declaration.stages ?? []).map((stage, index, stages): StageState => {
    const name = stage.name ?? '';
    const inbound = live
      .filter(({ run }) => run.waitingFor === name)
      .map(({ run }) => ({ pipelineExecutionId: run.id, status: 'InProgress' as const, type: run.type }));
    const latest = store.executions.get(pipeline.latest[name] ?? '');
    const run = latest?.run.stages[name];
    const closed = pipeline.closedInbound[name] ?? pipeline.closedOutbound[stages[index - 1]?.name ?? ''];
    return {
      stageName: name,
      inboundTransitionState: closed
        ? {
            enabled: false,
            lastChangedBy: closed.by,
            lastChangedAt: new Date(closed.atMs),
            disabledReason: closed.reason,
          }
        : { enabled: true },
      inboundExecutions: inbound,
      ...(inbound[0] === undefined ? {} : { inboundExecution: inbound[0] }),
      actionStates: (stage.actions ?? []).map((action) =>
        actionState(
          action.name ?? '',
          store.actions.get(pipeline.latestActions[`${name}/${action.name}`] ?? ''),
        ),
      ),
      ...(latest && run
        ? {
            latestExecution: {
              pipelineExecutionId: latest.run.id,
              status: run.status,
              type: latest.run.type,
            },
            ...(run.manualRetries + run.automaticRetries === 0
              ? {}
              : {
                  retryStageMetadata: {
                    autoStageRetryAttempt: run.automaticRetries,
                    manualStageRetryAttempt: run.manualRetries,
                  },
                }),
          }
        : {}),
    };
  });
}

function actionState(actionName: string, action: StoredAction | undefined): ActionState {
  if (!action) return { actionName };
  const { revision } = action;
  return {
    actionName,
    ...(revision
      ? {
          currentRevision: {
            revisionId: revision.id,
            revisionChangeId: revision.id,
            created: new Date(revision.atMs),
          },
          revisionUrl: revision.url,
        }
      : {}),
    ...(action.entityUrl === undefined ? {} : { entityUrl: action.entityUrl }),
    latestExecution: {
      actionExecutionId: action.id,
      status: action.status,
      lastStatusChange: new Date(action.updatedAtMs),
      summary: action.summary,
      lastUpdatedBy: action.lastUpdatedBy,
      token: action.status === 'InProgress' ? action.token : undefined,
      externalExecutionId: action.externalExecutionId,
      externalExecutionUrl: action.externalExecutionUrl,
      percentComplete: action.percentComplete,
      errorDetails: action.error,
    },
  };
}

/** An execution as GetPipelineExecution shows it. */
export function executionDetails(
  execution: StoredExecution,
  mode: 'SUPERSEDED' | 'QUEUED' | 'PARALLEL',
): NonNullable<Output<'codepipeline', 'GetPipelineExecution'>['pipelineExecution']> {
  return {
    pipelineName: execution.pipelineName,
    pipelineVersion: execution.pipelineVersion,
    pipelineExecutionId: execution.run.id,
    status: execution.run.status,
    statusSummary: execution.statusSummary,
    artifactRevisions: execution.revisions.map((revision) => ({
      name: revision.artifact,
      revisionId: revision.revisionId,
      revisionSummary: revision.summary,
      created: new Date(revision.createdAtMs),
      revisionUrl: revision.url,
    })),
    variables: Object.entries(execution.variables).map(([name, resolvedValue]) => ({ name, resolvedValue })),
    trigger: { triggerType: execution.trigger.type, triggerDetail: execution.trigger.detail },
    executionMode: mode,
    executionType: execution.run.type,
    ...rollbackMetadata(execution),
  };
}

function rollbackMetadata({ rollbackTarget }: StoredExecution) {
  return rollbackTarget === undefined
    ? {}
    : { rollbackMetadata: { rollbackTargetPipelineExecutionId: rollbackTarget } };
}

/** An execution as ListPipelineExecutions shows it. */
export function executionSummary(
  execution: StoredExecution,
  mode: 'SUPERSEDED' | 'QUEUED' | 'PARALLEL',
): ExecutionSummary {
  const stopped = execution.run.status === 'Stopped' || execution.run.status === 'Stopping';
  return {
    pipelineExecutionId: execution.run.id,
    status: execution.run.status,
    statusSummary: execution.statusSummary,
    startTime: new Date(execution.startedAtMs),
    lastUpdateTime: new Date(execution.updatedAtMs),
    sourceRevisions: execution.revisions.map((revision) => ({
      actionName: revision.actionName,
      revisionId: revision.revisionId,
      revisionSummary: revision.summary,
      revisionUrl: revision.url,
    })),
    trigger: { triggerType: execution.trigger.type, triggerDetail: execution.trigger.detail },
    ...(stopped ? { stopTrigger: { reason: execution.stopReason } } : {}),
    executionMode: mode,
    executionType: execution.run.type,
    ...rollbackMetadata(execution),
  };
}

/** An action run as ListActionExecutions shows it. */
export function actionDetail(action: StoredAction): ActionDetail {
  const { declaration } = action;
  const artifacts = (list: StoredAction['inputArtifacts']) =>
    Object.entries(list).map(([name, { bucket, key }]) => ({ name, s3location: { bucket, key } }));
  return {
    pipelineExecutionId: action.executionId,
    actionExecutionId: action.id,
    pipelineVersion: action.pipelineVersion,
    stageName: action.stage,
    actionName: declaration.name,
    startTime: new Date(action.startedAtMs),
    lastUpdateTime: new Date(action.updatedAtMs),
    updatedBy: action.lastUpdatedBy,
    status: action.status,
    input: {
      actionTypeId: declaration.actionTypeId,
      configuration: declaration.configuration,
      resolvedConfiguration: action.resolvedConfiguration,
      roleArn: declaration.roleArn,
      region: declaration.region,
      inputArtifacts: artifacts(action.inputArtifacts),
      namespace: declaration.namespace,
    },
    output: {
      outputArtifacts: action.status === 'Succeeded' ? artifacts(action.outputArtifacts) : [],
      executionResult: {
        externalExecutionId: action.externalExecutionId,
        externalExecutionSummary: action.summary,
        externalExecutionUrl: action.externalExecutionUrl,
        errorDetails: action.error,
      },
      outputVariables: action.outputVariables,
    },
  };
}

/** One page of a list; tokens are positions. */
export function page<T>(
  items: readonly T[],
  maxResults: number | undefined,
  nextToken: string | undefined,
  largest = 100,
): { items: readonly T[]; nextToken?: string } {
  const start = nextToken === undefined ? 0 : Number(nextToken);
  if (!Number.isInteger(start) || start < 0) {
    throw new AwsFault('InvalidNextTokenException', 'The next token was specified in an invalid format.');
  }
  const end = start + Math.min(maxResults ?? largest, largest);
  return {
    items: items.slice(start, end),
    ...(end < items.length ? { nextToken: String(end) } : {}),
  };
}
