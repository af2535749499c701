import type { Engine } from '../../../dispatch/service.ts';
import type { Principal } from '../../../iam/principal.ts';
import type { StoredAction, StoredArtifact, StoredExecution, StoredJob, StoredRevision } from '../store.ts';

/** How an action ended. */
export type ActionOutcome =
  | {
      readonly status: 'Succeeded';
      readonly summary?: string;
      readonly outputVariables?: Readonly<Record<string, string>>;
      readonly outputArtifacts?: Readonly<Record<string, StoredArtifact>>;
      readonly revision?: StoredRevision;
    }
  | { readonly status: 'Failed'; readonly code: FailureCode; readonly message: string };

export type FailureCode =
  | 'JobFailed'
  | 'ConfigurationError'
  | 'PermissionError'
  | 'RevisionOutOfSync'
  | 'RevisionUnavailable'
  | 'SystemUnavailable'
  | 'TimedOut'
  | 'InternalError';

/** What an executor may change of its action's record while it works. */
type ActionNote = Partial<
  Pick<
    StoredAction,
    | 'externalExecutionId'
    | 'externalExecutionUrl'
    | 'summary'
    | 'percentComplete'
    | 'token'
    | 'entityUrl'
    | 'revision'
    | 'progress'
  >
>;

/** What an executor works with. */
export interface ActionContext {
  readonly engine: Engine;
  /** Who acts: the action's role, or the pipeline's. */
  readonly principal: Principal;
  readonly execution: StoredExecution;
  /** Configuration with variables resolved. */
  readonly configuration: Readonly<Record<string, string>>;
  /** Inputs, and places for the outputs, by artifact name. */
  readonly inputs: Readonly<Record<string, StoredArtifact>>;
  readonly outputs: Readonly<Record<string, StoredArtifact>>;
  readonly artifactBucket: string;
  /** Aborts when the action was abandoned or timed out, or the engine stops: the outcome no longer counts. */
  readonly signal: AbortSignal;
  readonly timeoutAtMs: number;
  /** The action's record as it is now. */
  record(): StoredAction;
  /** Saves progress, so that the executor can go on from there after a restart. */
  note(change: ActionNote): void;
  /** Resolves when the record or one of its jobs changed, or the signal aborted. */
  changed(): Promise<void>;
  job(id: string): StoredJob | undefined;
  putJob(job: StoredJob): void;
}

/**
 * Carries out one kind of action. Called again with the same record after a restart of the engine: it looks at
 * `record().progress` and goes on. Errors of AWS calls may be thrown; the caller turns them into a failure.
 */
export type Executor = (context: ActionContext) => Promise<ActionOutcome>;

/** What an executor returns when its signal aborted; nobody looks at it. */
export const interrupted: ActionOutcome = {
  status: 'Failed',
  code: 'InternalError',
  message: 'The action was interrupted.',
};

/** A failure, as executors throw it from deep inside. */
export class ActionFailure extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.name = 'ActionFailure';
    this.code = code;
  }
}
