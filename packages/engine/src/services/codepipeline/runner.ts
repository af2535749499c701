import type { Timer } from '../../clock/clock.ts';
import type { Engine, Principal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type ActionContext, ActionFailure, type ActionOutcome, type Executor } from './actions/action.ts';
import { newArtifact } from './artifacts.ts';
import { actionTimeoutMs, actionType, shapeOf } from './declaration.ts';
import {
  apply,
  type Effect,
  isRefusal,
  type PipelineEvent,
  type PipelineState,
  type Transition,
} from './machine.ts';
import { Notices } from './notices.ts';
import type {
  PipelineStore,
  StoredAction,
  StoredArtifact,
  StoredExecution,
  StoredPipeline,
  TriggerType,
} from './store.ts';
import { type Namespaces, resolveVariables, UnresolvedVariable } from './variables.ts';

const LONGEST_SESSION_NAME = 64;

/** Most executions of one pipeline at a time, as on AWS for QUEUED and PARALLEL. */
const MOST_EXECUTIONS = 50;

interface RunnerParts {
  readonly store: PipelineStore;
  readonly executors: Readonly<Record<string, Executor>>;
  /** The session that an AssumeRole call returned. */
  readonly principalOf: (accessKeyId: string, sessionToken: string) => Principal | undefined;
}

interface StartRequest {
  readonly trigger: { readonly type: TriggerType; readonly detail: string };
  readonly variables: Readonly<Record<string, string>>;
  readonly revisionOverrides?: Readonly<Record<string, string>>;
  readonly clientRequestToken?: string;
}

/** A running executor, and what stops it. */
interface Activity {
  readonly abort: AbortController;
  readonly timeout: Timer;
  changed: PromiseWithResolvers<void>;
}

/**
 * Runs pipelines: gives events to the state machine, keeps what it decides, and carries out its effects.
 *
 * Everything that an event changes is written in one transaction with the journal, so that after a crash the
 * actions that were under way are found InProgress and their executors are started again where they were.
 */
export class PipelineRunner {
  readonly #engine: Engine;
  readonly #store: PipelineStore;
  readonly #parts: RunnerParts;
  readonly #notices: Notices;
  readonly #activities = new Map<string, Activity>();
  readonly #running = new Set<Promise<void>>();
  #stopping = false;

  constructor(engine: Engine, parts: RunnerParts) {
    this.#engine = engine;
    this.#store = parts.store;
    this.#parts = parts;
    this.#notices = new Notices(engine);
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
          this.#launch(action.id);
        }
      }
    }
  }

  /** Ends all executors without deciding their actions: they go on when the engine starts again. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const activity of this.#activities.values()) this.#end(activity);
    await Promise.allSettled([...this.#running]);
  }

  start(pipeline: StoredPipeline, request: StartRequest): string {
    const same =
      request.clientRequestToken === undefined
        ? undefined
        : this.#store
            .history(pipeline.name)
            .find(({ clientRequestToken }) => clientRequestToken === request.clientRequestToken);
    if (same) return same.run.id;
    if (this.#store.live(pipeline.name).length >= MOST_EXECUTIONS) {
      throw new AwsFault(
        'ConcurrentPipelineExecutionsLimitExceededException',
        `The pipeline ${pipeline.name} has reached the limit of ${MOST_EXECUTIONS} concurrent executions.`,
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

  /** Records something from outside about an action (an approval, a job's result) and wakes its executor. */
  update(actionId: string, change: Partial<StoredAction>): void {
    const record = this.#store.actions.get(actionId);
    if (!record) return;
    this.#store.actions.put(actionId, { ...record, ...change, updatedAtMs: this.#engine.clock.nowMs() });
    this.wake(actionId);
  }

  wake(actionId: string): void {
    const activity = this.#activities.get(actionId);
    if (!activity) return;
    activity.changed.resolve();
    activity.changed = Promise.withResolvers();
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
    for (const effect of outcome.effects) this.#carryOut(pipeline, effect);
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

  #carryOut(pipeline: StoredPipeline, effect: Effect): void {
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
        this.#startAction(pipeline.name, execution, effect);
        return;
      case 'abandonAction': {
        const record = this.#store.actions.get(effect.actionId)!;
        const abandoned = this.#store.actions.put(record.id, {
          ...record,
          status: 'Abandoned',
          updatedAtMs: this.#engine.clock.nowMs(),
        });
        this.#notices.action(execution, abandoned, 'ABANDONED');
        const activity = this.#activities.get(effect.actionId);
        if (activity) this.#end(activity);
        return;
      }
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

  #startAction(
    pipelineName: string,
    execution: StoredExecution,
    effect: Effect & { kind: 'startAction' },
  ): void {
    const pipeline = this.#store.pipelines.get(pipelineName)!;
    const stage = pipeline.declaration.stages?.find(({ name }) => name === effect.stage);
    const declaration = stage?.actions?.find(({ name }) => name === effect.action);
    if (!declaration) throw new Error(`no action ${effect.stage}/${effect.action}`);
    const nowMs = this.#engine.clock.nowMs();
    const inputs: Record<string, StoredArtifact> = {};
    for (const { name } of declaration.inputArtifacts ?? []) {
      const artifact = execution.artifacts[name ?? ''];
      if (artifact) inputs[name ?? ''] = artifact;
    }
    const { artifactStore } = pipeline.declaration;
    const outputs: Record<string, StoredArtifact> = {};
    for (const { name } of declaration.outputArtifacts ?? []) {
      outputs[name ?? ''] = newArtifact(this.#engine, artifactStore, pipelineName, name ?? '');
    }
    const record = this.#store.actions.put(effect.actionId, {
      id: effect.actionId,
      executionId: execution.run.id,
      pipelineName,
      pipelineVersion: execution.pipelineVersion,
      stage: effect.stage,
      declaration,
      status: 'InProgress',
      startedAtMs: nowMs,
      updatedAtMs: nowMs,
      inputArtifacts: inputs,
      outputArtifacts: outputs,
      progress: {},
    });
    this.#store.pipelines.put(pipelineName, {
      ...pipeline,
      latestActions: { ...pipeline.latestActions, [`${effect.stage}/${effect.action}`]: record.id },
    });
    this.#notices.action(execution, record, 'STARTED');
    this.#launch(record.id);
  }

  #launch(actionId: string): void {
    if (this.#stopping) return;
    const record = this.#store.actions.get(actionId)!;
    const timeoutAtMs = record.startedAtMs + actionTimeoutMs(record.declaration);
    const activity: Activity = {
      abort: new AbortController(),
      timeout: this.#engine.clock.setTimer(timeoutAtMs - this.#engine.clock.nowMs(), () => {
        this.#finish(actionId, {
          status: 'Failed',
          code: 'TimedOut',
          message: `The action timed out: it did not finish within ${Math.round((timeoutAtMs - record.startedAtMs) / 60_000)} minutes.`,
        });
      }),
      changed: Promise.withResolvers(),
    };
    this.#activities.set(actionId, activity);
    const running = this.#execute(actionId, activity, timeoutAtMs).then((outcome) => {
      if (this.#stopping || this.#activities.get(actionId) !== activity) return;
      this.#finish(actionId, outcome);
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #end(activity: Activity): void {
    activity.timeout.cancel();
    activity.abort.abort();
    activity.changed.resolve();
  }

  async #execute(actionId: string, activity: Activity, timeoutAtMs: number): Promise<ActionOutcome> {
    // The event that started the action is dealt with to its end first.
    await Promise.resolve();
    const record = this.#store.actions.get(actionId);
    const execution = record && this.#store.executions.get(record.executionId);
    const pipeline = record && this.#store.pipelines.get(record.pipelineName);
    if (!record || !execution || !pipeline) {
      return { status: 'Failed', code: 'InternalError', message: 'The pipeline was deleted.' };
    }
    try {
      const configuration = resolveVariables(
        record.declaration.configuration ?? {},
        this.#namespaces(execution),
      );
      this.#store.actions.put(actionId, { ...record, resolvedConfiguration: configuration });
      const missing = (record.declaration.inputArtifacts ?? []).find(
        ({ name }) => !record.inputArtifacts[name ?? ''],
      );
      if (missing) {
        throw new ActionFailure(
          'ConfigurationError',
          `The input artifact ${missing.name} does not exist in this execution.`,
        );
      }
      const context: ActionContext = {
        engine: this.#engineUntil(activity.abort.signal),
        principal: await this.#principal(pipeline, record),
        execution,
        configuration,
        inputs: record.inputArtifacts,
        outputs: record.outputArtifacts,
        artifactBucket: pipeline.declaration.artifactStore?.location ?? '',
        signal: activity.abort.signal,
        timeoutAtMs,
        record: () => this.#store.actions.get(actionId)!,
        note: (change) => {
          const current = this.#store.actions.get(actionId);
          if (current?.status !== 'InProgress') return;
          this.#store.actions.put(actionId, {
            ...current,
            ...change,
            updatedAtMs: this.#engine.clock.nowMs(),
          });
        },
        changed: () => (activity.abort.signal.aborted ? Promise.resolve() : activity.changed.promise),
        job: (id) => this.#store.jobs.get(id),
        putJob: (job) => this.#store.jobs.put(job.id, job),
      };
      return await this.#parts.executors[actionType(record.declaration)]!(context);
    } catch (error) {
      return failureOf(error);
    }
  }

  /** The engine, whose calls fail once the signal aborts: an abandoned action must not begin anything more. */
  #engineUntil(signal: AbortSignal): Engine {
    const engine = this.#engine;
    return {
      ...engine,
      call: async (principal, service, operation, input) => {
        if (signal.aborted) throw new ActionFailure('InternalError', 'The action was interrupted.');
        return engine.call(principal, service, operation, input);
      },
    };
  }

  #namespaces(execution: StoredExecution): Namespaces {
    return {
      ...execution.outputs,
      variables: execution.variables,
      codepipeline: { PipelineExecutionId: execution.run.id },
    };
  }

  /** The pipeline's role takes on the action's role, if it has one: trust and permission are both checked. */
  async #principal(pipeline: StoredPipeline, action: StoredAction): Promise<Principal> {
    // The name of a session has two characters at least, that of a pipeline one.
    const sessionName = pipeline.name.slice(0, LONGEST_SESSION_NAME).padEnd(2, '-');
    const own = this.#engine.assumeRole(
      pipeline.declaration.roleArn ?? '',
      'codepipeline.amazonaws.com',
      sessionName,
      `arn:aws:codepipeline:${this.#engine.region}:${this.#engine.accountId}:${pipeline.name}`,
    );
    const { roleArn } = action.declaration;
    if (roleArn === undefined) return own;
    const { Credentials } = await this.#engine.call(own, 'sts', 'AssumeRole', {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
    });
    const principal =
      Credentials && this.#parts.principalOf(Credentials.AccessKeyId ?? '', Credentials.SessionToken ?? '');
    if (!principal) throw new ActionFailure('PermissionError', `The role ${roleArn} could not be assumed.`);
    return principal;
  }

  #finish(actionId: string, outcome: ActionOutcome): void {
    const activity = this.#activities.get(actionId);
    if (activity) this.#end(activity);
    this.#activities.delete(actionId);
    const record = this.#store.actions.get(actionId);
    const execution = record && this.#store.executions.get(record.executionId);
    if (!record || !execution || record.status !== 'InProgress') return;
    const failed = outcome.status === 'Failed';
    const finished: StoredAction = {
      ...record,
      status: outcome.status,
      updatedAtMs: this.#engine.clock.nowMs(),
      ...(failed ? { error: { code: outcome.code, message: outcome.message } } : succeededWith(outcome)),
    };
    this.#store.actions.put(actionId, finished);
    let told = execution;
    if (!failed) {
      const { namespace } = record.declaration;
      told = {
        ...execution,
        artifacts: { ...execution.artifacts, ...outcome.outputArtifacts },
        outputs:
          namespace === undefined
            ? execution.outputs
            : { ...execution.outputs, [namespace]: outcome.outputVariables ?? {} },
        revisions: outcome.revision
          ? [
              ...execution.revisions.filter(({ actionName }) => actionName !== outcome.revision?.actionName),
              outcome.revision,
            ]
          : execution.revisions,
      };
      this.#store.putExecution(told);
    }
    this.#notices.action(told, finished, failed ? 'FAILED' : 'SUCCEEDED');
    this.#dispatch(record.pipelineName, {
      kind: 'actionEnded',
      executionId: record.executionId,
      actionId,
      status: outcome.status,
    });
  }
}

function succeededWith(outcome: ActionOutcome & { status: 'Succeeded' }): Partial<StoredAction> {
  return {
    ...(outcome.summary === undefined ? {} : { summary: outcome.summary }),
    ...(outcome.outputVariables === undefined ? {} : { outputVariables: outcome.outputVariables }),
    ...(outcome.outputArtifacts === undefined ? {} : { outputArtifacts: outcome.outputArtifacts }),
    ...(outcome.revision === undefined
      ? {}
      : {
          revision: {
            id: outcome.revision.revisionId,
            atMs: outcome.revision.createdAtMs,
            url: outcome.revision.url,
          },
        }),
  };
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

function failureOf(error: unknown): ActionOutcome {
  if (error instanceof ActionFailure) return { status: 'Failed', code: error.code, message: error.message };
  if (error instanceof UnresolvedVariable) {
    return { status: 'Failed', code: 'ConfigurationError', message: error.message };
  }
  if (error instanceof AwsFault) {
    return /^(AccessDenied|Unauthorized|AuthorizationError)/.test(error.code)
      ? {
          status: 'Failed',
          code: 'PermissionError',
          message: `The provided role does not have sufficient permissions: ${error.message}`,
        }
      : { status: 'Failed', code: 'ConfigurationError', message: `${error.code}: ${error.message}` };
  }
  return { status: 'Failed', code: 'InternalError', message: (error as Error).message };
}
