import type { Clock } from '../clock/clock.ts';
import type { State } from '../state/state.ts';

/** One thing that happened. `seq` orders everything in the engine; `detail` must be JSON. */
export interface JournalEntry {
  readonly seq: number;
  readonly atMs: number;
  /** The part that reports: a service name such as `ecs`, or `engine`. */
  readonly source: string;
  /** What happened, as `noun.verb`, for example `task.started`; AWS events use `aws.event`. */
  readonly type: string;
  readonly detail: Record<string, unknown>;
}

/** An event as AWS services publish it to the default event bus. */
export interface AwsEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly resources: string[];
  readonly detail: Record<string, unknown>;
}

const KEPT_ENTRIES = 200_000;

/**
 * The single ordered record of what happened: what the CLI prints, the dashboard shows and the tests assert.
 * Entries commit in the same transaction as the state change that they report.
 */
export class Journal {
  readonly #state: State;
  readonly #clock: Clock;
  #seq: number;
  readonly #insert;
  readonly #trim;
  readonly #listeners = new Set<(entry: JournalEntry) => void>();

  constructor(state: State, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
    state.db.exec(
      'CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, detail TEXT NOT NULL)',
    );
    this.#seq = Number(state.db.prepare('SELECT COALESCE(MAX(seq), 0) AS seq FROM journal').get()?.seq ?? 0);
    this.#insert = state.db.prepare(
      'INSERT INTO journal (seq, at, source, type, detail) VALUES (?, ?, ?, ?, ?)',
    );
    this.#trim = state.db.prepare('DELETE FROM journal WHERE seq <= ?');
  }

  /** Sequence number of the newest entry; 0 when the journal is empty. */
  get seq(): number {
    return this.#seq;
  }

  append(source: string, type: string, detail: Record<string, unknown>): JournalEntry {
    const entry: JournalEntry = { seq: ++this.#seq, atMs: this.#clock.nowMs(), source, type, detail };
    this.#state.change(() => this.#insert.run(entry.seq, entry.atMs, source, type, JSON.stringify(detail)));
    if (entry.seq % 10_000 === 0) this.#trim.run(entry.seq - KEPT_ENTRIES);
    for (const listener of [...this.#listeners]) listener(entry);
    return entry;
  }

  /** Publishes an AWS event to the default event bus: EventBridge matches its rules against these entries. */
  publish(event: AwsEvent): JournalEntry {
    return this.append(event.source.replace(/^aws\./, ''), 'aws.event', { ...event });
  }

  /** Calls `listener` with every later entry, synchronously, in order. Returns the function that ends it. */
  subscribe(listener: (entry: JournalEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Entries with `seq > after`, oldest first, at most `limit`. */
  read(after = 0, limit = 10_000): JournalEntry[] {
    return this.#state.db
      .prepare('SELECT seq, at, source, type, detail FROM journal WHERE seq > ? ORDER BY seq LIMIT ?')
      .all(after, limit)
      .map((row) => ({
        seq: row.seq as number,
        atMs: row.at as number,
        source: row.source as string,
        type: row.type as string,
        detail: JSON.parse(row.detail as string) as Record<string, unknown>,
      }));
  }

  /** Resolves with the first entry after `after` (default: from now on) for which `matches` is true. */
  waitFor(matches: (entry: JournalEntry) => boolean, after = this.#seq): Promise<JournalEntry> {
    const past = this.read(after).find(matches);
    if (past) return Promise.resolve(past);
    return new Promise((resolve) => {
      const stop = this.subscribe((entry) => {
        if (!matches(entry)) return;
        stop();
        resolve(entry);
      });
    });
  }
}
