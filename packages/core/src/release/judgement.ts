import type { Block, Counts, StratumCounts } from '../judge/block.ts';
import type { Verdict } from '../judge/evidence.ts';
import { judgeBlocks } from '../judge/judge.ts';
import { blocksFrom } from '../measurement/blocks.ts';
import { type Measurement, reportMs } from '../measurement/measurement.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import { type Journey, judgedFrom } from './journey.ts';
import { known, type Observed, type Reading } from './observed.ts';
import { type RecordedVerdict, storedText } from './record.ts';

/** What the judge says of a release, and what else its measurements tell. */
export interface Judgement {
  /** Of the canary beside stable, from the canary's steady state until stable's deployment began. */
  readonly verdict: Verdict;
  /** Of both services after the promotion, beside stable before it; undefined until both run the candidate. */
  readonly watch?: Verdict;
  /** Messages that stable failed while it ran the last good release beside the canary. */
  readonly failedByStable: number;
  /** Whether the first reports need not have come yet. */
  readonly awaitsReports: boolean;
  readonly notes: readonly string[];
}

/** Time in which a message's failures are reported: workers report every five seconds, and CloudWatch takes some. */
export const reportsWithinMs = 15_000;

/** CodePipeline's limit for the message of an approval. */
const messageLengthMax = 1000;

/**
 * How many times the odds of failing count as the same after a promotion. The two versions are not compared over
 * the same time any more, so what changes with time alone must not look like the version.
 */
const watchTolerance = 3;

/** What the judge says of a release at `nowMs`; undefined before its canary is steady. */
export function judgementOf(
  observed: Observed,
  policy: ReleasePolicy,
  release: Journey,
  nowMs: number,
): Reading<Judgement> | undefined {
  const fromMs = judgedFrom(release);
  if (fromMs === undefined) return undefined;
  const { outcomes } = observed;
  if (!outcomes.known) return outcomes;
  const measured = outcomes.value;
  if (measured === undefined) return undefined;
  // What went on while the canary was deployed was partly the version before it.
  const { bucketMs } = measured;
  const measurement = { ...measured, fromMs: Math.ceil(fromMs / bucketMs) * bucketMs };
  const judge = { ...policy.judge, bakeMsMin: policy.bakeMs };
  const { blocks, notes } = blocksFrom(measurement, nowMs);
  const promotedAt = release.stable?.startedAt;
  const beside = promotedAt === undefined ? blocks : blocks.filter(({ toMs }) => toMs <= promotedAt);
  const verdict = judgeBlocks(judge, fromMs, beside, Math.min(nowMs, promotedAt ?? nowMs));
  const watchedFrom = release.record && Math.ceil(release.record.startedAt / reportMs) * reportMs;
  return known({
    verdict,
    ...(watchedFrom !== undefined && {
      watch: judgeBlocks(
        { ...judge, oddsRatioTolerance: Math.max(watchTolerance, judge.oddsRatioTolerance) },
        watchedFrom,
        watchBlocks(measurement, beside, blocks, watchedFrom),
        nowMs,
      ),
    }),
    failedByStable: failedByStable(measured, promotedAt ?? nowMs),
    awaitsReports: nowMs - fromMs < reportsWithinMs,
    notes,
  });
}

/** What is kept of a verdict. */
export function recordedVerdict(verdict: Verdict, executionId: string, nowMs: number): RecordedVerdict {
  const { kind, code, summary, decidedAtMs, evidence } = verdict;
  return {
    executionId,
    kind,
    code,
    summary: storedText(summary),
    decidedAt: new Date(decidedAtMs ?? nowMs).toISOString(),
    canaryUnits: evidence.canary.units,
    canaryFailed: evidence.canary.failed,
  };
}

/** The verdict on a candidate that is the last good image: nothing can have become worse. */
export function unchangedVerdict(executionId: string, nowMs: number): RecordedVerdict {
  return {
    executionId,
    kind: 'pass',
    code: 'unchanged',
    summary: 'Pass: the candidate is the image of the last good release, so there is nothing to judge.',
    decidedAt: new Date(nowMs).toISOString(),
    canaryUnits: 0,
    canaryFailed: 0,
  };
}

/** What an approver reads: the verdict, its evidence, and what is asked of them. */
export function approvalMessage(verdict: Pick<Verdict, 'summary' | 'statements'>, request: string): string {
  const evidence = [verdict.summary, ...verdict.statements].join(' ');
  return `${clip(evidence, messageLengthMax - request.length - 1)} ${request}`;
}

/**
 * Whether dead letters are not the canary's doing: stable failed at least half as many messages while it ran the
 * last good release, and the judge, who saw both tracks, has not failed the canary. Poison does that.
 *
 * Where messages are rare, nothing may have been measured for a while; what stable failed before still counts.
 */
export function excuses(judgement: Judgement, deadLetters: number): boolean {
  const sees = seesBoth(judgement) || judgement.verdict.code === 'no-data';
  return (
    deadLetters > 0 &&
    sees &&
    judgement.verdict.kind !== 'fail' &&
    hasFailedThem(judgement.failedByStable, deadLetters)
  );
}

/**
 * Whether dead letters are not the canary's doing although it is still being deployed: there is no verdict yet, but
 * what stable failed since the deployment began tells as much.
 */
export function excusesWhileDeploying(measurement: Measurement, nowMs: number, deadLetters: number): boolean {
  return deadLetters > 0 && hasFailedThem(failedByStable(measurement, nowMs), deadLetters);
}

/** A dead letter was received several times, most of them by stable. */
function hasFailedThem(failedByStable: number, deadLetters: number): boolean {
  return failedByStable > 0 && failedByStable * 2 >= deadLetters;
}

/** Whether the judge sees both tracks, or will in a moment, and has not failed the canary. */
export function mayExcuse(judgement: Judgement): boolean {
  return (seesBoth(judgement) || judgement.awaitsReports) && judgement.verdict.kind !== 'fail';
}

function seesBoth({ verdict }: Judgement): boolean {
  return verdict.code === 'undecided' || verdict.code === 'certified' || verdict.code === 'deadline';
}

/**
 * Both services as one against stable's last intervals before the promotion, each of which is used once: so the
 * odds hold as far as the traffic is alike. When those are used up, only crashes are judged.
 */
function watchBlocks(
  { canary, stable }: Measurement,
  before: readonly Block[],
  all: readonly Block[],
  fromMs: number,
): Block[] {
  const controls = before.flatMap(({ strata }) => first(strata)).reverse();
  return all
    .filter((block) => block.fromMs >= fromMs)
    .map((block, index) => {
      const control = controls[index]?.baseline ?? { units: 0, failed: 0 };
      const candidates = first(block.strata).map((stratum) => sum(stratum.canary, stratum.baseline));
      const crashed = [...canary.tasks, ...stable.tasks].filter(
        ({ crash, stoppedAt }) =>
          crash !== undefined &&
          stoppedAt !== undefined &&
          stoppedAt >= block.fromMs &&
          stoppedAt < block.toMs,
      );
      const taskSeconds =
        [...canary.tasks, ...stable.tasks].filter(({ stoppedAt }) => (stoppedAt ?? block.toMs) >= block.toMs)
          .length *
        ((block.toMs - block.fromMs) / 1000);
      return {
        fromMs: block.fromMs,
        toMs: block.toMs,
        strata: candidates.map((candidate) => ({ attempt: 1, canary: candidate, baseline: control })),
        crashes: { count: crashed.length, taskSeconds },
      };
    });
}

function first(strata: readonly StratumCounts[]): readonly StratumCounts[] {
  return strata.filter(({ attempt }) => attempt === 1);
}

function sum(a: Counts, b: Counts): Counts {
  return { units: a.units + b.units, failed: a.failed + b.failed };
}

function failedByStable({ stable }: Measurement, untilMs: number): number {
  let failed = 0;
  for (const [start, bucket] of stable.buckets) if (start < untilMs) failed += bucket.failed;
  return failed;
}

function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`;
}
