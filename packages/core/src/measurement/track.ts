import { type Course, coursesByTask, type Span } from './course.ts';
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
  /** By interval: tasks that died with messages in hand, and how many tasks crashed. */
  readonly died: ReadonlyMap<number, readonly Task[]>;
  readonly crashed: ReadonlyMap<number, number>;
}

/** How long to wait for lines that tasks must have written, and for the last ones of a task that has stopped. */
const LATE_MS = 15_000;

/** How long after its start a task need not have written its first line. */
const BOOT_MS = 15_000;

/** How far the clocks of ECS and of a worker may be apart. */
const CLOCKS_MS = 1_000;

/** What those tasks did that began at an instant or later. */
export function begunSince({ lines, tasks }: TrackMeasurement, sinceMs: number): TrackMeasurement {
  const isNew = ({ startedAt }: Line | TaskLife) =>
    startedAt === undefined || startedAt >= sinceMs - CLOCKS_MS;
  return { lines: lines.filter(isNew), tasks: tasks.filter(isNew) };
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
  return {
    tasks,
    lives,
    died: Map.groupBy(tasks.filter(diedInHand), ({ life }) => stopOf(life)!),
    crashed: countBy(lives.flatMap((life) => (life.crash === undefined ? [] : (stopOf(life) ?? [])))),
  };
}

/** Whether lines about an interval may still come that are worth waiting for. */
export function isHeldBack({ tasks }: Track, interval: number, nowMs: number): boolean {
  if (nowMs >= endOf(interval) + LATE_MS) return false;
  return tasks.some((task) => nowMs < awaitedUntil(task, interval));
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
  const dueMs = nowMs - LATE_MS;
  if ((course?.missing.size ?? 0) > 0) return true;
  if (life?.stoppedAt !== undefined) return !course?.last.final;
  // ECS forgets tasks that have ended.
  if (life === undefined && course !== undefined && course.last.toMs < dueMs) return !course.last.final;
  return isMissed(task, Math.floor(dueMs / reportMs) - 1);
}

/** When an interval ends, epoch milliseconds. */
export function endOf(interval: number): number {
  return (interval + 1) * reportMs;
}

/** Until when to wait for lines of a task about an interval; 0 where there is nothing to wait for. */
function awaitedUntil(task: Task, interval: number): number {
  const { life, course } = task;
  const endMs = endOf(interval);
  if (isMissed(task, interval)) return endMs + LATE_MS;
  if (course === undefined || course.last.final || course.last.toMs >= endMs) return 0;
  // What ECS does not know may have ended with its last line.
  if (life === undefined) return course.last.toMs + LATE_MS;
  return Math.min(endMs, life.stoppedAt ?? endMs) + LATE_MS;
}

/** Whether a task that has not reported up to the end of an interval ought to have. */
function isDue(task: Task, interval: number): boolean {
  const { life, course } = task;
  if (life?.startedAt === undefined || course?.last.final || isLeaving(task, interval)) return false;
  return course !== undefined || life.startedAt + BOOT_MS < interval * reportMs;
}

/** Whether a task ended without its last line and had messages in hand. */
function diedInHand({ life, course }: Task): boolean {
  return stopOf(life) !== undefined && course !== undefined && !course.last.final && course.last.inFlight > 0;
}

/** The interval in which a task stopped. */
function stopOf(life: TaskLife | undefined): number | undefined {
  return life?.stoppedAt === undefined ? undefined : Math.floor(life.stoppedAt / reportMs);
}

function countBy(intervals: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const interval of intervals) counts.set(interval, (counts.get(interval) ?? 0) + 1);
  return counts;
}
