import type { ReleasePolicy } from '../policy/policy.ts';
import type { Journey } from './journey.ts';
import { excuses, excusesWhileDeploying, type Judgement, mayExcuse, reportsWithinMs } from './judgement.ts';
import type { AlarmState, Observed, Reading } from './observed.ts';
import type { Baseline, ReleaseRecord } from './record.ts';

/**
 * How late an alarm over SQS's metrics may be: they come once a minute, some minutes late, and are then evaluated.
 */
const alarmsWithinMs = 3 * 60_000;

/** What the signals say about a release. */
export interface Health {
  /** Why the release must end; absent while nothing speaks against it. */
  readonly failure?: string;
  /** What could not be measured. While this is not empty, silence says nothing. */
  readonly unmeasured: readonly string[];
  readonly notes: readonly string[];
  /** Whether dead letters wait for the workers' reports, which tell whose fault they are. */
  readonly deadLettersPending: boolean;
  /** Whether there are dead letters that are not the release's fault. */
  readonly deadLettersExcused: boolean;
  /** Messages dead-lettered since the release's canary deployment began, as far as known. */
  readonly deadLetters?: number;
}

/**
 * What the alarms and the dead-letter queue say about one release.
 *
 * An alarm speaks about the release only if it went off after the canary deployment began. One that was in
 * ALARM before stays there without a further event, so a bad release would be silent behind it: that is
 * what the growth of the dead-letter queue is for. It counts from the release's own start, so that residue
 * neither hides a bad release nor fails a good one.
 *
 * Both are a backstop for what the judge cannot see. While it sees both tracks and stable fails as much, they
 * are not held against the release: then the messages are at fault.
 */
export function assessHealth(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
  policy: ReleasePolicy,
  judgement: Reading<Judgement> | undefined,
  nowMs: number,
): Health {
  const unmeasured: string[] = [];
  const notes: string[] = [];
  const failures: string[] = [];

  const counted = deadLettersOf(observed, record, release);
  let deadLetters: number | undefined;
  let excused = false;
  let pending = false;
  if (counted.known) {
    deadLetters = counted.value;
    const words = `${deadLetters} ${deadLetters === 1 ? 'message' : 'messages'} reached the dead-letter queue since the canary deployment began`;
    const before = baselineOf(record, release)?.deadLettersAccepted;
    const beside = before === undefined && judgement?.known === true ? judgement.value : undefined;
    // One look that could not read the metrics says nothing about whose fault the messages are.
    const unread = before === undefined && !observed.outcomes.known;
    const deploying = release.canary.status === 'InProgress';
    const reported = observed.outcomes.known ? observed.outcomes.value : undefined;
    if (beside !== undefined) excused = excuses(beside, deadLetters);
    else if (before !== undefined) excused = before > 0 && deadLetters - before <= policy.deadLettersMax;
    else excused = deploying && reported !== undefined && excusesWhileDeploying(reported, nowMs, deadLetters);
    if (deadLetters > policy.deadLettersMax) {
      const mayBe =
        unread || (deploying && reported !== undefined) || (beside !== undefined && mayExcuse(beside));
      if (excused) {
        notes.push(`${words}; stable fails such messages as well, so they are not held against the release`);
      } else if (mayBe && !areReported(record, release, judgement, nowMs)) {
        pending = true;
        notes.push(`${words}; waiting for the workers' reports of them`);
      } else {
        failures.push(`${words} (${policy.deadLettersMax} allowed)`);
      }
    }
  } else {
    unmeasured.push(...counted.problem);
  }

  if (observed.alarms.known) {
    for (const alarm of observed.alarms.value) {
      if (alarm.value !== 'ALARM') continue;
      if (alarm.transitionedAt <= release.canaryStartedAt) {
        notes.push(
          `alarm ${alarm.name} was already in ALARM when the canary deployment began; counting dead letters instead`,
        );
      } else if (deadLetters === 0 && isOfBefore(alarm, release, nowMs)) {
        notes.push(
          `alarm ${alarm.name} went off as the canary deployment began, and no message has reached the dead-letter queue since: it is late, unless it stays`,
        );
      } else if (excused || pending) {
        notes.push(`alarm ${alarm.name} went off for these dead letters`);
      } else {
        failures.unshift(`alarm ${alarm.name} went off during the release`);
      }
    }
  } else {
    unmeasured.push(observed.alarms.problem);
  }

  return {
    ...(failures.length > 0 && { failure: failures.join('; ') }),
    unmeasured,
    notes,
    deadLettersPending: pending,
    deadLettersExcused: excused,
    ...(deadLetters !== undefined && { deadLetters }),
  };
}

/** Whether the alarm may be about what came before the release. It clears within minutes then. */
function isOfBefore({ transitionedAt }: AlarmState, { canaryStartedAt }: Journey, nowMs: number): boolean {
  return transitionedAt - canaryStartedAt < alarmsWithinMs && nowMs - transitionedAt < alarmsWithinMs;
}

/** Dead letters since the canary deployment began, by whichever count is higher; or why neither is known. */
function deadLettersOf(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
): { readonly known: true; readonly value: number } | { readonly known: false; readonly problem: string[] } {
  const live = liveGrowth(observed, record, release);
  const metric = observed.deadLetters.metricGrowth;
  if (!(live.known || metric.known)) return { known: false, problem: [live.problem, metric.problem] };
  return {
    known: true,
    value: Math.max(live.known ? live.value : 0, metric.known ? metric.value : 0),
  };
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

function baselineOf(record: ReleaseRecord, release: Journey): Baseline | undefined {
  return record.baseline?.executionId === release.execution.id ? record.baseline : undefined;
}

function liveGrowth(observed: Observed, record: ReleaseRecord, release: Journey): Reading<number> {
  const depth = observed.deadLetters.depth;
  if (!depth.known) return depth;
  const start = baselineOf(record, release)?.deadLetters;
  if (start === undefined) {
    return { known: false, problem: 'the depth of the dead-letter queue at the start is not recorded yet' };
  }
  return { known: true, value: Math.max(0, depth.value - start) };
}
