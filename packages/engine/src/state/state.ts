import { DatabaseSync } from 'node:sqlite';

/**
 * Everything the engine must remember, in one SQLite database with group commit: the first write of an
 * event-loop turn opens a transaction, and all that arrives in that turn commits together at its end.
 * A reply waits for {@link committed}, so what was acknowledged survives `kill -9`.
 *
 * WAL with `synchronous=NORMAL`: a crash of the process loses nothing, a crash of the operating system may
 * lose the last transactions but never corrupts.
 */
export class State {
  readonly db: DatabaseSync;
  #open = false;
  #closed = false;
  #waiting: Array<{ resolve: () => void; reject: (error: Error) => void }> = [];
  readonly #tables = new Map<string, Table<unknown>>();

  /** @param path database file, or `:memory:` */
  constructor(path: string) {
    this.db = new DatabaseSync(path);
    this.db.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=0; PRAGMA cache_size=-16000',
    );
  }

  /** Opens this turn's transaction if none is open. Call before any SQL that writes. */
  write(): void {
    if (this.#open) return;
    this.db.exec('BEGIN');
    this.#open = true;
    setImmediate(() => this.flush());
  }

  /** Whether something was written in this turn that is not yet committed. */
  get dirty(): boolean {
    return this.#open;
  }

  /** Resolves when all writes made so far are on disk; at once when there are none. */
  committed(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Commits the open transaction now. */
  flush(): void {
    if (!this.#open || this.#closed) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#open = false;
    try {
      this.db.exec('COMMIT');
    } catch (error) {
      for (const waiter of waiting) waiter.reject(error as Error);
      throw error;
    }
    for (const waiter of waiting) waiter.resolve();
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

  /** Commits what is open and closes the database. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.db.close();
  }
}

/** See {@link State.table}. Iteration follows insertion order, and reloads in the same order. */
export class Table<T> {
  readonly #state: State;
  readonly #rows = new Map<string, T>();
  readonly #upsert;
  readonly #remove;

  constructor(state: State, name: string) {
    if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name)) throw new Error(`invalid table name ${name}`);
    this.#state = state;
    const db = state.db;
    db.exec(`CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, value TEXT NOT NULL)`);
    for (const row of db.prepare(`SELECT key, value FROM "${name}" ORDER BY rowid`).all()) {
      this.#rows.set(row.key as string, JSON.parse(row.value as string) as T);
    }
    this.#upsert = db.prepare(
      `INSERT INTO "${name}" (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    );
    this.#remove = db.prepare(`DELETE FROM "${name}" WHERE key = ?`);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  put(key: string, value: T): T {
    this.#state.write();
    this.#upsert.run(key, JSON.stringify(value));
    this.#rows.set(key, value);
    return value;
  }

  delete(key: string): boolean {
    if (!this.#rows.has(key)) return false;
    this.#state.write();
    this.#remove.run(key);
    return this.#rows.delete(key);
  }

  keys(): IterableIterator<string> {
    return this.#rows.keys();
  }

  values(): IterableIterator<T> {
    return this.#rows.values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.#rows.entries();
  }
}
