/** How often a worker reports: a line for each wall-clock interval of this length. */
export const REPORT_MS = 5_000;

/** A worker that is younger reports each second, so that a version that fails everything is found sooner. */
export const REPORTS_EACH_SECOND_MS = 120_000;

const SECOND_MS = 1_000;

/**
 * When the line that is begun now ends, in a worker of an age whose last line ended at `lastMs`. It lies on the
 * clock, so that all workers report about the same intervals.
 *
 * A timer may fire a little early, and a clock be set back a little; what is already reported is not begun again.
 */
export function nextReportMs(nowMs: number, ageMs: number, lastMs: number): number {
  const stepMs = ageMs < REPORTS_EACH_SECOND_MS ? SECOND_MS : REPORT_MS;
  const next = (afterMs: number) => (Math.floor(afterMs / stepMs) + 1) * stepMs;
  const endMs = next(nowMs);
  return endMs <= lastMs && lastMs - endMs < REPORT_MS ? next(lastMs) : endMs;
}

/** Where the wall-clock interval of {@link REPORT_MS} begins that holds what ends at `endMs`. */
export function reportIntervalMs(endMs: number): number {
  return Math.floor((endMs - 1) / REPORT_MS) * REPORT_MS;
}
