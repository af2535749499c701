import { describe, expect, test } from 'vitest';
import { isReleaseTime, WINDOW_EXAMPLE, wrongWithWindow } from './release-window.ts';

const at = (iso: string, ...windows: string[]) => isReleaseTime(windows, Date.parse(iso));

describe('a release', () => {
  test('may begin at any time where there are no windows', () => {
    expect(at('2026-11-28T03:00:00Z')).toBe(true);
  });

  test.each([
    // 2026-11-30 is a Monday; Berlin is an hour ahead of UTC in winter, and two in summer.
    ['2026-11-30T07:59:59Z', false],
    ['2026-11-30T08:00:00Z', true],
    ['2026-11-30T14:59:59Z', true],
    ['2026-11-30T15:00:00Z', false],
    ['2026-07-06T06:59:59Z', false],
    ['2026-07-06T07:00:00Z', true],
    ['2026-12-03T10:00:00Z', true],
    ['2026-12-04T10:00:00Z', false],
    ['2026-12-06T10:00:00Z', false],
  ])(`may begin by ${WINDOW_EXAMPLE} at %s: %s`, (iso, may) => {
    expect(at(iso, WINDOW_EXAMPLE)).toBe(may);
  });

  test('may begin in any of several windows, on one day, and over the end of the week', () => {
    const windows = ['Wed 00:00-24:00 UTC', 'Sat-Mon 12:00-13:00 UTC'];
    expect(at('2026-12-02T23:59:59Z', ...windows)).toBe(true);
    expect(at('2026-12-03T00:00:00Z', ...windows)).toBe(false);
    for (const day of ['05', '06', '07']) expect(at(`2026-12-${day}T12:30:00Z`, ...windows)).toBe(true);
    expect(at('2026-12-08T12:30:00Z', ...windows)).toBe(false);
  });
});

test.each([
  ['', 'must be days, hours and a time zone'],
  ['Mon-Fri 09:00-16:00', 'must be days, hours and a time zone'],
  ['mon-fri 09:00-16:00 UTC', 'must be days, hours and a time zone'],
  ['Mon-Fri 9-16 UTC', 'must be days, hours and a time zone'],
  ['Mon 16:00-09:00 UTC', 'must begin before it ends'],
  ['Mon 09:00-09:00 UTC', 'must begin before it ends'],
  ['Mon 09:60-10:00 UTC', 'must begin before it ends'],
  ['Mon 09:00-24:01 UTC', 'must begin before it ends'],
  ['Mon 09:00-10:00 Europe/Nowhere', 'has no time zone that is known by the name Europe/Nowhere'],
])('%j is no window, and it is said what one is', (text, problem) => {
  expect(wrongWithWindow(text)).toContain(problem);
});
