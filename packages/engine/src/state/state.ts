import { chmodSync, closeSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { InvariantError, type UserError } from '../errors.ts';
import { isStateFailure, stateFailure } from './state-failure.ts';

/** Which tables remember what they held before, and for how long. */
interface Memory {
  readonly nowMs: () => number;
  readonly forMs: number;
  readonly tables: (name: string) => boolean;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Pages of the log at which SQLite moves it into the database: 16 MiB. */
const CHECKPOINT_PAGES = 4_000;

/**
 * Everything the engine must remember, in one SQLite database with group commit: the first write of an
 * event-loop turn opens a transaction, and all that arrives in that turn commits together at its end.
 *
 * What is {@link committed} survives `kill -9`; what is {@link synced} survives a crash of the operating system
 * and a power cut too. SQLite itself runs with `synchronous=NORMAL`, which never corrupts but leaves the log in
 * the page cache; the log is flushed here, off the event loop, so that one flush serves every transaction that
 * was committed while the one before it was under way.
 */
export class State {
  readonly db: DatabaseSync;
  readonly path: string;
  readonly #onFailure: (error: UserError) => void;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #logPath: string | undefined;
  readonly #tables = new Map<string, Table<unknown>>();
  readonly #beforeCommit = new Set<() => void>();
  #memory: Memory | undefined;
  #readingAsOfMs: number | undefined;
  #open = false;
  #closed = false;
  #failure: UserError | undefined;
  /** Who waits for the open transaction to be committed, and who for it to be on the disk. */
  #awaitingCommit: Waiter[] = [];
  #awaitingOpen: Waiter[] = [];
  /** Who waits for transactions that are committed to be on the disk. */
  #awaitingSync: Waiter[] = [];
  #commits = 0;
  #syncedCommits = 0;
  #syncing = false;
  /** Whether the open transaction stays open until the flush that is under way has ended. */
  #held = false;
  #log: number | undefined;

  /**
   * @param path database file, or `:memory:`
   * @param onFailure told, once, why nothing can be written any more; by default the error is thrown, out of any turn
   */
  constructor(
    path: string,
    onFailure: (error: UserError) => void = (error) => {
      throw error;
    },
  ) {
    this.path = path;
    this.#onFailure = onFailure;
    this.db = this.guard(path, () => {
      if (path !== ':memory:') {
        // SQLite gives its log and its index the mode of the database.
        closeSync(openSync(path, 'a', 0o600));
        chmodSync(path, 0o600);
      }
      const db = new DatabaseSync(path);
      db.exec(
        `PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=0; PRAGMA cache_size=-16000; PRAGMA wal_autocheckpoint=${CHECKPOINT_PAGES}`,
      );
      return db;
    });
    this.#begin = this.db.prepare('BEGIN');
    this.#commit = this.db.prepare('COMMIT');
    this.#logPath = path === ':memory:' ? undefined : `${path}-wal`;
  }

  /** Does something with a file of the state; an error says which file it is, and what to do. */
  guard<R>(path: string, act: (path: string) => R): R {
    try {
      return act(path);
    } catch (error) {
      throw stateFailure(path, error);
    }
  }

  /** Says that nothing can be written any more. */
  fail(error: unknown): UserError {
    const known = this.#failure;
    this.#failure ??= stateFailure(this.path, error);
    if (known === undefined) this.#onFailure(this.#failure);
    return this.#failure;
  }

  /** Opens this turn's transaction if none is open. Call before any SQL that writes. */
  write(): void {
    if (this.#open) return;
    this.#begin.run();
    this.#open = true;
    setImmediate(() => this.#endTurn());
  }

  /** Runs SQL that writes, in this turn's transaction. */
  change(run: () => void): void {
    try {
      this.write();
      run();
    } catch (error) {
      throw isStateFailure(error) ? this.fail(error) : error;
    }
  }

  /** Whether something was written in this turn that is not yet committed. */
  get dirty(): boolean {
    return this.#open;
  }

  /** Resolves when all writes made so far survive the end of this process; at once when there are none. */
  committed(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    if (this.#held) {
      this.#held = false;
      setImmediate(() => this.flush());
    }
    return new Promise((resolve, reject) => this.#awaitingCommit.push({ resolve, reject }));
  }

  /** Whether all that was written is on the disk. */
  get durable(): boolean {
    return !this.#open && this.#syncedCommits === this.#commits;
  }

  /** Resolves when all writes made so far are on the disk; at once when they are. */
  synced(): Promise<void> {
    if (this.durable) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.#open) this.#awaitingOpen.push({ resolve, reject });
      else {
        this.#awaitingSync.push({ resolve, reject });
        this.#sync();
      }
    });
  }

  /**
   * Calls `write` before every commit, so that a number that changes many times in a turn is written once.
   */
  beforeCommit(write: () => void): void {
    this.#beforeCommit.add(write);
  }

  /**
   * Commits, unless everyone waits for the disk and it is still busy: they can only be served by the next flush,
   * and the transaction takes in what comes until then.
   */
  #endTurn(): void {
    this.#held = this.#syncing && this.#awaitingOpen.length > 0 && this.#awaitingCommit.length === 0;
    if (!this.#held) this.flush();
  }

  /** Commits the open transaction now. */
  flush(): void {
    if (!this.#open || this.#closed) return;
    this.#held = false;
    const committed = this.#awaitingCommit;
    const toSync = this.#awaitingOpen;
    this.#awaitingCommit = [];
    this.#awaitingOpen = [];
    try {
      for (const write of this.#beforeCommit) write();
      this.#open = false;
      this.#commit.run();
    } catch (error) {
      this.#open = false;
      const failure = stateFailure(this.path, error);
      for (const waiter of [...committed, ...toSync]) waiter.reject(failure);
      this.fail(failure);
      return;
    }
    this.#commits++;
    for (const waiter of committed) waiter.resolve();
    if (toSync.length === 0) return;
    this.#awaitingSync.push(...toSync);
    this.#sync();
  }

  /** Flushes the log for everyone who waits; who comes meanwhile is served by the next flush. */
  #sync(): void {
    if (this.#syncing) return;
    const served = this.#awaitingSync;
    const commits = this.#commits;
    this.#awaitingSync = [];
    if (this.#logPath === undefined) {
      this.#syncedCommits = commits;
      for (const waiter of served) waiter.resolve();
      return;
    }
    this.#log ??= openSync(this.#logPath, 'r+');
    this.#syncing = true;
    fdatasync(this.#log, (error) => {
      this.#syncing = false;
      if (error === null) this.#syncedCommits = Math.max(this.#syncedCommits, commits);
      for (const waiter of served) error === null ? waiter.resolve() : waiter.reject(error);
      if (error !== null) this.fail(error);
      if (this.#closed) this.#closeLog();
      else if (this.#open) this.flush();
      else if (this.#awaitingSync.length > 0) this.#sync();
    });
  }

  /**
   * A durable map from string to JSON value, held in memory and written through. Values are copied on the
   * way to disk only: treat what `get` returns as immutable and `put` a changed copy.
   */
  table<T>(name: string): Table<T> {
    let table = this.#tables.get(name);
    if (!table) {
      table = new Table<unknown>(this, name);
      this.#tables.set(name, table);
    }
    return table as Table<T>;
  }

  /** From now on these tables remember what they held, for as long. */
  remember(memory: Memory): void {
    this.#memory = memory;
  }

  memoryOf(table: string): Memory | undefined {
    return this.#memory?.tables(table) ? this.#memory : undefined;
  }

  /** Reads, in one go, what the tables that remember held at an earlier instant, by the clock of their memory. */
  asOf<R>(atMs: number, read: () => R): R {
    this.#readingAsOfMs = atMs;
    try {
      return read();
    } finally {
      this.#readingAsOfMs = undefined;
    }
  }

  /** The earlier instant that is being read. */
  get readingAsOfMs(): number | undefined {
    return this.#readingAsOfMs;
  }

  /** Commits what is open and closes the database, which puts everything on the disk. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.db.close();
    this.#syncedCommits = this.#commits;
    for (const waiter of this.#awaitingSync) waiter.resolve();
    this.#awaitingSync = [];
    if (!this.#syncing) this.#closeLog();
  }

  #closeLog(): void {
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}

/** See {@link State.table}. Iteration follows insertion order, and reloads in the same order. */
export class Table<T> {
  readonly #state: State;
  readonly #name: string;
  readonly #rows = new Map<string, T>();
  /** What keys held before their latest changes, oldest first. */
  readonly #changes: { readonly atMs: number; readonly key: string; readonly before: T | undefined }[] = [];
  readonly #upsert;
  readonly #remove;

  constructor(state: State, name: string) {
    if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name)) throw new Error(`invalid table name ${name}`);
    this.#state = state;
    this.#name = name;
    const db = state.db;
    db.exec(`CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, value TEXT NOT NULL)`);
    for (const row of db.prepare(`SELECT key, value FROM "${name}" ORDER BY rowid`).all()) {
      const key = row.key as string;
      try {
        this.#rows.set(key, JSON.parse(row.value as string) as T);
      } catch (error) {
        throw stateFailure(state.path, new SyntaxError(`"${key}" of ${name}: ${(error as Error).message}`));
      }
    }
    this.#upsert = db.prepare(
      `INSERT INTO "${name}" (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    );
    this.#remove = db.prepare(`DELETE FROM "${name}" WHERE key = ?`);
  }

  get size(): number {
    return this.#shown().size;
  }

  get(key: string): T | undefined {
    const atMs = this.#state.readingAsOfMs;
    const change =
      atMs === undefined ? undefined : this.#changes.find((each) => each.atMs > atMs && each.key === key);
    return change ? change.before : this.#rows.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  put(key: string, value: T): T {
    this.#noteChange(key);
    this.#state.change(() => this.#upsert.run(key, JSON.stringify(value)));
    this.#rows.set(key, value);
    return value;
  }

  delete(key: string): boolean {
    if (!this.#rows.has(key)) return false;
    this.#noteChange(key);
    this.#state.change(() => this.#remove.run(key));
    return this.#rows.delete(key);
  }

  keys(): IterableIterator<string> {
    return this.#shown().keys();
  }

  values(): IterableIterator<T> {
    return this.#shown().values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.#shown().entries();
  }

  #noteChange(key: string): void {
    if (this.#state.readingAsOfMs !== undefined)
      throw new InvariantError(`${this.#name}: the past is written`);
    const memory = this.#state.memoryOf(this.#name);
    if (memory === undefined) return;
    const nowMs = memory.nowMs();
    const forgotten = this.#changes.findIndex(({ atMs }) => atMs >= nowMs - memory.forMs);
    this.#changes.splice(0, forgotten === -1 ? this.#changes.length : forgotten);
    this.#changes.push({ atMs: nowMs, key, before: this.#rows.get(key) });
  }

  /** The rows of the instant that is read. Those that were deleted since come first: usually they are the oldest. */
  #shown(): Map<string, T> {
    const atMs = this.#state.readingAsOfMs;
    const since = atMs === undefined ? [] : this.#changes.filter((change) => change.atMs > atMs);
    if (since.length === 0) return this.#rows;
    const before = new Map<string, T | undefined>();
    for (const change of since) if (!before.has(change.key)) before.set(change.key, change.before);
    const deleted = [...before].filter(([key]) => !this.#rows.has(key));
    const others = [...this.#rows].map(
      ([key, now]) => [key, before.has(key) ? before.get(key) : now] as const,
    );
    return new Map([...deleted, ...others].filter((row): row is [string, T] => row[1] !== undefined));
  }
}
