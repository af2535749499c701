import type { Block, Cell } from '../judge/block.ts';
import type { Verdict, VerdictCode } from '../judge/evidence.ts';
import { judgeBlocks } from '../judge/judge.ts';
import { effectStatements } from '../judge/verdict.ts';
import { blocksFrom } from '../measurement/blocks.ts';
import { type Lateness, settledAfterMs } from '../measurement/lateness.ts';
import { reportMs } from '../measurement/line.ts';
import type { Measurement, TrackMeasurement } from '../measurement/measurement.ts';
import { begunBefore } from '../measurement/track.ts';
import type { ReleasePolicy } from '../policy/policy.ts';
import { failingAt, failuresSince } from './dead-letters.ts';
import { type Journey, judgedFrom } from './journey.ts';
import { known, type Observed, type Reading } from './observed.ts';
import { type RecordedVerdict, storedText } from './record.ts';
import { type SincePromotion, sincePromotion } from './usual.ts';

/** What the judge says of a release, and what else its measurements tell. */
export interface Judgement {
  /** Of the canary compared with stable, from the canary's steady state until stable's deployment began. */
  readonly verdict: Verdict;
  /** Of both services after the promotion, compared with stable before it; undefined until both run the candidate. */
  readonly watch?: Verdict;
  /** Deliveries that tasks of the last good release failed since the canary's deployment began. */
  readonly failedByLastGood: number;
  /** Messages that had failed, and were neither done nor dead letters, when stable's deployment began; 0 until then. */
  readonly failing: number;
  /** How the release does since stable's deployment began; absent until then. */
  readonly since?: SincePromotion;
  /** Whether the first reports need not have come yet. */
  readonly awaitsReports: boolean;
  /** Until when all has come that will count, epoch milliseconds. */
  readonly settledUntilMs: number;
  /** How late the workers' lines were; absent where that is not known. */
  readonly lateness?: Lateness;
  readonly notes: readonly string[];
}

/** Time in which a message's failures are reported: workers report every five seconds, and the log may be late. */
export const reportsWithinMs = reportMs + settledAfterMs;

/** CodePipeline's limit for the message of an approval. */
const messageLengthMax = 1000;

/**
 * How much the odds of failing may differ after a promotion, as a standard deviation of their logarithm: a factor of
 * three is within it. The two versions are not compared over the same time any more, so what changes with time alone
 * must not look like the version.
 */
const watchSpread = 0.5;

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
  const judge = { ...policy.judge, bakeMsMin: policy.bakeMs };
  const { past, starts, blocks, latest, settledUntilMs, lateness, notes } = blocksFrom(
    measured,
    fromMs,
    nowMs,
  );
  const promotedAt = release.stable?.startedAt;
  const together = promotedAt === undefined ? blocks : blocks.filter(({ toMs }) => toMs <= promotedAt);
  const seen = { past, starts, blocks: together, ...(promotedAt === undefined && { latest }) };
  const verdict = judgeBlocks(judge, fromMs, seen, Math.min(nowMs, promotedAt ?? nowMs));
  const since =
    promotedAt === undefined
      ? undefined
      : sincePromotion(observed, measured, release, policy, promotedAt, nowMs);
  const watchedFrom = release.record && Math.ceil(release.record.startedAt / reportMs) * reportMs;
  return known({
    verdict,
    ...(since && { since }),
    ...(watchedFrom !== undefined && {
      watch: asFarAsUnusual(
        judgeBlocks(
          { ...judge, taskSpread: Math.max(watchSpread, judge.taskSpread) },
          watchedFrom,
          { past, starts, blocks: watchBlocks([...past, ...together], blocks, watchedFrom) },
          nowMs,
        ),
        since,
      ),
    }),
    failedByLastGood: failedByLastGood(measured, promotedAt ?? nowMs),
    failing: promotedAt === undefined ? 0 : failingAt(measured, promotedAt),
    awaitsReports: nowMs - fromMs < reportsWithinMs,
    settledUntilMs,
    ...(lateness && { lateness }),
    notes: [...notes, ...deadLetterNotes(measured)],
  });
}

/** What is kept of a verdict. */
export function recordedVerdict(verdict: Verdict, executionId: string, nowMs: number): RecordedVerdict {
  const { kind, code, summary, decidedAtMs, evidence } = verdict;
  const [effect] = effectStatements(evidence.effects);
  return {
    executionId,
    kind,
    code,
    summary: storedText(summary),
    ...(effect !== undefined && { effect }),
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
 * Whether dead letters are not the canary's doing: tasks of the last good release failed at least half as many messages,
 * and the judge, who saw both tracks, has not failed the canary. Poison does that.
 *
 * Where messages are rare, nothing may have been measured for a while; what was failed before still counts.
 */
export function excuses(judgement: Judgement, deadLetters: number): boolean {
  const sees = seesBoth(judgement) || judgement.verdict.code === 'no-data';
  return (
    deadLetters > 0 &&
    sees &&
    !hasFailedCanary(judgement) &&
    hasFailedThem(judgement.failedByLastGood, deadLetters)
  );
}

/**
 * How many dead letters are not held against a release after its promotion, in addition to those that were accepted
 * before: as many as stable has made at its worst. Where the judge finds failures that stable never had, none.
 */
export function usualDeadLetters({ watch, since }: Judgement): number {
  if (since === undefined) return 0;
  const isBad = watch !== undefined && watch.evidence.total >= watch.evidence.totalNeeded;
  return isBad && since.failed > since.usual.failed ? 0 : since.usual.deadLettered;
}

/**
 * How many dead letters are not held against a release that is being promoted, when so many were accepted before: also
 * those that are still to come of messages which stable, too, had failed when its deployment began.
 */
export function acceptedWith(judgement: Judgement, accepted: number): number {
  const all = accepted + judgement.failing;
  return excuses(judgement, all) ? all : accepted;
}

/**
 * Whether dead letters are not the canary's doing although it is still being deployed: there is no verdict yet, but
 * what the last good release failed since the deployment began says as much.
 */
export function excusesWhileDeploying(measurement: Measurement, nowMs: number, deadLetters: number): boolean {
  return deadLetters > 0 && hasFailedThem(failedByLastGood(measurement, nowMs), deadLetters);
}

/** A dead letter was received several times, most of them by tasks of the last good release. */
function hasFailedThem(failedByLastGood: number, deadLetters: number): boolean {
  return failedByLastGood > 0 && failedByLastGood * 2 >= deadLetters;
}

/** Whether the judge sees both tracks, or will in a moment, and has not failed the canary. */
export function mayExcuse(judgement: Judgement): boolean {
  return (seesBoth(judgement) || judgement.awaitsReports) && !hasFailedCanary(judgement);
}

/** Also in a dry run, in which the verdict does not say so: what the judge thinks bad it does not excuse. */
function hasFailedCanary({ verdict: { kind, evidence } }: Judgement): boolean {
  return kind === 'fail' || evidence.total >= evidence.totalNeeded;
}

function seesBoth({ verdict }: Judgement): boolean {
  return SEES_BOTH.has(verdict.code);
}

/** Codes of verdicts that rest on what both tracks did. */
const SEES_BOTH: ReadonlySet<VerdictCode> = new Set([
  'undecided',
  'certified',
  'deadline',
  'stable-differs',
  'concern',
  'dry-run',
]);

/** The watch's verdict, which failures do not make a fail while stable has failed as much before. */
function asFarAsUnusual(watch: Verdict, since: SincePromotion | undefined): Verdict {
  if (since === undefined || watch.kind !== 'fail' || watch.drivenBy !== 'failures') return watch;
  const { failed, usual } = since;
  if (failed > usual.failed) return watch;
  const { drivenBy: _driver, decidedAtMs: _decided, ...rest } = watch;
  return {
    ...rest,
    kind: 'inconclusive',
    code: 'undecided',
    settled: false,
    summary: `Undecided: ${Math.round(failed)} deliveries have failed since the promotion; that is more than just before it, but in as long a time of the day before, stable failed up to ${Math.round(usual.failed)}, for as many tasks.`,
  };
}

/**
 * Both services as one against stable's last intervals before the promotion, each of which is used once: so the odds
 * hold as far as the traffic is alike. When those are used up, only crashes are judged: whether a version works at all
 * the judge finds out at its beginning only. Stable's tasks are new, so latency is left out.
 */
function watchBlocks(before: readonly Block[], all: readonly Block[], fromMs: number): Block[] {
  const controls = [...before].reverse();
  return all
    .filter((block) => block.fromMs >= fromMs)
    .map((block, index) => {
      const control = controls[index];
      const none = { count: 0, taskSeconds: 0 };
      const { canary = none, stable = none } = block.crashes ?? {};
      return {
        fromMs: block.fromMs,
        toMs: block.toMs,
        canary: [...block.canary, ...block.stable].map(withoutDurations),
        stable: (control?.stable ?? []).map(withoutDurations),
        starts: [],
        crashes: {
          canary: {
            count: canary.count + stable.count,
            taskSeconds: canary.taskSeconds + stable.taskSeconds,
          },
          stable: controls[index % controls.length]?.crashes?.stable ?? none,
        },
      };
    });
}

function withoutDurations({ durations: _durations, ...cell }: Cell): Cell {
  return cell;
}

/**
 * On stable, and on tasks of the canary that are being replaced. Where only some of stable's tasks were read, the others
 * are taken to have failed as much.
 */
function failedByLastGood({ fromMs, canary, stable, stableSample }: Measurement, untilMs: number): number {
  const failed = (track: TrackMeasurement) =>
    failuresSince(track, fromMs).reduce(
      (sum, line) => sum + (line.fromMs < untilMs ? line.failed + line.retriedFailed : 0),
      0,
    );
  const perLine = stableSample === undefined ? 1 : stableSample.tasks / stableSample.read;
  return failed(begunBefore(canary, fromMs)) + failed(stable) * perLine;
}

/** On which track the last delivery failed of what went to the dead-letter queue during the release. */
function deadLetterNotes({ fromMs, canary, stable }: Measurement): string[] {
  const last = (track: TrackMeasurement) => {
    return failuresSince(track, fromMs).reduce((sum, { deadLettered }) => sum + deadLettered, 0);
  };
  const [byCanary, byStable] = [last(canary), last(stable)];
  return byCanary + byStable === 0
    ? []
    : [
        `of the messages that became dead letters, ${byCanary} failed last on the canary and ${byStable} on stable`,
      ];
}

function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`;
}
