import type { Course } from './course.ts';
import { ingestedWithinMs, type Lateness, readableWithinMs } from './lateness.ts';
import type { Task } from './track.ts';

/** What was not judged because lines of it are missing. */
export interface Missed {
  readonly intervals: Set<number>;
  readonly tasks: Set<string>;
  /** Tasks of which there is no line at all although they ought to have written some. */
  readonly silent: Set<string>;
}

/** Lines are read after the instant of the look, so some may be a little younger than that. */
export const aheadMs = 10_000;

/** Names of tasks in a note. */
const NAMES_MAX = 3;

/** What a person should know of lines that are missing, of `all` intervals. */
export function missedNotes({ intervals, tasks, silent }: Missed, all: number): string[] {
  const notes: string[] = [];
  if (intervals.size > 0) {
    notes.push(
      `in ${intervals.size} of ${all} intervals lines of ${tasks.size} ${taskWord(tasks.size)} are missing, which were left out there; the log driver drops lines when its buffer is full (mode: non-blocking), so check the workers' logs`,
    );
  }
  if (silent.size > 0) {
    notes.push(
      `${named([...silent])} reported nothing at all; the image may lack the worker runtime, or the log does not arrive`,
    );
  }
  return notes;
}

/** What a person should know of lines that came too late. */
export function lateNotes(lateness: Lateness | undefined): string[] {
  const { leftOut = 0, maxMs = 0, unreadableMs = 0 } = lateness ?? {};
  const notes: string[] = [];
  if (leftOut > 0) {
    notes.push(
      `${leftOut} ${leftOut === 1 ? 'line' : 'lines'} came later than ${ingestedWithinMs / 1000} s after the interval, at most ${Math.round(maxMs / 1000)} s, and ${leftOut === 1 ? 'was' : 'were'} left out: what was judged is not judged again`,
    );
  }
  if (unreadableMs > readableWithinMs) {
    notes.push(
      `a line was in the log for ${Math.round(unreadableMs / 1000)} s before it could be read, where ${readableWithinMs / 1000} s are allowed for: an earlier look may have judged without it`,
    );
  }
  return notes;
}

/** What a person should know of lines that cannot be right. */
export function contradictionNotes(tasks: readonly Task[], nowMs: number): string[] {
  const idsOf = (is: (course: Course) => boolean) =>
    tasks.flatMap(({ id, course }) => (course !== undefined && is(course) ? [id] : []));
  const notes: string[] = [];
  const contradictory = idsOf((course) => course.contradictory);
  if (contradictory.length > 0) {
    notes.push(
      `lines of ${named(contradictory)} contradict each other: they are about the same time, or have the same number; two workers may report under one name`,
    );
  }
  const ahead = idsOf(({ last }) => last.toMs > nowMs + aheadMs);
  if (ahead.length > 0) {
    notes.push(
      `lines of ${named(ahead)} are about a time that has not come yet, and count when it has; the worker's clock may be wrong`,
    );
  }
  return notes;
}

function named(ids: readonly string[]): string {
  const names = ids.slice(0, NAMES_MAX).join(', ');
  const more = ids.length - NAMES_MAX;
  return `${taskWord(ids.length)} ${names}${more > 0 ? ` and ${more} more` : ''}`;
}

function taskWord(count: number): string {
  return count === 1 ? 'task' : 'tasks';
}
