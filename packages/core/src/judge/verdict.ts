import type { Effects } from './effect.ts';
import type { CertificationEvidence, Evidence, MetricEvidence, Verdict, VerdictCode } from './evidence.ts';
import { isDryRun, type JudgePolicy, shortestBakeMs } from './judge-policy.ts';
import { exp } from './numerics.ts';
import { amount, duration, odds, percent } from './required-sample.ts';

/** All that a verdict depends on. */
export interface Situation {
  readonly policy: JudgePolicy;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly evidence: Evidence;
  /** When the evidence against the canary first sufficed, and what it was then. */
  readonly failed: { readonly atMs: number; readonly evidence: Evidence } | undefined;
  /** Whether all required metrics are certified. */
  readonly isCertified: boolean;
  /** The age from which on a task counts as warm: the policy's, or longer where work takes long. */
  readonly warmUpMs: number;
  /** What is wrong with the latest block. */
  readonly problem: string | undefined;
  readonly lastUnitAtMs: number | undefined;
  readonly baselineUnitsSinceCanary: number;
  readonly canaryUnitsSinceBaseline: number;
}

/** Messages of one track alone after which the other counts as silent, whatever the rate of messages. */
const SILENT_UNITS = 100;

/** Rollback first, then whether anything can be measured, then whether everything that a pass needs is there. */
export function verdictOf(situation: Situation): Verdict {
  const { policy } = situation;
  const verdict = judged(situation);
  if (policy.dryRun === true && (verdict.kind === 'pass' || verdict.kind === 'fail')) return dryRun(verdict);
  const unstaked = wouldHaveFailed(situation);
  return unstaked.length === 0 ? verdict : { ...verdict, statements: [...verdict.statements, ...unstaked] };
}

function judged(situation: Situation): Verdict {
  const { policy, startedAtMs, nowMs, evidence, failed, isCertified, problem } = situation;
  if (failed !== undefined) return failure(policy, failed.atMs, failed.evidence);
  const late = nowMs - startedAtMs >= policy.deadlineMs;
  const without = (
    kind: 'inconclusive' | 'error',
    code: VerdictCode,
    why: string,
    settled = late,
  ): Verdict => ({
    kind,
    code,
    settled,
    summary: `${kind === 'error' ? 'Unable to judge' : 'Inconclusive'}: ${why}.${late ? ` The deadline of ${duration(policy.deadlineMs)} has passed; a person must decide.` : ''}`,
    statements: effectStatements(evidence.effects),
    evidence,
  });
  if (problem !== undefined) {
    return without('error', 'unusable-block', `the latest block cannot be judged: ${problem}`);
  }
  const silence = silenceIn(situation);
  if (silence !== undefined) return without(silence.kind, silence.code, silence.why);
  const missing = missingForPass(situation);
  // What alone stands between the canary and a pass is for a person: waiting any longer does not remove it.
  const isReady = missing.length === 0 && isCertified;
  const differing = stableDifference(evidence);
  if (differing !== undefined) {
    return without('inconclusive', 'stable-differs', differing, late || isReady);
  }
  if (isReady) {
    const [concern] = evidence.concerns;
    if (concern === undefined) return certified(policy, evidence);
    const held = without('inconclusive', 'concern', `nothing fails the canary, but ${concern.summary}`, true);
    return {
      ...held,
      statements: [...held.statements, ...evidence.concerns.map(({ summary }) => sentence(summary))],
    };
  }
  const undecided = without(
    'inconclusive',
    late ? 'deadline' : 'undecided',
    late ? 'the evidence decides neither way' : 'the evidence decides neither way yet',
  );
  return { ...undecided, statements: [...undecided.statements, ...missing, ...projection(situation)] };
}

function failure(policy: JudgePolicy, atMs: number, evidence: Evidence): Verdict {
  const driver = strongest(policy, evidence.metrics);
  return {
    kind: 'fail',
    code: 'regression',
    settled: true,
    summary: `Fail, on ${METRIC_NAMES[driver.metric]}: ${driver.counts}. The evidence against the canary is ${odds(evidence.total)}, where ${odds(evidence.totalNeeded)} decides.`,
    statements: [
      ...effectStatements(evidence.effects),
      `A version as good as stable, whose tasks differ no more than stable's, ever gathers this much evidence against itself in at most ${percent(policy.alpha)} of releases, however often one looks.`,
      `By metric: ${evidence.metrics
        .filter(({ measured }) => measured)
        .map(({ metric, eValue, weight, dryRun }) => {
          const staked = dryRun && policy.dryRun !== true ? 'dry run' : `weight ${weight}`;
          return `${METRIC_NAMES[metric]} ${odds(eValue)} (${staked})`;
        })
        .join(', ')}.`,
    ],
    drivenBy: driver.metric,
    decidedAtMs: atMs,
    evidence,
  };
}

function certified(policy: JudgePolicy, evidence: Evidence): Verdict {
  const failures = evidence.metrics.find(({ metric }) => metric === 'failures');
  return {
    kind: 'pass',
    code: 'certified',
    settled: true,
    summary: `Pass: ${failures?.counts ?? ''}. The evidence against the canary is ${odds(evidence.total)}, where ${odds(evidence.totalNeeded)} would fail it.`,
    statements: [
      ...effectStatements(evidence.effects),
      ...evidence.certification.map(
        ({ metric, margin, eValue, eValueNeeded }) =>
          `${WORSE[metric].version(percent(margin))} passes in at most ${percent(policy.beta)} of releases. That the canary is no such version is shown at ${odds(eValue)}, where ${odds(eValueNeeded)} is needed.`,
      ),
    ],
    decidedAtMs: evidence.untilMs,
    evidence,
  };
}

/** A pass or fail that changes nothing: a person decides at once. */
function dryRun({ kind, summary, statements, evidence }: Verdict): Verdict {
  return {
    kind: 'inconclusive',
    code: 'dry-run',
    settled: true,
    summary: `Dry run: the judge would have ${kind === 'pass' ? 'passed the canary' : 'failed the canary, which would have been rolled back'}. ${summary}`,
    statements,
    evidence,
  };
}

/** Metrics in dry run that by themselves would have failed the release. */
function wouldHaveFailed({ policy, evidence }: Situation): string[] {
  if (policy.dryRun === true) return [];
  return evidence.metrics
    .filter(
      ({ metric, eValue, weight }) => isDryRun(policy, metric) && weight * eValue >= evidence.totalNeeded,
    )
    .map(
      ({ metric, counts, eValue }) =>
        `Dry run of ${METRIC_NAMES[metric]}: it would have failed the canary (${counts}; the evidence is ${odds(eValue)}).`,
    );
}

/** Where stable's equal tasks differ as much as the canary does, its difference need not be the version's. */
function stableDifference({ stableTasks, total, totalNeeded }: Evidence): string | undefined {
  const { tasks, spread, spreadUsed, slowest, totalIfAlike } = stableTasks;
  if (totalIfAlike < totalNeeded || total >= totalNeeded) return undefined;
  const differ = [
    ...(spread >= spreadUsed && spread > 0
      ? [`fail at rates that differ by a factor of ${amount(exp(spread))} from task to task`]
      : []),
    ...(slowest > 1.02 ? [`differ in speed by a factor of ${amount(slowest)}`] : []),
  ];
  return `the canary looks worse than stable (the evidence would be ${odds(totalIfAlike)} if tasks were alike, and ${odds(totalNeeded)} decides), but stable's own ${tasks} tasks ${differ.join(' and ') || 'differ as well'}, so one canary task cannot tell the version from its host; start a fresh canary task, or decide`;
}

function silenceIn(
  situation: Situation,
): { readonly kind: 'inconclusive' | 'error'; readonly code: VerdictCode; readonly why: string } | undefined {
  const { policy, startedAtMs, nowMs, evidence, lastUnitAtMs } = situation;
  if (evidence.blocks === 0 || nowMs - evidence.untilMs > policy.silenceMs) {
    const silentMs = nowMs - evidence.untilMs;
    if (silentMs <= policy.silenceMs) {
      return { kind: 'inconclusive', code: 'no-data', why: 'no data yet: nothing has been measured so far' };
    }
    return {
      kind: 'error',
      code: 'not-measured',
      why: `no data: nothing has been measured for ${duration(silentMs)}; check that the workers' outcome lines reach the log`,
    };
  }
  const unitless = nowMs - (lastUnitAtMs ?? startedAtMs);
  if (lastUnitAtMs === undefined || unitless > policy.silenceMs) {
    return {
      kind: 'inconclusive',
      code: 'no-data',
      why: `no data: neither track has finished a message for ${duration(unitless)}; send traffic, or check that the workers write outcome lines`,
    };
  }
  const { canary, baseline } = evidence;
  if (situation.baselineUnitsSinceCanary >= SILENT_UNITS) {
    const what =
      canary.units === 0 ? 'has finished nothing' : `has been silent after ${canary.units} messages`;
    return {
      kind: 'inconclusive',
      code: 'canary-silent',
      why: `no data from the canary: it ${what} while the baseline finished ${situation.baselineUnitsSinceCanary} messages`,
    };
  }
  if (situation.canaryUnitsSinceBaseline >= SILENT_UNITS) {
    const what =
      baseline.units === 0 ? 'has finished nothing' : `has been silent after ${baseline.units} messages`;
    return {
      kind: 'inconclusive',
      code: 'baseline-silent',
      why: `no data from the baseline: it ${what} while the canary finished ${situation.canaryUnitsSinceBaseline} messages, so there is nothing to compare with`,
    };
  }
  return undefined;
}

/** Nothing passes while the evidence against it is this part of what fails it: it may be about to. */
const DOUBTFUL = 10;

/** What a pass still lacks, each in a sentence; empty when nothing. */
function missingForPass(situation: Situation): string[] {
  const { policy, startedAtMs, nowMs, evidence, warmUpMs } = situation;
  const missing: string[] = [];
  const bakedMs = Math.min(nowMs, evidence.untilMs) - startedAtMs;
  const bakeMs = shortestBakeMs(policy);
  if (bakedMs < bakeMs) {
    missing.push(`The canary has been observed for ${duration(bakedMs)} of at least ${duration(bakeMs)}.`);
  }
  if (warmUpMs > policy.warmUpMs && bakedMs < warmUpMs) {
    missing.push(
      `Work takes so long that a task counts as warm only after ${duration(warmUpMs)}; until then mostly quick work has ended.`,
    );
  }
  const { canary, baseline } = evidence;
  if (canary.units < policy.messagesMin || baseline.units < policy.messagesMin) {
    missing.push(
      `The canary has finished ${canary.units} messages and the baseline ${baseline.units}; each needs ${policy.messagesMin}.`,
    );
  }
  for (const certification of evidence.certification) {
    if (!certification.certified) missing.push(remaining(certification));
  }
  if (evidence.total * DOUBTFUL >= evidence.totalNeeded) {
    missing.push(
      `The evidence against the canary is ${odds(evidence.total)}, where ${odds(evidence.totalNeeded)} would fail it: it passes only below ${odds(evidence.totalNeeded / DOUBTFUL)}.`,
    );
  }
  return missing;
}

function remaining({ metric, margin, eValue, eValueNeeded }: CertificationEvidence): string {
  return `It is still to be shown ${WORSE[metric].not(percent(margin))}: so far it is at ${odds(eValue)}, where ${odds(eValueNeeded)} is needed.`;
}

function projection({ policy, startedAtMs, nowMs, evidence: { projected } }: Situation): string[] {
  const leftMs = startedAtMs + policy.deadlineMs - nowMs;
  if (projected === undefined || projected.ms <= 0 || leftMs <= 0) return [];
  const what = projected.kind === 'pass' ? 'passes' : 'fails';
  const late = projected.ms > leftMs ? ', after the deadline' : '';
  return [`If all goes on as it has, the canary ${what} in about ${duration(projected.ms)}${late}.`];
}

/** An interval as wide as this says nothing to anybody. */
const TELLING = 0.5;

/** By how much the canary differs, in words that a person decides on. */
export function effectStatements({ failures, latency }: Effects): string[] {
  const statements: string[] = [];
  if (failures !== undefined && failures.high - failures.low < TELLING) {
    const [low, high] = [points(failures.low), points(failures.high)];
    statements.push(
      failures.low > 0
        ? `The canary fails between ${low} and ${high} percentage points more of its messages than stable (95 % confidence).`
        : failures.high < 0
          ? `The canary fails between ${points(-failures.high)} and ${points(-failures.low)} percentage points fewer of its messages than stable (95 % confidence).`
          : `The canary's failure rate minus stable's is between ${low} and ${high} percentage points (95 % confidence).`,
    );
  }
  const median = latency?.find(({ quantile }) => quantile === 0.5);
  if (median !== undefined && median.low > 0.25 && median.high < 4) {
    statements.push(
      `At the median the canary takes between ${amount(median.low)} and ${amount(median.high)} times as long as stable (95 % confidence).`,
    );
  }
  return statements;
}

function points(rate: number): string {
  return String(Number((rate * 100).toPrecision(2)));
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** What failed the canary; a metric in dry run has not. */
function strongest(policy: JudgePolicy, metrics: readonly MetricEvidence[]): MetricEvidence {
  return metrics
    .filter(({ dryRun }) => !dryRun || policy.dryRun === true)
    .reduce((best, metric) => (metric.weight * metric.eValue > best.weight * best.eValue ? metric : best));
}

const METRIC_NAMES: Readonly<Record<MetricEvidence['metric'], string>> = {
  failures: 'failures',
  broken: 'failing nearly everything',
  latency: 'latency',
  crashes: 'crashes',
  throughput: 'throughput',
  counters: 'counters',
};

/** What being worse by a margin means, said of a version and denied of the canary. */
const WORSE: Readonly<
  Record<CertificationEvidence['metric'], { version(margin: string): string; not(margin: string): string }>
> = {
  failures: {
    version: (margin) => `A version that fails ${margin} more of its messages than stable`,
    not: (margin) => `that the canary does not fail ${margin} more of its messages than stable`,
  },
  latency: {
    version: (margin) => `A version with ${margin} more of its messages beyond stable's p90`,
    not: (margin) => `that the canary does not have ${margin} more of its messages beyond stable's p90`,
  },
};
