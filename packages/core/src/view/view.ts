import { stages, type Track } from '../contract.ts';
import type { Effects } from '../judge/effect.ts';
import type { Concern, Evidence, Verdict } from '../judge/evidence.ts';
import type { Lateness } from '../measurement/lateness.ts';
import { builds, currentRelease, isActive, type Journey, waitingForCanary } from '../release/journey.ts';
import type {
  ActionRun,
  AlarmValue,
  Execution,
  Observed,
  PipelineState,
  Reading,
  RolloutState,
  ServiceState,
} from '../release/observed.ts';
import type { Phase, Plan } from '../release/phase.ts';
import type { Decision, Drift, LastGood, RecordedVerdict, ReleaseRecord } from '../release/record.ts';
import { isSteady } from '../release/world.ts';

export type StageStatus = 'waiting' | 'running' | 'succeeded' | 'failed' | 'stopped';

/** One stage of the execution that the view is about. */
export interface StageView {
  readonly name: string;
  readonly status: StageStatus;
  /** When it began, epoch milliseconds; absent while it waits. */
  readonly startedAt?: number;
  /** When it ended, epoch milliseconds; absent until then. */
  readonly endedAt?: number;
  readonly note?: string;
}

/** One of the two services. */
export interface TrackView {
  readonly track: Track;
  readonly service: string;
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  readonly image: string;
  readonly imageDigest?: string;
  /** The commit in that image, where it is the release's or the last good one's. */
  readonly commit?: string;
  readonly runs: 'lastGood' | 'candidate' | 'other';
  readonly rollout: RolloutState;
  readonly steady: boolean;
}

export interface AlarmView {
  readonly name: string;
  readonly value: AlarmValue;
  /** Epoch milliseconds. */
  readonly since: number;
}

/** An execution of the pipeline that is not the release. */
export interface ExecutionView {
  readonly executionId: string;
  readonly commit?: string;
  readonly commitMessage?: string;
  /** What its release request names, where the pipeline builds nothing. */
  readonly image?: string;
}

/** A verdict as a person reads it. */
export interface VerdictView {
  readonly kind: Verdict['kind'];
  readonly code: RecordedVerdict['code'];
  readonly summary: string;
  /** Sentences on the error rate, or on what is missing; empty if only the record is left. */
  readonly statements: readonly string[];
  /** Messages that the canary finished on their first delivery, and how many of them failed. */
  readonly canaryUnits: number;
  readonly canaryFailed: number;
  /** By how much the canary differs from stable, with 95 % confidence; absent if only the record is left. */
  readonly effects?: Effects;
  /** The expected pass or fail and the time until then, ms; absent if that cannot be estimated. */
  readonly projected?: NonNullable<Evidence['projected']>;
  /** Things that do not fail the release but that a person should see before its promotion. */
  readonly concerns: readonly Concern[];
  /** Epoch milliseconds; absent while nothing is decided. */
  readonly decidedAt?: number;
}

/** A release as the command line shows it. */
export interface ReleaseView {
  readonly phase: Phase;
  /** When it entered this phase, epoch milliseconds. */
  readonly since?: number;
  readonly release?: ExecutionView & { readonly startedAt: number; readonly deadLetters?: number };
  /** Stages of the release; before the first release, those of the newest execution. */
  readonly stages: readonly StageView[];
  /** The services that could be read, canary first. */
  readonly tracks: readonly TrackView[];
  readonly alarms: readonly AlarmView[];
  /** Messages in the dead-letter queue now. */
  readonly deadLetterDepth?: number;
  /** Whether somebody can approve or reject now. */
  readonly approvalPending: boolean;
  /** Ready, and waiting for this release to end. */
  readonly waiting: readonly ExecutionView[];
  /** On its way through source and build. */
  readonly building: readonly ExecutionView[];
  /** The newest execution, if it failed before it reached the canary: it is no release and changed nothing. */
  readonly failedBuild?: ExecutionView & { readonly stage: string; readonly note?: string };
  readonly lastGood?: LastGood;
  readonly decision?: Decision;
  /** The last change of the services outside a release. */
  readonly drift?: Drift;
  /** What the judge says now, or what it said when the release ended. */
  readonly verdict?: VerdictView;
  /** How late the workers' lines arrive; absent while nothing is judged. */
  readonly lateness?: Lateness;
  readonly reasons: readonly string[];
  /** Everything that could not be read. */
  readonly problems: readonly string[];
}

/** The view of what was observed and planned; shows what is known when only some of it is. */
export function viewRelease(observed: Observed, planned: Plan): ReleaseView {
  const pipeline = valueIn(observed.pipeline);
  const record = valueIn(observed.record)?.record;
  const release = pipeline && currentRelease(pipeline);
  const shown = release?.execution ?? pipeline?.executions[0];
  const depth = valueIn(observed.deadLetters);
  const { release: summary } = planned;
  const active = pipeline?.executions.filter(isActive) ?? [];
  const waiting = pipeline && release ? waitingForCanary(pipeline, release) : [];
  return {
    phase: planned.undecided?.phase ?? planned.phase,
    ...(summary && {
      since: planned.undecided?.since ?? summary.since,
      release: {
        executionId: summary.executionId,
        ...(summary.commit !== undefined && { commit: summary.commit }),
        ...(summary.commitMessage !== undefined && { commitMessage: summary.commitMessage }),
        ...(summary.image !== undefined && { image: summary.image }),
        startedAt: summary.startedAt,
        ...(summary.deadLetters !== undefined && { deadLetters: summary.deadLetters }),
      },
    }),
    stages:
      pipeline && shown
        ? shownStages
            .filter(([, step]) => step !== 'build' || builds(pipeline))
            .map(([name, step]) => stageView(pipeline, shown.id, name, stages[step]))
        : [],
    tracks: [observed.canary, observed.stable].flatMap((reading) =>
      reading.known ? [trackView(reading.value, record, release)] : [],
    ),
    alarms: (valueIn(observed.alarms) ?? []).map(({ name, value, transitionedAt }) => ({
      name,
      value,
      since: transitionedAt,
    })),
    ...(depth !== undefined && { deadLetterDepth: depth.visible + depth.hidden }),
    approvalPending:
      pipeline?.approval !== undefined && pipeline.approval.executionId === release?.execution.id,
    waiting: waiting.map(executionView),
    building: active
      .filter((execution) => execution.id !== release?.execution.id && !waiting.includes(execution))
      .map(executionView),
    ...failedBuildView(pipeline),
    ...(record?.lastGood && { lastGood: record.lastGood }),
    ...(record?.decision && { decision: record.decision }),
    ...(record?.drift && { drift: record.drift }),
    ...verdictView(planned, record),
    ...(planned.lateness && { lateness: planned.lateness }),
    reasons: planned.reasons,
    problems: [
      observed.pipeline,
      observed.canary,
      observed.stable,
      observed.record,
      observed.alarms,
      observed.deadLetters,
    ].flatMap((reading) => (reading.known ? [] : [reading.problem])),
  };
}

function executionView({ id, commit, commitMessage, image }: Execution): ExecutionView {
  return {
    executionId: id,
    ...(commit !== undefined && { commit }),
    ...(commitMessage !== undefined && { commitMessage }),
    ...(image !== undefined && { image }),
  };
}

function failedBuildView(pipeline: PipelineState | undefined): Pick<ReleaseView, 'failedBuild'> {
  const newest = pipeline?.executions[0];
  if (newest?.status !== 'Failed') return {};
  const run = pipeline?.actions.find(
    ({ executionId, stage, status }) =>
      executionId === newest.id &&
      status === 'Failed' &&
      (stage === stages.source.stage || stage === stages.build.stage),
  );
  if (run === undefined) return {};
  const note = run.summary === undefined ? {} : { note: run.summary };
  return { failedBuild: { ...executionView(newest), stage: run.stage, ...note } };
}

const statusOfRun: Readonly<Record<ActionRun['status'], StageStatus>> = {
  InProgress: 'running',
  Succeeded: 'succeeded',
  Failed: 'failed',
  Abandoned: 'stopped',
};

/** The pipeline's actions in their order. Two of them share the Verdict stage: the judge's, and a person's. */
const shownStages: readonly (readonly [name: string, step: keyof typeof stages])[] = [
  ['Source', 'source'],
  ['Build', 'build'],
  ['Canary', 'canary'],
  ['Verdict', 'judge'],
  ['Approval', 'approval'],
  ['Stable', 'stable'],
  ['Record', 'record'],
];

/** The live verdict, except for one that has ended its release: that stays as it was. */
function verdictView(planned: Plan, record: ReleaseRecord | undefined): { verdict?: VerdictView } {
  const { release, verdict } = planned;
  const recorded = record?.verdict?.executionId === release?.executionId ? record?.verdict : undefined;
  if (
    recorded !== undefined &&
    (verdict === undefined ||
      recorded.kind === 'fail' ||
      recorded.code === 'unchanged' ||
      recorded.code === 'first')
  ) {
    const { kind, code, summary, effect, canaryUnits, canaryFailed, decidedAt } = recorded;
    return {
      verdict: {
        kind,
        code,
        summary,
        statements: effect === undefined ? [] : [effect],
        canaryUnits,
        canaryFailed,
        concerns: [],
        decidedAt: Date.parse(decidedAt),
      },
    };
  }
  if (verdict === undefined) return {};
  const { evidence, decidedAtMs } = verdict;
  return {
    verdict: {
      kind: verdict.kind,
      code: verdict.code,
      summary: verdict.summary,
      statements: verdict.statements,
      canaryUnits: evidence.canary.units,
      canaryFailed: evidence.canary.failed,
      effects: evidence.effects,
      ...(evidence.projected && { projected: evidence.projected }),
      concerns: evidence.concerns,
      ...(decidedAtMs !== undefined && { decidedAt: decidedAtMs }),
    },
  };
}

function stageView(
  pipeline: PipelineState,
  executionId: string,
  name: string,
  step: { readonly stage: string; readonly action: string },
): StageView {
  const run = pipeline.actions
    .filter(
      (candidate) =>
        candidate.executionId === executionId &&
        candidate.stage === step.stage &&
        candidate.action === step.action,
    )
    .reduce<ActionRun | undefined>(
      (latest, candidate) => (latest && latest.startedAt >= candidate.startedAt ? latest : candidate),
      undefined,
    );
  if (run === undefined) return { name, status: 'waiting' };
  return {
    name,
    status: statusOfRun[run.status],
    startedAt: run.startedAt,
    ...(run.status !== 'InProgress' && { endedAt: run.updatedAt }),
    ...(run.summary !== undefined && { note: run.summary }),
  };
}

function trackView(
  service: ServiceState,
  record: ReleaseRecord | undefined,
  release: Journey | undefined,
): TrackView {
  const lastGood = record?.lastGood;
  const isLastGood = lastGood !== undefined && service.imageDigest === lastGood.imageDigest;
  const candidate =
    record?.baseline?.executionId === release?.execution.id ? record?.baseline?.candidateDigest : undefined;
  // Until the candidate is known, it is what the deploy action is bringing to the canary.
  const isCandidate =
    !isLastGood &&
    release !== undefined &&
    service.imageDigest !== undefined &&
    (candidate === undefined ? service.track === 'canary' : service.imageDigest === candidate);
  const commit = isLastGood ? lastGood.commit : isCandidate ? release.execution.commit : undefined;
  return {
    track: service.track,
    service: service.name,
    desired: service.desired,
    running: service.running,
    pending: service.pending,
    image: service.imageUri,
    ...(service.imageDigest !== undefined && { imageDigest: service.imageDigest }),
    ...(commit !== undefined && { commit }),
    runs: isLastGood ? 'lastGood' : isCandidate ? 'candidate' : 'other',
    rollout: service.primary.rolloutState,
    steady: isSteady(service),
  };
}

function valueIn<T>(reading: Reading<T>): T | undefined {
  return reading.known ? reading.value : undefined;
}
