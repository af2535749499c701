import type { Block, Counts, LatencyCounts, StratumCounts } from '../judge/block.ts';
import {
  type Bucket,
  type Measurement,
  reportMs,
  type TaskLife,
  type TrackMeasurement,
} from './measurement.ts';

/** Blocks for the judge, and what a person should know of how they were measured. */
export interface Blocks {
  readonly blocks: readonly Block[];
  /** Buckets left out because more lines arrived than the tasks can have written. */
  readonly repeated: number;
  readonly notes: readonly string[];
}

/** How long to wait for lines that tasks must have written. CloudWatch takes seconds, not minutes. */
const LATE_MS = 15_000;

/** How long after its start a task need not have written its first line. */
const BOOT_MS = 15_000;

/** ECS forgets stopped tasks after an hour; then nobody knows any more how many could have reported. */
const TASKS_KNOWN_MS = 50 * 60_000;

/** How many buckets a message must have been missing for before it counts as abandoned: lines may be late. */
const MISSING_BUCKETS = 3;

/** The blocks in `measurement` that can be judged at `nowMs`, in order. */
export function blocksFrom(measurement: Measurement, nowMs: number): Blocks {
  const { bucketMs, fromMs, toMs, canary, stable } = measurement;
  const abandoned = { canary: abandonedBy(canary, measurement), stable: abandonedBy(stable, measurement) };
  const judged: { readonly block: Block; readonly doubtful: boolean }[] = [];
  let repeated = 0;
  let checked = 0;
  for (let start = fromMs; start <= toMs && start + bucketMs <= nowMs; start += bucketMs) {
    const end = start + bucketMs;
    const late = lacksReports(canary, start, end) || lacksReports(stable, start, end);
    // Blocks go in order, so that what is late holds back what is later.
    if (late && nowMs < end + LATE_MS) break;
    const doubtful = [canary, stable].some((track) => hasTooManyReports(track, start, end));
    if (nowMs - start < TASKS_KNOWN_MS) {
      checked += 1;
      if (doubtful) {
        repeated += 1;
        continue;
      }
    }
    judged.push({ block: blockOf(measurement, start, abandoned), doubtful });
  }
  // Tasks that ECS has forgotten may have written what looks too much, unless what can be checked is doubled too.
  const doubling = repeated * 2 > checked;
  const blocks = judged.filter(({ doubtful }) => !(doubling && doubtful)).map(({ block }) => block);
  repeated += judged.length - blocks.length;
  const notes =
    repeated === 0
      ? []
      : [
          `in ${repeated} of ${repeated + blocks.length} intervals more reports arrived than there were tasks, so lines were delivered twice or a worker reports more than once in ${reportMs / 1000} s; these intervals are left out`,
        ];
  return { blocks, repeated, notes };
}

function blockOf(
  { bucketMs, canary, stable, thresholds }: Measurement,
  start: number,
  abandoned: Readonly<Record<'canary' | 'stable', ReadonlyMap<number, number>>>,
): Block {
  const end = start + bucketMs;
  const c = canary.buckets.get(start);
  const b = stable.buckets.get(start);
  const lost = { canary: abandoned.canary.get(start) ?? 0, stable: abandoned.stable.get(start) ?? 0 };
  const strata: StratumCounts[] = [
    { attempt: 1, canary: firstUnits(c, lost.canary), baseline: firstUnits(b, lost.stable) },
    { attempt: 2, canary: retriedUnits(c), baseline: retriedUnits(b) },
  ];
  const latency = thresholds && latencyOf(c, b);
  return {
    fromMs: start,
    toMs: end,
    strata,
    ...(latency && { latency }),
    ...(c && b && { receives: { canary: c.receives, baseline: b.receives } }),
    crashes: {
      count: canary.tasks.filter(
        ({ crash, stoppedAt }) =>
          crash !== undefined && stoppedAt !== undefined && stoppedAt >= start && stoppedAt < end,
      ).length,
      taskSeconds: canary.tasks.reduce((sum, task) => sum + livedMs(task, start, end), 0) / 1000,
    },
  };
}

function firstUnits(bucket: Bucket | undefined, lost: number): Counts {
  return { units: (bucket?.firstUnits ?? 0) + lost, failed: (bucket?.firstUnitsFailed ?? 0) + lost };
}

function retriedUnits(bucket: Bucket | undefined): Counts {
  return { units: bucket?.retriedUnits ?? 0, failed: bucket?.retriedUnitsFailed ?? 0 };
}

function latencyOf(canary: Bucket | undefined, baseline: Bucket | undefined): LatencyCounts {
  const counts = (bucket: Bucket | undefined, quantile: 'p50' | 'p90' | 'p99'): Counts => ({
    units: bucket?.durations?.count ?? 0,
    failed: bucket?.durations?.beyond[quantile] ?? 0,
  });
  const margins = (quantile: 'p50' | 'p90' | 'p99') => ({
    canary: counts(canary, quantile),
    baseline: counts(baseline, quantile),
  });
  return { p50: margins('p50'), p90: margins('p90'), p99: margins('p99') };
}

/**
 * Tasks that died with messages in hand, which will never end: by the bucket in which that is sure. Without
 * them, a version that crashes on every message would look perfect.
 *
 * Only what goes missing around a task's end is counted: a line that is lost or late makes messages go missing as
 * well. And each task once, as what it had in hand failed of one cause: counted one by one, a single task that its
 * host took away would look like a bad version.
 */
function abandonedBy(track: TrackMeasurement, { fromMs, toMs, bucketMs }: Measurement): Map<number, number> {
  const abandoned = new Map<number, number>();
  // The reports of a minute add their messages in hand up, so what is in hand at its end is not known.
  if (bucketMs !== reportMs) return abandoned;
  const missing: { readonly start: number; readonly count: number }[] = [];
  let begun = 0;
  for (let start = fromMs; start <= toMs; start += bucketMs) {
    const bucket = track.buckets.get(start);
    if (bucket === undefined) continue;
    begun += bucket.received - bucket.ended;
    missing.push({ start, count: begun - bucket.inFlight });
  }
  const endedWithin = (from: number, to: number): number =>
    track.tasks.filter(({ stoppingAt, stoppedAt }) => {
      const began = stoppingAt ?? stoppedAt;
      return began !== undefined && began < to && (stoppedAt ?? to) >= from;
    }).length;
  // What was in hand before the first bucket is not missing.
  let known = missing[0]?.count ?? 0;
  for (let index = MISSING_BUCKETS; index < missing.length; index += 1) {
    const since = missing.slice(index - MISSING_BUCKETS, index + 1);
    const sure = Math.min(...since.map(({ count }) => count));
    if (sure <= known) continue;
    const { start } = missing[index]!;
    const from = (missing[index - MISSING_BUCKETS - 1] ?? since[0]!).start;
    const died = endedWithin(from, start + bucketMs);
    if (died > 0) abandoned.set(start, Math.min(died, sure - known));
    known = sure;
  }
  return abandoned;
}

function lacksReports({ buckets, tasks }: TrackMeasurement, start: number, end: number): boolean {
  const due = tasks.filter(
    ({ startedAt, stoppingAt, stoppedAt }) =>
      startedAt !== undefined && startedAt + BOOT_MS <= start && (stoppingAt ?? stoppedAt ?? end) >= end,
  ).length;
  return (buckets.get(start)?.reports ?? 0) < (due * (end - start)) / reportMs;
}

/** A task writes one line for each bucket, and one more when it stops. */
function hasTooManyReports({ buckets, tasks }: TrackMeasurement, start: number, end: number): boolean {
  const alive = tasks.filter((task) => livedMs(task, start - reportMs, end + reportMs) > 0);
  const stopping = alive.filter(
    ({ stoppingAt, stoppedAt }) => (stoppingAt ?? stoppedAt ?? Number.POSITIVE_INFINITY) < end,
  );
  const most = (alive.length * (end - start)) / reportMs + stopping.length;
  return (buckets.get(start)?.reports ?? 0) > most;
}

function livedMs({ startedAt, stoppedAt }: TaskLife, from: number, to: number): number {
  if (startedAt === undefined) return 0;
  return Math.max(0, Math.min(to, stoppedAt ?? to) - Math.max(from, startedAt));
}
