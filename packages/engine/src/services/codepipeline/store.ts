import type { ActionDeclaration, PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import type { State, Table } from '../../state/state.ts';
import { type ActionStatus, ENDED, type Execution } from './machine-state.ts';

/** A closed transition: who closed it, when and why. */
interface ClosedTransition {
  readonly reason: string;
  readonly by: string;
  readonly atMs: number;
}

export interface StoredPipeline {
  readonly name: string;
  readonly declaration: PipelineDeclaration;
  /** Counts changes of the structure, from 1. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Executions started so far. */
  readonly started: number;
  /** Latest execution by stage, and latest run by `stage/action`. */
  readonly latest: Readonly<Record<string, string>>;
  readonly latestActions: Readonly<Record<string, string>>;
  readonly closedInbound: Readonly<Record<string, ClosedTransition>>;
  readonly closedOutbound: Readonly<Record<string, ClosedTransition>>;
}

/** Where an artifact of an execution lies, and the revision of the source that it came from. */
export interface StoredArtifact {
  readonly bucket: string;
  readonly key: string;
  /** The key that the artifact store names. */
  readonly encryptionKey?: string;
  readonly revision?: string;
}

export interface StoredRevision {
  readonly actionName: string;
  readonly artifact: string;
  readonly revisionId: string;
  readonly summary: string;
  readonly url: string;
  readonly createdAtMs: number;
}

export interface StoredExecution {
  readonly run: Execution;
  readonly pipelineName: string;
  readonly pipelineVersion: number;
  readonly trigger: { readonly type: TriggerType; readonly detail: string };
  readonly variables: Readonly<Record<string, string>>;
  /** Commits and versions of objects by source action, where the caller chose them. */
  readonly revisionOverrides: Readonly<Record<string, string>>;
  readonly clientRequestToken?: string;
  readonly rollbackTarget?: string;
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  readonly stopReason?: string;
  readonly statusSummary?: string;
  /** How often the execution was started or resumed. */
  readonly attempt: number;
  readonly revisions: readonly StoredRevision[];
  readonly artifacts: Readonly<Record<string, StoredArtifact>>;
  /** Output variables by namespace. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Instant at which the execution last entered or resumed each stage. */
  readonly stageStartedAtMs: Readonly<Record<string, number>>;
}

export type TriggerType =
  | 'CreatePipeline'
  | 'StartPipelineExecution'
  | 'CloudWatchEvent'
  | 'ManualRollback'
  | 'AutomatedRollback';

/** One run of one action, with all that its executor needs to go on after a restart. */
export interface StoredAction {
  readonly id: string;
  readonly executionId: string;
  readonly pipelineName: string;
  readonly pipelineVersion: number;
  readonly stage: string;
  readonly declaration: ActionDeclaration;
  readonly status: ActionStatus;
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  readonly resolvedConfiguration?: Readonly<Record<string, string>>;
  readonly inputArtifacts: Readonly<Record<string, StoredArtifact>>;
  readonly outputArtifacts: Readonly<Record<string, StoredArtifact>>;
  readonly outputVariables?: Readonly<Record<string, string>>;
  readonly externalExecutionId?: string;
  readonly externalExecutionUrl?: string;
  readonly summary?: string;
  readonly percentComplete?: number;
  readonly revision?: { readonly id: string; readonly atMs: number; readonly url: string };
  readonly entityUrl?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly lastUpdatedBy?: string;
  /** Approval token; shown only while the action waits. */
  readonly token?: string;
  readonly approval?: {
    readonly status: 'Approved' | 'Rejected';
    readonly summary: string;
    readonly by: string;
  };
  /** What the executor has already done, in its own terms. */
  readonly progress: Readonly<Record<string, unknown>>;
}

/** One call of a job worker (a Lambda function) for an action. */
export interface StoredJob {
  readonly id: string;
  readonly actionId: string;
  readonly state: 'InProgress' | 'Succeeded' | 'Failed';
  readonly continuationToken?: string;
  readonly result?: JobResult;
}

type JobResult =
  | {
      readonly kind: 'success';
      readonly continuationToken?: string;
      readonly summary?: string;
      readonly externalExecutionId?: string;
      readonly percentComplete?: number;
      readonly outputVariables: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'failure';
      readonly type: string;
      readonly message: string;
      readonly externalExecutionId?: string;
    };

/** CodePipeline's durable facts. */
export class PipelineStore {
  readonly pipelines: Table<StoredPipeline>;
  readonly executions: Table<StoredExecution>;
  readonly actions: Table<StoredAction>;
  readonly jobs: Table<StoredJob>;
  /** Executions that the state machine has to know, by pipeline: those under way. */
  readonly #live = new Map<string, Set<string>>();

  constructor(state: State) {
    this.pipelines = state.table('codepipeline.pipelines');
    this.executions = state.table('codepipeline.executions');
    this.actions = state.table('codepipeline.actions');
    this.jobs = state.table('codepipeline.jobs');
    for (const execution of this.executions.values()) this.#note(execution);
  }

  putExecution(execution: StoredExecution): void {
    this.executions.put(execution.run.id, execution);
    this.#note(execution);
  }

  #note({ pipelineName, run }: StoredExecution): void {
    let live = this.#live.get(pipelineName);
    if (!live) {
      live = new Set();
      this.#live.set(pipelineName, live);
    }
    if (ENDED.has(run.status)) live.delete(run.id);
    else live.add(run.id);
  }

  /** Executions under way, oldest first. */
  live(pipelineName: string): StoredExecution[] {
    return [...(this.#live.get(pipelineName) ?? [])]
      .map((id) => this.executions.get(id)!)
      .sort((a, b) => a.run.order - b.run.order);
  }

  /** All executions of a pipeline, newest first. */
  history(pipelineName: string): StoredExecution[] {
    return [...this.executions.values()]
      .filter((execution) => execution.pipelineName === pipelineName)
      .sort((a, b) => b.run.order - a.run.order);
  }

  /** All action runs of a pipeline, newest first. */
  actionHistory(pipelineName: string): StoredAction[] {
    return [...this.actions.values()].filter((action) => action.pipelineName === pipelineName).reverse();
  }

  /** Forgets a pipeline with its executions, action runs and jobs. */
  remove(pipelineName: string): void {
    const gone = new Set(this.actionHistory(pipelineName).map(({ id }) => id));
    for (const job of [...this.jobs.values()]) if (gone.has(job.actionId)) this.jobs.delete(job.id);
    for (const id of gone) this.actions.delete(id);
    for (const { run } of this.history(pipelineName)) this.executions.delete(run.id);
    this.pipelines.delete(pipelineName);
    this.#live.delete(pipelineName);
  }
}
