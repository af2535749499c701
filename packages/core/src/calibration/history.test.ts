import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomLines, sequence } from '../../test/random-lines.ts';
import { lastBin } from '../judge/histogram.ts';
import type { Line } from '../measurement/line.ts';
import { History } from './history.ts';

const ZERO = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

function linesOf(task: string, startedAt = ZERO, untilMs = ZERO + HOUR_MS): Line[] {
  return [...randomLines({ task, startedAt, untilMs, perSecond: 3, failing: 0.1 }, sequence(7))];
}

function historyOf(lines: Iterable<Line>, wordsMax?: number): History {
  const history = new History(ZERO, ZERO + 24 * HOUR_MS, wordsMax);
  for (const line of lines) history.add(line);
  return history;
}

const count = fc.nat(1_000_000);
const anyName = fc.oneof(fc.string(), fc.constant('__proto__'));

const anyLine: fc.Arbitrary<Line> = fc.record({
  task: fc.constant('a'),
  track: fc.constant('stable' as const),
  revision: fc.constant('r1'),
  sequence: count,
  final: fc.boolean(),
  startedAt: fc.constant(ZERO - 123),
  fromMs: fc.constant(ZERO + 5_000),
  toMs: fc.constant(ZERO + 10_000),
  received: count,
  finished: count,
  failed: count,
  retried: count,
  retriedFailed: count,
  deadLettered: count,
  pollingMs: count,
  inFlight: count,
  durations: fc
    .uniqueArray(fc.nat(lastBin), { maxLength: 30 })
    .chain((bins) =>
      fc.tuple(
        ...bins
          .sort((a, b) => a - b)
          .map((bin) => fc.tuple(fc.constant(bin), fc.integer({ min: 1, max: 4_000_000 }))),
      ),
    ),
  memoryMiB: fc.nat(100_000).map((tenths) => tenths / 10),
  errors: fc.dictionary(anyName, count),
  types: fc.dictionary(anyName, fc.tuple(count, count)),
  counters: fc.dictionary(anyName, fc.double({ noNaN: true, noDefaultInfinity: true })),
});

describe('a history', () => {
  test('gives back each line as it was', () => {
    fc.assert(
      fc.property(anyLine, (line) => {
        const history = historyOf([line]);
        expect(history.between(history.lives(), ZERO, ZERO + HOUR_MS)).toEqual([line]);
      }),
    );
  });

  test('puts lines in order, however they came, and counts one that came twice once', () => {
    const lines = linesOf('a');
    const history = historyOf([
      ...lines.slice(400),
      ...lines.slice(0, 500),
      ...lines.slice(100, 200).reverse(),
    ]);
    expect(history.lines).toBe(lines.length);
    expect(history.between(history.lives(), ZERO - 1, ZERO + HOUR_MS)).toEqual(lines);
  });

  test('finds what ends within a time', () => {
    const lines = linesOf('a');
    const [fromMs, toMs] = [ZERO + 20 * 60_000, ZERO + 21 * 60_000];
    const history = historyOf(lines);
    const found = history.between(history.lives(), fromMs, toMs);
    expect(found).toEqual(lines.filter((line) => line.toMs > fromMs && line.toMs <= toMs));
    expect(found).toHaveLength(12);
  });

  test("leaves out the canary's lines, and those of other times", () => {
    const [line] = linesOf('a') as [Line];
    const history = historyOf([
      { ...line, track: 'canary' },
      { ...line, fromMs: ZERO - 1 },
      { ...line, toMs: ZERO + 24 * HOUR_MS + 1 },
    ]);
    expect(history).toMatchObject({ lines: 0, covered: undefined });
  });

  test('distinguishes lives: a container that is started again in its task begins another', () => {
    const history = historyOf([...linesOf('a'), ...linesOf('a', ZERO + 2 * HOUR_MS, ZERO + 3 * HOUR_MS)]);
    expect(history.lives()).toMatchObject([
      { task: 'a', startedAt: ZERO, fromMs: ZERO, toMs: ZERO + HOUR_MS, fromItsStart: true },
      { task: 'a', startedAt: ZERO + 2 * HOUR_MS },
    ]);
    expect(history.tasks).toEqual({ all: 1, kept: 1 });
  });

  test('knows which tasks died with messages in hand, but not of those that still run', () => {
    const cut = linesOf('dead').slice(0, -1);
    const holding = { ...cut.at(-1)!, inFlight: 3 };
    const lines = [...cut.slice(0, -1), holding];
    const survivor = linesOf('other', ZERO, ZERO + 2 * HOUR_MS);
    const dead = historyOf([...lines, ...survivor]).lives();
    expect(dead.map(({ task, diedInHand }) => [task, diedInHand])).toEqual([
      ['dead', true],
      ['other', false],
    ]);
    expect(historyOf(lines).lives()[0]!.diedInHand).toBe(false);
  });

  test('keeps a part of the tasks where there is too much, whole ones, and says so', () => {
    const names = Array.from({ length: 40 }, (_, index) => `task-${index}`);
    const history = historyOf(
      names.flatMap((name) => linesOf(name)),
      300_000,
    );
    const { all, kept } = history.tasks;
    expect(all).toBe(40);
    expect(kept).toBeGreaterThan(4);
    expect(kept).toBeLessThan(25);
    const of = linesOf('a').length;
    expect(history.lines).toBe(kept * of);
  });
});
