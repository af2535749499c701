import { reportMs } from '../measurement/line.ts';
import type { Measurement } from '../measurement/measurement.ts';
import { begunSince } from '../measurement/track.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import { failuresSince } from './dead-letters.ts';
import { isActive, type Journey, releases } from './journey.ts';
import type { Observed, PipelineState } from './observed.ts';

/*
 * After a promotion no task runs the version before any more, so nothing that happens at that time says whether failing
 * messages or the release are at fault. What stable did in the day before does: were the release as good, the time since
 * its promotion would be the worst of N stretches of that length no more often than once in N.
 */

/** What tasks failed over some time. */
export interface Failures {
  /** Deliveries, first and later ones. */
  readonly failed: number;
  /** Messages whose last delivery failed. */
  readonly deadLettered: number;
}

/** The release since its promotion, and stable before. */
export interface SincePromotion {
  /** Deliveries that failed on tasks that run the release, since stable's deployment began. */
  readonly failed: number;
  /** The most that stable failed in any stretch of as long a time before, for as many tasks as run the release. */
  readonly usual: Failures;
}

/** The time since a promotion compared with as long stretches before; a minute at least, so that a burst fits in. */
export function sincePromotion(
  observed: Observed,
  measured: Measurement,
  release: Journey,
  policy: ReleasePolicy,
  promotedAt: number,
  nowMs: number,
): SincePromotion {
  const stretchMs = Math.max(policy.watchMs, nowMs - promotedAt, 60_000);
  const spoiled = observed.pipeline.known ? failedOnStable(observed.pipeline.value, release) : [];
  const worst = worstBefore(measured, promotedAt, stretchMs, spoiled);
  const perTask = tasksPerTaskOfStable(observed);
  return {
    failed: failedSince(measured, promotedAt),
    usual: { failed: worst.failed * perTask, deadLettered: worst.deadLettered * perTask },
  };
}

/** Epoch milliseconds. */
interface Time {
  readonly fromMs: number;
  readonly toMs: number;
}

/** How long after its end a release that failed may still run on stable. */
const restoredWithinMs = 10 * 60_000;

/** When stable ran releases that failed: what they did is no measure for another. */
function failedOnStable(pipeline: PipelineState, { execution: { id } }: Journey): Time[] {
  return releases(pipeline).flatMap(({ execution, stable }) =>
    stable === undefined || execution.id === id || isActive(execution) || execution.status === 'Succeeded'
      ? []
      : { fromMs: stable.startedAt, toMs: execution.updatedAt + restoredWithinMs },
  );
}

/** Stretches are whole and end where stable's deployment began, one after the other. */
function worstBefore(
  { before, stable }: Measurement,
  promotedAt: number,
  stretchMs: number,
  spoiled: readonly Time[],
): Failures {
  if (before === undefined) return { failed: 0, deadLettered: 0 };
  const stretches = new Map<number, { failed: number; deadLettered: number }>();
  const whole = Math.floor((promotedAt - before.fromMs) / stretchMs);
  // Lines that came late are among those that were read of the release.
  const lines = failuresSince({ lines: [...before.lines, ...stable.lines], tasks: [] }, before.fromMs);
  for (const { toMs, failed, retriedFailed, deadLettered } of lines) {
    const stretch = Math.floor((promotedAt - toMs) / stretchMs);
    if (stretch < 0 || stretch >= whole) continue;
    const sum = stretches.get(stretch) ?? { failed: 0, deadLettered: 0 };
    sum.failed += failed + retriedFailed;
    sum.deadLettered += deadLettered;
    stretches.set(stretch, sum);
  }
  const isSpoiled = (stretch: number) => {
    const toMs = promotedAt - stretch * stretchMs;
    return spoiled.some((time) => time.fromMs < toMs && time.toMs > toMs - stretchMs);
  };
  const fit = [...stretches].flatMap(([stretch, sum]) => (isSpoiled(stretch) ? [] : sum));
  return {
    failed: Math.max(0, ...fit.map(({ failed }) => failed)),
    deadLettered: Math.max(0, ...fit.map(({ deadLettered }) => deadLettered)),
  };
}

/** On the canary, and on the tasks of stable that its deployment began. */
function failedSince({ canary, stable, stableSample }: Measurement, promotedAt: number): number {
  const failed = (track: Measurement['canary']) =>
    failuresSince(track, Math.ceil(promotedAt / reportMs) * reportMs).reduce(
      (sum, line) => sum + line.failed + line.retriedFailed,
      0,
    );
  const perLine = stableSample === undefined ? 1 : stableSample.tasks / stableSample.read;
  return failed(canary) + failed(begunSince(stable, promotedAt)) * perLine;
}

/** The release runs on both services, and what is known of before is of stable alone. */
function tasksPerTaskOfStable({ canary, stable }: Observed): number {
  if (!canary.known || !stable.known || stable.value.running === 0) return 1;
  return (canary.value.running + stable.value.running) / stable.value.running;
}
