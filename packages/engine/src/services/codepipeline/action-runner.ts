import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { type ActionContext, ActionFailure, type ActionOutcome, type Executor } from './actions/action.ts';
import { newArtifact } from './artifacts.ts';
import { actionTimeoutMs, actionType } from './declaration.ts';
import type { Effect } from './machine-state.ts';
import type { Notices } from './notices.ts';
import type {
  PipelineStore,
  StoredAction,
  StoredArtifact,
  StoredExecution,
  StoredPipeline,
} from './store.ts';
import { type Namespaces, resolveVariables, UnresolvedVariable } from './variables.ts';

const SESSION_NAME_LENGTH_MAX = 64;

export interface ActionRunnerParts {
  readonly store: PipelineStore;
  readonly executors: Readonly<Record<string, Executor>>;
  /** The session that an AssumeRole call returned. */
  readonly principalOf: (accessKeyId: string, sessionToken: string) => Principal | undefined;
  readonly notices: Notices;
  /** Hears of every action that ended, once its record says so. */
  readonly ended: (action: StoredAction, status: ActionOutcome['status']) => void;
}

/** A running executor, and what stops it. */
interface Activity {
  readonly abort: AbortController;
  readonly timeout: Timer;
  changed: PromiseWithResolvers<void>;
}

/** Runs actions: each has an executor, which works with the action's role until it ends, times out or is abandoned. */
export class ActionRunner {
  readonly #engine: Engine;
  readonly #store: PipelineStore;
  readonly #notices: Notices;
  readonly #parts: ActionRunnerParts;
  readonly #activities = new Map<string, Activity>();
  readonly #running = new Set<Promise<void>>();
  #stopping = false;

  constructor(engine: Engine, parts: ActionRunnerParts) {
    this.#engine = engine;
    this.#store = parts.store;
    this.#notices = parts.notices;
    this.#parts = parts;
  }

  /** Records the run of an action, and begins it. */
  start(execution: StoredExecution, effect: Effect & { kind: 'startAction' }): void {
    const { pipelineName } = execution;
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
    this.launch(record.id);
  }

  /** Starts the executor of an action, or starts it again after a restart. */
  launch(actionId: string): void {
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

  /** Forgets an action that is under way: its executor is interrupted, and its outcome counts no more. */
  abandon(execution: StoredExecution, actionId: string): void {
    const record = this.#store.actions.get(actionId)!;
    const abandoned = this.#store.actions.put(record.id, {
      ...record,
      status: 'Abandoned',
      updatedAtMs: this.#engine.clock.nowMs(),
    });
    this.#notices.action(execution, abandoned, 'ABANDONED');
    const activity = this.#activities.get(actionId);
    if (activity) this.#end(activity);
  }

  /** Records something from outside about an action (an approval, a job's result) and wakes its executor. */
  update(actionId: string, change: Partial<StoredAction>): void {
    const record = this.#store.actions.get(actionId);
    if (!record) return;
    this.#store.actions.put(actionId, { ...record, ...change, updatedAtMs: this.#engine.clock.nowMs() });
    this.#wake(actionId);
  }

  #wake(actionId: string): void {
    const activity = this.#activities.get(actionId);
    if (!activity) return;
    activity.changed.resolve();
    activity.changed = Promise.withResolvers();
  }

  /** Ends all executors without deciding their actions: they go on when the engine starts again. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const activity of this.#activities.values()) this.#end(activity);
    await Promise.allSettled([...this.#running]);
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
    const sessionName = pipeline.name.slice(0, SESSION_NAME_LENGTH_MAX).padEnd(2, '-');
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
    this.#parts.ended(finished, outcome.status);
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
