/** Days and hours in which releases may begin, in a time zone. */
interface ReleaseWindow {
  /** As in `DAYS`. */
  readonly days: ReadonlySet<string>;
  /** Minutes of the day. */
  readonly from: number;
  readonly to: number;
  readonly zone: string;
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export const WINDOW_EXAMPLE = 'Mon-Thu 09:00-16:00 Europe/Berlin';

const DAY = `(?:${DAYS.join('|')})`;
const WINDOW = new RegExp(`^(${DAY})(?:-(${DAY}))? (\\d\\d):(\\d\\d)-(\\d\\d):(\\d\\d) (\\S+)$`);

/** What is wrong with a window, as the end of a sentence about it, or `undefined`. */
export function wrongWithWindow(text: string): string | undefined {
  const window = parseWindow(text);
  return typeof window === 'string' ? window : undefined;
}

/** Whether a release may begin at an instant, epoch milliseconds. Without windows it always may. */
export function isReleaseTime(windows: readonly string[], nowMs: number): boolean {
  return (
    windows.length === 0 ||
    windows.some((text) => {
      const window = parseWindow(text);
      return typeof window !== 'string' && isWithin(window, nowMs);
    })
  );
}

function isWithin({ days, from, to, zone }: ReleaseWindow, nowMs: number): boolean {
  const parts = new Map(
    clockOf(zone)
      .formatToParts(nowMs)
      .map(({ type, value }) => [type, value]),
  );
  const minutes = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
  return days.has(parts.get('weekday') ?? '') && minutes >= from && minutes < to;
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
}

function parseWindow(text: string): ReleaseWindow | string {
  const [, first, last = first, fromHour, fromMinute, toHour, toMinute, zone] = WINDOW.exec(text) ?? [];
  if (first === undefined || last === undefined || zone === undefined) {
    return `must be days, hours and a time zone as in "${WINDOW_EXAMPLE}"`;
  }
  const from = minutesOf(fromHour, fromMinute);
  const to = minutesOf(toHour, toMinute);
  if (from === undefined || to === undefined || to <= from) {
    return 'must begin before it ends, between 00:00 and 24:00; a night is two windows';
  }
  try {
    clockOf(zone);
  } catch {
    return `has no time zone that is known by the name ${zone}; use one such as Europe/Berlin or UTC`;
  }
  const begin = DAYS.indexOf(first);
  const count = ((DAYS.indexOf(last) - begin + DAYS.length) % DAYS.length) + 1;
  const days = Array.from({ length: count }, (_, day) => DAYS[(begin + day) % DAYS.length]!);
  return { days: new Set(days), from, to, zone };
}

function minutesOf(hour: string | undefined, minute: string | undefined): number | undefined {
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= 24 * 60 ? minutes : undefined;
}
