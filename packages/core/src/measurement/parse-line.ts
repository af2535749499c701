import { type Histogram, lastBin } from '../judge/histogram.ts';
import { type Line, reportMs } from './line.ts';

/** What is wrong with an outcome line that cannot be judged. */
export interface LineProblem {
  /** Which field of it is wrong, and how. */
  readonly problem: string;
}

/**
 * Reads a message of a worker's log. There are three answers:
 *
 * - a line, told from a problem by `'problem' in line`;
 * - a problem: the message is an outcome line, but not one that this version can judge. It must not be dropped
 *   without a word: what it reports is missing from what is judged;
 * - `undefined`: it is none, but anything else that a container logs.
 */
export function parseLine(message: string): Line | LineProblem | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(message);
  } catch {
    return undefined;
  }
  if (!isObject(fields) || fields.QueueCanary !== 'outcomes') return undefined;
  try {
    return readLine(fields);
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message };
    throw error;
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** Carries the problem of one field out of all that reads it. */
class Unreadable extends Error {}

function readLine(fields: Fields): Line {
  const fromMs = count(fields, 'From');
  const toMs = count(fields, 'To');
  if (fromMs >= toMs || Math.floor(fromMs / reportMs) !== Math.floor((toMs - 1) / reportMs)) {
    throw new Unreadable(
      `From and To must lie within one of the wall-clock intervals of ${reportMs / 1000} s, not be ${fromMs} and ${toMs}`,
    );
  }
  const [finished, failed] = parted(fields, 'FirstFinished', 'FirstFailed');
  const [retried, retriedFailed] = parted(fields, 'RetriedFinished', 'RetriedFailed');
  return {
    task: text(fields, 'TaskId'),
    track: track(fields.Track),
    revision: text(fields, 'Revision'),
    sequence: count(fields, 'Sequence'),
    final: flag(fields, 'Final'),
    startedAt: count(fields, 'StartedAt'),
    fromMs,
    toMs,
    received: count(fields, 'FirstReceived'),
    finished,
    failed,
    retried,
    retriedFailed,
    deadLettered: count(fields, 'DeadLettered'),
    pollingMs: count(fields, 'PollingMs'),
    inFlight: count(fields, 'InFlight'),
    durations: histogram(fields.Durations),
    memoryMiB: measure(fields, 'MemoryMiB'),
    errors: named(fields, 'Errors', isCount, 'counts'),
    types: named(fields, 'Types', isPart, 'pairs of what finished and of that what failed'),
    counters: named(fields, 'Counters', isNumber, 'numbers'),
  };
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Unreadable(`${name} must be a text, ${butIs(value)}`);
}

function track(value: unknown): Line['track'] {
  if (value === 'canary' || value === 'stable') return value;
  throw new Unreadable(`Track must be canary or stable, ${butIs(value)}`);
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === 'boolean') return value;
  throw new Unreadable(`${name} must be true or false, ${butIs(value)}`);
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (isCount(value)) return value;
  throw new Unreadable(`${name} must be a whole number and not negative, ${butIs(value)}`);
}

function measure(fields: Fields, name: string): number {
  const value = fields[name];
  if (isNumber(value) && value >= 0) return value;
  throw new Unreadable(`${name} must be a number and not negative, ${butIs(value)}`);
}

/** A count, and another of a part of what it counts. */
function parted(fields: Fields, whole: string, part: string): readonly [whole: number, part: number] {
  const counts = [count(fields, whole), count(fields, part)] as const;
  if (isPart(counts)) return counts;
  throw new Unreadable(`${part} must not be more than ${whole}, not ${counts[1]} of ${counts[0]}`);
}

function histogram(value: unknown): Histogram {
  // Like the records, it is left out where there is nothing in it.
  if (value === undefined) return [];
  let last = -1;
  const isBin = (item: unknown): item is readonly [bin: number, count: number] => {
    if (!Array.isArray(item) || item.length !== 2 || !item.every(isCount)) return false;
    const [bin = 0, times = 0] = item;
    const ascends = bin > last && bin <= lastBin;
    last = bin;
    return ascends && times > 0;
  };
  if (Array.isArray(value) && value.every(isBin)) return value;
  throw new Unreadable(
    `Durations must be pairs of a bin up to ${lastBin}, in ascending order, and a count above 0, ${butIs(value)}`,
  );
}

/** Values by names that the version chooses. One may be `__proto__`, which JSON reads as a name like any other. */
function named<T>(
  fields: Fields,
  name: string,
  isValue: (value: unknown) => value is T,
  what: string,
): Readonly<Record<string, T>> {
  const value = fields[name];
  if (value === undefined) return {};
  if (isRecordOf(value, isValue)) return value;
  throw new Unreadable(`${name} must be ${what} by name, ${butIs(value)}`);
}

function isRecordOf<T>(
  value: unknown,
  isValue: (value: unknown) => value is T,
): value is Readonly<Record<string, T>> {
  return isObject(value) && Object.values(value).every(isValue);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isPart(value: unknown): value is readonly [whole: number, part: number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount) && value[1]! <= value[0]!;
}

const shownMax = 100;

function butIs(value: unknown): string {
  if (value === undefined) return 'but is missing';
  const shown = JSON.stringify(value);
  return `not ${shown.length > shownMax ? `${shown.slice(0, shownMax)}...` : shown}`;
}
