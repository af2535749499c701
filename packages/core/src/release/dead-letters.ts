import { intervalOf } from '../measurement/course.ts';
import type { Line } from '../measurement/line.ts';
import type { Measurement, TrackMeasurement } from '../measurement/measurement.ts';
import { begunSince, isUnaccounted, trackOf } from '../measurement/track.ts';

/** What workers report of the messages whose last delivery failed. */
export interface ReportedDeadLetters {
  /**
   * On tasks that run the release: the canary's, and those of stable that its promotion began. Without those of messages that
   * had failed before the release began, on whichever track.
   */
  readonly own: number;
  /** On tasks that run the version before, and what else is not the release's. */
  readonly others: number;
  /** Whether tasks that run the release may have failed more than was reported. */
  readonly mayBeMore: boolean;
}

/** The dead letters of a release by the workers' own lines, since its canary deployment began. */
export function reportedDeadLetters(
  measurement: Measurement,
  promotedAt: number | undefined,
  nowMs: number,
): ReportedDeadLetters {
  const { fromMs, canary, stable, stableSample, problems = [] } = measurement;
  const onCanary = begunSince(canary, fromMs);
  const onStable = promotedAt === undefined ? { lines: [], tasks: [] } : begunSince(stable, promotedAt);
  const isSample = stableSample !== undefined;
  const perLine = isSample ? stableSample.tasks / stableSample.read : 1;
  const ofStable = deadLettered(onStable, fromMs) * perLine;
  const own = deadLettered(onCanary, fromMs) + ofStable;
  const all = deadLettered(canary, fromMs) + deadLettered(stable, fromMs) * perLine;
  const ofRelease = Math.max(0, own - stillFailing(measurement, fromMs, all - own));
  const span = { first: intervalOf(fromMs), last: intervalOf(nowMs) };
  const tasks = [...trackOf(onCanary, span, false).tasks, ...trackOf(onStable, span, isSample).tasks];
  return {
    own: Math.round(ofRelease),
    others: Math.round(all - ofRelease),
    mayBeMore:
      problems.length > 0 ||
      (isSample && promotedAt !== undefined) ||
      tasks.some((task) => isUnaccounted(task, nowMs)),
  };
}

/**
 * How many of the messages that had failed before an instant may still become dead letters: those that were neither done
 * nor dead then, without as many as were done on a later delivery since, or became dead letters on others' tasks.
 *
 * The canary takes its share of the messages between releases too, so what it had failed then counts as much as stable's.
 */
function stillFailing(measurement: Measurement, sinceMs: number, deadOnOthers: number): number {
  const { canary, stable, stableSample } = measurement;
  const perLine = stableSample === undefined ? 1 : stableSample.tasks / stableSample.read;
  const failing = (track: TrackMeasurement) =>
    failuresSince(track, 0).reduce((sum, line) => sum + (line.toMs <= sinceMs ? unresolved(line) : 0), 0);
  const recovered = (track: TrackMeasurement) =>
    failuresSince(track, sinceMs).reduce((sum, line) => sum + line.retried - line.retriedFailed, 0);
  const left = (track: TrackMeasurement) => failing(track) - recovered(track);
  return Math.max(0, left(canary) + left(stable) * perLine - deadOnOthers);
}

/** By how many messages a line adds to those that have failed and are neither done nor dead letters. */
function unresolved({ failed, retried, retriedFailed, deadLettered }: Line): number {
  return failed - (retried - retriedFailed) - deadLettered;
}

/**
 * Messages that had failed at an instant and were neither done nor dead letters yet, of those that failed since the
 * release began. Of an interval that was not over, what failed first counts already: it is to become a dead letter later.
 * Where lines before were left unread, nobody knows how those ended, and none counts.
 */
export function failingAt(
  { fromMs, canary, stable, stableSample, unread }: Measurement,
  atMs: number,
): number {
  if (unread !== undefined) return 0;
  const failing = (track: TrackMeasurement) =>
    failuresSince(track, fromMs).reduce((sum, line) => {
      if (line.fromMs >= atMs) return sum;
      const ended = line.toMs > atMs ? 0 : line.retried - line.retriedFailed + line.deadLettered;
      return sum + line.failed - ended;
    }, 0);
  const perLine = stableSample === undefined ? 1 : stableSample.tasks / stableSample.read;
  return Math.max(0, Math.round(failing(canary) + failing(stable) * perLine));
}

function deadLettered(track: TrackMeasurement, fromMs: number): number {
  return failuresSince(track, fromMs).reduce((sum, line) => sum + line.deadLettered, 0);
}

/** Lines of failures and of what came of them, which few lines are. Those that were read twice count once. */
export function failuresSince({ lines }: TrackMeasurement, fromMs: number): Line[] {
  const once = new Map<string, Line>();
  for (const line of lines) {
    if (line.toMs <= fromMs || !isOfFailures(line)) continue;
    once.set(`${line.task} ${line.startedAt} ${line.sequence}`, line);
  }
  return [...once.values()];
}

function isOfFailures({ failed, retried, retriedFailed, deadLettered }: Line): boolean {
  return failed > 0 || retried > 0 || retriedFailed > 0 || deadLettered > 0;
}
