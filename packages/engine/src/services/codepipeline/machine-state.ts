/** A pipeline's state as the machine knows it, the events that change it, and their effects. */

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
export type RetryMode = 'FAILED_ACTIONS' | 'ALL_ACTIONS';

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
export interface ActionRun {
  readonly id: string;
  readonly name: string;
  readonly status: ActionStatus;
}

/** One execution's passage through one stage. */
export interface StageRun {
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
export interface ClosedTransitions {
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

export function isRefusal(outcome: Transition | Refusal): outcome is Refusal {
  return 'code' in outcome;
}
