import { type Course, coursesByTask, endOf, type Span } from './course.ts';
import { ingestedWithinMs, settledAfterMs } from './lateness.ts';
import { type Line, reportMs } from './line.ts';
import type { TaskLife, TrackMeasurement } from './measurement.ts';

/** A task as ECS and its own lines tell of it; one of the two is there at least. */
export interface Task {
  readonly id: string;
  readonly life?: TaskLife;
  readonly course?: Course;
}

/** One track's tasks, by id. */
export interface Track {
  readonly tasks: readonly Task[];
  /** All of them, also where only some were read. */
  readonly lives: readonly TaskLife[];
  /** The interval in which a task stopped, by its id. */
  readonly stopped: ReadonlyMap<string, number>;
  /** By interval: tasks that died with messages in hand, and how many tasks crashed. */
  readonly died: ReadonlyMap<number, readonly Task[]>;
  readonly crashed: ReadonlyMap<number, number>;
}

/** How long after its start a task need not have written its first line. */
const BOOT_MS = 15_000;

/** How far the clocks of ECS and of a worker may be apart. */
const CLOCKS_MS = 1_000;

/** What those tasks did that began at an instant or later. */
export function begunSince({ lines, tasks }: TrackMeasurement, sinceMs: number): TrackMeasurement {
  const isNew = hasBegunSince(sinceMs);
  return { lines: lines.filter(isNew), tasks: tasks.filter(isNew) };
}

/** What the others did. */
export function begunBefore({ lines, tasks }: TrackMeasurement, sinceMs: number): TrackMeasurement {
  const isNew = hasBegunSince(sinceMs);
  return { lines: lines.filter((line) => !isNew(line)), tasks: tasks.filter((task) => !isNew(task)) };
}

function hasBegunSince(sinceMs: number): (its: Line | TaskLife) => boolean {
  return ({ startedAt }) => startedAt === undefined || startedAt >= sinceMs - CLOCKS_MS;
}

/**
 * @param span the intervals of which lines were read.
 * @param isSample whether lines of some tasks only were read. Then nobody knows which of those without lines are silent.
 */
export function trackOf({ lines, tasks: lives }: TrackMeasurement, span: Span, isSample: boolean): Track {
  const courses = coursesByTask(lines, span);
  const lifeById = new Map(lives.map((life) => [life.id, life]));
  const ids = new Set(isSample ? courses.keys() : [...courses.keys(), ...lifeById.keys()]);
  const tasks = [...ids].sort().map((id): Task => {
    const life = lifeById.get(id);
    const course = courses.get(id);
    return { id, ...(life && { life }), ...(course && { course }) };
  });
  const stopped = new Map(lives.flatMap((life) => stopOf(life, courses.get(life.id))));
  const crashes = lives.filter(({ crash }) => crash !== undefined).map(({ id }) => id);
  return {
    tasks,
    lives,
    stopped,
    died: Map.groupBy(
      tasks.filter((task) => stopped.has(task.id) && hadInHand(task)),
      ({ id }) => stopped.get(id)!,
    ),
    crashed: countBy(crashes.flatMap((id) => stopped.get(id) ?? [])),
  };
}

/**
 * Whether lines about an interval may still come that count. Until they have, or can no longer, the interval is not
 * judged: what was judged once must not be judged again with other numbers.
 */
export function isHeldBack(track: Track, interval: number, nowMs: number): boolean {
  if (nowMs >= endOf(interval) + settledAfterMs) return false;
  return track.tasks.some((task) => mayReport(task, interval, track.stopped.get(task.id), nowMs));
}

/**
 * Whether all is known of what a task did in an interval: without gaps its lines lead up to the interval's end, or to
 * the task's own. A worker that was busy has written nothing at the end, which its next line shows; that must have come
 * in time as well, since this must not depend on when one looks.
 */
export function isWhole({ id, course }: Task, interval: number, { stopped }: Track): boolean {
  const last = course?.lines.get(interval)?.at(-1);
  if (last === undefined || course?.missing.has(interval)) return false;
  if (last.toMs >= endOf(interval) || last.final || stopped.get(id) === interval) return true;
  const next = course?.followed.get(interval);
  return next !== undefined && (next.ingestedAt ?? 0) <= endOf(interval) + ingestedWithinMs;
}

/** Whether lines about an interval are missing of a task: some, or all although it ought to have reported. */
export function isMissed(task: Task, interval: number): boolean {
  const { course } = task;
  if (course?.missing.has(interval)) return true;
  return (course === undefined || course.last.toMs < endOf(interval)) && isDue(task, interval);
}

/** Whether a task was asked to stop, or stopped, before the end of an interval. */
export function isLeaving({ life }: Task, interval: number): boolean {
  const leftAt = life?.stoppingAt ?? life?.stoppedAt;
  return leftAt !== undefined && leftAt < endOf(interval);
}

/** Whether a task may have done more than its lines say: one is missing, or it ended without its last one. */
export function isUnaccounted(task: Task, nowMs: number): boolean {
  const { life, course } = task;
  const dueMs = nowMs - settledAfterMs;
  if ((course?.missing.size ?? 0) > 0) return true;
  if (life?.stoppedAt !== undefined) return !course?.last.final;
  // ECS forgets tasks that have ended.
  if (life === undefined && course !== undefined && course.last.toMs < dueMs) return !course.last.final;
  return isMissed(task, Math.floor(dueMs / reportMs) - 1);
}

/** Whether a task may have written lines about an interval that cannot be read yet. */
function mayReport({ life, course }: Task, interval: number, stopped: number | undefined, nowMs: number) {
  if (course?.missing.has(interval)) return true;
  if (course !== undefined && (course.last.final || course.last.toMs >= endOf(interval))) return false;
  if (stopped !== undefined && stopped < interval) return false;
  // What ECS does not know may have ended with its last line.
  if (life === undefined) return nowMs < course!.last.toMs + reportMs + settledAfterMs;
  return course !== undefined || (life.startedAt ?? Number.POSITIVE_INFINITY) - CLOCKS_MS < endOf(interval);
}

/** Whether a task that has not reported up to the end of an interval ought to have. */
function isDue(task: Task, interval: number): boolean {
  const { life, course } = task;
  if (life?.startedAt === undefined || course?.last.final || isLeaving(task, interval)) return false;
  return course !== undefined || life.startedAt + BOOT_MS < interval * reportMs;
}

/** Whether the last that a task said is not that it has drained, and that it had messages in hand. */
function hadInHand({ course }: Task): boolean {
  return course !== undefined && !course.last.final && course.last.inFlight > 0;
}

/**
 * The interval in which a task stopped. Its clock may be ahead of ECS's: it was surely alive when it wrote its last
 * line, and an interval that it has reported whole may have been judged before ECS said that it had stopped.
 */
function stopOf({ id, stoppedAt }: TaskLife, course: Course | undefined): [] | [readonly [string, number]] {
  if (stoppedAt === undefined) return [];
  const lastMs = course?.last.toMs ?? stoppedAt;
  const atMs = lastMs < stoppedAt + CLOCKS_MS ? Math.max(lastMs, stoppedAt) : stoppedAt;
  return [[id, Math.floor(atMs / reportMs)]];
}

function countBy(intervals: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const interval of intervals) counts.set(interval, (counts.get(interval) ?? 0) + 1);
  return counts;
}
