import type { Cell } from '../judge/block.ts';
import { merged } from '../judge/histogram.ts';
import { addedNamed } from '../judge/named.ts';
import type { Line } from './line.ts';

/** The error class of the one failure for which the messages in hand of a task that died count. */
export const diedInHand = 'TaskDied';

/** Adds up consecutive lines of one task, of which there must be one at least. */
export function cellOf(lines: readonly Line[], ageMs: number): Cell {
  const saturated = isSaturated(lines);
  let cell = cellOfOne(lines[0]!, ageMs, saturated);
  for (let index = 1; index < lines.length; index += 1) cell = plusLine(cell, lines[index]!);
  return cell;
}

/**
 * The cell of a task that died with messages in hand, which count as one failure. They began in an earlier line, so
 * nothing is received. What is known of the interval otherwise stays as it is.
 */
export function withDeath(cell: Cell | undefined, task: string, ageMs: number): Cell {
  const known: Cell = cell ?? {
    task,
    ageMs,
    received: 0,
    finished: 0,
    failed: 0,
    retried: 0,
    retriedFailed: 0,
    saturated: false,
  };
  return {
    ...known,
    finished: known.finished + 1,
    failed: known.failed + 1,
    saturated: false,
    errors: { ...known.errors, [diedInHand]: (known.errors?.[diedInHand] ?? 0) + 1 },
  };
}

/** A worker that asks for messages for a smaller part of its time than this has its hands full. */
const POLLING_PART = 0.1;

/**
 * Whether a task had as many messages as it could take: it hardly ever asked for more. One that drains asks for nothing
 * because it goes.
 */
function isSaturated(lines: readonly Line[]): boolean {
  let [polling, time, busy] = [0, 0, false];
  for (const { pollingMs, fromMs, toMs, final, received, retried, inFlight } of lines) {
    if (final) return false;
    polling += pollingMs;
    time += toMs - fromMs;
    busy ||= received + retried + inFlight > 0;
  }
  return busy && polling < POLLING_PART * time;
}

type FullCell = Required<Cell>;

/** Nearly all cells are of one line, and there are very many. */
function cellOfOne(line: Line, ageMs: number, saturated: boolean): FullCell {
  return {
    task: line.task,
    ageMs,
    received: line.received,
    finished: line.finished,
    failed: line.failed,
    retried: line.retried,
    retriedFailed: line.retriedFailed,
    saturated,
    durations: line.durations,
    memoryMiB: line.memoryMiB,
    errors: line.errors,
    types: line.types,
    counters: line.counters,
  };
}

function plusLine(cell: FullCell, line: Line): FullCell {
  return {
    task: cell.task,
    ageMs: cell.ageMs,
    received: cell.received + line.received,
    finished: cell.finished + line.finished,
    failed: cell.failed + line.failed,
    retried: cell.retried + line.retried,
    retriedFailed: cell.retriedFailed + line.retriedFailed,
    saturated: cell.saturated,
    durations: merged(cell.durations, line.durations),
    memoryMiB: line.memoryMiB,
    errors: addedNamed(cell.errors, line.errors, plus),
    types: addedNamed(cell.types, line.types, ([m, mBad], [n, nBad]) => [m + n, mBad + nBad] as const),
    counters: addedNamed(cell.counters, line.counters, plus),
  };
}

function plus(a: number, b: number): number {
  return a + b;
}
