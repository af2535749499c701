/**
 * How executions move through a pipeline's stages: pure, so that every rule is a table or a property test.
 *
 * `apply(state, event)` returns the executions that changed and the effects to carry out; it starts nothing
 * itself, knows no time, and never changes what it was given.
 */

import { Draft, MOMENTS, withoutStage, withStage } from './machine-draft.ts';
import {
  type ActionRun,
  ENDED,
  type Execution,
  type PipelineEvent,
  type PipelineState,
  type Refusal,
  type RetryMode,
  type Transition,
} from './machine-state.ts';

/** Takes one event. `newActionId` names the action runs that it starts. */
export function apply(
  state: PipelineState,
  event: PipelineEvent,
  newActionId: () => string,
): Transition | Refusal {
  const draft = new Draft(state, newActionId);
  const refusal = take(draft, event);
  if (refusal) return refusal;
  admit(draft);
  return draft.result();
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
 * retried) changes nothing. The stage is decided when every action that runs alongside it has ended.
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
  enter(draft, event.id, event.stage);
  return undefined;
}

/**
 * Lets waiting executions into stages that are free, last stage first, so that each one that moves on makes
 * room behind it. In SUPERSEDED mode only the newest of those that wait for a stage is kept.
 */
function admit(draft: Draft): void {
  const { mode, stages } = draft.shape;
  for (let index = stages.length - 1; index >= 0; index--) {
    const stage = stages[index]!.name;
    const waiting = draft.all().filter((execution) => execution.waitingFor === stage);
    const open = draft.open(index);
    if (mode === 'PARALLEL') {
      if (open) for (const execution of waiting) enter(draft, execution.id, stage);
      continue;
    }
    const newest = waiting.at(-1);
    const next = mode === 'SUPERSEDED' ? newest : waiting[0];
    if (!next) continue;
    if (mode === 'SUPERSEDED') {
      for (const execution of waiting) if (execution !== newest) draft.end(execution.id, 'Superseded');
    }
    if (open && !draft.occupied(stage)) enter(draft, next.id, stage);
  }
}

function enter(draft: Draft, executionId: string, stage: string): void {
  draft.enter(executionId, stage);
  goOn(draft, executionId, stage);
}
