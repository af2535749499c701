import { describe, expect, test } from 'vitest';
import { parseSchedule } from './schedule.ts';

test.each([
  ['rate(1 minute)', 60],
  ['rate(5 minutes)', 300],
  ['rate(2 hours)', 7200],
  ['rate(1 day)', 86_400],
])('%s is every %i seconds', (text, seconds) => {
  expect(parseSchedule(text)).toMatchObject({ kind: 'rate', seconds });
});

/** Thursday, New Year's Day. */
const START = '2026-01-01T00:00:00Z';

describe('the first instant after New Year 2026 of', () => {
  test.each([
    ['cron(* * * * ? *)', '2026-01-01T00:01:00Z'],
    ['cron(0/15 * * * ? *)', '2026-01-01T00:15:00Z'],
    ['cron(0 0 * * ? *)', '2026-01-02T00:00:00Z'],
    ['cron(30 9 ? * MON-FRI *)', '2026-01-01T09:30:00Z'],
    ['cron(30 9 ? * MON *)', '2026-01-05T09:30:00Z'],
    ['cron(0 12 L * ? *)', '2026-01-31T12:00:00Z'],
    ['cron(0 12 ? * 6L *)', '2026-01-30T12:00:00Z'],
    ['cron(0 12 ? * 2#2 *)', '2026-01-12T12:00:00Z'],
    ['cron(0 12 3W * ? *)', '2026-01-02T12:00:00Z'],
    ['cron(0 12 1W FEB ? *)', '2026-02-02T12:00:00Z'],
    ['cron(15,45 10-11 5 JAN,MAR ? *)', '2026-01-05T10:15:00Z'],
    ['cron(0 0 29 2 ? *)', '2028-02-29T00:00:00Z'],
    ['cron(0 0 1 1 ? 2030)', '2030-01-01T00:00:00Z'],
  ])('%s is %s', (text, expected) => {
    const schedule = parseSchedule(text);
    if (schedule.kind !== 'cron') throw new Error('not a cron expression');
    expect(new Date(schedule.nextAfter(Date.parse(START))!).toISOString()).toBe(
      expected.replace('Z', '.000Z'),
    );
  });
});

test('a year that is over has no next instant', () => {
  const schedule = parseSchedule('cron(0 0 1 1 ? 2020)');
  expect(schedule.kind === 'cron' && schedule.nextAfter(Date.parse(START))).toBeUndefined();
});

test.each([
  'rate(0 minutes)',
  'rate(1 minutes)',
  'rate(2 minute)',
  'rate(5 seconds)',
  'cron(* * * * * *)',
  'cron(* * ? * ? *)',
  'cron(60 * * * ? *)',
  'cron(0 0 * * ?)',
  'cron(0 0 32 * ? *)',
  'cron(5-1 0 * * ? *)',
  'every minute',
])('%s is refused', (text) => {
  expect(() => parseSchedule(text)).toThrow('Parameter ScheduleExpression is not valid.');
});

test('a single instant is one only where it may be', () => {
  expect(parseSchedule('at(2026-01-31T12:00:00)', { once: true })).toEqual({
    kind: 'at',
    atMs: Date.parse('2026-01-31T12:00:00Z'),
  });
  expect(() => parseSchedule('at(2026-01-31T12:00:00)')).toThrow(/not valid/);
  expect(() => parseSchedule('at(2026-13-31T12:00:00)', { once: true })).toThrow(/not valid/);
});
