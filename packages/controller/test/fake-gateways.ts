import {
  type ActionRun,
  type AlarmState,
  type Execution,
  formatRecord,
  type PipelineState,
  parseRecord,
  pastMs,
  type RecordReading,
  type ReleaseRecord,
  type RollbackRequest,
  type ServiceState,
  type StackUpdate,
  stages,
  type TaskLife,
  type Track,
} from '@queue-canary/core';
import { TaskLines, type Work } from '../../core/test/task-lines.ts';
import { done, type Gateways, type Outcome, type Outcomes } from '../src/gateways.ts';
import { UserError } from '../src/user-error.ts';

const conflict: Outcome = { kind: 'conflict', detail: 'it has changed' };

/** An image named by digest. */
export function imageOf(letter: string): string {
  return `registry/worker@sha256:${letter.repeat(64)}`;
}

/**
 * Gateways over plain values, which a test sets and reads. They keep the conditions of the real ones: record
 * versions, tokens, what a service was seen to deploy, jobs that are answered once.
 */
export class FakeGateways implements Gateways {
  executions: Execution[] = [];
  actions: ActionRun[] = [];
  approval: PipelineState['approval'];
  transition: { enabled: boolean; reason?: string } = { enabled: true };
  taskDefinitions: Record<Track, string> = { canary: 'canary:1', stable: 'stable:1' };
  images: Record<string, string> = { 'canary:1': imageOf('a'), 'stable:1': imageOf('a') };
  alarm: AlarmState = { name: 'dead-letters', value: 'OK', transitionedAt: 0 };
  depth = 0;
  recordText = '{"version":1}';
  recordVersion = 1;
  rollbackRequest: RollbackRequest | undefined;
  image = imageOf('a');
  openJobs = new Set<string>();
  /** Output variables of the job that was completed last. */
  outputs: Readonly<Record<string, string>> | undefined;
  reported: Outcomes = { canary: [], stable: [], starts: [] };
  lives: Record<Track, readonly TaskLife[]> = { canary: [], stable: [] };
  /** Every change, in order. */
  readonly changes: string[] = [];
  /** Changes that fail, by name. */
  readonly broken = new Set<string>();
  /** Called before a change takes place: somebody else may be faster. */
  before: (change: string) => void = () => {};

  readonly imageRepository = 'registry/worker';

  readonly pipeline: Gateways['pipeline'] = {
    read: async () => ({
      name: 'pipeline',
      stages: Object.values(stages).map(({ stage }) => ({
        name: stage,
        inboundExecutionIds: [],
        transitionEnabled: stage === stages.canary.stage ? this.transition.enabled : true,
        ...(stage === stages.canary.stage &&
          this.transition.reason !== undefined && { transitionDisabledReason: this.transition.reason }),
      })),
      executions: this.executions,
      actions: this.actions,
      ...(this.approval && { approval: this.approval }),
    }),
    approve: ({ token }) =>
      this.#change('approve', () => {
        if (this.approval?.token !== token) return conflict;
        this.approval = undefined;
        return done;
      }),
    stop: (executionId) =>
      this.#change('stop', () => {
        this.end(executionId, 'Stopped');
        return done;
      }),
    closeStage: (_stage, reason) =>
      this.#change('close', () => {
        this.transition = { enabled: false, reason };
        return done;
      }),
    openStage: () =>
      this.#change('open', () => {
        this.transition = { enabled: true };
        return done;
      }),
    completeJob: (jobId, outputs) => {
      this.outputs = outputs;
      return this.#answer('complete', jobId);
    },
    continueJob: (jobId) => this.#change('continue', () => (this.openJobs.has(jobId) ? done : conflict)),
    failJob: (jobId) => this.#answer('fail', jobId),
  };

  readonly services: Gateways['services'] = {
    read: async (track) => this.#service(track),
    tasks: async (track) => this.lives[track],
    log: async (arn) => ({ group: `log of ${arn}`, streamPrefix: 'worker/worker/' }),
    restore: ({ track, imageUri, taskDefinitionArn, observedTaskDefinitionArn }) =>
      this.#change(`restore ${track}`, () => {
        if (this.taskDefinitions[track] !== observedTaskDefinitionArn) return conflict;
        const arn = taskDefinitionArn ?? `${observedTaskDefinitionArn} with the last good image`;
        this.taskDefinitions[track] = arn;
        this.images[arn] = imageUri;
        return done;
      }),
    sameConfiguration: async (one, other) => one === other,
    start: (track) => this.#change(`start ${track}`, () => done),
  };

  readonly alarms: Gateways['alarms'] = { read: async () => [this.alarm] };

  readonly deadLetters: Gateways['deadLetters'] = {
    depth: async () => ({ visible: this.depth, hidden: 0 }),
  };

  readonly outcomes: Gateways['outcomes'] = { read: async () => this.reported };

  readonly record: Gateways['record'] = {
    read: async (): Promise<RecordReading> => {
      const parsed = parseRecord(this.recordText);
      if (!parsed.ok) throw new UserError('RecordUnreadable', parsed.problem);
      return {
        record: parsed.record,
        version: this.recordVersion,
        ...(this.rollbackRequest && { rollbackRequest: this.rollbackRequest }),
      };
    },
    requestRollback: (request) =>
      this.#change('request', () => {
        this.rollbackRequest = request;
        return done;
      }),
    write: (next: ReleaseRecord, ifVersion: number) =>
      this.#change('record', () => {
        if (this.recordVersion !== ifVersion) return conflict;
        this.recordText = formatRecord(next);
        this.recordVersion += 1;
        return done;
      }),
    readImage: async () => this.image,
    writeImage: (imageUri) =>
      this.#change('image', () => {
        this.image = imageUri;
        return done;
      }),
  };

  /** The stack update that has asked for the canary. */
  update: StackUpdate | undefined;
  /** What CloudFormation was answered last. */
  answer: { readonly success: boolean; readonly reason: string } | undefined;

  readonly stackUpdates: NonNullable<Gateways['stackUpdates']> = {
    read: async () => this.update,
    answer: ({ step }, { success, reason, next }) =>
      this.#change(`answer ${step}`, () => {
        this.answer = { success, reason };
        this.update = next;
        return done;
      }),
    forget: () =>
      this.#change('forget', () => {
        this.update = undefined;
        return done;
      }),
  };

  readonly notifications: Gateways['notifications'] = {
    publish: () => this.#change('notify', () => done),
  };

  /** One task of each track works from now on, and reports it: stable's has worked before. */
  work(work: Readonly<Record<Track, Work>>, nowMs: () => number): void {
    const startedAt = { canary: nowMs(), stable: nowMs() - pastMs };
    const linesOf = (track: Track) => new TaskLines({ task: track, track, startedAt: startedAt[track] });
    const logs = { canary: linesOf('canary'), stable: linesOf('stable') };
    this.lives = {
      canary: [{ id: 'canary', startedAt: startedAt.canary }],
      stable: [{ id: 'stable', startedAt: startedAt.stable }],
    };
    this.outcomes.read = async () => ({
      canary: logs.canary.work(nowMs(), work.canary).written,
      stable: logs.stable.work(nowMs(), work.stable).written,
      starts: [],
    });
  }

  written(): ReleaseRecord {
    const parsed = parseRecord(this.recordText);
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.record;
  }

  end(executionId: string, status: Execution['status']): void {
    this.executions = this.executions.map((e) => (e.id === executionId ? { ...e, status } : e));
    this.actions = this.actions.map((run) =>
      run.executionId === executionId && run.status === 'InProgress' ? { ...run, status: 'Failed' } : run,
    );
    this.approval = undefined;
  }

  #service(track: Track): ServiceState {
    const arn = this.taskDefinitions[track];
    const imageUri = this.images[arn] ?? '';
    return {
      track,
      name: track,
      desired: 1,
      running: 1,
      pending: 0,
      primary: { id: arn, taskDefinitionArn: arn, rolloutState: 'COMPLETED', running: 1, pending: 0 },
      others: [],
      imageUri,
      imageDigest: imageUri.slice(imageUri.indexOf('@') + 1),
    };
  }

  async #change(name: string, act: () => Outcome): Promise<Outcome> {
    this.before(name);
    if (this.broken.has(name)) throw new Error(`${name} is refused`);
    const outcome = act();
    this.changes.push(outcome.kind === 'done' ? name : `${name}: ${outcome.kind}`);
    return outcome;
  }

  #answer(name: string, jobId: string): Promise<Outcome> {
    return this.#change(name, () => (this.openJobs.delete(jobId) ? done : conflict));
  }
}
