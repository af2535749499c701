import type { ReleasePolicy } from '../policy/policy.ts';
import { type Effect, isBarrier, type RecordWrite } from './effect.ts';
import { assessHealth, type Health } from './health.ts';
import {
  currentRelease,
  hasReachedStable,
  intruders,
  isActive,
  type Journey,
  mayBeEnteringCanary,
  stageNamed,
  waitingForCanary,
} from './journey.ts';
import {
  type Job,
  type Observed,
  type PipelineState,
  type ServiceState,
  stages,
  type Track,
  tracks,
} from './observed.ts';
import {
  type Baseline,
  type Decision,
  initialExecutionId,
  type LastGood,
  type ReleaseRecord,
} from './record.ts';

/**
 * Where the current release is.
 *
 * - `idle`: no execution has touched the canary yet.
 * - `deploying`: the canary is being brought to the candidate.
 * - `baking`: the canary is steady and observed, before the release is offered for approval.
 * - `awaitingApproval`: a person decides.
 * - `promoting`: stable is being brought to the candidate, or both are watched on it.
 * - `succeeded`: the release is the last good one.
 * - `rollingBack`: the release was ended; both services are on their way to the last good release.
 * - `rolledBack`: the release was ended and both services run the last good release.
 * - `aborted`: the same, for a release that was ended on request before stable was touched.
 * - `halted`: the controller cannot see, or has nothing to return to; a person must act.
 */
export type Phase =
  | 'idle'
  | 'deploying'
  | 'baking'
  | 'awaitingApproval'
  | 'promoting'
  | 'succeeded'
  | 'rollingBack'
  | 'rolledBack'
  | 'aborted'
  | 'halted';

/** The release that a plan is about. */
export interface ReleaseSummary {
  /** The pipeline execution's id: the identity of the release. */
  readonly executionId: string;
  readonly commit?: string;
  readonly commitMessage?: string;
  /** When its canary deployment began, epoch milliseconds. */
  readonly startedAt: number;
  /** When it came to where it is now, epoch milliseconds. */
  readonly since: number;
  /** Messages dead-lettered since it began, as far as known. */
  readonly deadLetters?: number;
}

export interface Plan {
  readonly phase: Phase;
  readonly release?: ReleaseSummary;
  /** In the order in which to carry them out; see {@link Effect} for which depend on which. */
  readonly effects: readonly Effect[];
  /** When looking again can show something new without an event, in milliseconds from now. */
  readonly nextWakeMs?: number;
  /** Why, in sentences for a person. */
  readonly reasons: readonly string[];
}

/**
 * Begins the reason of every transition that the controller disabled, so that it opens no one else's.
 * CodePipeline allows only letters, digits, spaces and `!@().*?-` in it.
 */
export const holdPrefix = 'queue-canary release ';

/** Keeps the record within the 4 KB of a standard parameter, and reasons within CodePipeline's limits. */
const reasonLengthMax = 400;

/** How soon to look again at services that are being restored; ECS events usually come first. */
const restoringWakeMs = 10_000;

/**
 * What to do now, from what is to be seen now.
 *
 * It is level-triggered: it knows nothing of the event that woke it, so duplicated, late and reordered
 * wakes yield the same plan, and a plan whose effects have been carried out yields none.
 */
export function plan(observed: Observed, policy: ReleasePolicy, nowMs: number): Plan {
  const { pipeline, canary, stable, record } = observed;
  if (!(pipeline.known && canary.known && stable.known && record.known)) {
    const problems = [pipeline, canary, stable, record].flatMap((r) => (r.known ? [] : [r.problem]));
    return {
      phase: 'halted',
      effects: observed.job ? [{ kind: 'continueJob', jobId: observed.job.id }] : [],
      reasons: problems,
    };
  }
  const world: World = {
    observed,
    policy,
    nowMs,
    pipeline: pipeline.value,
    canary: canary.value,
    stable: stable.value,
    record: record.value.record,
    recordVersion: record.value.version,
  };
  return answeringJob(world, planRelease(world));
}

function planRelease(world: World): Plan {
  const release = currentRelease(world.pipeline);
  if (release === undefined) return planIdle(world);
  const health = assessHealth(world.observed, world.record, release, world.policy);
  const end = endOf(world, release, health);
  if (end !== undefined) return planEnding(world, release, health, end);
  return isActive(release.execution)
    ? planActive(world, release, health)
    : planSucceeded(world, release, health);
}

/**
 * The writes that make a person's wish to roll back durable, or why there is nothing to roll back.
 *
 * Carry out its effects, then plan as after any wake.
 */
export function requestRollback(
  observed: Observed,
  request: { readonly executionId?: string; readonly reason: string },
  nowMs: number,
):
  | { readonly ok: true; readonly effects: readonly Effect[]; readonly executionId: string }
  | { readonly ok: false; readonly problem: string } {
  const { pipeline, record } = observed;
  if (!pipeline.known) return { ok: false, problem: pipeline.problem };
  if (!record.known) return { ok: false, problem: record.problem };
  const release = currentRelease(pipeline.value);
  const { executionId } = request;
  if (release === undefined) {
    return { ok: false, problem: 'no release has reached the canary, so there is nothing to roll back' };
  }
  const { id } = release.execution;
  if (executionId !== undefined && executionId !== id) {
    return {
      ok: false,
      problem: `execution ${executionId} is not the current release; that is ${id}. Look at its status and ask again`,
    };
  }
  if (record.value.record.lastGood?.executionId === id) {
    return {
      ok: false,
      problem: `release ${id} is already the last good release, so there is nothing to return to; push a revert commit instead`,
    };
  }
  if (record.value.record.decision?.executionId === id) return { ok: true, effects: [], executionId: id };
  if (!isActive(release.execution)) {
    return { ok: false, problem: `release ${id} has already ended (${release.execution.status})` };
  }
  const end: End = { kind: 'rollback', by: 'person', reason: request.reason };
  return {
    ok: true,
    executionId: id,
    effects: decide(release, end, record.value.record, record.value.version, nowMs),
  };
}

interface World {
  readonly observed: Observed;
  readonly policy: ReleasePolicy;
  readonly nowMs: number;
  readonly pipeline: PipelineState;
  readonly canary: ServiceState;
  readonly stable: ServiceState;
  readonly record: ReleaseRecord;
  readonly recordVersion: number;
}

type End = Pick<Decision, 'kind' | 'by' | 'reason'>;

/** Why the release must end or has ended without success; absent while it may go on or has succeeded. */
function endOf(world: World, release: Journey, health: Health): End | undefined {
  const { record, policy } = world;
  const { execution } = release;
  if (record.lastGood?.executionId === execution.id) return undefined;
  if (record.decision?.executionId === execution.id) return record.decision;
  const onRequest = hasReachedStable(release) ? 'rollback' : 'abort';
  if (!isActive(execution)) {
    switch (execution.status) {
      case 'Succeeded':
        return undefined;
      case 'Superseded':
        return { kind: onRequest, by: 'newerCommit', reason: 'a newer execution superseded it' };
      case 'Stopped':
      case 'Cancelled':
        return { kind: onRequest, by: 'person', reason: stopped(release) };
      default:
        return release.verdict?.status === 'Failed'
          ? { kind: 'abort', by: 'person', reason: failed('it was not approved', release.verdict.summary) }
          : { kind: 'rollback', by: 'pipeline', reason: pipelineFailure(release) };
    }
  }
  if (execution.status === 'Stopping') {
    return { kind: onRequest, by: 'person', reason: stopped(release) };
  }
  if (health.failure !== undefined) return { kind: 'rollback', by: 'health', reason: health.failure };
  const strayed = strayedTrack(world, release);
  if (strayed !== undefined) {
    return {
      kind: 'rollback',
      by: 'health',
      reason: `${strayed} runs ${world[strayed].imageUri} instead of the candidate: it was changed from outside, perhaps by a stack update. Release the change again`,
    };
  }
  if (policy.onNewerCommit === 'supersede' && release.verdict?.status === 'InProgress') {
    const newer = waitingForCanary(world.pipeline, release)[0];
    if (newer !== undefined) {
      return {
        kind: 'abort',
        by: 'newerCommit',
        reason: `a newer commit is ready for the canary (execution ${newer.id}${newer.commit ? `, commit ${newer.commit}` : ''})`,
      };
    }
  }
  return undefined;
}

/** The image that the release is about, once the pipeline has brought it to the canary. */
function candidateDigest(world: World, release: Journey): string | undefined {
  const { baseline } = world.record;
  return baseline?.executionId === release.execution.id ? baseline.candidateDigest : undefined;
}

/**
 * The track that should run the candidate by now and does not. What was observed then says nothing about
 * the candidate, and what would be recorded is not what was released.
 */
function strayedTrack(world: World, release: Journey): Track | undefined {
  const { canary, stable } = world;
  const candidate =
    candidateDigest(world, release) ?? (release.record === undefined ? undefined : stable.imageDigest);
  if (candidate === undefined) return undefined;
  if (canary.imageDigest !== candidate) return 'canary';
  return release.record !== undefined && stable.imageDigest !== candidate ? 'stable' : undefined;
}

/** Ends what is still active, and brings both services back to the last good release. */
function planEnding(world: World, release: Journey, health: Health, end: End): Plan {
  const { record } = world;
  const { id } = release.execution;
  const active = isActive(release.execution);
  const decided = record.decision?.executionId === id ? record.decision : undefined;
  const reasons = [end.reason];
  const summary = summarise(release, health, decided ? Date.parse(decided.decidedAt) : world.nowMs);

  const stops = active ? endExecution(world, release, end.reason) : [];
  const { restores, restored, obstacles } = restoration(world, release);
  const effects: Effect[] = [];
  if (decided === undefined) {
    effects.push(...decide(release, end, record, world.recordVersion, world.nowMs));
  }
  if (decided !== undefined && decided.restoredAt === undefined && restored && !active) {
    effects.push(...confirmRestored(world, decided));
  }
  const going = obstacles.length === 0 && (active || !restored);
  // The stage is closed before the execution ends, or the next one would enter it at that very moment.
  if (going) effects.push(...closeGate(world, release));
  effects.push(...stops, ...endIntruders(world, release), ...restores);

  if (obstacles.length > 0) {
    if (!active) effects.push(...openGate(world));
    return { phase: 'halted', release: summary, effects, reasons: [...reasons, ...obstacles] };
  }
  if (going) {
    return {
      phase: 'rollingBack',
      release: summary,
      effects,
      nextWakeMs: restoringWakeMs,
      reasons: [...reasons, ...progress(world)],
    };
  }
  effects.push(...followTaskDefinitions(world, effects), ...openGate(world));
  return {
    phase: end.kind === 'abort' ? 'aborted' : 'rolledBack',
    release: summary,
    effects,
    reasons,
  };
}

/** Lets a healthy release go on, and answers the job that asks whether it has arrived. */
function planActive(world: World, release: Journey, health: Health): Plan {
  const { record, policy, nowMs, observed } = world;
  const { execution, canary, verdict } = release;
  const reasons = [...health.unmeasured.map((problem) => `not measured: ${problem}`), ...health.notes];
  const standing = [...endIntruders(world, release), ...closeGate(world, release)];

  if (record.lastGood?.executionId === execution.id) {
    return {
      phase: 'succeeded',
      release: summarise(release, health, Date.parse(record.lastGood.recordedAt)),
      effects: [...standing, ...(observed.job ? [complete(observed.job, execution.id)] : [])],
      reasons: [...reasons, 'it is recorded as the last good release; the pipeline is finishing'],
    };
  }

  const effects: Effect[] = [...followBaseline(world, release)];
  if (release.record !== undefined) {
    const watch = planWatch(world, release, release.record.startedAt, health);
    return {
      phase: 'promoting',
      release: summarise(release, health, release.record.startedAt),
      effects: watch.good ? [...watch.effects, ...standing] : [...effects, ...standing, ...watch.effects],
      ...(watch.nextWakeMs !== undefined && { nextWakeMs: watch.nextWakeMs }),
      reasons: [...reasons, ...watch.reasons],
    };
  }
  effects.push(...followTaskDefinitions(world, effects));
  effects.push(...standing, ...finishEarlierRollback(world, release));
  if (release.stable !== undefined || verdict?.status === 'Succeeded') {
    return {
      phase: 'promoting',
      release: summarise(release, health, release.stable?.startedAt ?? verdict?.updatedAt ?? nowMs),
      effects,
      reasons: [...reasons, 'stable is being brought to the candidate'],
    };
  }
  if (canary.status !== 'Succeeded') {
    return {
      phase: 'deploying',
      release: summarise(release, health, canary.startedAt),
      effects,
      reasons: [...reasons, 'the canary is being brought to the candidate'],
    };
  }
  const bakedAt = canary.updatedAt + policy.bakeMs;
  if (nowMs < bakedAt) {
    return {
      phase: 'baking',
      release: summarise(release, health, canary.updatedAt),
      effects,
      nextWakeMs: bakedAt - nowMs,
      reasons: [...reasons, `the canary is observed for ${seconds(bakedAt - nowMs)} more`],
    };
  }
  return {
    phase: 'awaitingApproval',
    release: summarise(release, health, bakedAt),
    effects,
    reasons: [...reasons, 'a person decides whether to promote'],
  };
}

/** Remembers what the release begins with, as soon as it is known. */
function followBaseline(world: World, release: Journey): Effect[] {
  const { record, observed, canary } = world;
  const { id } = release.execution;
  const before: Baseline = record.baseline?.executionId === id ? record.baseline : { executionId: id };
  const { depth } = observed.deadLetters;
  const arrived = release.canary.status === 'Succeeded' ? canary.imageDigest : undefined;
  const baseline: Baseline = {
    ...(depth.known && { deadLetters: depth.value }),
    ...(arrived !== undefined && { candidateDigest: arrived }),
    ...before,
  };
  const learned =
    baseline.deadLetters !== before.deadLetters || baseline.candidateDigest !== before.candidateDigest;
  return learned ? [writeRecord(world, 'recordBaseline', id, { ...record, baseline })] : [];
}

interface Watch {
  readonly good: boolean;
  readonly effects: readonly Effect[];
  readonly nextWakeMs?: number;
  readonly reasons: readonly string[];
}

/** The end of a promotion: both services steady on the candidate, and the watch period over. */
function planWatch(world: World, release: Journey, since: number, health: Health): Watch {
  const { observed, policy, nowMs, record } = world;
  const job = observed.job;
  const reasons: string[] = [];
  const arrived = onOneImage(world);
  if (arrived === undefined)
    reasons.push('the services are not steady on the candidate yet', ...progress(world));
  const watchedAt = since + policy.watchMs;
  if (nowMs < watchedAt) reasons.push(`both services are watched for ${seconds(watchedAt - nowMs)} more`);
  const ours = job !== undefined && (job.executionId ?? release.execution.id) === release.execution.id;
  if (arrived === undefined || nowMs < watchedAt || health.unmeasured.length > 0 || !ours) {
    return {
      good: false,
      effects: ours ? [again(job)] : [],
      ...(nowMs < watchedAt && { nextWakeMs: watchedAt - nowMs }),
      reasons,
    };
  }
  const { execution } = release;
  const lastGood = lastGoodFrom(world, arrived, execution.id, execution.commit);
  return {
    good: true,
    effects: [
      writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }),
      ...followImage(world, lastGood),
      {
        kind: 'notify',
        subject: `Release ${shortId(execution.id)} succeeded`,
        message: `Both services run ${lastGood.imageUri}${commitText(execution.commit)}. It is the last good release now.`,
      },
      complete(job, execution.id),
    ],
    reasons: ['both services are steady on the candidate and the watch period is over'],
  };
}

/** A release that is over and good: keeps the record true to what runs, and lets the next one in. */
function planSucceeded(world: World, release: Journey, health: Health): Plan {
  const { record } = world;
  const { execution } = release;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  const image = onOneImage(world);
  if (record.lastGood?.executionId === execution.id) {
    effects.push(...followTaskDefinitions(world, effects), ...followImage(world, record.lastGood));
  } else if (release.record?.status === 'Succeeded' && image !== undefined) {
    const lastGood = lastGoodFrom(world, image, execution.id, execution.commit);
    effects.push(writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }));
    reasons.push('the pipeline has finished it, and both services are steady on its image');
  } else {
    reasons.push('the pipeline has finished it, but it is not recorded as the last good release');
  }
  effects.push(...openGate(world));
  if (world.observed.alarms.known) {
    for (const alarm of world.observed.alarms.value) {
      if (alarm.value === 'ALARM') {
        reasons.push(`alarm ${alarm.name} is in ALARM, but no release is under way: nothing is rolled back`);
      }
    }
  }
  for (const track of tracks) {
    if (record.lastGood && world[track].imageDigest !== record.lastGood.imageDigest) {
      reasons.push(`${track} runs ${world[track].imageUri}, which is not the last good release`);
    }
  }
  return {
    phase: 'succeeded',
    release: summarise(release, health, execution.updatedAt),
    effects,
    reasons,
  };
}

/** No release yet: adopts what both services were created with, so that the first release has a way back. */
function planIdle(world: World): Plan {
  const { record } = world;
  const effects: Effect[] = [];
  const reasons: string[] = [];
  if (record.lastGood === undefined) {
    const image = onOneImage(world);
    if (image === undefined) {
      reasons.push('no last good release yet: the services are not steady on one image', ...progress(world));
    } else {
      const lastGood = lastGoodFrom(world, image, initialExecutionId, undefined);
      effects.push(writeRecord(world, 'recordLastGood', initialExecutionId, { ...record, lastGood }));
      reasons.push('both services run one image at steady state: it is the first last good release');
    }
  } else {
    effects.push(...followTaskDefinitions(world, effects));
    reasons.push('no release has reached the canary');
  }
  effects.push(...openGate(world));
  return { phase: 'idle', effects, reasons };
}

/** What brings both services back, whether they are back, and what stands in the way. */
function restoration(
  world: World,
  release: Journey,
): { restores: Effect[]; restored: boolean; obstacles: string[] } {
  const { record, observed } = world;
  const { lastGood } = record;
  if (lastGood === undefined) {
    return {
      restores: [],
      restored: false,
      obstacles: [
        'there is no last good release to return to: both services are left as they are. Push a commit that fixes the worker and approve its release, or deploy a task definition by hand',
      ],
    };
  }
  const restores: Effect[] = [];
  const obstacles: string[] = [];
  let deferred = false;
  for (const track of tracks) {
    const service = world[track];
    const onImage = service.imageDigest === lastGood.imageDigest;
    const broken = onImage && service.primary.rolloutState === 'FAILED';
    if (onImage && !broken) continue;
    if (track === 'canary' && mayBeEnteringCanary(world.pipeline, release)) {
      deferred = true;
      continue;
    }
    const points = observed.restorePoints;
    const taskDefinitionArn = onImage
      ? service.primary.taskDefinitionArn
      : track === 'canary'
        ? lastGood.canaryTaskDefinitionArn
        : lastGood.stableTaskDefinitionArn;
    if (!onImage && points.known && !points.value[track]) {
      obstacles.push(
        `${track} cannot return to ${taskDefinitionArn}: it has been deregistered. Push a commit that fixes the worker and approve its release, or deploy a task definition with ${lastGood.imageUri} by hand`,
      );
      continue;
    }
    restores.push({
      kind: 'restoreService',
      executionId: release.execution.id,
      track,
      taskDefinitionArn,
      observedTaskDefinitionArn: service.primary.taskDefinitionArn,
      forceNew: broken,
    });
  }
  const restored =
    !deferred &&
    restores.length === 0 &&
    obstacles.length === 0 &&
    tracks.every((track) => isSteady(world[track]));
  return { restores, restored, obstacles };
}

/**
 * Brings stable back for an earlier release whose rollback was overtaken by this one. The closed Canary stage
 * prevents that; a person who opens it does not.
 */
function finishEarlierRollback(world: World, release: Journey): Effect[] {
  const { decision } = world.record;
  if (decision === undefined || decision.restoredAt !== undefined) return [];
  if (hasReachedStable(release) || release.verdict?.status === 'Succeeded') return [];
  return restoration(world, release).restores.filter(
    (effect) => effect.kind === 'restoreService' && effect.track === 'stable',
  );
}

/** Whether ECS has finished moving the service and it runs what it is told to run. */
export function isSteady(service: ServiceState): boolean {
  return (
    service.primary.rolloutState === 'COMPLETED' &&
    service.others.length === 0 &&
    service.running >= service.desired
  );
}

/** The one image that both services run at steady state with at least one task, named by digest. */
function onOneImage(world: World): { readonly imageUri: string; readonly imageDigest: string } | undefined {
  const { canary, stable } = world;
  const { imageDigest, imageUri } = stable;
  if (imageDigest === undefined || imageDigest !== canary.imageDigest) return undefined;
  if (!isSteady(canary) || !isSteady(stable) || canary.running + stable.running === 0) return undefined;
  return { imageDigest, imageUri };
}

function lastGoodFrom(
  world: World,
  image: { readonly imageUri: string; readonly imageDigest: string },
  executionId: string,
  commit: string | undefined,
): LastGood {
  return {
    executionId,
    ...(commit !== undefined && { commit }),
    ...image,
    canaryTaskDefinitionArn: world.canary.primary.taskDefinitionArn,
    stableTaskDefinitionArn: world.stable.primary.taskDefinitionArn,
    recordedAt: new Date(world.nowMs).toISOString(),
  };
}

/**
 * Keeps the record's task definitions current when only the configuration has changed.
 *
 * CloudFormation deregisters the revision that it replaces, so a record that still names it could not be
 * restored. The image is the same, so this is not a new release.
 */
function followTaskDefinitions(world: World, before: readonly Effect[]): Effect[] {
  const { record } = world;
  const { lastGood } = record;
  if (lastGood === undefined || before.some(isBarrier)) return [];
  const current = (track: Track, recorded: string): string => {
    const service = world[track];
    return isSteady(service) && service.imageDigest === lastGood.imageDigest
      ? service.primary.taskDefinitionArn
      : recorded;
  };
  const canaryTaskDefinitionArn = current('canary', lastGood.canaryTaskDefinitionArn);
  const stableTaskDefinitionArn = current('stable', lastGood.stableTaskDefinitionArn);
  if (
    canaryTaskDefinitionArn === lastGood.canaryTaskDefinitionArn &&
    stableTaskDefinitionArn === lastGood.stableTaskDefinitionArn
  ) {
    return [];
  }
  return [
    writeRecord(world, 'recordLastGood', lastGood.executionId, {
      ...record,
      lastGood: { ...lastGood, canaryTaskDefinitionArn, stableTaskDefinitionArn },
    }),
  ];
}

function followImage(world: World, lastGood: LastGood): Effect[] {
  const { image } = world.observed;
  if (image.known && image.value === lastGood.imageUri) return [];
  return [{ kind: 'recordImage', imageUri: lastGood.imageUri }];
}

function decide(
  release: Journey,
  end: End,
  record: ReleaseRecord,
  version: number,
  nowMs: number,
): readonly Effect[] {
  const { execution } = release;
  const decision: Decision = {
    executionId: execution.id,
    kind: end.kind,
    reason: shorten(end.reason),
    by: end.by,
    decidedAt: new Date(nowMs).toISOString(),
  };
  const back = record.lastGood
    ? `Both services return to ${record.lastGood.imageUri}${commitText(record.lastGood.commit)}.`
    : 'There is no last good release to return to; a person must act.';
  return [
    {
      kind: 'recordDecision',
      executionId: execution.id,
      next: { ...record, decision },
      ifVersion: version,
    },
    {
      kind: 'notify',
      subject: `Release ${shortId(execution.id)} ${end.kind === 'abort' ? 'aborted' : 'is rolled back'}`,
      message: `Release ${execution.id}${commitText(execution.commit)} ended: ${end.reason}. ${back}`,
    },
  ];
}

function confirmRestored(world: World, decision: Decision): Effect[] {
  const { lastGood } = world.record;
  return [
    writeRecord(world, 'recordRestored', decision.executionId, {
      ...world.record,
      decision: { ...decision, restoredAt: new Date(world.nowMs).toISOString() },
    }),
    {
      kind: 'notify',
      subject: `Release ${shortId(decision.executionId)}: both services restored`,
      message: `Both services run ${lastGood?.imageUri ?? 'the last good release'}${commitText(lastGood?.commit)} again.`,
    },
  ];
}

function writeRecord(
  world: World,
  kind: RecordWrite['kind'],
  executionId: string,
  next: ReleaseRecord,
): RecordWrite {
  return { kind, executionId, next, ifVersion: world.recordVersion };
}

/** The gentlest way to end an execution: by its job, by its approval, or by stopping it. */
function endExecution(world: World, release: Journey, reason: string): Effect[] {
  const { job } = world.observed;
  const { approval } = world.pipeline;
  const { id } = release.execution;
  if (job !== undefined && release.record?.status === 'InProgress' && (job.executionId ?? id) === id) {
    return [{ kind: 'failJob', jobId: job.id, reason }];
  }
  if (approval?.executionId === id) {
    const { stage, action, token } = approval;
    return [{ kind: 'rejectApproval', executionId: id, stage, action, token, reason }];
  }
  return [{ kind: 'stopExecution', executionId: id, reason }];
}

function endIntruders(world: World, release: Journey): Effect[] {
  return intruders(world.pipeline, release).flatMap((other) =>
    endExecution(
      { ...world, observed: withoutJob(world.observed) },
      other,
      `release ${release.execution.id} is under way, and there is only ever one`,
    ),
  );
}

function withoutJob(observed: Observed): Observed {
  const { job: _, ...rest } = observed;
  return rest;
}

/**
 * Keeps newer executions out of the Canary stage. Stage locks alone do not: the canary's stage is free again
 * as soon as a release waits for its verdict, and the next execution would replace what is being judged.
 */
function closeGate(world: World, release: Journey): Effect[] {
  if (stageNamed(world.pipeline, stages.canary.stage)?.transitionEnabled !== true) return [];
  const { id } = release.execution;
  return [{ kind: 'closeCanaryStage', executionId: id, reason: `${holdPrefix}${id} is under way` }];
}

function openGate(world: World): Effect[] {
  const stage = stageNamed(world.pipeline, stages.canary.stage);
  if (stage === undefined || stage.transitionEnabled) return [];
  return stage.transitionDisabledReason?.startsWith(holdPrefix) ? [{ kind: 'openCanaryStage' }] : [];
}

/** A job that nobody answers keeps its pipeline action waiting until it times out: every one gets an answer. */
function answeringJob(world: World, planned: Plan): Plan {
  const { job } = world.observed;
  if (job === undefined || planned.effects.some((effect) => 'jobId' in effect)) return planned;
  return { ...planned, effects: [...planned.effects, answerOther(world, job)] };
}

/** The answer to a job whose release is not the current one or not at its end. */
function answerOther(world: World, job: Job): Effect {
  const { executionId } = job;
  if (executionId === undefined) return again(job);
  if (world.record.lastGood?.executionId === executionId) return complete(job, executionId);
  const execution = world.pipeline.executions.find((candidate) => candidate.id === executionId);
  if (execution !== undefined && isActive(execution)) return again(job);
  return { kind: 'failJob', jobId: job.id, reason: `execution ${executionId} has already ended` };
}

function again(job: Job): Effect {
  return { kind: 'continueJob', jobId: job.id };
}

function complete(job: Job, executionId: string): Effect {
  return { kind: 'completeJob', jobId: job.id, executionId };
}

function summarise(release: Journey, health: Health, since: number): ReleaseSummary {
  const { execution } = release;
  return {
    executionId: execution.id,
    ...(execution.commit !== undefined && { commit: execution.commit }),
    ...(execution.commitMessage !== undefined && { commitMessage: execution.commitMessage }),
    startedAt: release.canaryStartedAt,
    since,
    ...(health.deadLetters !== undefined && { deadLetters: health.deadLetters }),
  };
}

/** One sentence for each service that is not steady. */
function progress(world: World): string[] {
  return tracks.flatMap((track) => {
    const service = world[track];
    if (isSteady(service)) return [];
    const { rolloutState, rolloutReason } = service.primary;
    return [
      `${track}: ${service.running} of ${service.desired} tasks running, deployment ${rolloutState}${rolloutReason ? ` (${rolloutReason})` : ''}`,
    ];
  });
}

function stopped(release: Journey): string {
  return failed('the pipeline execution was stopped', release.execution.stopReason);
}

function pipelineFailure(release: Journey): string {
  const run = [release.record, release.stable, release.verdict, release.canary].find(
    (candidate) => candidate?.status === 'Failed' || candidate?.status === 'Abandoned',
  );
  return run === undefined
    ? `the pipeline execution ended as ${release.execution.status}`
    : failed(`${run.stage}/${run.action} failed`, run.summary);
}

function failed(what: string, detail: string | undefined): string {
  return detail ? `${what}: ${detail}` : what;
}

function commitText(commit: string | undefined): string {
  return commit === undefined ? '' : ` (commit ${commit})`;
}

function shortId(executionId: string): string {
  return executionId.slice(0, 8);
}

function shorten(reason: string): string {
  return reason.length <= reasonLengthMax ? reason : `${reason.slice(0, reasonLengthMax - 1)}\u2026`;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
