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
import { known, type Observed, type Reading } from './observed.ts';
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

/**
 * What the dead letters of one release say about it.
 *
 * Dead letters are what the release's own tasks report: a delivery that failed and was a message's last. That is exact,
 * and says whose they are. The depth of the dead-letter queue is neither: people look into it, other tracks and other
 * times add to it, and its counts are approximate and late. So it counts only while tasks of the release may have failed
 * more than they reported, and only what every look has seen for a minute. Its alarm is a reason to look.
 *
 * This is a backstop for what the judge cannot see. While it sees both tracks and stable fails as much, dead letters are
 * not held against the release: then the messages are at fault.
 */
export function assessHealth(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
  policy: ReleasePolicy,
  judgement: Reading<Judgement> | undefined,
  nowMs: number,
): Health {
  const { alarmThreshold } = policy;
  const alarms = alarmsOf(observed, release);
  const counted = deadLettersOf(observed, record, release, nowMs);
  if (!counted.known) {
    return {
      unmeasured: [counted.problem, ...alarms.unmeasured],
      notes: alarms.notes,
      deadLettersPending: false,
      deadLettersExcused: false,
    };
  }
  const { count, reported } = counted.value;
  const excused = isExcused(observed, record, release, policy, judgement, count, nowMs);
  let failure: string | undefined;
  let pending = false;
  const notes: string[] = [];
  if (count >= alarmThreshold) {
    const words = `${count} ${count === 1 ? 'message' : 'messages'} reached the dead-letter queue since the canary deployment began`;
    const isReported = reported >= alarmThreshold;
    const isAwaited = isReported
      ? mayBeExcused(observed, record, release, judgement) && !areReported(record, release, judgement, nowMs)
      : nowMs - (baselineOf(record, release)?.deadLettersSeenAt ?? nowMs) < depthSettlesWithinMs;
    if (excused) {
      notes.push(
        `${words}; ${isPromoted(record, release) ? 'stable made as many before its promotion' : 'stable fails such messages as well'}, so they are not held against the release`,
      );
    } else if (isAwaited) {
      pending = true;
      notes.push(
        isReported
          ? `${words}; waiting for the workers' reports of them`
          : `${words}, as far as its approximate depth says; that must last for a minute, since the workers do not account for them`,
      );
    } else {
      failure = `${words} (${alarmThreshold - 1} allowed)`;
    }
  }
  return {
    ...(failure !== undefined && { failure }),
    unmeasured: alarms.unmeasured,
    notes: [...notes, ...alarms.notes],
    deadLettersPending: pending,
    deadLettersExcused: excused,
    deadLetters: count,
  };
}

/** Whether the depth of the dead-letter queue may still miss messages that were there when the release began. */
export function isDepthUnsettled({ canaryStartedAt }: Journey, nowMs: number): boolean {
  return nowMs - canaryStartedAt < depthSettlesWithinMs;
}

/** An alarm says nothing that the dead letters do not say; but one that cannot be read is a sign that much is wrong. */
function alarmsOf({ alarms }: Observed, { canaryStartedAt }: Journey): Pick<Health, 'unmeasured' | 'notes'> {
  if (!alarms.known) return { unmeasured: [alarms.problem], notes: [] };
  return {
    unmeasured: [],
    notes: alarms.value
      .filter(({ value }) => value === 'ALARM')
      .map(({ name, transitionedAt }) =>
        transitionedAt > canaryStartedAt
          ? `alarm ${name} went off during the release: the release's own dead letters are what counts`
          : `alarm ${name} was already in ALARM when the canary deployment began`,
      ),
  };
}

/** Whether the messages are at fault: stable fails them as well, or did until it was promoted, or often does. */
function isExcused(
  { outcomes }: Observed,
  record: ReleaseRecord,
  release: Journey,
  { alarmThreshold }: ReleasePolicy,
  judgement: Reading<Judgement> | undefined,
  count: number,
  nowMs: number,
): boolean {
  const accepted = baselineOf(record, release)?.deadLettersAccepted;
  if (accepted !== undefined) {
    const excused = judgement?.known
      ? acceptedWith(judgement.value, accepted) + usualDeadLetters(judgement.value)
      : accepted;
    return excused > 0 && count - excused < alarmThreshold;
  }
  if (judgement?.known) return excuses(judgement.value, count);
  if (release.canary.status !== 'InProgress' || !outcomes.known || outcomes.value === undefined) return false;
  return excusesWhileDeploying(outcomes.value, nowMs, count);
}

/** Whether reports of stable's that are still to come may show that the messages are at fault. */
function mayBeExcused(
  { outcomes }: Observed,
  record: ReleaseRecord,
  release: Journey,
  judgement: Reading<Judgement> | undefined,
): boolean {
  if (release.canary.status === 'InProgress') return outcomes.known && outcomes.value !== undefined;
  if (judgement?.known !== true || !mayExcuse(judgement.value)) return false;
  // Afterwards stable runs the release as well, and only what it did before tells anything.
  return !isPromoted(record, release) || judgement.value.settledUntilMs < (release.stable?.startedAt ?? 0);
}

/** Dead letters of the release: all that count, and those of them that its own tasks report. */
function deadLettersOf(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
  nowMs: number,
): Reading<{ readonly count: number; readonly reported: number }> {
  const { outcomes, deadLetters: depth } = observed;
  const lines =
    outcomes.known && outcomes.value
      ? reportedDeadLetters(outcomes.value, release.stable?.startedAt, nowMs)
      : { own: 0, others: 0, mayBeMore: true };
  const { own, others, mayBeMore } = lines;
  if (!mayBeMore) return known({ count: own, reported: own });
  if (!depth.known) return own > 0 ? known({ count: own, reported: own }) : depth;
  const before = baselineOf(record, release)?.deadLetters;
  if (before === undefined || isDepthUnsettled(release, nowMs)) return known({ count: own, reported: own });
  return known({ count: Math.max(own, depth.value.visible - before - others), reported: own });
}

/** Whether reports of the dead letters have come, of both tracks, or must have by now. */
function areReported(
  record: ReleaseRecord,
  release: Journey,
  judgement: Reading<Judgement> | undefined,
  nowMs: number,
): boolean {
  const seenAt = baselineOf(record, release)?.deadLettersSeenAt;
  if (seenAt === undefined) return false;
  const settledUntilMs = judgement?.known ? judgement.value.settledUntilMs : 0;
  return settledUntilMs > seenAt || nowMs - seenAt >= reportsWithinMs;
}

function isPromoted(record: ReleaseRecord, release: Journey): boolean {
  return baselineOf(record, release)?.deadLettersAccepted !== undefined;
}

function baselineOf(record: ReleaseRecord, release: Journey): Baseline | undefined {
  return record.baseline?.executionId === release.execution.id ? record.baseline : undefined;
}
