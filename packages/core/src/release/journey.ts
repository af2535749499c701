import { stages, type Track } from '../contract.ts';
import { reportMs } from '../measurement/line.ts';
import type { Unread } from '../measurement/measurement.ts';
import type { ActionRun, Execution, PipelineState, ServiceState, StageState } from './observed.ts';
import type { StackUpdate } from './stack-update.ts';

type Step = keyof typeof stages;

/** How far an execution has come, by what its actions have done. */
export interface Journey {
  readonly execution: Execution;
  /** When its first canary deployment began: from here on, what goes wrong is its doing. */
  readonly canaryStartedAt: number;
  /** When its latest canary deployment began; orders releases, also after a retry. */
  readonly canaryLastStartedAt: number;
  readonly build?: ActionRun;
  readonly canary: ActionRun;
  readonly judge?: ActionRun;
  readonly approval?: ActionRun;
  readonly stable?: ActionRun;
  readonly record?: ActionRun;
}

/** The canary of a stack update as a release's: deployed, and judged from the moment at which the verdict was asked for. */
export function journeyOfUpdate(update: StackUpdate, canary: ServiceState): Journey {
  const askedAt = Date.parse(update.askedAt);
  const startedAt = canary.primary.createdAt ?? askedAt;
  const { requestId } = update;
  return {
    execution: { id: requestId, status: 'InProgress', startedAt, updatedAt: askedAt },
    canaryStartedAt: startedAt,
    canaryLastStartedAt: startedAt,
    canary: {
      executionId: requestId,
      stage: 'stack update',
      action: 'canary',
      status: 'Succeeded',
      startedAt,
      updatedAt: askedAt,
    },
  };
}

/** Whether the execution can still change something by itself. */
export function isActive(execution: Pick<Execution, 'status'>): boolean {
  return execution.status === 'InProgress' || execution.status === 'Stopping';
}

/**
 * The executions that have touched the canary, in the order of their latest canary deployment, newest
 * first. They are found by what they did, never by their position in the pipeline's list: the newest
 * execution is often one that still builds.
 */
export function releases(pipeline: PipelineState): readonly Journey[] {
  const journeys: Journey[] = [];
  for (const execution of pipeline.executions) {
    const journey = journeyOf(pipeline, execution);
    if (journey !== undefined) journeys.push(journey);
  }
  return journeys.sort(
    (a, b) =>
      b.canaryLastStartedAt - a.canaryLastStartedAt ||
      b.execution.startedAt - a.execution.startedAt ||
      (a.execution.id < b.execution.id ? 1 : -1),
  );
}

/**
 * The release that decisions are about, if any execution has ever touched the canary.
 *
 * One that is changing stable comes first, since it is the one with something to lose; else the newest
 * active one; else the newest of all, whose end may still have to be made good.
 */
export function currentRelease(pipeline: PipelineState): Journey | undefined {
  const all = releases(pipeline);
  const active = all.filter((journey) => isActive(journey.execution));
  return active.findLast((journey) => hasReachedStable(journey)) ?? active[0] ?? all[0];
}

/** When measuring for a release begins: with the interval in which its canary deployment did; epoch milliseconds. */
export function measuredFrom({ canaryStartedAt }: Journey): number {
  return Math.floor(canaryStartedAt / reportMs) * reportMs;
}

/** When judging a release begins: with the interval in which its canary became steady; epoch milliseconds. */
export function judgedFrom({ canary }: Journey): number | undefined {
  return canary.status === 'Succeeded' ? Math.floor(canary.updatedAt / reportMs) * reportMs : undefined;
}

/** How long a canary is judged at least, from its steady state on, when a person takes long to decide. */
const judgedAtLeastMs = 3 * 60 * 60_000;

/**
 * What is not read of the logs of a release whose verdict has been given: an approval may wait for weeks, and what is
 * read at a look must not grow with them. From the promotion on both services are read again.
 */
export function unreadOf({ canary, judge, stable }: Journey, nowMs: number): Unread | undefined {
  if (judge?.status !== 'Succeeded') return undefined;
  const judgedUntil = Math.max(judge.updatedAt, canary.updatedAt + judgedAtLeastMs);
  const fromMs = Math.ceil(judgedUntil / reportMs) * reportMs;
  const toMs = stable && Math.floor(stable.startedAt / reportMs) * reportMs;
  if ((toMs ?? nowMs) <= fromMs) return undefined;
  return { fromMs, ...(toMs !== undefined && { toMs }) };
}

/** Active executions other than the current release that have touched the canary as well. */
export function intruders(pipeline: PipelineState, release: Journey): readonly Journey[] {
  return releases(pipeline).filter(
    (journey) => isActive(journey.execution) && journey.execution.id !== release.execution.id,
  );
}

/**
 * The ended execution that has deployed to the canary after the release did, if there is one: a person can retry an
 * execution of which another has taken the canary meanwhile.
 */
export function replacedBy(pipeline: PipelineState, release: Journey): Execution | undefined {
  return releases(pipeline).find(
    ({ execution, canaryLastStartedAt }) =>
      !isActive(execution) &&
      execution.id !== release.execution.id &&
      canaryLastStartedAt > release.canaryLastStartedAt,
  )?.execution;
}

/** Whether the release has begun to change stable. */
export function hasReachedStable(journey: Journey): boolean {
  return journey.stable !== undefined || journey.record !== undefined;
}

/** Whether the pipeline builds what it releases; otherwise a release request names an image. */
export function builds(pipeline: PipelineState): boolean {
  return stageNamed(pipeline, stages.build.stage) !== undefined;
}

/** Whether the execution has done all that comes before the canary. */
function isReady(pipeline: PipelineState, executionId: string): boolean {
  const last = builds(pipeline) ? 'build' : 'source';
  return latestRun(pipeline, executionId, last)?.status === 'Succeeded';
}

/** Newer executions that are ready and wait for the canary, newest first. */
export function waitingForCanary(pipeline: PipelineState, release: Journey): readonly Execution[] {
  const inbound = stageNamed(pipeline, stages.canary.stage)?.inboundExecutionIds ?? [];
  return pipeline.executions
    .filter(
      (execution) =>
        execution.status === 'InProgress' &&
        execution.id !== release.execution.id &&
        execution.startedAt >= release.execution.startedAt &&
        latestRun(pipeline, execution.id, 'canary') === undefined &&
        (inbound.includes(execution.id) || isReady(pipeline, execution.id)),
    )
    .sort((a, b) => b.startedAt - a.startedAt);
}

/**
 * Whether another execution may be entering the Canary stage at this very moment.
 *
 * The pipeline and the services are read one after the other, and the list of action runs lags: an execution
 * may deploy to the canary before its run is listed. What it deploys must not be mistaken for residue of the
 * release that ended before.
 */
export function mayBeEnteringCanary(pipeline: PipelineState, release: Journey | undefined): boolean {
  // While the release's own deployment runs, it holds the stage's lock.
  if (release && isActive(release.execution) && release.canary.status === 'InProgress') return false;
  const stage = stageNamed(pipeline, stages.canary.stage);
  return pipeline.executions.some(
    (execution) =>
      isActive(execution) &&
      execution.id !== release?.execution.id &&
      latestRun(pipeline, execution.id, 'canary') === undefined &&
      (stage?.latestExecutionId === execution.id ||
        (stage?.transitionEnabled === true && isReady(pipeline, execution.id))),
  );
}

/** Whether the pipeline itself deploys to the track at this moment, also in an execution that is no release. */
export function isBeingDeployed(pipeline: PipelineState, track: Track): boolean {
  const { stage, action } = stages[track];
  return pipeline.actions.some(
    (run) => run.stage === stage && run.action === action && run.status === 'InProgress',
  );
}

export function stageNamed(pipeline: PipelineState, name: string): StageState | undefined {
  return pipeline.stages.find((stage) => stage.name === name);
}

function journeyOf(pipeline: PipelineState, execution: Execution): Journey | undefined {
  const canaryRuns = runs(pipeline, execution.id, 'canary');
  const canary = canaryRuns[0];
  if (canary === undefined) return undefined;
  const build = latestRun(pipeline, execution.id, 'build');
  const judge = latestRun(pipeline, execution.id, 'judge');
  const approval = latestRun(pipeline, execution.id, 'approval');
  const stable = latestRun(pipeline, execution.id, 'stable');
  const record = latestRun(pipeline, execution.id, 'record');
  return {
    execution,
    canaryStartedAt: Math.min(...canaryRuns.map((run) => run.startedAt)),
    canaryLastStartedAt: canary.startedAt,
    ...(build && { build }),
    canary,
    ...(judge && { judge }),
    ...(approval && { approval }),
    ...(stable && { stable }),
    ...(record && { record }),
  };
}

function latestRun(pipeline: PipelineState, executionId: string, step: Step): ActionRun | undefined {
  return runs(pipeline, executionId, step)[0];
}

/** Runs of one action in one execution, latest first. */
function runs(pipeline: PipelineState, executionId: string, step: Step): ActionRun[] {
  const { stage, action } = stages[step];
  return pipeline.actions
    .filter((run) => run.executionId === executionId && run.stage === stage && run.action === action)
    .sort((a, b) => b.startedAt - a.startedAt);
}
