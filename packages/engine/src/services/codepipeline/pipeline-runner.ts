import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { ActionRunner, type ActionRunnerParts } from './action-runner.ts';
import { shapeOf } from './declaration.ts';
import { apply } from './machine.ts';
import {
  type Effect,
  isRefusal,
  type PipelineEvent,
  type PipelineState,
  type Transition,
} from './machine-state.ts';
import { Notices } from './notices.ts';
import type { PipelineStore, StoredExecution, StoredPipeline, TriggerType } from './store.ts';

/** Most executions of one pipeline at a time, as on AWS for QUEUED and PARALLEL. */
const EXECUTIONS_MAX = 50;

interface StartRequest {
  readonly trigger: { readonly type: TriggerType; readonly detail: string };
  readonly variables: Readonly<Record<string, string>>;
  readonly revisionOverrides?: Readonly<Record<string, string>>;
  readonly clientRequestToken?: string;
}

/**
 * Runs pipelines: gives events to the state machine, keeps what it decides, and carries out its effects.
 *
 * Everything that an event changes is written in one transaction with the journal, so that after a crash the
 * actions that were under way are found InProgress and their executors are started again where they were.
 */
export class PipelineRunner {
  readonly actions: ActionRunner;
  readonly #engine: Engine;
  readonly #store: PipelineStore;
  readonly #notices: Notices;

  constructor(engine: Engine, parts: Omit<ActionRunnerParts, 'notices' | 'ended'>) {
    this.#engine = engine;
    this.#store = parts.store;
    this.#notices = new Notices(engine);
    this.actions = new ActionRunner(engine, {
      ...parts,
      notices: this.#notices,
      ended: ({ id, executionId, pipelineName }, status) =>
        this.#dispatch(pipelineName, { kind: 'actionEnded', executionId, actionId: id, status }),
    });
  }

  /** Starts the executors of all actions that were under way when the engine went down. */
  recover(): void {
    for (const pipeline of this.#store.pipelines.values()) {
      for (const { run } of this.#store.live(pipeline.name)) {
        const stage = run.inStage === undefined ? undefined : run.stages[run.inStage];
        for (const action of stage?.actions ?? []) {
          if (action.status !== 'InProgress') continue;
          this.#engine.journal.append('codepipeline', 'action.recovered', {
            pipeline: pipeline.name,
            executionId: run.id,
            stage: run.inStage,
            action: action.name,
          });
          this.actions.launch(action.id);
        }
      }
    }
  }

  start(pipeline: StoredPipeline, request: StartRequest): string {
    const same =
      request.clientRequestToken === undefined
        ? undefined
        : this.#store
            .history(pipeline.name)
            .find(({ clientRequestToken }) => clientRequestToken === request.clientRequestToken);
    if (same) return same.run.id;
    if (this.#store.live(pipeline.name).length >= EXECUTIONS_MAX) {
      throw new AwsFault(
        'ConcurrentPipelineExecutionsLimitExceededException',
        `The pipeline ${pipeline.name} has reached the limit of ${EXECUTIONS_MAX} concurrent executions.`,
      );
    }
    const id = this.#engine.ids.uuid();
    this.#dispatch(pipeline.name, { kind: 'start', id, order: pipeline.started + 1 }, (run) =>
      this.#newExecution(pipeline, run, request),
    );
    return id;
  }

  stop(pipelineName: string, executionId: string, abandon: boolean, reason: string | undefined): void {
    const execution = this.#require(pipelineName, executionId);
    const before = this.#store.executions.get(executionId)!;
    if (reason !== undefined) this.#store.putExecution({ ...before, stopReason: reason });
    try {
      this.#dispatch(pipelineName, { kind: 'stop', executionId: execution.run.id, abandon });
    } catch (error) {
      this.#store.putExecution(before);
      throw error;
    }
  }

  retry(
    pipelineName: string,
    executionId: string,
    stage: string,
    mode: 'FAILED_ACTIONS' | 'ALL_ACTIONS',
  ): void {
    const execution = this.#require(pipelineName, executionId);
    const pipeline = this.#store.pipelines.get(pipelineName)!;
    if (execution.pipelineVersion !== pipeline.version) {
      throw new AwsFault(
        'StageNotRetryableException',
        `The pipeline structure has changed since execution ${executionId} started (version ${execution.pipelineVersion}, now ${pipeline.version}).`,
      );
    }
    this.#dispatch(pipelineName, { kind: 'retry', executionId, stage, mode });
  }

  /** Starts an execution that runs one stage again as `targetId` ran it. */
  rollBack(
    pipelineName: string,
    stage: string,
    targetId: string,
    trigger: { readonly type: TriggerType; readonly detail: string },
  ): string {
    const pipeline = this.#store.pipelines.get(pipelineName)!;
    const target = this.#require(pipelineName, targetId);
    if (target.pipelineVersion !== pipeline.version) {
      throw new AwsFault(
        'PipelineExecutionOutdatedException',
        `Execution ${targetId} ran version ${target.pipelineVersion} of the pipeline, which is now at version ${pipeline.version}.`,
      );
    }
    if (target.run.type === 'ROLLBACK') {
      throw new AwsFault('UnableToRollbackStageException', `Execution ${targetId} is itself a rollback.`);
    }
    if (target.run.stages[stage] !== undefined && target.run.stages[stage].status !== 'Succeeded') {
      throw new AwsFault(
        'UnableToRollbackStageException',
        `Execution ${targetId} did not succeed in stage ${stage}.`,
      );
    }
    if (
      target.run.stages[stage] === undefined &&
      pipeline.declaration.stages?.some(({ name }) => name === stage)
    ) {
      throw new AwsFault('UnableToRollbackStageException', `Execution ${targetId} never ran stage ${stage}.`);
    }
    const id = this.#engine.ids.uuid();
    this.#dispatch(pipelineName, { kind: 'rollback', id, order: pipeline.started + 1, stage }, (run) => ({
      ...this.#newExecution(pipeline, run, { trigger, variables: target.variables }),
      rollbackTarget: targetId,
      revisions: target.revisions,
      artifacts: target.artifacts,
      outputs: target.outputs,
    }));
    return id;
  }

  transitionsChanged(pipelineName: string): void {
    this.#dispatch(pipelineName, { kind: 'transitionsChanged' });
  }

  /** Cancels what is under way: AWS does not finish executions whose pipeline structure was updated. */
  structureChanged(pipelineName: string): void {
    this.#dispatch(pipelineName, { kind: 'structureChanged' });
  }

  #require(pipelineName: string, executionId: string): StoredExecution {
    const execution = this.#store.executions.get(executionId);
    if (execution?.pipelineName !== pipelineName) {
      throw new AwsFault(
        'PipelineExecutionNotFoundException',
        `The pipeline execution ${executionId} was not found in pipeline ${pipelineName}.`,
      );
    }
    return execution;
  }

  #newExecution(
    pipeline: StoredPipeline,
    run: StoredExecution['run'],
    request: StartRequest,
  ): StoredExecution {
    const nowMs = this.#engine.clock.nowMs();
    return {
      run,
      pipelineName: pipeline.name,
      pipelineVersion: pipeline.version,
      trigger: request.trigger,
      variables: request.variables,
      revisionOverrides: request.revisionOverrides ?? {},
      ...(request.clientRequestToken === undefined ? {} : { clientRequestToken: request.clientRequestToken }),
      startedAtMs: nowMs,
      updatedAtMs: nowMs,
      attempt: 1,
      revisions: [],
      artifacts: {},
      outputs: {},
      stageStartedAtMs: {},
    };
  }

  /** Gives one event to the state machine, keeps the result, and carries out the effects. */
  #dispatch(
    pipelineName: string,
    event: PipelineEvent,
    create?: (run: StoredExecution['run']) => StoredExecution,
  ): void {
    const pipeline = this.#store.pipelines.get(pipelineName);
    if (!pipeline) return;
    const outcome = apply(this.#state(pipeline), event, () => this.#engine.ids.uuid());
    if (isRefusal(outcome)) throw new AwsFault(outcome.code, outcome.message);
    this.#keep(pipeline, outcome, create);
    for (const effect of outcome.effects) this.#carryOut(effect);
    for (const effect of outcome.effects) {
      if (effect.kind === 'rollBackStage')
        this.#rollBackAutomatically(pipeline, effect.executionId, effect.stage);
    }
  }

  #state(pipeline: StoredPipeline): PipelineState {
    const runs = new Map(this.#store.live(pipeline.name).map(({ run }) => [run.id, run]));
    for (const id of Object.values(pipeline.latest)) {
      const run = this.#store.executions.get(id)?.run;
      if (run) runs.set(id, run);
    }
    return {
      shape: shapeOf(pipeline.declaration),
      closed: {
        inbound: new Set(Object.keys(pipeline.closedInbound)),
        outbound: new Set(Object.keys(pipeline.closedOutbound)),
      },
      executions: [...runs.values()],
      latest: pipeline.latest,
    };
  }

  #keep(
    pipeline: StoredPipeline,
    outcome: Transition,
    create: ((run: StoredExecution['run']) => StoredExecution) | undefined,
  ): void {
    const nowMs = this.#engine.clock.nowMs();
    let { started } = pipeline;
    for (const run of outcome.changed) {
      const existing = this.#store.executions.get(run.id);
      const execution = existing ?? create?.(run);
      if (!execution) continue;
      if (!existing) started++;
      this.#store.putExecution({ ...execution, run, updatedAtMs: nowMs });
    }
    if (started !== pipeline.started || outcome.latest !== pipeline.latest) {
      this.#store.pipelines.put(pipeline.name, { ...pipeline, started, latest: outcome.latest });
    }
  }

  #carryOut(effect: Effect): void {
    const execution = this.#store.executions.get(effect.executionId)!;
    switch (effect.kind) {
      case 'execution': {
        const resumed = effect.moment === 'RESUMED';
        const { stopReason: _stopReason, statusSummary: _statusSummary, ...rest } = execution;
        const told: StoredExecution = resumed
          ? { ...rest, attempt: execution.attempt + 1 }
          : { ...execution, ...summaryOf(effect.moment, execution) };
        this.#store.putExecution(told);
        this.#notices.execution(told, effect.moment);
        return;
      }
      case 'stage': {
        let told = execution;
        if (effect.moment === 'STARTED' || effect.moment === 'RESUMED') {
          told = {
            ...execution,
            stageStartedAtMs: { ...execution.stageStartedAtMs, [effect.stage]: this.#engine.clock.nowMs() },
          };
          this.#store.putExecution(told);
        }
        this.#notices.stage(told, effect.stage, effect.moment);
        return;
      }
      case 'startAction':
        this.actions.start(execution, effect);
        return;
      case 'abandonAction':
        this.actions.abandon(execution, effect.actionId);
        return;
      case 'rollBackStage':
        // Done once everything else that the event caused is.
        return;
    }
  }

  #rollBackAutomatically(pipeline: StoredPipeline, failedId: string, stage: string): void {
    const failed = this.#store.executions.get(failedId)!;
    const target = this.#store
      .history(pipeline.name)
      .find(
        ({ run, pipelineVersion }) =>
          run.type === 'STANDARD' &&
          run.id !== failed.run.id &&
          pipelineVersion === pipeline.version &&
          run.stages[stage]?.status === 'Succeeded',
      );
    if (failed.run.type === 'ROLLBACK' || !target) {
      this.#engine.journal.append('codepipeline', 'stage.rollback-skipped', {
        pipeline: pipeline.name,
        executionId: failed.run.id,
        stage,
        reason: target
          ? 'the execution is itself a rollback'
          : 'no execution of this version has succeeded in the stage',
      });
      return;
    }
    try {
      this.rollBack(pipeline.name, stage, target.run.id, {
        type: 'AutomatedRollback',
        detail: failed.run.id,
      });
    } catch (error) {
      // A waiting execution has entered the stage meanwhile: it decides what is deployed.
      if (!(error instanceof AwsFault)) throw error;
      this.#engine.journal.append('codepipeline', 'stage.rollback-skipped', {
        pipeline: pipeline.name,
        executionId: failed.run.id,
        stage,
        reason: error.message,
      });
    }
  }
}

function summaryOf(moment: string, execution: StoredExecution): Pick<StoredExecution, 'statusSummary'> {
  if (moment === 'SUPERSEDED') return { statusSummary: 'A more recent execution took its place.' };
  if (moment === 'CANCELED') {
    return {
      statusSummary: "The pipeline's definition was updated before the execution could be completed.",
    };
  }
  return execution.statusSummary === undefined ? {} : { statusSummary: execution.statusSummary };
}
