import { expect, onTestFinished, test } from 'vitest';
import { State } from '../../state/state.ts';
import { LogStore } from './log-store.ts';

test('events that an earlier engine kept, which knew no delay, can be read', () => {
  const state = new State(':memory:');
  onTestFinished(() => state.close());
  state.db.exec(`
    CREATE TABLE logs_events (id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER NOT NULL,
      stream INTEGER NOT NULL, at INTEGER NOT NULL, ingested_at INTEGER NOT NULL, message TEXT NOT NULL);
    INSERT INTO logs_events (grp, stream, at, ingested_at, message) VALUES (1, 1, 1000, 2000, 'kept');
  `);
  const store = new LogStore(state);
  const stream = { id: 1, groupId: 1, name: 'own', createdAtMs: 0 };
  store.append(stream, [{ atMs: 1500, message: 'new' }], { ingestedAtMs: 2500, readableAtMs: 3000 });
  const messages = (nowMs: number) =>
    store
      .streamAfter(stream, { fromMs: 0, toMs: 5000, nowMs }, { atMs: 0, id: 0 }, 10)
      .map((event) => event.message);
  expect(messages(2500)).toEqual(['kept']);
  expect(messages(3000)).toEqual(['kept', 'new']);
});
