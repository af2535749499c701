import { describe, expect, test } from 'vitest';
import { cellOf, diedInHand, withDeath } from './cell.ts';
import type { Line } from './line.ts';

const line: Line = {
  task: 'a',
  track: 'stable',
  revision: 'r',
  sequence: 0,
  final: false,
  startedAt: 0,
  fromMs: 0,
  toMs: 1_000,
  received: 4,
  finished: 3,
  failed: 1,
  retried: 2,
  retriedFailed: 1,
  deadLettered: 0,
  pollingMs: 20,
  inFlight: 1,
  durations: [
    [3, 1],
    [40, 2],
  ],
  memoryMiB: 100,
  errors: { TypeError: 1 },
  types: { order: [3, 1] },
  counters: { rows: 7 },
};

describe('a cell', () => {
  test('adds up everything that counts, and takes the memory of the last line', () => {
    const second: Line = {
      ...line,
      sequence: 1,
      durations: [
        [1, 5],
        [40, 1],
      ],
      memoryMiB: 90,
      errors: { RangeError: 2, TypeError: 1 },
      types: { order: [1, 0], refund: [2, 2] },
      counters: { rows: 1, skipped: 3 },
    };
    expect(cellOf([line, second], 2_000)).toEqual({
      task: 'a',
      ageMs: 2_000,
      received: 8,
      finished: 6,
      failed: 2,
      retried: 4,
      retriedFailed: 2,
      saturated: true,
      durations: [
        [1, 5],
        [3, 1],
        [40, 3],
      ],
      memoryMiB: 90,
      errors: { TypeError: 2, RangeError: 2 },
      types: { order: [4, 1], refund: [2, 2] },
      counters: { rows: 8, skipped: 3 },
    });
  });

  test('keeps names that are special to JavaScript', () => {
    const errors = JSON.parse('{"__proto__": 1, "constructor": 2}');
    const sum = cellOf(
      [
        { ...line, errors },
        { ...line, errors },
      ],
      2_000,
    ).errors;
    expect(Object.entries(sum ?? {})).toEqual([
      ['__proto__', 2],
      ['constructor', 4],
    ]);
  });

  test('is saturated while there is more than the task can take', () => {
    const idle = { ...line, received: 0, retried: 0, inFlight: 0 };
    const saturated = (...lines: Line[]) => cellOf(lines, 5_000).saturated;
    expect(saturated(line, line)).toBe(true);
    expect(saturated({ ...idle, inFlight: 3 })).toBe(true);
    expect(saturated(line, { ...line, pollingMs: 900 })).toBe(false);
    // With nothing in hand there is nothing that it is busy with, whatever keeps it from asking.
    expect(saturated(idle)).toBe(false);
    // Whoever drains receives nothing any more.
    expect(saturated(line, { ...idle, final: true, inFlight: 1 })).toBe(false);
  });
});

describe('the death of a task', () => {
  test('is one failure more of what began before', () => {
    const cell = cellOf([line], 5_000);
    expect(withDeath(cell, 'a', 5_000)).toEqual({
      ...cell,
      finished: 4,
      failed: 2,
      saturated: false,
      errors: { TypeError: 1, [diedInHand]: 1 },
    });
  });

  test('makes a cell where there is none', () => {
    expect(withDeath(undefined, 'a', 5_000)).toEqual({
      task: 'a',
      ageMs: 5_000,
      received: 0,
      finished: 1,
      failed: 1,
      retried: 0,
      retriedFailed: 0,
      saturated: false,
      errors: { [diedInHand]: 1 },
    });
  });
});
