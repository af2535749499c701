import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { PipelineRunner } from './pipeline-runner.ts';
import { type Pipelines, stageOf } from './pipelines.ts';
import type { PipelineStore } from './store.ts';
import { stageStates } from './views.ts';

/** The stages of a pipeline: their state, their transitions, and running one again. */
export function stageOperations(
  engine: Engine,
  { store, pipelines, runner }: { store: PipelineStore; pipelines: Pipelines; runner: PipelineRunner },
) {
  const byStage = (input: { pipelineName?: string | undefined; stageName?: string | undefined }) => [
    pipelines.arn(input.pipelineName, input.stageName),
  ];
  const setTransition = (
    input: {
      pipelineName?: string | undefined;
      stageName?: string | undefined;
      transitionType?: string | undefined;
    },
    closed: { reason: string; by: string; atMs: number } | undefined,
  ) => {
    const pipeline = pipelines.find(input.pipelineName);
    const stage = stageOf(pipeline, input.stageName).name ?? '';
    const key = input.transitionType === 'Outbound' ? 'closedOutbound' : 'closedInbound';
    const { [stage]: _before, ...others } = pipeline[key];
    store.pipelines.put(pipeline.name, {
      ...pipeline,
      [key]: closed ? { ...others, [stage]: closed } : others,
    });
    engine.journal.append('codepipeline', closed ? 'transition.disabled' : 'transition.enabled', {
      pipeline: pipeline.name,
      stage,
      transition: input.transitionType,
      ...(closed ? { reason: closed.reason, by: closed.by } : {}),
    });
    runner.transitionsChanged(pipeline.name);
  };

  return {
    GetPipelineState: {
      resources: (input) => [pipelines.arn(input.name)],
      run: (input) => {
        const pipeline = pipelines.find(input.name);
        return {
          pipelineName: pipeline.name,
          pipelineVersion: pipeline.version,
          stageStates: stageStates(store, pipeline),
          created: new Date(pipeline.createdAtMs),
          updated: new Date(pipeline.updatedAtMs),
        };
      },
    },
    EnableStageTransition: {
      resources: byStage,
      run: (input) => {
        setTransition(input, undefined);
        return {};
      },
    },
    DisableStageTransition: {
      resources: byStage,
      run: (input, { principal, atMs }) => {
        setTransition(input, { reason: input.reason ?? '', by: principal.arn, atMs });
        return {};
      },
    },
    RetryStageExecution: {
      resources: byStage,
      run: (input) => {
        stageOf(pipelines.find(input.pipelineName), input.stageName);
        runner.retry(
          input.pipelineName ?? '',
          input.pipelineExecutionId ?? '',
          input.stageName ?? '',
          input.retryMode ?? 'FAILED_ACTIONS',
        );
        return { pipelineExecutionId: input.pipelineExecutionId };
      },
    },
    RollbackStage: {
      resources: byStage,
      run: (input, { principal }) => {
        stageOf(pipelines.find(input.pipelineName), input.stageName);
        const pipelineExecutionId = runner.rollBack(
          input.pipelineName ?? '',
          input.stageName ?? '',
          input.targetPipelineExecutionId ?? '',
          { type: 'ManualRollback', detail: principal.arn },
        );
        return { pipelineExecutionId };
      },
    },
  } satisfies OperationTable<'codepipeline'>;
}
