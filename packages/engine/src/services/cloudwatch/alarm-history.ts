import type { State } from '../../state/state.ts';

type HistoryType = 'ConfigurationUpdate' | 'StateUpdate' | 'Action';

/** One line of an alarm's history. */
export interface HistoryItem {
  readonly alarmName: string;
  readonly atMs: number;
  readonly type: HistoryType;
  readonly summary: string;
  readonly data: string;
}

/** How long history is kept, as on AWS: two weeks. */
const KEPT_MS = 14 * 24 * 3_600_000;

/** What happened to alarms, durable, also after they were deleted. */
export class AlarmHistory {
  readonly #state: State;
  readonly #insert;
  readonly #trim;
  readonly #read;

  constructor(state: State) {
    this.#state = state;
    state.db.exec(`
      CREATE TABLE IF NOT EXISTS cloudwatch_alarm_history (seq INTEGER PRIMARY KEY, alarm TEXT NOT NULL,
        at INTEGER NOT NULL, type TEXT NOT NULL, summary TEXT NOT NULL, data TEXT NOT NULL);
      CREATE INDEX IF NOT EXISTS cloudwatch_alarm_history_at ON cloudwatch_alarm_history (at);
    `);
    this.#insert = state.db.prepare(
      'INSERT INTO cloudwatch_alarm_history (alarm, at, type, summary, data) VALUES (?, ?, ?, ?, ?)',
    );
    this.#trim = state.db.prepare('DELETE FROM cloudwatch_alarm_history WHERE at < ?');
    this.#read = state.db.prepare(
      'SELECT alarm, at, type, summary, data FROM cloudwatch_alarm_history WHERE at >= ? AND at <= ? ORDER BY at DESC, seq DESC',
    );
  }

  add({ alarmName, atMs, type, summary, data }: HistoryItem): void {
    this.#state.write();
    this.#insert.run(alarmName, atMs, type, summary, data);
  }

  /** Items between two instants, newest first. */
  between(fromMs: number, toMs: number): HistoryItem[] {
    return this.#read.all(fromMs, toMs).map((row) => ({
      alarmName: row.alarm as string,
      atMs: row.at as number,
      type: row.type as HistoryType,
      summary: row.summary as string,
      data: row.data as string,
    }));
  }

  forget(nowMs: number): void {
    this.#state.write();
    this.#trim.run(nowMs - KEPT_MS);
  }
}
