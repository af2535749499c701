import type { Engine } from './dispatch/service.ts';
import { AwsFault } from './errors.ts';

/** When something is due: at a fixed interval, at instants of the calendar (UTC), or once. */
export type Schedule =
  | { readonly kind: 'rate'; readonly seconds: number }
  | { readonly kind: 'cron'; readonly nextAfter: (atMs: number) => number | undefined }
  | { readonly kind: 'at'; readonly atMs: number };

const UNIT_SECONDS: Readonly<Record<string, number>> = { minute: 60, hour: 3600, day: 86_400 };

/** Parses `rate(5 minutes)` or `cron(0 12 * * ? *)`, and where it may be due only once also `at(2026-01-31T12:00:00)`. */
export function parseSchedule(text: string, { once = false } = {}): Schedule {
  const rate = /^rate\((\d+) (minute|hour|day)(s?)\)$/.exec(text);
  if (rate) {
    const count = Number(rate[1]);
    if (count < 1 || (count === 1) === (rate[3] === 's')) throw invalid();
    return { kind: 'rate', seconds: count * UNIT_SECONDS[rate[2]!]! };
  }
  const at = once ? /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/.exec(text) : null;
  if (at) {
    const atMs = Date.parse(`${at[1]}Z`);
    if (Number.isNaN(atMs)) throw invalid();
    return { kind: 'at', atMs };
  }
  const cron = /^cron\((.+)\)$/.exec(text);
  if (!cron) throw invalid();
  return { kind: 'cron', nextAfter: parseCron(cron[1]!) };
}

/**
 * When a schedule is due next; `undefined` if never again. Rates count from its creation. With `--pace` its clock runs
 * faster from then on.
 */
export function nextDueMs(
  { clock, pace }: Pick<Engine, 'clock' | 'pace'>,
  schedule: Schedule,
  createdAtMs: number,
  {
    startMs = 0,
    endMs = Number.POSITIVE_INFINITY,
  }: { startMs?: number | undefined; endMs?: number | undefined } = {},
): number | undefined {
  const realPerScheduled = pace.scaleSeconds('schedule-minute', 1) / 1000;
  const toReal = (atMs: number) => createdAtMs + (atMs - createdAtMs) * realPerScheduled;
  const afterMs = Math.max(clock.nowMs(), toReal(startMs) - 1);
  let dueMs: number | undefined;
  if (schedule.kind === 'rate') {
    const intervalMs = pace.scaleSeconds('schedule-minute', schedule.seconds);
    dueMs = createdAtMs + (Math.floor((afterMs - createdAtMs) / intervalMs) + 1) * intervalMs;
  } else {
    const nextMs = nextScheduledMs(schedule, createdAtMs + (afterMs - createdAtMs) / realPerScheduled);
    dueMs = nextMs === undefined ? undefined : toReal(nextMs);
  }
  return dueMs === undefined || dueMs > toReal(endMs) ? undefined : dueMs;
}

function nextScheduledMs(schedule: Exclude<Schedule, { kind: 'rate' }>, afterMs: number): number | undefined {
  if (schedule.kind === 'cron') return schedule.nextAfter(afterMs);
  return schedule.atMs > afterMs ? schedule.atMs : undefined;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** How far ahead an occurrence is looked for: long enough for a leap day across a century year. */
const HORIZON_DAYS = 366 * 9;

/**
 * By hand, as AWS has its own syntax: `croner` and `cron-parser` count weekdays from 0 instead of 1, and take two days
 * or too few fields; the one refuses `0/15`, the other `3W` and years.
 */
function parseCron(text: string): (atMs: number) => number | undefined {
  const fields = text.trim().split(/\s+/);
  const [minute, hour, dayOfMonth, month, dayOfWeek, year] = fields;
  if (fields.length !== 6 || (dayOfMonth === '?') === (dayOfWeek === '?')) throw invalid();
  const minutes = valuesOf(minute!, 0, 59);
  const hours = valuesOf(hour!, 0, 23);
  const months = valuesOf(month!, 1, 12, MONTHS);
  const years = valuesOf(year!, 1970, 2199);
  const onDay = dayOfMonth === '?' ? weekday(dayOfWeek!) : dayInMonth(dayOfMonth!);
  return (atMs) => {
    const firstMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
    const firstDayMs = Math.floor(firstMs / DAY_MS) * DAY_MS;
    for (let ahead = 0; ahead < HORIZON_DAYS; ahead++) {
      const dayMs = firstDayMs + ahead * DAY_MS;
      const day = new Date(dayMs);
      if (!years.has(day.getUTCFullYear()) || !months.has(day.getUTCMonth() + 1) || !onDay(day)) continue;
      for (const hourOfDay of hours) {
        for (const minuteOfHour of minutes) {
          const candidateMs = dayMs + (hourOfDay * 60 + minuteOfHour) * MINUTE_MS;
          if (candidateMs >= firstMs) return candidateMs;
        }
      }
    }
    return undefined;
  };
}

/** Values that a field allows, ascending. */
function valuesOf(field: string, least: number, most: number, names: readonly string[] = []): Set<number> {
  const values = new Set<number>();
  const numberOf = (text: string) => {
    const named = names.indexOf(text.toUpperCase());
    const value = named >= 0 ? named + least : /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw invalid();
    return value;
  };
  for (const part of field.split(',')) {
    const match = /^(\*|[A-Za-z0-9]+)(?:-([A-Za-z0-9]+))?(?:\/(\d+))?$/.exec(part);
    if (!match) throw invalid();
    const [, first, last, stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    if (step < 1) throw invalid();
    const from = first === '*' ? least : numberOf(first!);
    const to = last !== undefined ? numberOf(last) : first === '*' || stepText !== undefined ? most : from;
    if (to < from) throw invalid();
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return new Set([...values].sort((a, b) => a - b));
}

function dayInMonth(field: string): (day: Date) => boolean {
  if (field === 'L') return (day) => day.getUTCDate() === daysInMonth(day);
  const nearest = /^(\d+)W$/.exec(field);
  if (nearest) return (day) => day.getUTCDate() === nearestWeekday(day, Number(nearest[1]));
  const days = valuesOf(field, 1, 31);
  return (day) => days.has(day.getUTCDate());
}

function weekday(field: string): (day: Date) => boolean {
  const last = /^([1-7])?L$/.exec(field);
  if (last) {
    const wanted = Number(last[1] ?? 7);
    return (day) =>
      day.getUTCDay() + 1 === wanted && (last[1] === undefined || day.getUTCDate() + 7 > daysInMonth(day));
  }
  const nth = /^([1-7])#([1-5])$/.exec(field);
  if (nth) {
    return (day) =>
      day.getUTCDay() + 1 === Number(nth[1]) && Math.ceil(day.getUTCDate() / 7) === Number(nth[2]);
  }
  const days = valuesOf(field, 1, 7, DAYS);
  return (day) => days.has(day.getUTCDay() + 1);
}

/** The day of the month, Monday to Friday, nearest to `wanted` within the same month. */
function nearestWeekday(day: Date, wanted: number): number {
  const length = daysInMonth(day);
  if (wanted < 1 || wanted > length) return 0;
  const weekdayOf = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), wanted)).getUTCDay();
  if (weekdayOf === 6) return wanted === 1 ? 3 : wanted - 1;
  if (weekdayOf === 0) return wanted === length ? wanted - 2 : wanted + 1;
  return wanted;
}

function daysInMonth(day: Date): number {
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();
}

function invalid(): AwsFault {
  return new AwsFault('ValidationException', 'Parameter ScheduleExpression is not valid.');
}
