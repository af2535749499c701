/**
 * How executions move through a pipeline's stages: pure, so that every rule is a table or a property test.
 *
 * `apply(state, event)` returns the executions that changed and the effects to carry out; it starts nothing
 * itself, knows no time, and never changes what it was given.
 */

export type ExecutionMode = 'SUPERSEDED' | 'QUEUED' | 'PARALLEL';
export type ExecutionStatus =
  | 'InProgress'
  | 'Stopping'
  | 'Stopped'
  | 'Succeeded'
  | 'Failed'
  | 'Superseded'
  | 'Cancelled';
type StageStatus = 'InProgress' | 'Stopping' | 'Stopped' | 'Succeeded' | 'Failed' | 'Cancelled';
export type ActionStatus = 'InProgress' | 'Succeeded' | 'Failed' | 'Abandoned';
type RetryMode = 'FAILED_ACTIONS' | 'ALL_ACTIONS';

/** What the machine needs to know of a pipeline's declaration. */
export interface PipelineShape {
  readonly mode: ExecutionMode;
  readonly stages: readonly StageShape[];
}

export interface StageShape {
  readonly name: string;
  readonly actions: ReadonlyArray<{ readonly name: string; readonly runOrder: number }>;
  readonly onFailure?:
    | { readonly result: 'ROLLBACK' }
    | { readonly result: 'RETRY'; readonly mode: RetryMode };
}

/** The latest run of an action in a stage. */
interface ActionRun {
  readonly id: string;
  readonly name: string;
  readonly status: ActionStatus;
}

/** One execution's passage through one stage. */
interface StageRun {
  readonly status: StageStatus;
  readonly actions: readonly ActionRun[];
  /** Retries so far: by a person, and by `onFailure`. */
  readonly manualRetries: number;
  readonly automaticRetries: number;
}

export interface Execution {
  readonly id: string;
  /** Position in the order in which executions started. */
  readonly order: number;
  readonly status: ExecutionStatus;
  readonly type: 'STANDARD' | 'ROLLBACK';
  /** Stages entered so far. */
  readonly stages: Readonly<Record<string, StageRun>>;
  /** Stage that it waits to enter. Absent while it is in a stage and after it ended. */
  readonly waitingFor?: string;
  /** Stage that it is in. Absent while it waits and after it ended. */
  readonly inStage?: string;
  /** Set once a stop was requested. */
  readonly stop?: { readonly abandon: boolean };
}

/** Why nothing may enter a stage (`inbound`) or leave it (`outbound`). */
interface ClosedTransitions {
  readonly inbound: ReadonlySet<string>;
  readonly outbound: ReadonlySet<string>;
}

export interface PipelineState {
  readonly shape: PipelineShape;
  readonly closed: ClosedTransitions;
  /** Executions that go on, and those that were the last in some stage. */
  readonly executions: readonly Execution[];
  /** The execution that entered each stage last. */
  readonly latest: Readonly<Record<string, string>>;
}

export type PipelineEvent =
  | { readonly kind: 'start'; readonly id: string; readonly order: number }
  | {
      readonly kind: 'actionEnded';
      readonly executionId: string;
      readonly actionId: string;
      readonly status: 'Succeeded' | 'Failed';
    }
  | { readonly kind: 'stop'; readonly executionId: string; readonly abandon: boolean }
  | {
      readonly kind: 'retry';
      readonly executionId: string;
      readonly stage: string;
      readonly mode: RetryMode;
    }
  | { readonly kind: 'rollback'; readonly id: string; readonly order: number; readonly stage: string }
  | { readonly kind: 'transitionsChanged' }
  | { readonly kind: 'structureChanged' };

/** What happened to an execution, stage or action, in the words of CodePipeline's events. */
export type Moment =
  | 'STARTED'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'RESUMED'
  | 'STOPPING'
  | 'STOPPED'
  | 'SUPERSEDED'
  | 'CANCELED'
  | 'ABANDONED';

export type Effect =
  | { readonly kind: 'execution'; readonly executionId: string; readonly moment: Moment }
  | { readonly kind: 'stage'; readonly executionId: string; readonly stage: string; readonly moment: Moment }
  | {
      readonly kind: 'startAction';
      readonly executionId: string;
      readonly stage: string;
      readonly action: string;
      readonly actionId: string;
    }
  | {
      readonly kind: 'abandonAction';
      readonly executionId: string;
      readonly stage: string;
      readonly action: string;
      readonly actionId: string;
    }
  /** `onFailure: ROLLBACK`: roll this stage back to the last execution that succeeded in it, if there is one. */
  | { readonly kind: 'rollBackStage'; readonly executionId: string; readonly stage: string };

/** Why an event cannot be taken; `code` is CodePipeline's error. */
export interface Refusal {
  readonly code:
    | 'PipelineExecutionNotFoundException'
    | 'PipelineExecutionNotStoppableException'
    | 'DuplicatedStopRequestException'
    | 'NotLatestPipelineExecutionException'
    | 'StageNotRetryableException'
    | 'StageNotFoundException'
    | 'UnableToRollbackStageException'
    | 'ConflictException';
  readonly message: string;
}

export interface Transition {
  readonly changed: readonly Execution[];
  readonly latest: Readonly<Record<string, string>>;
  readonly effects: readonly Effect[];
}

export const ENDED: ReadonlySet<ExecutionStatus> = new Set([
  'Stopped',
  'Succeeded',
  'Failed',
  'Superseded',
  'Cancelled',
]);

/** Takes one event. `newActionId` names the action runs that it starts. */
export function apply(
  state: PipelineState,
  event: PipelineEvent,
  newActionId: () => string,
): Transition | Refusal {
  const draft = new Draft(state, newActionId);
  const refusal = take(draft, event);
  if (refusal) return refusal;
  draft.admit();
  return draft.result();
}

export function isRefusal(outcome: Transition | Refusal): outcome is Refusal {
  return 'code' in outcome;
}

function take(draft: Draft, event: PipelineEvent): Refusal | undefined {
  switch (event.kind) {
    case 'start': {
      const first = draft.shape.stages[0]!.name;
      draft.put({
        id: event.id,
        order: event.order,
        status: 'InProgress',
        type: 'STANDARD',
        stages: {},
        waitingFor: first,
      });
      draft.tell({ kind: 'execution', executionId: event.id, moment: 'STARTED' });
      return undefined;
    }
    case 'actionEnded':
      actionEnded(draft, event);
      return undefined;
    case 'stop':
      return stop(draft, event);
    case 'retry':
      return retry(draft, event);
    case 'rollback':
      return rollback(draft, event);
    case 'structureChanged':
      for (const execution of draft.all()) if (!ENDED.has(execution.status)) cancel(draft, execution);
      return undefined;
    case 'transitionsChanged':
      return undefined;
  }
}

/**
 * The result of an action run. One that is no longer the current run of its action (abandoned, cancelled,
 * retried) changes nothing. The stage is decided when every action that runs beside it has ended.
 */
function actionEnded(draft: Draft, event: PipelineEvent & { kind: 'actionEnded' }): void {
  const execution = draft.find(event.executionId);
  const stage = execution?.inStage;
  const run = stage === undefined ? undefined : execution?.stages[stage];
  if (!execution || stage === undefined || !run) return;
  const current = run.actions.find(({ id }) => id === event.actionId);
  if (current?.status !== 'InProgress') return;
  const actions = run.actions.map((action) =>
    action.id === event.actionId ? { ...action, status: event.status } : action,
  );
  draft.put(withStage(execution, stage, { ...run, actions }));
  if (actions.some(({ status }) => status === 'InProgress')) return;
  if (run.status === 'Stopping') endStage(draft, execution.id, stage, 'Stopped', 'Stopped');
  else if (actions.some(({ status }) => status === 'Failed')) stageFailed(draft, execution.id, stage);
  else goOn(draft, execution.id, stage);
}

function stageFailed(draft: Draft, executionId: string, stage: string): void {
  const execution = draft.find(executionId)!;
  const run = execution.stages[stage]!;
  const onFailure = draft.stage(stage).onFailure;
  if (onFailure?.result === 'RETRY' && run.automaticRetries === 0) {
    draft.tell({ kind: 'stage', executionId, stage, moment: 'FAILED' });
    draft.put(withStage(execution, stage, { ...run, automaticRetries: 1 }));
    resume(draft, executionId, stage, onFailure.mode);
    return;
  }
  endStage(draft, executionId, stage, 'Failed', 'Failed');
  if (onFailure?.result === 'ROLLBACK') draft.tell({ kind: 'rollBackStage', executionId, stage });
}

/** Starts the next group of the stage (same run order), or leaves the stage when there is none. */
function goOn(draft: Draft, executionId: string, stage: string): void {
  const execution = draft.find(executionId)!;
  const run = execution.stages[stage]!;
  const succeeded = new Set(
    run.actions.filter(({ status }) => status === 'Succeeded').map(({ name }) => name),
  );
  const left = draft.stage(stage).actions.filter(({ name }) => !succeeded.has(name));
  if (left.length === 0) {
    draft.put(withoutStage(withStage(execution, stage, { ...run, status: 'Succeeded' })));
    draft.tell({ kind: 'stage', executionId, stage, moment: 'SUCCEEDED' });
    const next = execution.type === 'ROLLBACK' ? undefined : draft.stageAfter(stage);
    if (next === undefined) draft.end(executionId, 'Succeeded');
    else draft.put({ ...draft.find(executionId)!, waitingFor: next });
    return;
  }
  const order = Math.min(...left.map(({ runOrder }) => runOrder));
  const starting = left
    .filter(({ runOrder }) => runOrder === order)
    .map(({ name }): ActionRun => ({ id: draft.newActionId(), name, status: 'InProgress' }));
  const names = new Set(starting.map(({ name }) => name));
  const actions = [...run.actions.filter(({ name }) => !names.has(name)), ...starting];
  draft.put(withStage(execution, stage, { ...run, actions }));
  for (const { id, name } of starting) {
    draft.tell({ kind: 'startAction', executionId, stage, action: name, actionId: id });
  }
}

function endStage(
  draft: Draft,
  executionId: string,
  stage: string,
  stageStatus: 'Failed' | 'Stopped' | 'Cancelled',
  executionStatus: 'Failed' | 'Stopped' | 'Cancelled',
): void {
  const execution = draft.find(executionId)!;
  const run = execution.stages[stage]!;
  draft.put(withoutStage(withStage(execution, stage, { ...run, status: stageStatus })));
  draft.tell({ kind: 'stage', executionId, stage, moment: MOMENTS[stageStatus] });
  draft.end(executionId, executionStatus);
}

const MOMENTS = {
  Failed: 'FAILED',
  Stopped: 'STOPPED',
  Cancelled: 'CANCELED',
  Succeeded: 'SUCCEEDED',
  Superseded: 'SUPERSEDED',
} as const;

function stop(draft: Draft, event: PipelineEvent & { kind: 'stop' }): Refusal | undefined {
  const execution = draft.find(event.executionId);
  if (!execution)
    return {
      code: 'PipelineExecutionNotFoundException',
      message: `execution ${event.executionId} was not found`,
    };
  if (ENDED.has(execution.status)) {
    return {
      code: 'PipelineExecutionNotStoppableException',
      message: `The pipeline execution ${execution.id} cannot be stopped: its status is ${execution.status}.`,
    };
  }
  if (execution.stop && (execution.stop.abandon || !event.abandon)) {
    return {
      code: 'DuplicatedStopRequestException',
      message: `The pipeline execution ${execution.id} is already in a Stopping state.`,
    };
  }
  const again = execution.stop !== undefined;
  draft.put({ ...execution, status: 'Stopping', stop: { abandon: event.abandon } });
  if (!again) draft.tell({ kind: 'execution', executionId: execution.id, moment: 'STOPPING' });
  const stage = execution.inStage;
  if (stage === undefined) {
    draft.end(execution.id, 'Stopped');
    return undefined;
  }
  const stopping = draft.find(execution.id)!;
  draft.put(withStage(stopping, stage, { ...stopping.stages[stage]!, status: 'Stopping' }));
  if (!again) draft.tell({ kind: 'stage', executionId: execution.id, stage, moment: 'STOPPING' });
  if (event.abandon) {
    abandonActions(draft, execution.id, stage);
    endStage(draft, execution.id, stage, 'Stopped', 'Stopped');
  }
  return undefined;
}

/** Marks what still runs as abandoned: CodePipeline forgets it, and what it started elsewhere goes on. */
function abandonActions(draft: Draft, executionId: string, stage: string): void {
  const execution = draft.find(executionId)!;
  const run = execution.stages[stage]!;
  const actions = run.actions.map((action) => {
    if (action.status !== 'InProgress') return action;
    draft.tell({ kind: 'abandonAction', executionId, stage, action: action.name, actionId: action.id });
    return { ...action, status: 'Abandoned' as const };
  });
  draft.put(withStage(execution, stage, { ...run, actions }));
}

function cancel(draft: Draft, execution: Execution): void {
  const stage = execution.inStage;
  if (stage === undefined) {
    draft.end(execution.id, 'Cancelled');
    return;
  }
  abandonActions(draft, execution.id, stage);
  endStage(draft, execution.id, stage, 'Cancelled', 'Cancelled');
}

function retry(draft: Draft, event: PipelineEvent & { kind: 'retry' }): Refusal | undefined {
  if (!draft.shape.stages.some(({ name }) => name === event.stage)) {
    return { code: 'StageNotFoundException', message: `The pipeline has no stage ${event.stage}.` };
  }
  const execution = draft.find(event.executionId);
  if (draft.shape.mode !== 'PARALLEL' && draft.latest(event.stage) !== event.executionId) {
    return {
      code: 'NotLatestPipelineExecutionException',
      message: `The pipeline execution ${event.executionId} is not the latest one in stage ${event.stage}.`,
    };
  }
  const run = execution?.stages[event.stage];
  const retryable =
    execution &&
    run &&
    ENDED.has(execution.status) &&
    (run.status === 'Failed' || run.status === 'Stopped') &&
    !draft
      .stage(event.stage)
      .actions.every(
        ({ name }) => run.actions.find((action) => action.name === name)?.status === 'Succeeded',
      );
  if (!retryable) {
    return {
      code: 'StageNotRetryableException',
      message: `Stage ${event.stage} of execution ${event.executionId} cannot be retried: it has not failed or stopped with actions left to run.`,
    };
  }
  const { stop: _stop, ...rest } = execution;
  draft.put(
    withStage({ ...rest, status: 'InProgress' }, event.stage, {
      ...run,
      manualRetries: run.manualRetries + 1,
    }),
  );
  draft.tell({ kind: 'execution', executionId: execution.id, moment: 'RESUMED' });
  resume(draft, execution.id, event.stage, event.mode);
  return undefined;
}

function resume(draft: Draft, executionId: string, stage: string, mode: RetryMode): void {
  const execution = draft.find(executionId)!;
  const run = execution.stages[stage]!;
  draft.put({
    ...withStage(execution, stage, {
      ...run,
      status: 'InProgress',
      actions: mode === 'ALL_ACTIONS' ? [] : run.actions.filter(({ status }) => status === 'Succeeded'),
    }),
    inStage: stage,
  });
  draft.tell({ kind: 'stage', executionId, stage, moment: 'RESUMED' });
  goOn(draft, executionId, stage);
}

/** A new execution that runs one stage again with an older execution's revisions, and then ends. */
function rollback(draft: Draft, event: PipelineEvent & { kind: 'rollback' }): Refusal | undefined {
  const { mode, stages } = draft.shape;
  const index = stages.findIndex(({ name }) => name === event.stage);
  if (index < 0)
    return { code: 'StageNotFoundException', message: `The pipeline has no stage ${event.stage}.` };
  if (index === 0) {
    return { code: 'UnableToRollbackStageException', message: 'A source stage cannot be rolled back.' };
  }
  if (mode === 'PARALLEL') {
    return {
      code: 'UnableToRollbackStageException',
      message: 'Stages of a pipeline in PARALLEL mode cannot be rolled back.',
    };
  }
  if (draft.occupied(event.stage)) {
    return {
      code: 'ConflictException',
      message: `Stage ${event.stage} is busy with an execution: stop it or wait for it, then roll back.`,
    };
  }
  draft.put({
    id: event.id,
    order: event.order,
    status: 'InProgress',
    type: 'ROLLBACK',
    stages: {},
  });
  draft.tell({ kind: 'execution', executionId: event.id, moment: 'STARTED' });
  draft.enter(event.id, event.stage);
  return undefined;
}

function withStage(execution: Execution, stage: string, run: StageRun): Execution {
  return { ...execution, stages: { ...execution.stages, [stage]: run } };
}

function withoutStage({ inStage: _inStage, ...execution }: Execution): Execution {
  return execution;
}

/** Collects what one event changes. */
class Draft {
  readonly shape: PipelineShape;
  readonly newActionId: () => string;
  readonly #closed: ClosedTransitions;
  readonly #executions: Map<string, Execution>;
  readonly #changed = new Set<string>();
  readonly #effects: Effect[] = [];
  #latest: Readonly<Record<string, string>>;

  constructor(state: PipelineState, newActionId: () => string) {
    this.shape = state.shape;
    this.newActionId = newActionId;
    this.#closed = state.closed;
    this.#executions = new Map(state.executions.map((execution) => [execution.id, execution]));
    this.#latest = state.latest;
  }

  find(id: string): Execution | undefined {
    return this.#executions.get(id);
  }

  all(): Execution[] {
    return [...this.#executions.values()].sort((a, b) => a.order - b.order);
  }

  put(execution: Execution): void {
    this.#executions.set(execution.id, execution);
    this.#changed.add(execution.id);
  }

  tell(effect: Effect): void {
    this.#effects.push(effect);
  }

  latest(stage: string): string | undefined {
    return this.#latest[stage];
  }

  stage(name: string): StageShape {
    return this.shape.stages.find((stage) => stage.name === name)!;
  }

  stageAfter(name: string): string | undefined {
    return this.shape.stages[this.shape.stages.findIndex((stage) => stage.name === name) + 1]?.name;
  }

  occupied(stage: string): boolean {
    return this.all().some((execution) => execution.inStage === stage);
  }

  end(id: string, status: 'Succeeded' | 'Failed' | 'Stopped' | 'Superseded' | 'Cancelled'): void {
    const { waitingFor: _waitingFor, inStage: _inStage, ...execution } = this.find(id)!;
    this.put({ ...execution, status });
    this.tell({ kind: 'execution', executionId: id, moment: MOMENTS[status] });
  }

  enter(id: string, stage: string): void {
    const { waitingFor: _waitingFor, ...execution } = this.find(id)!;
    this.put({
      ...withStage(execution, stage, {
        status: 'InProgress',
        actions: [],
        manualRetries: 0,
        automaticRetries: 0,
      }),
      inStage: stage,
    });
    this.#latest = { ...this.#latest, [stage]: id };
    this.tell({ kind: 'stage', executionId: id, stage, moment: 'STARTED' });
    goOn(this, id, stage);
  }

  /**
   * Lets waiting executions into stages that are free, last stage first, so that each one that moves on makes
   * room behind it. In SUPERSEDED mode only the newest of those that wait for a stage is kept.
   */
  admit(): void {
    const { mode, stages } = this.shape;
    for (let index = stages.length - 1; index >= 0; index--) {
      const stage = stages[index]!.name;
      const waiting = this.all().filter((execution) => execution.waitingFor === stage);
      const open =
        !this.#closed.inbound.has(stage) &&
        !(index > 0 && this.#closed.outbound.has(stages[index - 1]!.name));
      if (mode === 'PARALLEL') {
        if (open) for (const execution of waiting) this.enter(execution.id, stage);
        continue;
      }
      const newest = waiting.at(-1);
      const next = mode === 'SUPERSEDED' ? newest : waiting[0];
      if (!next) continue;
      if (mode === 'SUPERSEDED') {
        for (const execution of waiting) if (execution !== newest) this.end(execution.id, 'Superseded');
      }
      if (open && !this.occupied(stage)) this.enter(next.id, stage);
    }
  }

  result(): Transition {
    return {
      changed: [...this.#changed].map((id) => this.#executions.get(id)!),
      latest: this.#latest,
      effects: this.#effects,
    };
  }
}
