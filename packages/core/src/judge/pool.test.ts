import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { block, cell, START, STEP, times } from '../../test/judge-scenes.ts';
import type { Block, Cell } from './block.ts';
import { total } from './histogram.ts';
import { Pool } from './pool.ts';

const counts = fc
  .integer({ min: 0, max: 6 })
  .chain((finished) =>
    fc.record({ finished: fc.constant(finished), failed: fc.integer({ min: 0, max: finished }) }),
  );
const anyCell = fc
  .record({
    task: fc.constantFrom('a', 'b', 'c'),
    counts,
    retried: counts,
    saturated: fc.boolean(),
    bins: fc.option(fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 3 })), { maxLength: 1 })),
    errors: fc.option(fc.record({ Timeout: fc.nat(3) })),
    types: fc.option(fc.record({ order: fc.constant([2, 1] as const) })),
    counters: fc.option(fc.record({ sold: fc.nat(9) })),
    memoryMiB: fc.option(fc.integer({ min: 1, max: 500 })),
  })
  .map(
    ({ task, counts: first, retried, saturated, bins, errors, types, counters, memoryMiB }): Cell => ({
      ...cell({ task, saturated, ...first }),
      retried: retried.finished,
      retriedFailed: retried.failed,
      ...(bins && { durations: bins }),
      ...(errors && { errors }),
      ...(types && { types }),
      ...(counters && { counters }),
      ...(memoryMiB && { memoryMiB }),
    }),
  );
const cellsOfTasks = fc.uniqueArray(anyCell, { maxLength: 3, selector: ({ task }) => task });
const blocks = fc
  .array(fc.record({ canary: cellsOfTasks, stable: cellsOfTasks, starts: cellsOfTasks }), { maxLength: 100 })
  .map((all) => all.map((content, index) => block(index, content)));

/** Everything that is counted, added up. */
function sums(cells: readonly Cell[]) {
  const sum = (amount: (cell: Cell) => number) => cells.reduce((all, each) => all + amount(each), 0);
  return {
    received: sum(({ received }) => received),
    finished: sum(({ finished }) => finished),
    failed: sum(({ failed }) => failed),
    retried: sum(({ retried }) => retried),
    retriedFailed: sum(({ retriedFailed }) => retriedFailed),
    durations: sum(({ durations }) => total(durations ?? [])),
    timeouts: sum(({ errors }) => errors?.Timeout ?? 0),
    orders: sum(({ types }) => types?.order?.[0] ?? 0),
    failedOrders: sum(({ types }) => types?.order?.[1] ?? 0),
    sold: sum(({ counters }) => counters?.sold ?? 0),
  };
}

function pooled(all: readonly Block[], spanMs: number) {
  const pool = new Pool(spanMs);
  return all.flatMap((each) => pool.add(each) ?? []);
}

describe('a pool', () => {
  test('loses nothing: what it lets go has all that came in, task by task', () => {
    fc.assert(
      fc.property(blocks, fc.constantFrom(0, 15_000, 30_000), (all, spanMs) => {
        const out = pooled(all, spanMs);
        const seen = all.filter(({ toMs }) => toMs <= (out.at(-1)?.toMs ?? START));
        for (const track of ['canary', 'stable', 'starts'] as const) {
          for (const task of ['a', 'b', 'c']) {
            const of = (from: readonly Block[]) => {
              return sums(from.flatMap((each) => each[track].filter((each) => each.task === task)));
            };
            expect(of(out)).toEqual(of(seen));
          }
        }
        expect(out.map(({ fromMs }) => fromMs)).toEqual(
          [START, ...out.map(({ toMs }) => toMs)].slice(0, out.length),
        );
      }),
    );
  });

  test('lets go by messages and time alone, never by what failed', () => {
    fc.assert(
      fc.property(blocks, fc.constantFrom(0, 15_000), (all, spanMs) => {
        const ends = (from: readonly Block[]) => pooled(from, spanMs).map(({ toMs }) => toMs);
        const failing = (fails: boolean) =>
          all.map(({ canary, stable, ...rest }) => ({
            ...rest,
            canary: canary.map((each) => ({ ...each, failed: fails ? each.finished : 0 })),
            stable: stable.map((each) => ({ ...each, failed: fails ? 0 : each.finished })),
          }));
        expect(ends(failing(true))).toEqual(ends(failing(false)));
      }),
    );
  });

  test('lets an interval with messages enough go as it came', () => {
    const only = block(0);
    expect(new Pool(0).add(only)).toBe(only);
  });

  test('waits for messages, but no longer than five minutes', () => {
    const thin = (index: number) => block(index, { canary: [cell({ finished: 1 })], stable: [] });
    expect(pooled(times(16, thin), 0).map(({ toMs }) => toMs)).toEqual([START + 16 * STEP]);
    const silent = (index: number) => block(index, { canary: [], stable: [] });
    expect(pooled(times(61, silent), 0).map(({ toMs }) => toMs)).toEqual([START + 300_000]);
  });

  test('waits for its time, however many messages there are', () => {
    const ends = pooled(
      times(9, (index) => block(index)),
      15_000,
    ).map(({ toMs }) => toMs);
    expect(ends).toEqual([3, 6, 9].map((index) => START + index * STEP));
  });

  test('takes a task for as old as it was at first, and for saturated only where it always was', () => {
    const first = block(0, { canary: [cell({ ageMs: 1000, saturated: true })] });
    const last = block(1, { canary: [cell({ ageMs: 6000, saturated: false })] });
    expect(pooled([first, last], 10_000)[0]?.canary).toMatchObject([
      { ageMs: 1000, saturated: false, finished: 20 },
    ]);
  });
});
