/** What the workers of one track reported of one bucket: sums over its tasks. */
export interface Bucket {
  /** Lines that arrived: one for each task and each five seconds. */
  readonly reports: number;
  /** Receives that brought messages. */
  readonly receives: number;
  /** First deliveries of a receive, once all have ended: the unit in which tracks are compared. */
  readonly firstUnits: number;
  readonly firstUnitsFailed: number;
  /** The same for later deliveries. */
  readonly retriedUnits: number;
  readonly retriedUnitsFailed: number;
  /** Messages that began, and that ended in whatever way. */
  readonly received: number;
  readonly ended: number;
  /** Messages that ended against the version: failed, timed out, poison. */
  readonly failed: number;
  /** Messages in hand when the bucket ended. */
  readonly inFlight: number;
  /** Durations that were reported, and how many of them were beyond each threshold. */
  readonly durations?: { readonly count: number; readonly beyond: Thresholds };
}

/** One number for each of the baseline's quantiles: a duration in milliseconds, or a count beyond it. */
export interface Thresholds {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** One task's life, as far as the judge must know it. Instants are epoch milliseconds. */
export interface TaskLife {
  /** When its container ran; absent until then. */
  readonly startedAt?: number;
  /** When it was asked to stop, or stopped by itself. */
  readonly stoppingAt?: number;
  readonly stoppedAt?: number;
  /** How it ended where that speaks against its version: an essential container that exited by itself. */
  readonly crash?: string;
}

/** What one track did. */
export interface TrackMeasurement {
  /** By the beginning of each bucket, epoch milliseconds; a bucket without any report is absent. */
  readonly buckets: ReadonlyMap<number, Bucket>;
  readonly tasks: readonly TaskLife[];
}

/** What both tracks did over the same time. */
export interface Measurement {
  /** Length of a bucket: 5 s, or 60 s once CloudWatch no longer keeps the finer ones. */
  readonly bucketMs: number;
  /** Beginning of the first bucket and of the last one, epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly canary: TrackMeasurement;
  readonly stable: TrackMeasurement;
  /** The baseline's own past, for judging latency; absent when it has none yet. */
  readonly thresholds?: Thresholds;
}

/** How often a worker reports, and the finest bucket that is judged. */
export const reportMs = 5_000;

/** How long CloudWatch keeps metrics finer than a minute, less what a look may take. */
export const fineMetricsMs = 175 * 60_000;
