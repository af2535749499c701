import type { Block, Cell, Crashes } from '../judge/block.ts';
import { cellOf, withDeath } from './cell.ts';
import { coursesByAge, endOf, intervalOf } from './course.ts';
import { isLate, type Lateness, latenessOf } from './lateness.ts';
import { type Line, reportMs } from './line.ts';
import { type Measurement, pastMs, startsMs, type TrackMeasurement, type Unread } from './measurement.ts';
import { aheadMs, contradictionNotes, lateNotes, type Missed, missedNotes } from './notes.ts';
import { begunSince, isHeldBack, isLeaving, isMissed, isWhole, type Track, trackOf } from './track.ts';

/** Blocks for the judge, and what a person should know of how they were measured. */
export interface Blocks {
  /** Stable alone, from {@link pastMs} before the release until the judging began. */
  readonly past: readonly Block[];
  /** All that is on record of stable's tasks' first {@link startsMs}, a cell for each task and interval of its age. */
  readonly starts: readonly Cell[];
  /** Both tracks since the judging began, in order: one for each interval that is complete. */
  readonly blocks: readonly Block[];
  /** What the canary's tasks have reported since the last complete block, one cell for each line. */
  readonly latest: readonly Cell[];
  /** All that happened until then is in the blocks, as far as it will ever be; epoch milliseconds. */
  readonly settledUntilMs: number;
  /** How late the lines of both tracks were; absent where that is not known. */
  readonly lateness?: Lateness;
  readonly notes: readonly string[];
}

/**
 * The blocks in `measurement` that can be judged at `nowMs`.
 *
 * Whenever and however often one looks, blocks are the same: those at an earlier look begin those at a later one. So a
 * line counts by when it was ingested, and an interval is judged once no line about it that counts can come any more.
 *
 * Of the canary's tasks only those count that began after its deployment did. The others, which report while they are
 * replaced, run the version before.
 *
 * @param judgedFromMs when the canary was steady.
 */
export function blocksFrom(measurement: Measurement, judgedFromMs: number, nowMs: number): Blocks {
  const { fromMs, toMs, unread, stableSample, problems } = measurement;
  const judgedFrom = Math.floor(judgedFromMs / reportMs);
  const first = Math.floor((fromMs - pastMs) / reportMs);
  const end = Math.floor(Math.min(toMs + reportMs, nowMs) / reportMs);
  const began = Math.floor(fromMs / reportMs);
  const begun = begunSince(measurement.canary, fromMs);
  const canary = trackOf(inTime(begun), { first: began, last: end }, false);
  const stable = trackOf(inTime(measurement.stable), { first, last: end }, stableSample !== undefined);
  // Before anything is judged stable's past is settled, and with it all of these.
  const byAge = startsByAge(measurement.starts.filter(isInTime), judgedFrom * reportMs);
  const starts = [...byAge.values()].flat().map(({ lines, ageMs }) => cellOf(lines, ageMs));
  const missed: Missed = { intervals: new Set(), tasks: new Set(), silent: new Set() };
  const past: Block[] = [];
  const blocks: Block[] = [];
  let interval = first;
  for (; interval < end; interval += 1) {
    if (isUnread(interval, unread)) continue;
    const isJudged = interval >= judgedFrom;
    // Blocks go in order, so that what is late holds back what is later.
    if (isHeldBack(stable, interval, nowMs) || (isJudged && isHeldBack(canary, interval, nowMs))) break;
    const reported = isJudged ? cellsOf(canary, interval, missed) : [];
    (isJudged ? blocks : past).push({
      fromMs: interval * reportMs,
      toMs: endOf(interval),
      canary: isJudged ? withDeaths(reported, canary, interval) : [],
      stable: withDeaths(cellsOf(stable, interval, missed), stable, interval),
      starts: takeStarts(byAge, reported),
      crashes: {
        canary: isJudged ? crashesOf(canary, interval) : { count: 0, taskSeconds: 0 },
        stable: crashesOf(stable, interval),
      },
    });
  }
  const since = [...begun.lines, ...measurement.stable.lines.filter(({ toMs: endMs }) => endMs > fromMs)];
  const lateness = latenessOf(since, measurement.unreadableMs);
  return {
    past,
    starts,
    blocks,
    latest: latestOf(canary, Math.max(interval, judgedFrom), nowMs),
    settledUntilMs: interval * reportMs,
    ...(lateness && { lateness }),
    notes: [
      ...(problems ?? []),
      ...lateNotes(lateness),
      ...missedNotes(missed, interval - first),
      ...contradictionNotes([...canary.tasks, ...stable.tasks], nowMs),
    ],
  };
}

function isUnread(interval: number, unread: Unread | undefined): boolean {
  if (unread === undefined || endOf(interval) <= unread.fromMs) return false;
  return unread.toMs === undefined || interval * reportMs < unread.toMs;
}

function inTime({ lines, tasks }: TrackMeasurement): TrackMeasurement {
  return { lines: lines.filter(isInTime), tasks };
}

function isInTime(line: Line): boolean {
  return !isLate(line);
}

/** A cell for each task that reported. One of which lines are missing has none: what is there makes it look slow. */
function cellsOf(track: Track, interval: number, missed: Missed): Cell[] {
  const cells: Cell[] = [];
  for (const task of track.tasks) {
    if (isWhole(task, interval, track)) {
      const lines = task.course!.lines.get(interval)!;
      const cell = cellOf(lines, endOf(interval) - lines.at(-1)!.startedAt);
      // A task that drains receives nothing because it goes, not because it has its hands full.
      cells.push(isLeaving(task, interval) ? { ...cell, saturated: false } : cell);
    } else if (isMissed(task, interval)) {
      if (task.course === undefined) {
        missed.silent.add(task.id);
      } else {
        missed.intervals.add(interval);
        missed.tasks.add(task.id);
      }
    }
  }
  return cells;
}

/**
 * The cells, and in them what tasks had in hand when they died, which will never end. Without it, a version that
 * crashes on every message would look perfect, and so would one that does not drain and is killed.
 *
 * Each task counts once, since what it had in hand failed of one cause: counted one by one, a single task that its
 * host took away would look like a bad version.
 */
function withDeaths(cells: readonly Cell[], { died }: Track, interval: number): readonly Cell[] {
  const dead = died.get(interval);
  if (dead === undefined) return cells;
  const byTask = new Map(cells.map((cell) => [cell.task, cell]));
  for (const { id, course } of dead) {
    byTask.set(id, withDeath(byTask.get(id), id, endOf(interval) - course!.last.startedAt));
  }
  return [...byTask.values()];
}

/**
 * A task that stopped counts until the end of the interval. The odds that a crash was the canary's are the tracks'
 * time: if it ended with the crash, an early one would make itself look unlikely.
 */
function crashesOf({ lives, stopped, crashed }: Track, interval: number): Crashes {
  const endMs = endOf(interval);
  let livedMs = 0;
  for (const { id, startedAt } of lives) {
    if (startedAt === undefined || (stopped.get(id) ?? interval) < interval) continue;
    livedMs += Math.max(0, endMs - Math.max(endMs - reportMs, startedAt));
  }
  return { count: crashed.get(interval) ?? 0, taskSeconds: livedMs / 1000 };
}

/** Lines of one task, and the age at the end of their interval. */
export interface Start {
  readonly lines: readonly Line[];
  readonly ageMs: number;
}

/**
 * What stable's tasks did in each interval of their own lives that was over by `untilMs`. What they did since the judging
 * began is left out: the blocks have it already, and nothing is a control twice.
 */
export function startsByAge(all: readonly Line[], untilMs: number): Map<number, Start[]> {
  const byAge = new Map<number, Start[]>();
  const lines = all.filter(({ toMs }) => toMs <= untilMs);
  for (const course of coursesByAge(lines, { first: 0, last: intervalOf(startsMs) })) {
    for (const [interval, its] of course.lines) {
      if (course.missing.has(interval) || its[0]!.startedAt + endOf(interval) > untilMs) continue;
      const starts = byAge.get(interval) ?? [];
      byAge.set(interval, starts);
      starts.push({ lines: its, ageMs: endOf(interval) });
    }
  }
  return byAge;
}

/** The starts at the age of the oldest of the canary's tasks. They are taken out, so that each comes once. */
export function takeStarts(starts: Map<number, Start[]>, canary: readonly Cell[]): readonly Cell[] {
  if (canary.length === 0) return [];
  const age = intervalOf(Math.max(...canary.map(({ ageMs }) => ageMs)));
  const taken = starts.get(age) ?? [];
  starts.delete(age);
  return taken.map(({ lines, ageMs }) => cellOf(lines, ageMs));
}

function latestOf({ tasks }: Track, from: number, nowMs: number): Cell[] {
  return tasks.flatMap(({ course }) => {
    const cells: Cell[] = [];
    for (let interval = from; endOf(interval) <= nowMs + aheadMs; interval += 1) {
      for (const line of course?.lines.get(interval) ?? []) {
        cells.push(cellOf([line], line.toMs - line.startedAt));
      }
    }
    return cells;
  });
}
