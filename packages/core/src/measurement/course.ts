import { type Line, reportMs } from './line.ts';

/** The lines of one task in their order, by interval. */
export interface Course {
  readonly lines: ReadonlyMap<number, readonly Line[]>;
  readonly last: Line;
  /** Intervals of which lines are missing, as the numbers on the lines around them say. */
  readonly missing: ReadonlySet<number>;
  /** The line after the last one of an interval, for those intervals whose last line ends before they do. */
  readonly followed: ReadonlyMap<number, Line>;
  /** Whether lines are about the same time although they are numbered differently, or the other way round. */
  readonly contradictory: boolean;
}

/** The interval that ends at or after an instant: a line belongs to the one that its end lies in. */
export function intervalOf(ms: number): number {
  return Math.max(0, Math.ceil(ms / reportMs) - 1);
}

/** When an interval ends, milliseconds. */
export function endOf(interval: number): number {
  return (interval + 1) * reportMs;
}

/** The intervals that matter. What is missing outside of them was not read, or is not to be judged. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The course of each task of which there are lines. */
export function coursesByTask(lines: readonly Line[], span: Span): Map<string, Course> {
  const courses = new Map<string, Course>();
  for (const [task, its] of Map.groupBy(lines, (line) => line.task)) {
    courses.set(task, courseOf(its, span, 0));
  }
  return courses;
}

/**
 * A course for each beginning of a task, in the order of their names; its intervals are counted from there on. A
 * container that is started again in its task begins once more.
 */
export function coursesByAge(lines: readonly Line[], span: Span): Course[] {
  const starts = Map.groupBy(lines, ({ task, startedAt }) => `${task} ${startedAt}`);
  return [...starts.keys()].sort().map((start) => {
    const its = starts.get(start)!;
    return courseOf(its, span, its[0]!.startedAt);
  });
}

/** @param zeroMs where the first interval begins. */
function courseOf(unordered: readonly Line[], span: Span, zeroMs: number): Course {
  const byInterval = new Map<number, Line[]>();
  const missing = new Set<number>();
  const followed = new Map<number, Line>();
  let contradictory = false;
  let previous: Line | undefined;
  for (const line of [...unordered].sort(inOrder)) {
    // A task that begins once more numbers its lines from 0 again.
    const before = previous?.startedAt === line.startedAt ? previous : undefined;
    if (line.sequence === before?.sequence) {
      contradictory ||= line.fromMs !== before.fromMs || line.toMs !== before.toMs;
      continue;
    }
    contradictory ||= previous !== undefined && line.fromMs < previous.toMs;
    if (line.sequence > (before === undefined ? 0 : before.sequence + 1)) {
      const reportedMs = before?.toMs ?? line.startedAt;
      const first = Math.floor((reportedMs - zeroMs) / reportMs);
      const last = Math.min(span.last, Math.max(first, intervalOf(line.fromMs - zeroMs)));
      for (let interval = Math.max(span.first, first); interval <= last; interval += 1) missing.add(interval);
    }
    const interval = intervalOf(line.toMs - zeroMs);
    if (previous !== undefined) {
      const left = intervalOf(previous.toMs - zeroMs);
      if (left < interval && previous.toMs - zeroMs < endOf(left)) followed.set(left, line);
    }
    const others = byInterval.get(interval);
    if (others === undefined) byInterval.set(interval, [line]);
    else others.push(line);
    previous = line;
  }
  return { lines: byInterval, last: previous!, missing, followed, contradictory };
}

function inOrder(a: Line, b: Line): number {
  return a.startedAt - b.startedAt || a.sequence - b.sequence || a.fromMs - b.fromMs || a.toMs - b.toMs;
}
