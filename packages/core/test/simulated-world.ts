import {
  type ActionRun,
  type AlarmState,
  type AlarmValue,
  type DeadLetterDepth,
  type Effect,
  type Execution,
  type ExecutionStatus,
  formatRecord,
  isActive,
  isBarrier,
  type Job,
  known,
  type Observed,
  type PendingApproval,
  type PipelineState,
  type Plan,
  parseRecord,
  plan,
  type RecordReading,
  type ReleasePolicy,
  type RollbackRequest,
  type RolloutState,
  requestRollback,
  type ServiceDeployment,
  type ServiceState,
  stages,
  type Track,
  tracks,
  unknown,
} from '../src/index.ts';
import { SimulatedTasks, type TracksWork } from './simulated-tasks.ts';

/** What an effect came to, as the controller's gateways would report it. */
export type Applied = 'done' | 'alreadyDone' | 'conflict' | 'skipped';

interface Deployment {
  readonly id: string;
  readonly taskDefinitionArn: string;
  readonly createdAt: number;
  rolloutState: RolloutState;
}

interface Service {
  desired: number;
  running: number;
  primary: Deployment;
  others: Deployment[];
  /** Where the circuit breaker goes back to. */
  lastCompleted: string;
}

interface TaskDefinition {
  readonly imageUri: string;
  /** What the stack update that it is of has configured besides the image. */
  readonly configuration: number;
  active: boolean;
}

interface Run extends ActionRun {
  status: ActionRun['status'];
  updatedAt: number;
  summary?: string;
  variables?: Readonly<Record<string, string>>;
}

interface PipelineExecution extends Execution {
  status: ExecutionStatus;
  updatedAt: number;
  stopReason?: string;
  /** What its build exports or its release request names, and the image that its imagedefinitions.json names. */
  readonly exports: Readonly<Record<string, string>>;
  readonly requests: string;
  readonly deploys: string;
  /** The stage it is in or, with `waiting`, stands in front of. */
  position: number;
  waiting: boolean;
  taskDefinitionArn?: string;
}

/**
 * Answers of AWS that may be old, each by itself: GetPipelineState, ListPipelineExecutions, ListActionExecutions,
 * DescribeServices for either track, and GetParameter for the record.
 */
export type Answer = 'stages' | 'executions' | 'actions' | Track | 'record';

/** How old answers are, in milliseconds; those that are not named are true. */
export type Ages = Partial<Readonly<Record<Answer, number>>>;

/** What AWS answers about one instant. */
interface Answers {
  readonly stages: PipelineState['stages'];
  readonly approval: PipelineState['approval'];
  readonly executions: PipelineState['executions'];
  readonly actions: PipelineState['actions'];
  readonly canary: ServiceState;
  readonly stable: ServiceState;
  readonly record: {
    readonly text: string;
    readonly version: number;
    readonly rollbackRequest: RollbackRequest | undefined;
  };
}

/** For so long the world remembers what it would have answered. */
const rememberedMs = 20_000;

/** How long an ECS action waits; it hears of success only. */
export const deploymentTimeoutMs = 30 * 60_000;

const order = [
  stages.source,
  stages.build,
  stages.canary,
  stages.judge,
  stages.approval,
  stages.stable,
  stages.record,
];
const buildAt = order.indexOf(stages.build);
const canaryAt = order.indexOf(stages.canary);
const approvalAt = order.indexOf(stages.approval);
const stableAt = order.indexOf(stages.stable);

/** The image digest of a version. */
export function digestOf(version: string): string {
  const hex = [...version].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  return `sha256:${hex.padEnd(64, '0')}`;
}

/** The application's own image repository. */
export const repository = 'registry/worker';

/** What a task definition names where there is no image yet. */
const noImage = 'none';

/** The image of a version. */
export function imageOf(version: string): string {
  return `${repository}@${digestOf(version)}`;
}

/**
 * A pipeline, two services, an alarm and a record, as small as AWS's rules allow: stage locks, supersession
 * in front of a stage, abandoned stops that leave ECS deploying, circuit breakers, one-time tokens.
 *
 * Nothing happens by itself: every step is a method, so that a test decides the order of things.
 */
export class SimulatedWorld {
  now = Date.UTC(2026, 0, 1);
  readonly policy: ReleasePolicy;
  readonly builds: boolean;
  readonly executions: PipelineExecution[] = [];
  readonly runs: Run[] = [];
  gate: { enabled: boolean; reason?: string } = { enabled: true };
  readonly services: Record<Track, Service>;
  readonly taskDefinitions = new Map<string, TaskDefinition>();
  /** Services that got a desired count and have no task yet. */
  readonly #starting = new Set<Track>();
  /** Revisions of CloudFormation, which sees to their deployments itself. */
  readonly #configured = new Set<string>();
  readonly #stackRevisions: Record<Track, string>;
  recordText = '{"version":1}';
  recordVersion = 1;
  rollbackRequest: RollbackRequest | undefined;
  image: string;
  alarm: { value: AlarmValue; transitionedAt: number } = { value: 'OK', transitionedAt: 0 };
  /** One of the team's own, that ends a release; absent until its state is set. */
  stopAlarm: Pick<AlarmState, 'value' | 'transitionedAt' | 'reason'> | undefined;
  alarmsReadable = true;
  deadLetters = 0;
  /** What SQS says of them, where that is something else. */
  depth: DeadLetterDepth | undefined;
  deadLettersReadable = true;
  readonly tasks = new SimulatedTasks();
  /** Why what the workers reported cannot be read. */
  outcomesProblem: string | undefined;
  readonly notifications: string[] = [];
  readonly openJobs = new Map<string, string>();
  readonly jobResults: string[] = [];
  /** Digests that stable ran at steady state: the only ones that a rollback may go to. */
  readonly provenOnStable = new Set<string>();
  readonly violations: string[] = [];
  /** Whether the controller has looked since an execution entered the canary's stage. */
  lookedSinceCanary = true;
  unreadable: 'none' | 'pipeline' | 'services' = 'none';
  /** What it answered at the end of earlier instants, oldest first. */
  #past: { readonly at: number; readonly answers: Answers }[] = [];
  #serial = 0;

  /**
   * @param runningMs for how long the tasks have run with which the services begin; they run `v1`
   * @param hasImage `false` for services of a stack that was made before there was an image: they have no tasks
   * @param builds `false` for a pipeline without a Build stage, whose source is a release request
   */
  constructor(policy: ReleasePolicy, runningMs = 20 * 60_000, hasImage = true, builds = true) {
    this.policy = policy;
    this.builds = builds;
    if (!hasImage) {
      this.image = noImage;
      this.services = {
        canary: this.#freshService('canary', noImage, 0, 0),
        stable: this.#freshService('stable', noImage, 0, 0),
      };
      this.#stackRevisions = {
        canary: this.services.canary.primary.taskDefinitionArn,
        stable: this.services.stable.primary.taskDefinitionArn,
      };
      return;
    }
    this.image = imageOf('v1');
    this.services = {
      canary: this.#freshService('canary', this.image, 1, runningMs),
      stable: this.#freshService('stable', this.image, 3, runningMs),
    };
    this.#stackRevisions = {
      canary: this.services.canary.primary.taskDefinitionArn,
      stable: this.services.stable.primary.taskDefinitionArn,
    };
    this.provenOnStable.add(digestOf('v1'));
  }

  // What people and commits do

  /**
   * A commit or, where the pipeline builds nothing, a release request.
   *
   * @param build what the version's build exports or its request names, and the image that the pipeline deploys.
   */
  push(
    version: string,
    build: { exports?: Record<string, string>; requests?: string; deploys?: string } = {},
  ): string {
    const id = `e${this.#next()}-${version}`;
    this.executions.push({
      id,
      status: 'InProgress',
      startedAt: this.now,
      updatedAt: this.now,
      ...(this.builds && { commit: `commit-${version}` }),
      requests: build.requests ?? imageOf(version),
      exports: build.exports ?? { IMAGE_DIGEST: digestOf(version) },
      deploys: build.deploys ?? imageOf(version),
      position: 0,
      waiting: true,
    });
    this.#admit();
    return id;
  }

  approve(): void {
    this.#answerApproval('Succeeded', 'looks good');
  }

  reject(): void {
    this.#answerApproval('Failed', 'rejected by a person');
  }

  /** A person stops the execution in the console: with abandon, or waiting for its actions. */
  stopByPerson(executionId: string, abandon = true): void {
    const execution = this.#execution(executionId);
    if (execution?.status !== 'InProgress') return;
    execution.stopReason = 'stopped by hand';
    if (abandon || execution.waiting) this.#abandon(execution);
    else execution.status = 'Stopping';
  }

  /** A person retries the stage in which the execution failed or was stopped. */
  retry(executionId: string): void {
    const execution = this.#execution(executionId);
    if (execution === undefined || (execution.status !== 'Failed' && execution.status !== 'Stopped')) return;
    if (this.#holder(execution.position) !== undefined) return;
    execution.status = 'InProgress';
    this.#enter(execution);
  }

  /** CloudFormation replaces task definitions: new configuration, the image of the parameter. */
  changeConfiguration(changed: readonly Track[] = tracks): void {
    for (const track of changed) {
      const old = this.#stackRevisions[track];
      const revision = this.#register(track, this.image, this.#next());
      this.#stackRevisions[track] = revision;
      this.#configured.add(revision);
      this.#deploy(track, revision);
      this.#definition(old).active = false;
    }
  }

  /** A stack update of the service alone, or its rollback: CloudFormation deploys the revision that it registered. */
  updateService(track: Track): void {
    this.#deploy(track, this.#stackRevisions[track]);
  }

  /** The configuration that the stack has given the track last. */
  configurationOfStack(track: Track): number {
    return this.#definition(this.#stackRevisions[track]).configuration;
  }

  configurationOn(track: Track): number {
    return this.#definition(this.services[track].primary.taskDefinitionArn).configuration;
  }

  requestRollback(executionId?: string): boolean {
    const request = requestRollback(
      this.observe(),
      { reason: 'asked by a person', ...(executionId !== undefined && { executionId }) },
      this.now,
    );
    if (request.ok) this.applyAll(request.effects);
    return request.ok;
  }

  // What time does

  pass(ms: number): void {
    this.#past.push({ at: this.now, answers: this.#answers() });
    this.now += ms;
    // The youngest that is older stays: it held until then.
    const held = this.#past.findLastIndex(({ at }) => at <= this.now - rememberedMs);
    if (held > 0) this.#past.splice(0, held);
  }

  /** The alarm changes its state; staying in it is no transition. */
  setAlarm(value: AlarmValue): void {
    if (this.alarm.value !== value) this.alarm = { value, transitionedAt: this.now };
  }

  /** The team's own alarm does. */
  setStopAlarm(value: AlarmValue, reason?: string): void {
    if (this.stopAlarm?.value === value) return;
    this.stopAlarm = { value, transitionedAt: this.now, ...(reason !== undefined && { reason }) };
  }

  /** Messages reach the dead-letter queue; nobody reports whose they are. */
  deadLetter(count: number): void {
    this.deadLetters += count;
  }

  /** The last deliveries of messages fail on the youngest task of a track, which reports it. */
  deadLetterOn(track: Track, count: number): void {
    this.deadLetter(count);
    this.tasks.deadLetter(track, count, this.now);
  }

  /** The last delivery of a message fails on the canary, and whatever could excuse it does not come: the next look ends it. */
  ruin(): void {
    this.pass(1_000);
    this.deadLetterOn('canary', 1);
    this.applyAll(this.plan().effects.filter(({ kind }) => kind === 'recordBaseline'));
    this.pass(60_000);
  }

  /** Every task reports that it has done this since it last did. */
  report(work: TracksWork): void {
    this.tasks.report(work, this.now);
  }

  /** ECS brings the service's deployment to its end, or the first tasks of a service that was started to run. */
  finishRollout(track: Track): void {
    const service = this.services[track];
    const { rolloutState } = service.primary;
    if (rolloutState !== 'IN_PROGRESS' && !this.#starting.delete(track)) return;
    service.running = service.desired;
    if (rolloutState === 'IN_PROGRESS') {
      service.primary.rolloutState = 'COMPLETED';
      service.others = [];
      service.lastCompleted = service.primary.taskDefinitionArn;
      this.tasks.keepOnly(track, service.primary.id, this.now);
    }
    if (track === 'stable' && service.running > 0) {
      this.provenOnStable.add(this.#digest(service.primary.taskDefinitionArn));
    }
  }

  /** The tasks do not start: the circuit breaker ends the deployment, and goes back if it may. */
  failRollout(track: Track, goesBack: boolean): void {
    const service = this.services[track];
    if (service.primary.rolloutState !== 'IN_PROGRESS') return;
    if (this.#configured.has(service.primary.taskDefinitionArn)) return;
    service.primary.rolloutState = 'FAILED';
    this.tasks.giveUp(track, service.primary.id, this.now);
    if (goesBack) this.#goBack(track);
  }

  /** Lets every execution do what it can do without a person, a rollout or a job's answer. */
  advance(): void {
    for (const execution of [...this.executions].reverse()) {
      if (!isActive(execution) || execution.waiting) continue;
      const run = this.#currentRun(execution);
      const step = order[execution.position];
      if (run === undefined || step === undefined) continue;
      if (step === stages.source || step === stages.build) {
        this.#finish(execution, run, 'Succeeded');
      } else if (step === stages.canary || step === stages.stable) {
        const track: Track = step === stages.canary ? 'canary' : 'stable';
        if (track === 'canary' && !this.lookedSinceCanary) continue;
        const { primary } = this.services[track];
        const isOurs = primary.taskDefinitionArn === execution.taskDefinitionArn;
        if (isOurs && primary.rolloutState === 'COMPLETED') this.#finish(execution, run, 'Succeeded');
        else if (this.now - run.startedAt >= deploymentTimeoutMs) {
          this.#finish(execution, run, 'Failed', 'the deployment did not reach a steady state');
        }
      }
    }
    this.#admit();
  }

  /** The ECS action takes a service that is steady for a success, whatever it runs. */
  succeedAnyway(): void {
    const execution = this.executions.findLast((each) => isActive(each) && !each.waiting);
    const run = execution && this.#currentRun(execution);
    if (execution && run) this.#finish(execution, run, 'Succeeded');
  }

  // What the controller does

  observe(job?: Job, ages: Ages = {}): Observed {
    const current = this.#answers();
    const old = (answer: Answer) => this.#answersAt(ages[answer] ?? 0) ?? current;
    const { text, version, rollbackRequest } = old('record').record;
    const parsed = parseRecord(text);
    const record: RecordReading | undefined = parsed.ok
      ? { record: parsed.record, version, ...(rollbackRequest && { rollbackRequest }) }
      : undefined;
    const { stages: shown, approval } = old('stages');
    const pipeline: PipelineState = {
      name: 'pipeline',
      stages: shown,
      executions: old('executions').executions,
      actions: old('actions').actions,
      ...(approval && { approval }),
    };
    return {
      pipeline: this.unreadable === 'pipeline' ? unknown('there is no pipeline') : known(pipeline),
      canary:
        this.unreadable === 'services' ? unknown('there is no canary service') : known(old('canary').canary),
      stable:
        this.unreadable === 'services' ? unknown('there is no stable service') : known(old('stable').stable),
      alarms: this.alarmsReadable
        ? known([
            { name: 'dead-letters', ...this.alarm },
            ...(this.stopAlarm ? [{ name: 'latency', endsRelease: true, ...this.stopAlarm }] : []),
          ])
        : unknown('the alarms cannot be read'),
      deadLetters: this.deadLettersReadable
        ? known(this.depth ?? { visible: this.deadLetters, hidden: 0 })
        : unknown('the queue cannot be read'),
      record: record === undefined ? unknown(`the record cannot be read`) : known(record),
      outcomes:
        this.outcomesProblem === undefined
          ? known(this.tasks.measurement(pipeline, this.now))
          : unknown(this.outcomesProblem),
      image: known(this.image),
      imageRepository: repository,
      ...(job && { job }),
    };
  }

  plan(job?: Job, ages?: Ages): Plan {
    return plan(this.observe(job, ages), this.policy, this.now);
  }

  /** The controller wakes: it observes, plans and executes. */
  wake(job?: Job, ages?: Ages): Plan {
    const planned = this.plan(job, ages);
    this.lookedSinceCanary = true;
    this.applyAll(planned.effects);
    return planned;
  }

  /** CodePipeline calls the controller for every job that is open; what was planned for the last of them. */
  callJobs(ages?: Ages): Plan | undefined {
    let planned: Plan | undefined;
    for (const [id, executionId] of [...this.openJobs]) {
      const execution = this.#execution(executionId);
      const action = execution && order[execution.position]?.action;
      planned = this.wake({ id, executionId, ...(action !== undefined && { action }) }, ages);
    }
    return planned;
  }

  applyAll(effects: readonly Effect[]): Applied[] {
    let closed = false;
    return effects.map((effect) => {
      if (closed) return 'skipped';
      const applied = this.apply(effect);
      closed = isBarrier(effect) && applied === 'conflict';
      return applied;
    });
  }

  apply(effect: Effect): Applied {
    switch (effect.kind) {
      case 'requestRollback':
        this.rollbackRequest = effect.request;
        return 'done';
      case 'recordBaseline':
      case 'recordDecision':
      case 'recordRestored':
      case 'recordVerdict':
      case 'recordLastGood':
      case 'recordHalt':
      case 'recordDrift': {
        if (effect.ifVersion !== this.recordVersion) return 'conflict';
        this.recordText = formatRecord(effect.next);
        this.recordVersion += 1;
        const digest = effect.next.lastGood?.imageDigest;
        if (digest !== undefined && !this.provenOnStable.has(digest)) {
          this.violations.push(`${digest} is recorded as good, but stable never ran it`);
        }
        return 'done';
      }
      case 'answerStackUpdate':
      case 'forgetStackUpdate':
        this.violations.push('there is no stack update to answer');
        return 'done';
      case 'recordImage':
        this.image = effect.imageUri;
        return 'done';
      case 'grantApproval': {
        if (this.#pendingApproval()?.token !== effect.token) return 'conflict';
        this.#answerApproval('Succeeded', effect.reason);
        return 'done';
      }
      case 'stopExecution': {
        const execution = this.#execution(effect.executionId);
        if (execution === undefined || !isActive(execution)) return 'conflict';
        execution.stopReason = effect.reason;
        this.#abandon(execution);
        return 'done';
      }
      case 'restoreService': {
        const { primary } = this.services[effect.track];
        if (!effect.forceNew && primary.taskDefinitionArn === effect.taskDefinitionArn) return 'alreadyDone';
        if (primary.taskDefinitionArn !== effect.observedTaskDefinitionArn) return 'conflict';
        const digest = effect.imageUri.slice(effect.imageUri.indexOf('@') + 1);
        if (!this.provenOnStable.has(digest)) {
          this.violations.push(`${effect.track} is restored to ${digest}, which stable never ran`);
        }
        const { configuration } = this.#definition(primary.taskDefinitionArn);
        const recorded =
          effect.taskDefinitionArn === undefined
            ? undefined
            : this.taskDefinitions.get(effect.taskDefinitionArn);
        const isReady =
          recorded?.active === true &&
          recorded.imageUri === effect.imageUri &&
          recorded.configuration === configuration;
        this.#deploy(
          effect.track,
          isReady ? effect.taskDefinitionArn! : this.#register(effect.track, effect.imageUri, configuration),
        );
        return 'done';
      }
      case 'startService': {
        const service = this.services[effect.track];
        service.desired = effect.track === 'canary' ? 1 : 3;
        this.#starting.add(effect.track);
        this.tasks.start(effect.track, service.primary.id, service.desired, this.now);
        return 'done';
      }
      case 'closeCanaryStage':
        this.gate = { enabled: false, reason: effect.reason };
        return 'done';
      case 'openCanaryStage':
        this.gate = { enabled: true };
        this.#admit();
        return 'done';
      case 'completeJob':
      case 'failJob':
        return this.#answerJob(effect.jobId, effect.kind === 'completeJob' ? 'Succeeded' : 'Failed');
      case 'continueJob':
        return this.openJobs.has(effect.jobId) ? 'done' : 'conflict';
      case 'notify':
        this.notifications.push(effect.subject);
        return 'done';
    }
  }

  // What a test asks

  /** Lets everything happen that happens by itself, until nothing more does. People do nothing. */
  settle(): Plan {
    let quiet = 0;
    for (let round = 0; round < 60; round += 1) {
      const before = this.fingerprint();
      const effects = this.wake().effects.length;
      for (const track of tracks) this.finishRollout(track);
      this.advance();
      this.callJobs();
      const still = effects === 0 && this.openJobs.size === 0 && this.fingerprint() === before;
      const waits = this.#holder(canaryAt) !== undefined || this.#holder(stableAt) !== undefined;
      this.pass(still && waits ? deploymentTimeoutMs : 60_000);
      quiet = still && !waits ? quiet + 1 : 0;
      // Some things are waited for: a late alarm, for one.
      if (quiet === 4) return this.wake();
    }
    throw new Error(`the world does not settle: ${JSON.stringify(this.plan())}`);
  }

  /** Everything but the time, as text, to see whether something changed. */
  fingerprint(): string {
    return JSON.stringify([
      this.executions.map((e) => [e.id, e.status, e.position, e.waiting]),
      this.runs.map((run) => [run.executionId, run.action, run.status]),
      this.services,
      this.gate,
      this.recordText,
      this.rollbackRequest,
      this.image,
      this.notifications.length,
    ]);
  }

  record(): RecordReading['record'] {
    const parsed = parseRecord(this.recordText);
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.record;
  }

  digestOn(track: Track): string {
    return this.#digest(this.services[track].primary.taskDefinitionArn);
  }

  isSteady(track: Track): boolean {
    const service = this.services[track];
    return (
      service.primary.rolloutState === 'COMPLETED' &&
      service.others.length === 0 &&
      service.running === service.desired
    );
  }

  status(executionId: string): ExecutionStatus | undefined {
    return this.#execution(executionId)?.status;
  }

  /** Active executions that have touched the canary. */
  activeReleases(): readonly string[] {
    return this.executions
      .filter(
        (e) =>
          isActive(e) && this.runs.some((r) => r.executionId === e.id && r.stage === stages.canary.stage),
      )
      .map((e) => e.id);
  }

  /** What it answered so long ago; undefined for what it answers now. */
  #answersAt(ageMs: number): Answers | undefined {
    if (ageMs <= 0) return undefined;
    return (this.#past.findLast(({ at }) => at <= this.now - ageMs) ?? this.#past[0])?.answers;
  }

  /** What it answers now. */
  #answers(): Answers {
    return {
      // Judge and Approve are actions of one stage.
      stages: order.flatMap(({ stage }, position) => {
        if (position === approvalAt || (position === buildAt && !this.builds)) return [];
        const latest = this.#latestIn(position);
        return {
          name: stage,
          ...(latest && { latestExecutionId: latest.id, latestStatus: latest.status }),
          inboundExecutionIds: this.executions
            .filter((e) => isActive(e) && e.waiting && e.position === position)
            .map((e) => e.id),
          transitionEnabled: position === canaryAt ? this.gate.enabled : true,
          ...(position === canaryAt &&
            this.gate.reason !== undefined && { transitionDisabledReason: this.gate.reason }),
        };
      }),
      approval: this.#pendingApproval(),
      executions: [...this.executions]
        .reverse()
        .map(({ id, status, startedAt, updatedAt, commit, requests, stopReason }) => ({
          id,
          status,
          startedAt,
          updatedAt,
          ...(commit !== undefined && { commit }),
          ...(!this.builds && this.#hasSource(id) && { image: requests }),
          ...(stopReason !== undefined && { stopReason }),
        })),
      actions: this.runs.map((run) => ({ ...run })),
      canary: this.#state('canary'),
      stable: this.#state('stable'),
      record: {
        text: this.recordText,
        version: this.recordVersion,
        rollbackRequest: this.rollbackRequest,
      },
    };
  }

  #freshService(track: Track, imageUri: string, desired: number, runningMs: number): Service {
    const taskDefinitionArn = this.#register(track, imageUri, 0);
    const id = `d${this.#next()}`;
    this.tasks.start(track, id, desired, this.now - runningMs);
    return {
      desired,
      running: desired,
      primary: { id, taskDefinitionArn, createdAt: this.now - runningMs, rolloutState: 'COMPLETED' },
      others: [],
      lastCompleted: taskDefinitionArn,
    };
  }

  #register(track: Track, imageUri: string, configuration: number): string {
    const arn = `arn:task-definition/${track}:${this.#next()}`;
    this.taskDefinitions.set(arn, { imageUri, configuration, active: true });
    return arn;
  }

  #deploy(track: Track, taskDefinitionArn: string): void {
    const service = this.services[track];
    service.others = [...service.others, service.primary];
    const id = `d${this.#next()}`;
    service.primary = { id, taskDefinitionArn, createdAt: this.now, rolloutState: 'IN_PROGRESS' };
    this.tasks.start(track, id, service.desired, this.now);
  }

  /** The deployment that completed last is the primary again, as it was. */
  #goBack(track: Track): void {
    const service = this.services[track];
    const target = service.others.findLast(
      ({ taskDefinitionArn }) => taskDefinitionArn === service.lastCompleted,
    );
    if (target === undefined) {
      this.#deploy(track, service.lastCompleted);
      return;
    }
    service.others = [...service.others.filter((each) => each !== target), service.primary];
    service.primary = { ...target, rolloutState: 'IN_PROGRESS' };
  }

  #state(track: Track): ServiceState {
    const service = this.services[track];
    const digest = this.#digest(service.primary.taskDefinitionArn);
    const shown = (deployment: Deployment): ServiceDeployment => ({
      ...deployment,
      running: 0,
      pending: 0,
    });
    return {
      track,
      name: track,
      desired: service.desired,
      running: service.running,
      pending: 0,
      primary: shown(service.primary),
      others: service.others.map(shown),
      imageUri: this.#image(service.primary.taskDefinitionArn),
      ...(digest !== noImage && { imageDigest: digest }),
    };
  }

  #image(arn: string): string {
    return this.#definition(arn).imageUri;
  }

  #digest(arn: string): string {
    return this.#image(arn).replace(/.*@/, '');
  }

  #definition(arn: string): TaskDefinition {
    const definition = this.taskDefinitions.get(arn);
    if (definition === undefined) throw new Error(`no task definition ${arn}`);
    return definition;
  }

  /** Moves executions into free stages; in front of one, a newer execution supersedes older ones. */
  #admit(): void {
    for (let position = order.length - 1; position >= 0; position -= 1) {
      const waiting = this.executions
        .filter((e) => e.status === 'InProgress' && e.waiting && e.position === position)
        .sort((a, b) => b.startedAt - a.startedAt || this.executions.indexOf(b) - this.executions.indexOf(a));
      const [newest, ...older] = waiting;
      if (newest === undefined) continue;
      for (const execution of older) {
        execution.status = 'Superseded';
        execution.updatedAt = this.now;
      }
      if (this.#holder(position) !== undefined) continue;
      // One stage holds one execution, whichever of its actions runs.
      if (position === approvalAt - 1 && this.#holder(approvalAt) !== undefined) continue;
      if (position === canaryAt && !this.gate.enabled) continue;
      this.#enter(newest);
    }
  }

  #enter(execution: PipelineExecution): void {
    const step = order[execution.position]!;
    execution.waiting = false;
    this.runs.push({
      executionId: execution.id,
      stage: step.stage,
      action: step.action,
      status: 'InProgress',
      startedAt: this.now,
      updatedAt: this.now,
    });
    if (step === stages.canary || step === stages.stable) {
      const track: Track = step === stages.canary ? 'canary' : 'stable';
      const arn = this.#register(track, execution.deploys, this.configurationOn(track));
      execution.taskDefinitionArn = arn;
      this.#deploy(track, arn);
      if (track === 'canary') this.lookedSinceCanary = false;
    }
    if (step === stages.judge || step === stages.record)
      this.openJobs.set(`job${this.#next()}`, execution.id);
  }

  #finish(execution: PipelineExecution, run: Run, status: 'Succeeded' | 'Failed', summary?: string): void {
    run.status = status;
    run.updatedAt = this.now;
    if (summary !== undefined) run.summary = summary;
    if (run.stage === stages.build.stage) run.variables = execution.exports;
    execution.updatedAt = this.now;
    if (execution.status === 'Stopping') {
      execution.status = 'Stopped';
    } else if (status === 'Failed') {
      execution.status = 'Failed';
    } else if (execution.position === order.length - 1) {
      execution.status = 'Succeeded';
    } else {
      execution.position += execution.position + 1 === buildAt && !this.builds ? 2 : 1;
      execution.waiting = true;
    }
    this.#admit();
  }

  #abandon(execution: PipelineExecution): void {
    execution.status = 'Stopped';
    execution.updatedAt = this.now;
    const run = this.#currentRun(execution);
    if (run) {
      run.status = 'Abandoned';
      run.updatedAt = this.now;
    }
    for (const [job, owner] of this.openJobs) if (owner === execution.id) this.openJobs.delete(job);
    this.#admit();
  }

  #answerApproval(status: 'Succeeded' | 'Failed', summary: string): void {
    const execution = this.#holder(approvalAt);
    const run = execution && this.#currentRun(execution);
    if (execution && run) this.#finish(execution, run, status, summary);
  }

  #answerJob(jobId: string, status: 'Succeeded' | 'Failed'): Applied {
    const execution = this.#execution(this.openJobs.get(jobId) ?? '');
    const run = execution && this.#currentRun(execution);
    if (!execution || !run) return 'conflict';
    this.openJobs.delete(jobId);
    this.jobResults.push(`${execution.id} ${status}`);
    this.#finish(execution, run, status);
    return 'done';
  }

  #pendingApproval(): PendingApproval | undefined {
    const execution = this.#holder(approvalAt);
    const run = execution && this.#currentRun(execution);
    if (!execution || !run) return undefined;
    const { stage, action } = stages.approval;
    const token = `token-${execution.id}-${run.startedAt}`;
    return { executionId: execution.id, stage, action, token, since: run.startedAt };
  }

  #holder(position: number): PipelineExecution | undefined {
    return this.executions.find((e) => isActive(e) && !e.waiting && e.position === position);
  }

  #latestIn(position: number): PipelineExecution | undefined {
    const run = this.runs.findLast((candidate) => candidate.stage === order[position]?.stage);
    return run && this.#execution(run.executionId);
  }

  #currentRun(execution: PipelineExecution): Run | undefined {
    if (execution.waiting) return undefined;
    const step = order[execution.position];
    return this.runs.findLast(
      (run) => run.executionId === execution.id && run.action === step?.action && run.status === 'InProgress',
    );
  }

  #hasSource(id: string): boolean {
    return this.runs.some(
      ({ executionId, stage, status }) =>
        executionId === id && stage === stages.source.stage && status === 'Succeeded',
    );
  }

  #execution(id: string): PipelineExecution | undefined {
    return this.executions.find((execution) => execution.id === id);
  }

  #next(): number {
    this.#serial += 1;
    return this.#serial;
  }
}
