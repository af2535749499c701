import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextReportMs, REPORT_MS, REPORTS_EACH_SECOND_MS, reportIntervalMs } from './rhythm.ts';

const YOUNG = 0;
const OLD = REPORTS_EACH_SECOND_MS;

test('a worker reports each second until it is two minutes old, then each five', () => {
  expect(nextReportMs(12_345, YOUNG, 0)).toBe(13_000);
  expect(nextReportMs(12_345, REPORTS_EACH_SECOND_MS - 1, 0)).toBe(13_000);
  expect(nextReportMs(12_345, OLD, 0)).toBe(15_000);
  expect(nextReportMs(13_000, YOUNG, 13_000)).toBe(14_000);
  expect(nextReportMs(13_000, OLD, 13_000)).toBe(15_000);
  expect(nextReportMs(15_000, OLD, 15_000)).toBe(20_000);
});

test.each([YOUNG, OLD])('an interval that is reported is not begun again (age %d ms)', (ageMs) => {
  // The timer fired early, or the clock was set back a little.
  expect(nextReportMs(14_999.2, ageMs, 15_000)).toBeGreaterThan(15_000);
  expect(nextReportMs(13_100, ageMs, 15_000)).toBeGreaterThan(15_000);
});

test('a clock that is set back far is followed', () => {
  expect(nextReportMs(12_345, OLD, 600_000)).toBe(15_000);
});

test('a line ends on the clock, within the interval of five seconds in which it begins', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e12, max: 2e12, noNaN: true }),
      fc.constantFrom(YOUNG, OLD),
      fc.double({ min: -20_000, max: 20_000, noNaN: true }),
      (nowMs, ageMs, sinceLast) => {
        const lastMs = Math.floor(nowMs - sinceLast);
        const endMs = nextReportMs(nowMs, ageMs, lastMs);
        expect(endMs % (ageMs === YOUNG ? 1_000 : REPORT_MS)).toBe(0);
        expect(endMs).toBeGreaterThan(nowMs);
        expect(endMs <= lastMs && lastMs - endMs < REPORT_MS).toBe(false);
        const from = reportIntervalMs(endMs);
        expect(from % REPORT_MS).toBe(0);
        expect(from < endMs && endMs <= from + REPORT_MS).toBe(true);
      },
    ),
  );
});
