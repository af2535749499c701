import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { Journal } from '../journal/journal.ts';
import { lockStateDirectory } from './lock.ts';
import { State } from './state.ts';
import { closeToOthers, openStateDirectory } from './state-directory.ts';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'queue-canary-state-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('what was committed is there after reopening, in the same order, and deletions stay deleted', async () => {
  const path = join(directory(), 'engine.db');
  const state = new State(path);
  const table = state.table<{ n: number }>('things.all');
  for (const key of ['c', 'a', 'b']) table.put(key, { n: key.charCodeAt(0) });
  table.put('a', { n: 1 });
  table.delete('b');
  await state.committed();
  const other = new State(path);
  expect([...other.table<{ n: number }>('things.all').entries()]).toEqual([
    ['c', { n: 99 }],
    ['a', { n: 1 }],
  ]);
  other.close();
  state.close();
});

test('all writes of one turn commit together, and nothing before', async () => {
  const path = join(directory(), 'engine.db');
  const state = new State(path);
  const table = state.table<number>('things');
  const reader = new State(path);
  const count = () => Number(reader.db.prepare('SELECT COUNT(*) AS n FROM "things"').get()?.n);
  table.put('x', 1);
  table.put('y', 2);
  expect(count()).toBe(0);
  await state.committed();
  expect(count()).toBe(2);
  expect(state.dirty).toBe(false);
  reader.close();
  state.close();
});

test('the journal keeps its order across a restart and finds what already happened', async () => {
  const path = join(directory(), 'engine.db');
  const clock = new VirtualClock(1000);
  const state = new State(path);
  const journal = new Journal(state, clock);
  journal.append('ecs', 'task.started', { id: 1 });
  journal.publish({
    source: 'aws.ecs',
    'detail-type': 'ECS Task State Change',
    resources: [],
    detail: { a: 1 },
  });
  state.close();
  const reopened = new State(path);
  const again = new Journal(reopened, clock);
  again.append('ecs', 'task.stopped', { id: 1 });
  expect(again.read().map(({ seq, type }) => [seq, type])).toEqual([
    [1, 'task.started'],
    [2, 'aws.event'],
    [3, 'task.stopped'],
  ]);
  await expect(again.waitFor(({ type }) => type === 'task.started', 0)).resolves.toMatchObject({ seq: 1 });
  reopened.close();
});

test('a second engine on the same directory is refused, and the lock of a dead one is taken over', () => {
  const path = directory();
  const lock = lockStateDirectory(path);
  expect(() => lockStateDirectory(path)).toThrow(
    /another engine \(process \d+\) uses .* choose another directory/,
  );
  lock.release();
  lockStateDirectory(path).release();
});

test('what is synced is in the log before the answer, and later writes wait for a flush of their own', async () => {
  const path = join(directory(), 'engine.db');
  const state = new State(path);
  const table = state.table<number>('things');
  const order: string[] = [];
  table.put('x', 1);
  expect(state.durable).toBe(false);
  const first = state.synced().then(() => order.push('first'));
  await state.committed();
  order.push('committed');
  table.put('y', 2);
  const second = state.synced().then(() => order.push('second'));
  await Promise.all([first, second]);
  expect(order).toEqual(['committed', 'first', 'second']);
  expect(state.durable).toBe(true);
  const reader = new State(path);
  expect([...reader.table<number>('things').keys()]).toEqual(['x', 'y']);
  reader.close();
  state.close();
});

test('who waits for the disk is answered when the state is closed', async () => {
  const state = new State(join(directory(), 'engine.db'));
  const table = state.table<number>('things');
  table.put('x', 1);
  const early = state.synced();
  state.flush();
  table.put('y', 2);
  const late = state.synced();
  state.close();
  await Promise.all([early, late]);
  expect(state.durable).toBe(true);
});

test('what is written before a commit is part of it, however often it changed', async () => {
  const path = join(directory(), 'engine.db');
  const state = new State(path);
  const table = state.table<number>('totals');
  let total = 0;
  state.beforeCommit(() => table.put('total', total));
  const things = state.table<number>('things');
  for (const key of ['a', 'b', 'c']) {
    things.put(key, 1);
    total++;
  }
  expect(table.has('total')).toBe(false);
  await state.committed();
  const reader = new State(path);
  expect(reader.table<number>('totals').get('total')).toBe(3);
  reader.close();
  state.close();
});

/** The state's files and directories that somebody else may look into. */
function open(path: string): string[] {
  return [path, ...readdirSync(path).map((name) => join(path, name))].filter(
    (each) => (statSync(each).mode & 0o077) !== 0,
  );
}

test.each([
  ['new', (path: string) => rmSync(path, { recursive: true })],
  ['empty and open to all', (path: string) => chmodSync(path, 0o755)],
  [
    "the engine's own and open to all",
    (path: string) => {
      for (const name of ['engine.db', 'engine.json', 'package.json'])
        writeFileSync(join(path, name), '', { mode: 0o644 });
      mkdirSync(join(path, 'images'), { mode: 0o755 });
      chmodSync(path, 0o755);
    },
  ],
])('a directory that is %s is for its owner alone, with the database and its log', (_what, prepare) => {
  const path = directory();
  prepare(path);
  openStateDirectory(path);
  const state = new State(join(path, 'engine.db'));
  state.table<number>('things').put('x', 1);
  state.flush();
  closeToOthers(path);
  expect(readdirSync(path)).toEqual(expect.arrayContaining(['engine.db', 'engine.db-wal', 'engine.db-shm']));
  expect(open(path)).toEqual([]);
  state.close();
});

test('a directory that is open to others and holds something else is refused and left as it is', () => {
  const path = directory();
  writeFileSync(join(path, 'README.md'), '');
  chmodSync(path, 0o755);
  expect(() => openStateDirectory(path)).toThrow(
    /is open to other users .* choose an empty directory with --state, or close it with "chmod 700 /,
  );
  expect(statSync(path).mode & 0o777).toBe(0o755);
  chmodSync(path, 0o700);
  expect(() => openStateDirectory(path)).not.toThrow();
});

/** A state whose disk is full: SQLite says the same when it may take no more pages. */
function fullDisk() {
  const path = join(directory(), 'engine.db');
  const told: Error[] = [];
  const state = new State(path, (error) => told.push(error));
  const table = state.table<string>('things');
  state.db.exec('PRAGMA max_page_count = 10');
  return { path, state, table, told };
}

test('a full disk is said once, with the path and what to do, and who waits is told', async () => {
  const { path, state, table, told } = fullDisk();
  table.put('small', 'x');
  await state.synced();
  expect(() => table.put('large', 'x'.repeat(100_000))).toThrow(`the disk of ${path} is full: make room`);
  await expect(state.synced()).rejects.toThrow();
  expect(told.map(({ message }) => message)).toEqual([
    expect.stringContaining(`the disk of ${path} is full`),
  ]);
  state.close();
  const again = new State(path);
  expect([...again.table<string>('things').keys()]).toEqual(['small']);
  again.close();
});

test('a database that is none, or a row that is broken, is said with its path and the way out', () => {
  const path = join(directory(), 'engine.db');
  const state = new State(path);
  state.table<number>('things').put('x', 1);
  state.flush();
  state.db.exec(`UPDATE "things" SET value = '{"half'`);
  state.close();
  expect(() => new State(path).table('things')).toThrow(
    new RegExp(`^${path} is damaged \\("x" of things: .*: put back a copy of .* or remove that directory`),
  );
  writeFileSync(path, 'not a database'.repeat(1_000));
  expect(() => new State(path)).toThrow(`${path} is damaged (file is not a database): put back a copy`);
});
