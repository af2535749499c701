import type { ReleasePolicy } from '../policy/policy.ts';
import { reportedDeadLetters } from './dead-letters.ts';
import type { Journey } from './journey.ts';
import {
  acceptedWith,
  excuses,
  excusesWhileDeploying,
  type Judgement,
  mayExcuse,
  reportsWithinMs,
  usualDeadLetters,
} from './judgement.ts';
import { type AlarmState, known, type Observed, type Reading } from './observed.ts';
import type { Baseline, ReleaseRecord } from './record.ts';

/**
 * How long it takes at least until SQS's approximate counts agree with each other and with the queue:
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
 */
const depthSettlesWithinMs = 60_000;

/** What the signals say about a release. */
export interface Health {
  /** Why the release must end; absent while nothing speaks against it. */
  readonly failure?: string;
  /** What could not be measured. While this is not empty, silence says nothing. */
  readonly unmeasured: readonly string[];
  readonly notes: readonly string[];
  /** Whether dead letters wait for further looks, or for the workers' reports, which say whose fault they are. */
  readonly deadLettersPending: boolean;
  /** Whether there are dead letters that are not the release's fault. */
  readonly deadLettersExcused: boolean;
  /** Messages that the release has dead-lettered since its canary deployment began, as far as known. */
  readonly deadLetters?: number;
}

/** What health is judged from. */
interface Scene {
  readonly observed: Observed;
  readonly record: ReleaseRecord;
  readonly release: Journey;
  readonly policy: ReleasePolicy;
  readonly judgement: Reading<Judgement> | undefined;
  readonly nowMs: number;
}

/** Dead letters of a release: all that count, and those of them that its own tasks report. */
interface DeadLetters {
  readonly count: number;
  readonly reported: number;
}

/**
 * Assesses a release by its dead letters, and by the alarms that a team has named.
 *
 * Dead letters are what the release's own tasks report: a delivery that failed and was a message's last. That is exact,
 * and says whose they are. The depth of the dead-letter queue is neither: people look into it, other tracks and other
 * times add to it, and its counts are approximate and late. So it counts only while tasks of the release may have failed
 * more than they reported, and only if every look for a minute has seen it. Its alarm is a reason to look.
 *
 * This is a backstop for what the judge cannot see. While it sees both tracks and the last good release fails as much,
 * dead letters are not held against the release: then the messages are at fault.
 */
export function assessHealth(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
  policy: ReleasePolicy,
  judgement: Reading<Judgement> | undefined,
  nowMs: number,
): Health {
  const scene: Scene = { observed, record, release, policy, judgement, nowMs };
  const alarms = alarmsOf(observed, release);
  const deadLetters = deadLettersOf(scene);
  if (!deadLetters.known) {
    return {
      ...failureOf(alarms.failure),
      unmeasured: [deadLetters.problem, ...alarms.unmeasured],
      notes: alarms.notes,
      deadLettersPending: false,
      deadLettersExcused: false,
    };
  }
  const { count } = deadLetters.value;
  const excused = isExcused(scene, count);
  const state = stateOf(scene, deadLetters.value, excused);
  const words = `${count} ${count === 1 ? 'message' : 'messages'} reached the dead-letter queue since the canary deployment began`;
  const note = noteOn(state, words, isPromoted(scene));
  return {
    ...failureOf(state === 'failing' ? `${words} (${policy.alarmThreshold - 1} allowed)` : alarms.failure),
    unmeasured: alarms.unmeasured,
    notes: [...(note === undefined ? [] : [note]), ...alarms.notes],
    deadLettersPending: state === 'awaitingReports' || state === 'unsettled',
    deadLettersExcused: excused,
    deadLetters: count,
  };
}

/**
 * - `few`: not as many as end a release.
 * - `excused`: the messages are at fault.
 * - `awaitingReports`: the workers' reports that are still to come may say so.
 * - `unsettled`: the depth of the queue has not shown them for long enough.
 * - `failing`: the release is at fault.
 */
type DeadLetterState = 'few' | 'excused' | 'awaitingReports' | 'unsettled' | 'failing';

function stateOf(scene: Scene, { count, reported }: DeadLetters, excused: boolean): DeadLetterState {
  const { alarmThreshold } = scene.policy;
  if (count < alarmThreshold) return 'few';
  if (excused) return 'excused';
  if (reported >= alarmThreshold) {
    return mayBeExcused(scene) && !areReported(scene) ? 'awaitingReports' : 'failing';
  }
  const seenAt = baselineOf(scene)?.deadLettersSeenAt ?? scene.nowMs;
  return scene.nowMs - seenAt < depthSettlesWithinMs ? 'unsettled' : 'failing';
}

function noteOn(state: DeadLetterState, words: string, promoted: boolean): string | undefined {
  switch (state) {
    case 'few':
    case 'failing':
      return undefined;
    case 'excused':
      return `${words}; ${promoted ? 'stable made as many before its promotion' : 'the last good release fails such messages as well'}, so they are not held against the release`;
    case 'awaitingReports':
      return `${words}; waiting for the workers' reports of them`;
    case 'unsettled':
      return `${words}, according to its approximate depth; that must last for a minute, since the workers do not account for them`;
  }
}

/** Whether the depth of the dead-letter queue may still miss messages that were there when the release began. */
export function isDepthUnsettled({ canaryStartedAt }: Journey, nowMs: number): boolean {
  return nowMs - canaryStartedAt < depthSettlesWithinMs;
}

function failureOf(failure: string | undefined): Pick<Health, 'failure'> {
  return failure === undefined ? {} : { failure };
}

/**
 * An alarm of the team's own ends the release if it went off during it. That on dead letters says nothing that these do
 * not say. One that cannot be read is a sign that much is wrong.
 */
function alarmsOf(
  { alarms }: Observed,
  { canaryStartedAt }: Journey,
): Pick<Health, 'failure' | 'unmeasured' | 'notes'> {
  if (!alarms.known) return { unmeasured: [alarms.problem], notes: [] };
  const ringing = alarms.value.filter(({ value }) => value === 'ALARM');
  const wentOff = ({ transitionedAt }: AlarmState) => transitionedAt > canaryStartedAt;
  const failing = ringing.find((alarm) => alarm.endsRelease && wentOff(alarm));
  return {
    ...failureOf(
      failing &&
        `alarm ${failing.name} went off during the release${failing.reason === undefined ? '' : `: ${failing.reason}`}`,
    ),
    unmeasured: [],
    notes: ringing.flatMap((alarm) => {
      const { name, endsRelease } = alarm;
      if (!wentOff(alarm)) {
        const vain = endsRelease ? ', so it cannot end this release' : '';
        return `alarm ${name} was already in ALARM when the canary deployment began${vain}`;
      }
      if (endsRelease) return [];
      return `alarm ${name} went off during the release: the release's own dead letters are what counts`;
    }),
  };
}

/** Whether the messages are at fault: the last good release fails them as well, or did until the promotion, or often does. */
function isExcused(scene: Scene, count: number): boolean {
  const { observed, release, policy, judgement, nowMs } = scene;
  const accepted = baselineOf(scene)?.deadLettersAccepted;
  if (accepted !== undefined) {
    const excused = judgement?.known
      ? acceptedWith(judgement.value, accepted) + usualDeadLetters(judgement.value)
      : accepted;
    return excused > 0 && count - excused < policy.alarmThreshold;
  }
  if (judgement?.known) return excuses(judgement.value, count);
  const { outcomes } = observed;
  if (release.canary.status !== 'InProgress' || !outcomes.known || outcomes.value === undefined) return false;
  return excusesWhileDeploying(outcomes.value, nowMs, count);
}

/** Whether reports of stable's that are still to come may show that the messages are at fault. */
function mayBeExcused(scene: Scene): boolean {
  const { observed, release, judgement } = scene;
  const { outcomes } = observed;
  if (release.canary.status === 'InProgress') return outcomes.known && outcomes.value !== undefined;
  if (judgement?.known !== true || !mayExcuse(judgement.value)) return false;
  // Afterwards stable runs the release as well, so only its reports from before say anything.
  return !isPromoted(scene) || judgement.value.settledUntilMs < (release.stable?.startedAt ?? 0);
}

function deadLettersOf(scene: Scene): Reading<DeadLetters> {
  const { observed, release, nowMs } = scene;
  const { outcomes, deadLetters: depth } = observed;
  const lines =
    outcomes.known && outcomes.value
      ? reportedDeadLetters(outcomes.value, release.stable?.startedAt, nowMs)
      : { own: 0, others: 0, mayBeMore: true };
  const { own, others, mayBeMore } = lines;
  if (!mayBeMore) return known({ count: own, reported: own });
  if (!depth.known) return own > 0 ? known({ count: own, reported: own }) : depth;
  const before = baselineOf(scene)?.deadLetters;
  if (before === undefined || isDepthUnsettled(release, nowMs)) return known({ count: own, reported: own });
  const visible = depth.value?.visible ?? 0;
  return known({ count: Math.max(own, visible - before - others), reported: own });
}

/** Whether reports of the dead letters have come, of both tracks, or must have by now. */
function areReported(scene: Scene): boolean {
  const { judgement, nowMs } = scene;
  const seenAt = baselineOf(scene)?.deadLettersSeenAt;
  if (seenAt === undefined) return false;
  const settledUntilMs = judgement?.known ? judgement.value.settledUntilMs : 0;
  return settledUntilMs > seenAt || nowMs - seenAt >= reportsWithinMs;
}

function isPromoted(scene: Scene): boolean {
  return baselineOf(scene)?.deadLettersAccepted !== undefined;
}

function baselineOf({ record, release }: Scene): Baseline | undefined {
  return record.baseline?.executionId === release.execution.id ? record.baseline : undefined;
}
