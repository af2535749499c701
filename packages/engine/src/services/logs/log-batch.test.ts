import { describe, expect, test } from 'vitest';
import { acceptBatch } from './log-batch.ts';

const NOW_MS = Date.UTC(2026, 0, 20);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const at = (timestamp: number, message = 'x') => ({ timestamp, message });

describe('a batch', () => {
  test('in order is accepted whole', () => {
    const batch = [at(NOW_MS - 1), at(NOW_MS), at(NOW_MS), at(NOW_MS + 1)];
    const { events, rejected } = acceptBatch(batch, NOW_MS, 0);
    expect(events.map(({ atMs }) => atMs - NOW_MS)).toEqual([-1, 0, 0, 1]);
    expect(rejected).toBeUndefined();
  });

  test('loses its events older than two weeks', () => {
    const first = NOW_MS - 14 * DAY_MS - 2;
    const { events, rejected } = acceptBatch([at(first), at(first + 1), at(first + 2)], NOW_MS, 0);
    expect(events.map(({ atMs }) => atMs)).toEqual([first + 2]);
    expect(rejected).toEqual({ tooOldLogEventEndIndex: 2 });
  });

  test('loses its events more than two hours ahead', () => {
    const last = NOW_MS + 2 * HOUR_MS;
    const { events, rejected } = acceptBatch([at(last), at(last + 1)], NOW_MS, 0);
    expect(events.map(({ atMs }) => atMs)).toEqual([last]);
    expect(rejected).toEqual({ tooNewLogEventStartIndex: 1 });
  });

  test('loses its events that the retention would not keep', () => {
    const { events, rejected } = acceptBatch(
      [at(NOW_MS - DAY_MS), at(NOW_MS - HOUR_MS)],
      NOW_MS,
      NOW_MS - 2 * HOUR_MS,
    );
    expect(events.map(({ atMs }) => atMs)).toEqual([NOW_MS - HOUR_MS]);
    expect(rejected).toEqual({ expiredLogEventEndIndex: 1 });
  });

  test('of a mebibyte is accepted, and one byte more is refused', () => {
    const message = 'é'.repeat((1_048_576 - 26) / 2);
    expect(acceptBatch([at(NOW_MS, message)], NOW_MS, 0).events).toHaveLength(1);
    expect(() => acceptBatch([at(NOW_MS, `${message}x`)], NOW_MS, 0)).toThrow(
      'Upload too large: 1048577 bytes exceeds limit of 1048576',
    );
  });

  test.each([
    ['empty', [], 'between 1 and 10000'],
    ['of too many events', Array(10_001).fill(at(NOW_MS)), 'between 1 and 10000'],
    ['out of order', [at(NOW_MS), at(NOW_MS - 1)], 'chronological order'],
    ['longer than a day', [at(NOW_MS - DAY_MS - 1), at(NOW_MS)], 'more than 24 hours'],
    ['with an empty message', [at(NOW_MS), at(NOW_MS, '')], "'logEvents.2.member.message'"],
    ['with a negative time', [at(-1)], "'logEvents.1.member.timestamp'"],
  ])('%s is refused', (_, batch, why) => {
    expect(() => acceptBatch(batch, NOW_MS, 0)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: expect.stringContaining(why) as string,
      }),
    );
  });
});
