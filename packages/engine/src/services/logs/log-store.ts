import type { State, Table } from '../../state/state.ts';
import { groupNotFound, streamNotFound } from './faults.ts';

/** Tags that a log group can have at most. */
export const TAGS_MAX = 50;

export interface LogGroup {
  readonly id: number;
  readonly name: string;
  readonly createdAtMs: number;
  /** Absent: events never expire. */
  readonly retentionDays?: number;
  readonly kmsKeyId?: string;
  readonly logGroupClass: 'STANDARD' | 'INFREQUENT_ACCESS' | 'DELIVERY';
  readonly deletionProtected: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

export interface LogStream {
  readonly id: number;
  readonly groupId: number;
  readonly name: string;
  readonly createdAtMs: number;
  /** Absent before the first event; so are the two others. */
  readonly firstEventAtMs?: number;
  readonly lastEventAtMs?: number;
  readonly ingestedAtMs?: number;
}

export interface LogEvent {
  readonly id: number;
  readonly streamId: number;
  readonly atMs: number;
  readonly ingestedAtMs: number;
  readonly message: string;
}

/** When events came, and from when on they can be read. */
export interface Arrival {
  readonly ingestedAtMs: number;
  readonly readableAtMs: number;
}

/** A place in the order of events: by timestamp, then by arrival. */
export interface Position {
  readonly atMs: number;
  readonly id: number;
}

/** Which events to read. Both times are inclusive. */
export interface Range {
  readonly fromMs: number;
  readonly toMs: number;
  /** When they are read: what is not readable by then is left out. */
  readonly nowMs: number;
}

const DAY_MS = 24 * 3_600_000;
const BYTES_PER_EVENT = 26;

/** What an event counts against the limits of a batch and as stored bytes: its UTF-8 text and 26 bytes. */
export function eventBytes(message: string): number {
  return Buffer.byteLength(message) + BYTES_PER_EVENT;
}

/**
 * Log groups, streams and events, durable. Events are rows of their own SQLite table, indexed by time within
 * their stream and within their group, so that neither a long log nor many streams slow a read down.
 */
export class LogStore {
  readonly #state: State;
  readonly #groups: Table<LogGroup>;
  readonly #sql;
  #lastGroupId: number;

  constructor(state: State) {
    this.#state = state;
    this.#groups = state.table<LogGroup>('logs.groups');
    const { db } = state;
    db.exec(`
      CREATE TABLE IF NOT EXISTS logs_streams (id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL,
        name TEXT NOT NULL, created_at INTEGER NOT NULL, first_at INTEGER, last_at INTEGER,
        ingested_at INTEGER, bytes INTEGER NOT NULL DEFAULT 0, UNIQUE (grp, name));
      CREATE TABLE IF NOT EXISTS logs_events (id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL,
        stream INTEGER NOT NULL, at INTEGER NOT NULL, ingested_at INTEGER NOT NULL,
        readable_at INTEGER NOT NULL, message TEXT NOT NULL);
      CREATE INDEX IF NOT EXISTS logs_events_by_group ON logs_events (grp, at);
      CREATE INDEX IF NOT EXISTS logs_events_by_stream ON logs_events (stream, at);
    `);
    // Events of an engine that knew no delay could be read at once.
    const columns = db.prepare("SELECT name FROM pragma_table_info('logs_events')").all();
    if (!columns.some(({ name }) => name === 'readable_at')) {
      db.exec('ALTER TABLE logs_events ADD COLUMN readable_at INTEGER NOT NULL DEFAULT 0');
    }
    this.#sql = {
      addStream: db.prepare('INSERT INTO logs_streams (grp, name, created_at) VALUES (?, ?, ?)'),
      stream: db.prepare('SELECT * FROM logs_streams WHERE grp = ? AND name = ?'),
      streams: db.prepare('SELECT * FROM logs_streams WHERE grp = ? ORDER BY name'),
      touchStream: db.prepare(
        `UPDATE logs_streams SET first_at = MIN(COALESCE(first_at, :first), :first),
          last_at = MAX(COALESCE(last_at, :last), :last), ingested_at = :ingested, bytes = bytes + :bytes WHERE id = :id`,
      ),
      dropStream: db.prepare('DELETE FROM logs_streams WHERE id = ?'),
      dropStreams: db.prepare('DELETE FROM logs_streams WHERE grp = ?'),
      addEvent: db.prepare(
        'INSERT INTO logs_events (grp, stream, at, ingested_at, readable_at, message) VALUES (?, ?, ?, ?, ?, ?)',
      ),
      dropStreamEvents: db.prepare('DELETE FROM logs_events WHERE stream = ?'),
      dropGroupEvents: db.prepare('DELETE FROM logs_events WHERE grp = ?'),
      expire: db.prepare('DELETE FROM logs_events WHERE grp = ? AND at < ?'),
      groupAfter: db.prepare(
        `SELECT * FROM logs_events WHERE grp = ? AND at <= ? AND readable_at <= ? AND (at, id) > (?, ?)
          ORDER BY at, id LIMIT ?`,
      ),
      streamAfter: db.prepare(
        `SELECT * FROM logs_events WHERE stream = ? AND at <= ? AND readable_at <= ? AND (at, id) > (?, ?)
          ORDER BY at, id LIMIT ?`,
      ),
      streamBefore: db.prepare(
        `SELECT * FROM logs_events WHERE stream = ? AND at >= ? AND readable_at <= ? AND (at, id) < (?, ?)
          ORDER BY at DESC, id DESC LIMIT ?`,
      ),
      groupBytes: db.prepare('SELECT COALESCE(SUM(bytes), 0) AS bytes FROM logs_streams WHERE grp = ?'),
      uncount: db.prepare(
        `UPDATE logs_streams SET bytes = bytes - (
          SELECT COALESCE(SUM(LENGTH(CAST(message AS BLOB)) + ${BYTES_PER_EVENT}), 0)
          FROM logs_events WHERE stream = logs_streams.id AND at < ?) WHERE grp = ?`,
      ),
    };
    this.#lastGroupId = Math.max(0, ...[...this.#groups.values()].map(({ id }) => id));
  }

  group(name: string): LogGroup | undefined {
    return this.#groups.get(name);
  }

  /** The group; fails with `ResourceNotFoundException` where there is none. */
  findGroup(name: string | undefined): LogGroup {
    const group = this.group(name ?? '');
    if (!group) throw groupNotFound();
    return group;
  }

  /** Every log group, by name. */
  groups(): LogGroup[] {
    return [...this.#groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  addGroup(group: Omit<LogGroup, 'id'>): void {
    this.#groups.put(group.name, { ...group, id: ++this.#lastGroupId });
  }

  changeGroup(group: LogGroup): void {
    this.#groups.put(group.name, group);
  }

  /** Deletes a group with its streams and events. */
  dropGroup({ id, name }: LogGroup): void {
    this.#state.write();
    this.#sql.dropGroupEvents.run(id);
    this.#sql.dropStreams.run(id);
    this.#groups.delete(name);
  }

  /** Bytes of all events of a group, as AWS counts them. */
  storedBytes({ id }: LogGroup): number {
    return Number(this.#sql.groupBytes.get(id)?.bytes);
  }

  stream(group: LogGroup, name: string): LogStream | undefined {
    const row = this.#sql.stream.get(group.id, name);
    return row && streamOf(row);
  }

  /** The stream; fails with `ResourceNotFoundException` where there is none. */
  findStream(group: LogGroup, name: string | undefined): LogStream {
    const stream = this.stream(group, name ?? '');
    if (!stream) throw streamNotFound();
    return stream;
  }

  /** Every stream of a group, by name. */
  streams(group: LogGroup): LogStream[] {
    return this.#sql.streams.all(group.id).map(streamOf);
  }

  addStream(group: LogGroup, name: string, atMs: number): void {
    this.#state.write();
    this.#sql.addStream.run(group.id, name, atMs);
  }

  dropStream({ id }: LogStream): void {
    this.#state.write();
    this.#sql.dropStreamEvents.run(id);
    this.#sql.dropStream.run(id);
  }

  /** Adds events, which must be in the order of their timestamps. */
  append(
    stream: LogStream,
    events: ReadonlyArray<{ atMs: number; message: string }>,
    { ingestedAtMs, readableAtMs }: Arrival,
  ): void {
    const [first, last] = [events[0], events.at(-1)];
    if (!first || !last) return;
    this.#state.write();
    let bytes = 0;
    for (const { atMs, message } of events) {
      this.#sql.addEvent.run(stream.groupId, stream.id, atMs, ingestedAtMs, readableAtMs, message);
      bytes += eventBytes(message);
    }
    this.#sql.touchStream.run({
      first: first.atMs,
      last: last.atMs,
      ingested: ingestedAtMs,
      bytes,
      id: stream.id,
    });
  }

  /** Events of a whole group after a position, oldest first. */
  groupAfter(group: LogGroup, range: Range, after: Position, limit: number): LogEvent[] {
    const from = later(after, { atMs: range.fromMs, id: 0 });
    return this.#sql.groupAfter
      .all(group.id, range.toMs, range.nowMs, from.atMs, from.id, limit)
      .map(eventOf);
  }

  /** Events of a stream after a position, oldest first. */
  streamAfter(stream: Pick<LogStream, 'id'>, range: Range, after: Position, limit: number): LogEvent[] {
    const from = later(after, { atMs: range.fromMs, id: 0 });
    return this.#sql.streamAfter
      .all(stream.id, range.toMs, range.nowMs, from.atMs, from.id, limit)
      .map(eventOf);
  }

  /** The events of a stream just before a position, oldest first. */
  streamBefore(stream: LogStream, range: Range, before: Position, limit: number): LogEvent[] {
    const end = { atMs: range.toMs, id: Number.MAX_SAFE_INTEGER };
    const to = later(before, end) === before ? end : before;
    return this.#sql.streamBefore
      .all(stream.id, range.fromMs, range.nowMs, to.atMs, to.id, limit)
      .map(eventOf)
      .reverse();
  }

  /** Removes what is older than its group's retention. Reads leave it out even before. */
  expire(nowMs: number): void {
    for (const group of this.#groups.values()) {
      const oldestMs = oldestKeptMs(group, nowMs);
      if (oldestMs === 0) continue;
      this.#state.write();
      this.#sql.uncount.run(oldestMs, group.id);
      this.#sql.expire.run(group.id, oldestMs);
    }
  }
}

/** Timestamp of the oldest event that a group's retention keeps; 0 when it keeps all. */
export function oldestKeptMs({ retentionDays }: LogGroup, nowMs: number): number {
  return retentionDays === undefined ? 0 : Math.max(0, nowMs - retentionDays * DAY_MS);
}

function later(a: Position, b: Position): Position {
  return a.atMs > b.atMs || (a.atMs === b.atMs && a.id >= b.id) ? a : b;
}

type Row = Record<string, unknown>;

function streamOf(row: Row): LogStream {
  return {
    id: row.id as number,
    groupId: row.grp as number,
    name: row.name as string,
    createdAtMs: row.created_at as number,
    ...(row.ingested_at === null
      ? {}
      : {
          firstEventAtMs: row.first_at as number,
          lastEventAtMs: row.last_at as number,
          ingestedAtMs: row.ingested_at as number,
        }),
  };
}

function eventOf(row: Row): LogEvent {
  return {
    id: row.id as number,
    streamId: row.stream as number,
    atMs: row.at as number,
    ingestedAtMs: row.ingested_at as number,
    message: row.message as string,
  };
}
