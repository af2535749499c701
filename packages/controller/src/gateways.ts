import type {
  AlarmState,
  DeadLetterDepth,
  Effect,
  Line,
  Measurement,
  PipelineState,
  RecordReading,
  ReleaseRecord,
  RollbackRequest,
  ServiceState,
  StackUpdate,
  TaskLife,
  Track,
  Unread,
} from '@queue-canary/core';

/**
 * What a change came to: `done`; `alreadyDone`, when the world was so already; or `conflict`, when it has
 * changed since it was observed, so that somebody else did something and one has to look again.
 */
export interface Outcome {
  readonly kind: 'done' | 'alreadyDone' | 'conflict';
  readonly detail?: string;
}

export const done: Outcome = { kind: 'done' };

/** The pipeline: what it shows, and every way to steer it. */
export interface PipelineGateway {
  read(): Promise<PipelineState>;
  approve(approval: {
    readonly stage: string;
    readonly action: string;
    readonly token: string;
    readonly reason: string;
  }): Promise<Outcome>;
  /** Stops at once, abandoning the running actions. */
  stop(executionId: string, reason: string): Promise<Outcome>;
  closeStage(stage: string, reason: string): Promise<Outcome>;
  openStage(stage: string): Promise<Outcome>;
  completeJob(jobId: string, outputs?: Readonly<Record<string, string>>): Promise<Outcome>;
  continueJob(jobId: string): Promise<Outcome>;
  failJob(jobId: string, reason: string): Promise<Outcome>;
}

export interface ServiceGateway {
  read(track: Track): Promise<ServiceState>;
  /** The tasks of a track that run, and those that stopped within the hour or so for which ECS remembers them. */
  tasks(track: Track): Promise<readonly TaskLife[]>;
  /** Where the tasks of a task definition log. */
  log(taskDefinitionArn: string): Promise<TaskLog>;
  /** Deploys the image with the configuration that the service has. */
  restore(restore: Restore): Promise<Outcome>;
  /** Whether two task definitions differ at most in the image of the worker; one that does not exist is like no other. */
  sameConfiguration(taskDefinitionArn: string, otherArn: string): Promise<boolean>;
  /** Brings a service that has no task to its size; stable's may change from then on. */
  start(track: Track): Promise<Outcome>;
}

/** What a service is to return to; see the effect `restoreService`. */
export type Restore = Pick<
  Extract<Effect, { kind: 'restoreService' }>,
  'track' | 'imageUri' | 'taskDefinitionArn' | 'observedTaskDefinitionArn' | 'forceNew'
>;

export interface AlarmGateway {
  read(): Promise<readonly AlarmState[]>;
}

export interface DeadLetterGateway {
  depth(): Promise<DeadLetterDepth | undefined>;
}

/** Where worker containers log: a stream for each task. */
export interface TaskLog {
  readonly group: string;
  /** A stream's name up to the task's id. */
  readonly streamPrefix: string;
}

export interface OutcomeGateway {
  /** What the workers of both tracks reported from `fromMs` on, and stable's also in its past and first minutes. */
  read(wanted: {
    readonly fromMs: number;
    readonly nowMs: number;
    readonly logs: Readonly<Record<Track, TaskLog>>;
    /** What to leave out. */
    readonly unread?: Unread;
    /** The only tasks of stable to read; all are without it. */
    readonly stableTasks?: readonly string[];
    /** When stable's deployment began: what stable failed in the day before is read as well. */
    readonly promotedAt?: number;
  }): Promise<Outcomes>;
}

/** Of a measurement what the log has: the lines by track, and what it says of them. */
export type Outcomes = Readonly<Record<Track, readonly Line[]>> &
  Pick<Measurement, 'starts' | 'before' | 'unreadableMs' | 'problems'>;

export interface RecordGateway {
  read(): Promise<RecordReading>;
  /** Writes only if the parameter is still at `ifVersion`. */
  write(next: ReleaseRecord, ifVersion: number): Promise<Outcome>;
  /** Writes down that a person wants a release to be rolled back; in place of an earlier request, whatever becomes of the record. */
  requestRollback(request: RollbackRequest): Promise<Outcome>;
  readImage(): Promise<string>;
  writeImage(imageUri: string): Promise<Outcome>;
}

export interface NotificationGateway {
  publish(subject: string, message: string): Promise<Outcome>;
}

export interface StackUpdateGateway {
  /** The stack update that has asked for the canary. */
  read(): Promise<StackUpdate | undefined>;
  /** Answers CloudFormation, and remembers `next` of the update. */
  answer(
    update: StackUpdate,
    answer: { readonly success: boolean; readonly reason: string; readonly next?: StackUpdate },
  ): Promise<Outcome>;
  forget(update: StackUpdate): Promise<Outcome>;
}

/** Everything outside that the controller sees and touches. */
export interface Gateways {
  /** Address of the application's own image repository, without a tag. */
  readonly imageRepository: string;
  readonly pipeline: PipelineGateway;
  readonly services: ServiceGateway;
  readonly alarms: AlarmGateway;
  readonly deadLetters: DeadLetterGateway;
  readonly outcomes: OutcomeGateway;
  readonly record: RecordGateway;
  readonly notifications: NotificationGateway;
  /** @default - stack updates do not ask */
  readonly stackUpdates?: StackUpdateGateway;
}
