import { endOf, intervalOf } from './course.ts';
import type { Line } from './line.ts';

/**
 * How long after its interval a line may be ingested by CloudWatch Logs and still count. The log driver sends what a
 * worker writes at most 5 s later, and repeats a call that fails: mostly it takes 0 to 5 s. When a line was ingested never
 * changes, so whenever one looks, the same lines count.
 */
export const ingestedWithinMs = 30_000;

/**
 * How long after its ingestion a line may become readable. Mostly it takes a second; AWS names no bound
 * (https://github.com/aws/aws-sdk-net/issues/1387), so what is measured is shown.
 */
export const readableWithinMs = 15_000;

/** How long after its interval all lines about it that count can be read. */
export const settledAfterMs = ingestedWithinMs + readableWithinMs;

/** How late the lines of a release were. */
export interface Lateness {
  /** Milliseconds from the end of a line's interval to its ingestion: the median of all lines, and the maximum. */
  readonly medianMs: number;
  readonly maxMs: number;
  /** Lines that arrived later than {@link ingestedWithinMs} and are left out. */
  readonly leftOut: number;
  /** How long after its ingestion a line was known to be unreadable; absent if that was not observed. */
  readonly unreadableMs?: number;
}

/** Whether a line was ingested too late to count. One of which that is not known counts. */
export function isLate(line: Line): boolean {
  return (line.ingestedAt ?? 0) > endOf(intervalOf(line.toMs)) + ingestedWithinMs;
}

/** How late lines were; undefined where of none it is known. */
export function latenessOf(lines: readonly Line[], unreadableMs?: number): Lateness | undefined {
  const took = lines
    .flatMap(({ toMs, ingestedAt }) => {
      return ingestedAt === undefined ? [] : [Math.max(0, ingestedAt - endOf(intervalOf(toMs)))];
    })
    .sort((a, b) => a - b);
  if (took.length === 0) return undefined;
  return {
    medianMs: took[Math.floor((took.length - 1) / 2)]!,
    maxMs: took.at(-1)!,
    leftOut: lines.filter(isLate).length,
    ...(unreadableMs !== undefined && { unreadableMs }),
  };
}
