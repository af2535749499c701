import type { Track } from '../contract.ts';
import type { Measurement } from '../measurement/measurement.ts';
import type { ReleaseRecord, RollbackRequest } from './record.ts';
import type { SeenStackUpdate } from './stack-update.ts';

/** What was read, or why it could not be: a failed look is never mistaken for an empty world. */
export type Reading<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly problem: string };

/** A reading that succeeded. */
export function known<T>(value: T): Reading<T> {
  return { known: true, value };
}

/** A reading that failed, with the cause and what to do about it. */
export function unknown(problem: string): { readonly known: false; readonly problem: string } {
  return { known: false, problem };
}

export type ExecutionStatus =
  | 'InProgress'
  | 'Stopping'
  | 'Stopped'
  | 'Succeeded'
  | 'Superseded'
  | 'Failed'
  | 'Cancelled';

/** One run of the pipeline. Instants here and below are epoch milliseconds. */
export interface Execution {
  readonly id: string;
  readonly status: ExecutionStatus;
  readonly startedAt: number;
  readonly updatedAt: number;
  /** The commit that the Source action took; unknown until it has run. */
  readonly commit?: string;
  readonly commitMessage?: string;
  /** What its release request names, where the pipeline builds nothing; unknown until the Source action has run. */
  readonly image?: string;
  /** Why it was stopped, where somebody said so. */
  readonly stopReason?: string;
}

export type ActionStatus = 'InProgress' | 'Succeeded' | 'Failed' | 'Abandoned';

/** One run of one action within one execution; a retried stage yields several for the same action. */
export interface ActionRun {
  readonly executionId: string;
  readonly stage: string;
  readonly action: string;
  readonly status: ActionStatus;
  readonly startedAt: number;
  readonly updatedAt: number;
  /** What the action said about itself: an approver's comment, the cause of a failure. */
  readonly summary?: string;
  /** Its output variables, by name: of a build, what its buildspec exports. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** One stage as it is now. CodePipeline shows only the latest execution of each. */
export interface StageState {
  readonly name: string;
  readonly latestExecutionId?: string;
  readonly latestStatus?: string;
  /** Executions that wait in front of the stage. */
  readonly inboundExecutionIds: readonly string[];
  /** False when the transition into the stage is disabled. */
  readonly transitionEnabled: boolean;
  readonly transitionDisabledReason?: string;
}

/** A manual approval that somebody may answer. The token is a credential: never log it. */
export interface PendingApproval {
  readonly executionId: string;
  readonly stage: string;
  readonly action: string;
  readonly token: string;
  readonly since?: number;
}

export interface PipelineState {
  readonly name: string;
  readonly stages: readonly StageState[];
  readonly executions: readonly Execution[];
  readonly actions: readonly ActionRun[];
  readonly approval?: PendingApproval;
}

export type RolloutState = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

/** One ECS deployment of a service. */
export interface ServiceDeployment {
  readonly id: string;
  readonly taskDefinitionArn: string;
  readonly rolloutState: RolloutState;
  readonly rolloutReason?: string;
  readonly createdAt?: number;
  readonly running: number;
  readonly pending: number;
}

/** One of the two services: what it is told to run and what it does run. */
export interface ServiceState {
  readonly track: Track;
  readonly name: string;
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  /** The deployment that ECS moves the service to, finished or not. */
  readonly primary: ServiceDeployment;
  /** Older deployments that still own tasks. */
  readonly others: readonly ServiceDeployment[];
  /** The worker container's image in the primary deployment's task definition. */
  readonly imageUri: string;
  /** `sha256:...`; absent when the image is named by tag, which identifies nothing. */
  readonly imageDigest?: string;
}

export type AlarmValue = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

export interface AlarmState {
  readonly name: string;
  readonly value: AlarmValue;
  /** When it last went from one state to another; evaluations that change nothing do not count. */
  readonly transitionedAt: number;
  readonly reason?: string;
  /** Whether it ends a release during which it goes off; else it is a reason to look. */
  readonly endsRelease?: boolean;
}

/** What the dead-letter queue holds, by SQS's counts, which are approximate and up to a minute late. */
export interface DeadLetterDepth {
  readonly visible: number;
  /** In the hands of whoever looks at them, or delayed. */
  readonly hidden: number;
}

/** The record together with the parameter version it was read at, for the conditional write. */
export interface RecordReading {
  readonly record: ReleaseRecord;
  readonly version: number;
  /** The last rollback that a person asked for, of whatever release. */
  readonly rollbackRequest?: RollbackRequest;
}

/** A CodePipeline job that this wake has to answer. */
export interface Job {
  readonly id: string;
  /** The execution that the action's user parameters name, where they do. */
  readonly executionId?: string;
  /** The action that waits for the answer, where its user parameters name it. */
  readonly action?: string;
}

/** Everything that a decision depends on, read afresh at every wake. */
export interface Observed {
  readonly pipeline: Reading<PipelineState>;
  readonly canary: Reading<ServiceState>;
  readonly stable: Reading<ServiceState>;
  readonly alarms: Reading<readonly AlarmState[]>;
  /** `undefined` where the queue has no dead-letter queue. */
  readonly deadLetters: Reading<DeadLetterDepth | undefined>;
  readonly record: Reading<RecordReading>;
  /** What both tracks did since the release's canary deployment began; undefined without one. */
  readonly outcomes: Reading<Measurement | undefined>;
  /** The image that new task definitions of the template use. */
  readonly image: Reading<string>;
  /** Address of the application's own image repository, without a tag: others' images are not released. */
  readonly imageRepository: string;
  /**
   * The stack update that has asked for the canary; `undefined` while there is none.
   *
   * @default - stack updates do not ask
   */
  readonly stackUpdate?: Reading<SeenStackUpdate | undefined>;
  readonly job?: Job;
}
