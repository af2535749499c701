import { reportMs } from '../measurement/line.ts';
import type { Journey } from './journey.ts';

/**
 * How soon to look again while a release is judged: just after the workers' next reports at first, then not sooner than
 * after ten seconds and a twentieth of the time that it has been observed, since a look adds little to all that is known.
 * An account's applications share CloudWatch Logs' five reads a second, so each also has its own place within the
 * five seconds.
 */
export function nextLookMs(nowMs: number, { execution }: Journey, sinceMs: number): number {
  const ageMs = nowMs - sinceMs;
  const apartMs = ageMs < youngMs ? reportMs : Math.min(rareLookMs, Math.max(2 * reportMs, ageMs / 20));
  const restMs = apartMs - reportMs;
  return restMs + reportMs - ((nowMs + restMs - reportedWithinMs - placeOf(execution.id)) % reportMs);
}

/** So long after its steady state a canary that fails everything is to be found at its next report. */
const youngMs = 30_000;

/** How far apart looks get at most. */
const rareLookMs = 60_000;

/** Between 0 and four seconds, by the execution's id. */
function placeOf(executionId: string): number {
  let hash = 0;
  for (let index = 0; index < executionId.length; index += 1) {
    hash = (hash * 31 + executionId.charCodeAt(index)) % 4_001;
  }
  return hash;
}

/**
 * How long after the end of an interval its reports are usually there: the log driver sends every five seconds, each
 * task's at its own time, and a second later the last of them can be read. Modulo the workers' interval, two seconds.
 */
const reportedWithinMs = 7_000;

export function remaining(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
