import { expect, test } from 'vitest';
import { type Plan, TroubledOperations } from '../../test/support/faults.ts';
import { seeded } from '../../test/support/seeded.ts';
import { Gate, type LogLine, World } from '../../test/support/world.ts';
import type { Clock } from '../clock.ts';
import { REPORT_MS, REPORTS_EACH_SECOND_MS } from './rhythm.ts';

test('a young worker writes each second, an old one each five, also when nothing came, and once more when it stops', async () => {
  const world = new World();
  await world.clock.advance(1_234);
  const worker = world.run({ waitSeconds: 1, handler: async () => undefined });
  const startedAt = world.clock.nowMs();
  await world.clock.advance(150_000);
  world.queue.put('a');
  await world.clock.advance(200);
  await world.drain(worker);
  const lines = world.lines();
  expect(lines.map(({ Sequence }) => Sequence)).toEqual(lines.map((_, index) => index));
  expect(lines.map(({ Final }) => Final)).toEqual(lines.map((_, index) => index === lines.length - 1));
  expect(new Set(lines.map(({ StartedAt }) => StartedAt))).toEqual(new Set([startedAt]));
  // Without a gap, from the start to the end.
  expect(lines[0]!.From).toBe(startedAt);
  expect(lines.slice(1).map(({ From }) => From)).toEqual(lines.slice(0, -1).map(({ To }) => To));
  expect(Number(lines.at(-1)!.To)).toBeGreaterThan(startedAt + 150_000);
  const ages = (of: readonly LogLine[]) => of.map(({ To }) => Number(To) - startedAt);
  const lengths = lines.slice(1, -1).map(({ From, To }) => Number(To) - Number(From));
  const young = lengths.filter((_, index) => ages(lines)[index]! < REPORTS_EACH_SECOND_MS);
  expect(new Set(young)).toEqual(new Set([1_000]));
  const old = lengths.slice(young.length);
  // The first of them goes on until the next boundary.
  expect(new Set(old.slice(1))).toEqual(new Set([REPORT_MS]));
  expect(young.length + old.length).toBeGreaterThan(123);
  expect(lines.map(({ Received }) => Received).filter((count) => count !== 0)).toEqual([1]);
  await world.clock.advance(60_000);
  expect(world.lines()).toHaveLength(lines.length);
});

test('lines cover the same five seconds in every worker, whenever it began', async () => {
  const world = new World();
  const workers = [];
  for (const delay of [0, 1_234, 77_777]) {
    await world.clock.advance(delay);
    workers.push(world.run({ waitSeconds: 1, handler: async () => undefined }));
  }
  await world.clock.advance(200_000);
  for (const worker of workers) await world.drain(worker);
  for (const task of ['task-1', 'task-2', 'task-3']) expect(world.lines(task).length).toBeGreaterThan(100);
  const spanning = world
    .lines()
    .filter(({ From, To }) => Math.floor(Number(From) / 5_000) !== Math.floor((Number(To) - 1) / 5_000));
  expect(spanning).toEqual([]);
  // CloudWatch sees a line within the interval that it is about.
  for (const { _aws, To } of world.lines()) {
    expect((_aws as { readonly Timestamp: number }).Timestamp).toBe(Number(To) - 1);
  }
});

test('a timer that fires a little early brings no second line for the same interval', async () => {
  const world = new World();
  const hasty: Clock = {
    nowMs: () => world.clock.nowMs(),
    setTimer: (delayMs, run) => world.clock.setTimer(Math.max(0, delayMs - 1), run),
  };
  const worker = world.run({ clock: hasty, waitSeconds: 1, handler: async () => undefined });
  await world.clock.advance(150_000);
  await world.drain(worker);
  const ends = world.lines().map(({ To }) => Number(To));
  expect(ends.length).toBeGreaterThan(120);
  expect(ends.slice(1).every((end, index) => end > ends[index]!)).toBe(true);
});

test('a blocked event loop leaves a gap between the intervals, and none between the numbers', async () => {
  const world = new World();
  const worker = world.run({ waitSeconds: 1, handler: async () => world.clock.block(17_000) });
  await world.clock.advance(3_500);
  world.queue.put('a');
  await world.clock.advance(20_000);
  await world.drain(worker);
  const lines = world.lines();
  expect(lines.map(({ Sequence }) => Sequence)).toEqual(lines.map((_, index) => index));
  const gap = lines.findIndex(({ From }, index) => index > 0 && From !== lines[index - 1]!.To);
  expect(gap).toBeGreaterThan(0);
  expect(Number(lines[gap]!.From) % REPORT_MS).toBe(0);
});

test('the last line is written when nothing is in hand any more, whatever hangs', async () => {
  const world = new World();
  const gate = new Gate();
  const plan: Plan = (operation) => (operation === 'changeMessageVisibilityBatch' ? 'slow' : 'none');
  const worker = world.run(
    { visibilitySeconds: 20, stopTimeoutMs: 6_000, handlerTimeoutMs: 600_000, handler: gate.handle },
    // A renewal that is never answered keeps the delete behind it from being sent.
    new TroubledOperations(world.queue, world.clock, plan, 3_600_000),
  );
  for (const body of ['waits for its renewal', 'never settles']) world.queue.put(body);
  await world.clock.advance(10_500);
  gate.finish('waits for its renewal');
  await world.clock.settle();
  expect(await world.drain(worker)).toMatchObject({ handlersLeft: 1, unconfirmed: 1 });
  expect(world.lines().at(-1)).toMatchObject({ Final: true, InFlight: 0, DeleteFailed: 1, Expired: 1 });
  expect(world.endings()).toEqual({ DeleteFailed: 1, Expired: 1 });
});

test('a worker that never began to work writes no line', async () => {
  const world = new World();
  await world.worker({ handler: async () => undefined }).drain('SIGTERM');
  expect(world.lines()).toEqual([]);
});

test('a worker that does not know its task gives itself a name, unlike all others, and writes it on every line', async () => {
  const random = seeded();
  const names = [];
  for (let round = 0; round < 2; round++) {
    const world = new World();
    const worker = world.run({
      identity: { app: 'shop', track: 'canary', revision: 'abc' },
      random,
      waitSeconds: 1,
      handler: async () => undefined,
    });
    await world.clock.advance(3_000);
    await world.drain(worker);
    const own = new Set(world.lines().map(({ TaskId }) => TaskId));
    expect(own.size).toBe(1);
    expect([...own]).toEqual([expect.stringMatching(/^worker-[0-9a-f]{16}$/)]);
    expect(world.events('started')).toEqual([expect.objectContaining({ taskId: [...own][0] })]);
    names.push(...own);
  }
  expect(new Set(names).size).toBe(2);
});
