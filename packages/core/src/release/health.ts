import type { ReleasePolicy } from '../policy/policy.ts';
import type { Journey } from './journey.ts';
import type { Observed, Reading } from './observed.ts';
import type { ReleaseRecord } from './record.ts';

/** What the signals say about a release. */
export interface Health {
  /** Why the release must end; absent while nothing speaks against it. */
  readonly failure?: string;
  /** What could not be measured. While this is not empty, silence says nothing. */
  readonly unmeasured: readonly string[];
  readonly notes: readonly string[];
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
 */
export function assessHealth(
  observed: Observed,
  record: ReleaseRecord,
  release: Journey,
  policy: ReleasePolicy,
): Health {
  const unmeasured: string[] = [];
  const notes: string[] = [];
  const failures: string[] = [];

  if (observed.alarms.known) {
    for (const alarm of observed.alarms.value) {
      if (alarm.value !== 'ALARM') continue;
      if (alarm.transitionedAt > release.canaryStartedAt) {
        failures.push(`alarm ${alarm.name} went off during the release`);
      } else {
        notes.push(
          `alarm ${alarm.name} was already in ALARM when the canary deployment began; counting dead letters instead`,
        );
      }
    }
  } else {
    unmeasured.push(observed.alarms.problem);
  }

  const live = liveGrowth(observed, record, release);
  const metric = observed.deadLetters.metricGrowth;
  let deadLetters: number | undefined;
  if (live.known || metric.known) {
    deadLetters = Math.max(live.known ? live.value : 0, metric.known ? metric.value : 0);
    if (deadLetters > policy.deadLettersMax) {
      failures.push(
        `${deadLetters} ${deadLetters === 1 ? 'message' : 'messages'} reached the dead-letter queue since the canary deployment began (${policy.deadLettersMax} allowed)`,
      );
    }
  } else {
    unmeasured.push(live.problem, metric.problem);
  }

  return {
    ...(failures.length > 0 && { failure: failures.join('; ') }),
    unmeasured,
    notes,
    ...(deadLetters !== undefined && { deadLetters }),
  };
}

function liveGrowth(observed: Observed, record: ReleaseRecord, release: Journey): Reading<number> {
  const depth = observed.deadLetters.depth;
  if (!depth.known) return depth;
  const start =
    record.baseline?.executionId === release.execution.id ? record.baseline.deadLetters : undefined;
  if (start === undefined) {
    return { known: false, problem: 'the depth of the dead-letter queue at the start is not recorded yet' };
  }
  return { known: true, value: Math.max(0, depth.value - start) };
}
