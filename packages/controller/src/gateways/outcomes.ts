import type { FilteredLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import {
  type FailedBefore,
  failedBeforeMs,
  failureLinePattern,
  type Line,
  outcomeLinePattern,
  parseLine,
  pastMs,
  startsMs,
  type Track,
  type Unread,
} from '@queue-canary/core';
import type { OutcomeGateway, Outcomes, TaskLog } from '../gateways.ts';
import { UserError } from '../user-error.ts';
import type { EventRange, LogReader } from './log-reader.ts';

/** How late a line may arrive: each look asks again for so much of what the one before has read. */
const lateMs = 120_000;

/** Of so many tasks the first minutes are read. */
const startTasksMax = 8;

/** The first minutes of tasks that began within this time, as those of one deployment do, are read together. */
const togetherMs = 5 * 60_000;

/** So many lines of a release are held; more would not fit the function's memory. Four tasks write them in three days. */
const linesMax = 200_000;

/**
 * So many pages are read of what stable failed before its deployment: about a minute's work at the rate of calls that
 * AWS allows an account. How much of a log AWS searches for a page it does not say.
 */
const maxPagesBefore = 100;

/** So much before is read first; then twice as much, and so on. */
const firstBeforeMs = 10 * 60_000;

/** How long after its interval a line may be written. */
const writtenWithinMs = 10_000;

/**
 * What the workers reported, from the lines in their logs.
 *
 * It keeps what it has read of a release, so that in a function that stays warm a look asks only for what is new.
 */
export class AwsOutcomeGateway implements OutcomeGateway {
  readonly #reader: LogReader;
  #release: ReleaseLines | undefined;

  constructor(reader: LogReader) {
    this.#reader = reader;
  }

  async read({
    fromMs,
    nowMs,
    logs,
    unread,
    stableTasks,
    promotedAt,
  }: {
    readonly fromMs: number;
    readonly nowMs: number;
    readonly logs: Readonly<Record<Track, TaskLog>>;
    readonly unread?: Unread;
    readonly stableTasks?: readonly string[];
    readonly promotedAt?: number;
  }): Promise<Outcomes> {
    if (this.#release?.fromMs !== fromMs) this.#release = new ReleaseLines(fromMs);
    const release = this.#release;
    const { canary, stable } = release;
    const full = canary.lines.size + stable.lines.size >= linesMax;
    if (!full) {
      await Promise.all([
        this.#readOn(canary, logs.canary, nowMs, unread),
        this.#readOn(stable, logs.stable, nowMs, unread, stableTasks),
      ]);
    }
    const starts = await this.#starts(release, logs.stable);
    if (promotedAt !== undefined && release.before?.toMs !== promotedAt) {
      release.before = { ...(await this.#failedBefore(promotedAt, logs.stable)), toMs: promotedAt };
    }
    const unreadableMs = [canary, stable].flatMap((track) => track.unreadableMs ?? []);
    const problems = [
      ...(full
        ? [
            `the release has written more than ${linesMax} outcome lines; what is later is not judged, only dead letters and alarms end it`,
          ]
        : []),
      ...problemsOf('canary', canary.problems),
      ...problemsOf('stable', new Map([...stable.problems, ...release.starts.problems])),
    ];
    return {
      canary: [...canary.lines.values()],
      stable: [...stable.lines.values()],
      starts,
      ...(release.before && { before: release.before }),
      ...(unreadableMs.length > 0 && { unreadableMs: Math.max(...unreadableMs) }),
      ...(problems.length > 0 && { problems }),
    };
  }

  /** Reads what one track has logged since the last look, of some tasks or of all. */
  async #readOn(
    known: TrackLines,
    log: TaskLog,
    nowMs: number,
    unread?: Unread,
    tasks?: readonly string[],
  ): Promise<void> {
    const wanted = tasks?.map((task) => log.streamPrefix + task) ?? [everyStream];
    const resumed = wanted.filter((stream) => known.streams.has(stream));
    const begun = wanted.filter((stream) => !known.streams.has(stream));
    const resumeMs = Math.max(known.fromMs, (known.newestMs ?? 0) - lateMs);
    const ranges: readonly (readonly [streams: readonly string[], fromMs: number])[] = [
      [resumed, resumeMs],
      [begun, known.fromMs],
    ];
    let newestMs = known.newestMs ?? 0;
    let resumes = true;
    const take = (events: readonly FilteredLogEvent[]): void => {
      known.take(events, resumes);
      // A task whose clock is ahead must not make the next look skip the others.
      for (const { timestamp = 0 } of events) newestMs = Math.max(newestMs, Math.min(timestamp, nowMs));
    };
    for (const [streams, fromMs] of ranges) {
      if (streams.length === 0) continue;
      resumes = streams === resumed;
      for (const range of rangesOf(log, fromMs, unread)) {
        if (tasks === undefined) await this.#reader.read(range, take);
        const existing = tasks === undefined ? streams : await this.#reader.readStreams(range, streams, take);
        for (const stream of existing) known.streams.add(stream);
      }
    }
    if (!wanted.some((stream) => known.streams.has(stream))) {
      throw new UserError(
        'LogStreamsNotFound',
        `log group ${log.group} has no stream of any of ${wanted.length} tasks, such as ${wanted[0]}; tasks must log under the awslogs-stream-prefix of the task definition that is deployed`,
      );
    }
    // Only now: after a read that failed half way, the next look must ask for the same again.
    known.newestMs = newestMs;
    known.lookedAt = nowMs;
  }

  /** What stable failed, the last before its deployment first. */
  async #failedBefore(promotedAt: number, { group }: TaskLog): Promise<FailedBefore> {
    const lines = new TrackLines('stable', promotedAt - failedBeforeMs);
    let fromMs = promotedAt;
    let pages = 0;
    for (let spanMs = firstBeforeMs; fromMs > lines.fromMs && pages < maxPagesBefore; spanMs *= 2) {
      const earlierMs = Math.max(lines.fromMs, fromMs - spanMs);
      const range = { group, pattern: failureLinePattern, fromMs: earlierMs, untilMs: fromMs };
      const read = await this.#reader.read(
        range,
        (events) => lines.take(events, false),
        maxPagesBefore - pages,
      );
      if (read === undefined) break;
      pages += read;
      fromMs = earlierMs;
    }
    return { fromMs, lines: [...lines.lines.values()] };
  }

  /**
   * The first minutes of tasks of stable that reported after the release began and are older than it: of all whose
   * beginning `stable` holds, and where these are few, of the youngest others. The younger a task, the likelier is
   * its log still there, and the more is its beginning like today's.
   */
  async #starts({ fromMs, stable, starts, startsRead }: ReleaseLines, log: TaskLog): Promise<Line[]> {
    const began = new Map<string, number>();
    for (const { task, startedAt, toMs } of stable.lines.values()) {
      if (startedAt < fromMs && toMs > fromMs) began.set(task, startedAt);
    }
    const tasks = [...began].map(([id, at]) => ({ id, at }));
    const held = tasks.filter(({ at }) => at >= stable.fromMs);
    const others = tasks
      .filter(({ at }) => at < stable.fromMs)
      .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
      .slice(0, Math.max(0, startTasksMax - held.length));
    let unread = others.filter(({ id }) => !startsRead.has(id));
    for (let youngest = unread[0]; youngest !== undefined; youngest = unread[0]) {
      const earliestMs = youngest.at - togetherMs;
      const together = unread.filter(({ at }) => at >= earliestMs);
      unread = unread.filter(({ at }) => at < earliestMs);
      await this.#reader.readStreams(
        rangeOf(
          log,
          Math.min(...together.map(({ at }) => at)),
          Math.min(youngest.at + startsMs, stable.fromMs) + writtenWithinMs,
        ),
        together.map(({ id }) => log.streamPrefix + id),
        (events) => starts.take(events, false),
      );
      for (const { id } of together) startsRead.add(id);
    }
    const chosen = new Set([...held, ...others].map(({ id }) => id));
    return [...new Map([...starts.lines, ...stable.lines]).values()].filter(
      ({ task, startedAt, toMs }) => chosen.has(task) && toMs - startedAt <= startsMs,
    );
  }
}

/** Stands for all streams of a group among those that have been read. */
const everyStream = '';

/** What has been read of one track in one release. */
class TrackLines {
  readonly fromMs: number;
  /** By task, its beginning and number, since a container that is started again in its task counts from 0 again. */
  readonly lines = new Map<string, Line>();
  /** What is wrong with lines that cannot be read, by event. */
  readonly problems = new Map<string, string>();
  /** Streams that have been read up to `newestMs`. */
  readonly streams = new Set<string>();
  /** Time of the newest event that is known. */
  newestMs: number | undefined;
  /** When the last look that read everything began. */
  lookedAt: number | undefined;
  /** The longest that a line was surely in the log without being readable. */
  unreadableMs: number | undefined;
  readonly #track: Track;

  constructor(track: Track, fromMs: number) {
    this.#track = track;
    this.fromMs = fromMs;
  }

  /** @param resumes whether the last look asked for the same, so that what is new has become readable since. */
  take(events: readonly FilteredLogEvent[], resumes: boolean): void {
    for (const { eventId = '', message = '', ingestionTime } of events) {
      const line = parseLine(message);
      if (line === undefined) continue;
      if ('problem' in line) this.problems.set(eventId, line.problem);
      // The first line of the span may be about the interval before it, and both tracks may share a log group.
      else if (line.track === this.#track && line.toMs > this.fromMs) {
        const key = keyOf(line);
        // The log driver may send a line twice: it came when it came first.
        const known = this.lines.get(key);
        const ingestedAt = Math.min(
          known?.ingestedAt ?? Number.POSITIVE_INFINITY,
          ingestionTime ?? Number.POSITIVE_INFINITY,
        );
        if (known === undefined && resumes && this.lookedAt !== undefined) {
          this.unreadableMs = Math.max(this.unreadableMs ?? 0, this.lookedAt - ingestedAt);
        }
        this.lines.set(key, Number.isFinite(ingestedAt) ? { ...line, ingestedAt } : line);
      }
    }
  }
}

/** What has been read for one release. */
class ReleaseLines {
  readonly fromMs: number;
  readonly canary: TrackLines;
  readonly stable: TrackLines;
  /** First minutes of stable's tasks, from before `stable` begins. */
  readonly starts = new TrackLines('stable', 0);
  /** What stable failed before its deployment. */
  before: (FailedBefore & { readonly toMs: number }) | undefined;
  /** Tasks whose first minutes have been read; they have passed, so nothing is added to them. */
  readonly startsRead = new Set<string>();

  constructor(fromMs: number) {
    this.fromMs = fromMs;
    this.canary = new TrackLines('canary', fromMs - pastMs);
    this.stable = new TrackLines('stable', fromMs - pastMs);
  }
}

function keyOf({ task, startedAt, sequence }: Line): string {
  return `${task} ${startedAt} ${sequence}`;
}

function rangeOf({ group }: TaskLog, fromMs: number, untilMs?: number): EventRange {
  return { group, pattern: outcomeLinePattern, fromMs, ...(untilMs !== undefined && { untilMs }) };
}

/** From an instant on, without what is to be left out. */
function rangesOf(log: TaskLog, fromMs: number, unread: Unread | undefined): EventRange[] {
  if (unread === undefined) return [rangeOf(log, fromMs)];
  const { fromMs: leftMs, toMs: resumedMs } = unread;
  return [
    ...(fromMs < leftMs ? [rangeOf(log, fromMs, leftMs + writtenWithinMs)] : []),
    ...(resumedMs === undefined ? [] : [rangeOf(log, Math.max(fromMs, resumedMs))]),
  ];
}

function problemsOf(track: Track, problems: ReadonlyMap<string, string>): string[] {
  const [first] = problems.values();
  if (first === undefined) return [];
  const lines = problems.size === 1 ? 'an outcome line' : `${problems.size} outcome lines`;
  return [
    `${lines} of ${track} cannot be read, so what they report is missing (${first}); deploy a worker and a controller that belong together`,
  ];
}
