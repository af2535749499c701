import type { Engine } from '../../dispatch/service.ts';
import type { Moment } from './machine-state.ts';
import type { StoredAction, StoredExecution } from './store.ts';

/** Reports to the journal and EventBridge what happened to executions, stages and actions. */
export class Notices {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  execution(execution: StoredExecution, moment: Moment): void {
    const nowMs = this.#engine.clock.nowMs();
    this.#journal(`execution.${verb(moment)}`, {
      pipeline: execution.pipelineName,
      executionId: execution.run.id,
      type: execution.run.type,
      trigger: execution.trigger.type,
      ...(moment === 'STARTED' ? {} : { durationMs: nowMs - execution.startedAtMs }),
      ...(execution.stopReason === undefined ? {} : { reason: execution.stopReason }),
      ...(execution.statusSummary === undefined ? {} : { summary: execution.statusSummary }),
    });
    this.#publish('CodePipeline Pipeline Execution State Change', execution, {
      'execution-trigger': {
        'trigger-type': execution.trigger.type,
        'trigger-detail': execution.trigger.detail,
      },
      ...(execution.stopReason === undefined ? {} : { 'stop-execution-comments': execution.stopReason }),
      state: moment,
    });
  }

  stage(execution: StoredExecution, stage: string, moment: Moment): void {
    const startedAtMs = execution.stageStartedAtMs[stage];
    this.#journal(`stage.${verb(moment)}`, {
      pipeline: execution.pipelineName,
      executionId: execution.run.id,
      stage,
      ...(moment === 'STARTED' || moment === 'RESUMED' || startedAtMs === undefined
        ? {}
        : { durationMs: this.#engine.clock.nowMs() - startedAtMs }),
    });
    this.#publish('CodePipeline Stage Execution State Change', execution, { stage, state: moment });
  }

  action(execution: StoredExecution, action: StoredAction, moment: Moment): void {
    const { declaration, error } = action;
    this.#journal(`action.${verb(moment)}`, {
      pipeline: execution.pipelineName,
      executionId: execution.run.id,
      stage: action.stage,
      action: declaration.name,
      actionExecutionId: action.id,
      provider: declaration.actionTypeId?.provider,
      ...(moment === 'STARTED' ? {} : { durationMs: action.updatedAtMs - action.startedAtMs }),
      ...(action.summary === undefined ? {} : { summary: action.summary }),
      ...(error === undefined ? {} : { code: error.code, message: error.message }),
    });
    const summary = error?.message ?? action.summary;
    const result = {
      ...(action.externalExecutionUrl === undefined
        ? {}
        : { 'external-execution-url': action.externalExecutionUrl }),
      ...(summary === undefined ? {} : { 'external-execution-summary': summary }),
      ...(action.externalExecutionId === undefined
        ? {}
        : { 'external-execution-id': action.externalExecutionId }),
      ...(error === undefined ? {} : { 'error-code': error.code }),
    };
    this.#publish('CodePipeline Action Execution State Change', execution, {
      stage: action.stage,
      ...(Object.keys(result).length === 0 ? {} : { 'execution-result': result }),
      ...artifactNames('input-artifacts', action.inputArtifacts),
      ...(moment === 'SUCCEEDED' ? artifactNames('output-artifacts', action.outputArtifacts) : {}),
      'action-execution-id': action.id,
      action: declaration.name,
      state: moment,
      region: this.#engine.region,
      type: { ...declaration.actionTypeId },
    });
  }

  #journal(type: string, detail: Record<string, unknown>): void {
    this.#engine.journal.append('codepipeline', type, detail);
  }

  #publish(detailType: string, execution: StoredExecution, detail: Record<string, unknown>): void {
    this.#engine.journal.publish({
      source: 'aws.codepipeline',
      'detail-type': detailType,
      resources: [
        `arn:aws:codepipeline:${this.#engine.region}:${this.#engine.accountId}:${execution.pipelineName}`,
      ],
      detail: {
        pipeline: execution.pipelineName,
        'execution-id': execution.run.id,
        'start-time': new Date(execution.startedAtMs).toISOString(),
        ...detail,
        version: execution.pipelineVersion,
        'pipeline-execution-attempt': execution.attempt,
      },
    });
  }
}

function verb(moment: Moment): string {
  return moment.toLowerCase();
}

function artifactNames(key: string, artifacts: Readonly<Record<string, { bucket: string; key: string }>>) {
  const list = Object.entries(artifacts).map(([name, location]) => ({
    name,
    s3location: { bucket: location.bucket, key: location.key },
  }));
  return list.length === 0 ? {} : { [key]: list };
}
