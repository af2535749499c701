import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { PipelineRunner } from './pipeline-runner.ts';
import { executionMode, type Pipelines } from './pipelines.ts';
import type { PipelineStore, StoredPipeline, TriggerType } from './store.ts';
import { pipelineVariables } from './variables.ts';
import { executionDetails, executionSummary, page } from './views.ts';

/** Starting, stopping and reading executions of a pipeline. */
export function executionOperations({
  store,
  pipelines,
  runner,
}: {
  store: PipelineStore;
  pipelines: Pipelines;
  runner: PipelineRunner;
}) {
  const byPipeline = (input: { pipelineName?: string | undefined }) => [pipelines.arn(input.pipelineName)];

  return {
    StartPipelineExecution: {
      resources: (input) => [pipelines.arn(input.name)],
      run: (input, { principal }) => {
        const pipeline = pipelines.find(input.name);
        const pipelineExecutionId = runner.start(pipeline, {
          trigger: triggerOf(principal),
          revisionOverrides: revisionOverrides(pipeline, input.sourceRevisions ?? []),
          variables: pipelineVariables(pipeline.declaration, input.variables ?? []),
          ...(input.clientRequestToken === undefined ? {} : { clientRequestToken: input.clientRequestToken }),
        });
        return { pipelineExecutionId };
      },
    },
    StopPipelineExecution: {
      resources: byPipeline,
      run: (input) => {
        pipelines.find(input.pipelineName);
        runner.stop(
          input.pipelineName ?? '',
          input.pipelineExecutionId ?? '',
          input.abandon ?? false,
          input.reason,
        );
        return { pipelineExecutionId: input.pipelineExecutionId };
      },
    },
    GetPipelineExecution: {
      resources: byPipeline,
      run: (input) => {
        const pipeline = pipelines.find(input.pipelineName);
        const execution = store.executions.get(input.pipelineExecutionId ?? '');
        if (execution?.pipelineName !== pipeline.name) {
          throw new AwsFault(
            'PipelineExecutionNotFoundException',
            `The pipeline execution ${input.pipelineExecutionId} was not found in pipeline ${pipeline.name}.`,
          );
        }
        return { pipelineExecution: executionDetails(execution, executionMode(pipeline)) };
      },
    },
    ListPipelineExecutions: {
      resources: byPipeline,
      run: (input) => {
        const pipeline = pipelines.find(input.pipelineName);
        const stage = input.filter?.succeededInStage?.stageName;
        const wanted = store
          .history(pipeline.name)
          .filter(({ run }) => stage === undefined || run.stages[stage]?.status === 'Succeeded');
        const { items, nextToken } = page(wanted, input.maxResults, input.nextToken);
        return {
          pipelineExecutionSummaries: items.map((item) => executionSummary(item, executionMode(pipeline))),
          ...(nextToken === undefined ? {} : { nextToken }),
        };
      },
    },
  } satisfies OperationTable<'codepipeline'>;
}

/** EventBridge starts pipelines with a role that it assumes; AWS then names the event as the trigger. */
function triggerOf(principal: Principal): { type: TriggerType; detail: string } {
  const service = principal.kind === 'service' ? principal.arn : principal.assumedBy;
  const byEvent = service === 'events.amazonaws.com';
  return { type: byEvent ? 'CloudWatchEvent' : 'StartPipelineExecution', detail: principal.arn };
}

/** By what each source lets the caller choose a revision. */
const REVISION_TYPES: Readonly<Record<string, string>> = {
  CodeCommit: 'COMMIT_ID',
  S3: 'S3_OBJECT_VERSION_ID',
};

/** Commits and versions of objects, by source action. */
function revisionOverrides(
  pipeline: StoredPipeline,
  sourceRevisions: NonNullable<Input<'codepipeline', 'StartPipelineExecution'>['sourceRevisions']>,
): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const { actionName, revisionType, revisionValue } of sourceRevisions) {
    const first = pipeline.declaration.stages?.[0]?.actions ?? [];
    const source = first.find(({ name }) => name === actionName);
    if (source === undefined) {
      throw new AwsFault('ValidationException', `The pipeline has no source action ${actionName}.`);
    }
    const provider = source.actionTypeId?.provider ?? '';
    if (revisionType !== REVISION_TYPES[provider]) {
      throw new AwsFault(
        'ValidationException',
        `revisionType ${revisionType} is not valid for a source of ${provider}: the local engine takes ${REVISION_TYPES[provider]}.`,
      );
    }
    overrides[actionName ?? ''] = revisionValue ?? '';
  }
  return overrides;
}
