import { stratumName } from './block.ts';
import type { CertificationEvidence, Evidence, MetricEvidence, Verdict, VerdictCode } from './evidence.ts';
import { type JudgePolicy, shortestBakeMs } from './judge-policy.ts';
import { nonInferiorityRate } from './non-inferiority.ts';
import { ln } from './numerics.ts';
import { amount, duration, percent } from './required-sample.ts';

/** All that a verdict depends on. */
export interface Situation {
  readonly policy: JudgePolicy;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly evidence: Evidence;
  /** When the evidence against the canary first sufficed, and what it was then. */
  readonly failed: { readonly atMs: number; readonly evidence: Evidence } | undefined;
  /** When the last required metric was certified. */
  readonly certifiedAtMs: number | undefined;
  /** What is wrong with the latest block. */
  readonly problem: string | undefined;
  readonly lastUnitAtMs: number | undefined;
  readonly baselineUnitsSinceCanary: number;
  readonly canaryUnitsSinceBaseline: number;
}

/** Units of one track alone after which the other counts as silent, whatever the rate of messages. */
const SILENT_UNITS = 100;

/** Rollback first, then whether anything can be measured, then whether everything that a pass needs is there. */
export function verdictOf(situation: Situation): Verdict {
  const { policy, startedAtMs, nowMs, evidence, failed, certifiedAtMs, problem } = situation;
  const late = nowMs - startedAtMs >= policy.deadlineMs;
  const differing = stableDifference(evidence);
  if (failed !== undefined && differing === undefined) return failure(policy, failed.atMs, failed.evidence);

  const without = (kind: 'inconclusive' | 'error', code: VerdictCode, why: string): Verdict => ({
    kind,
    code,
    settled: late,
    summary: `${kind === 'error' ? 'Unable to judge' : 'Inconclusive'}: ${why}.${late ? ` The deadline of ${duration(policy.deadlineMs)} has passed; a person must decide.` : ''}`,
    statements: [],
    evidence,
  });
  if (differing !== undefined) return without('inconclusive', 'stable-differs', differing);
  if (problem !== undefined) {
    return without('error', 'unusable-block', `the latest block cannot be judged: ${problem}`);
  }
  const silence = silenceIn(situation);
  if (silence !== undefined) return without(silence.kind, silence.code, silence.why);

  const missing = missingForPass(situation);
  if (missing.length === 0 && certifiedAtMs !== undefined) return certified(policy, evidence, certifiedAtMs);
  if (!late) {
    const undecided = without('inconclusive', 'undecided', 'the evidence decides neither way yet');
    return { ...undecided, statements: missing };
  }
  return { ...without('inconclusive', 'deadline', 'the evidence decides neither way'), statements: missing };
}

function failure(policy: JudgePolicy, atMs: number, evidence: Evidence): Verdict {
  const driver = strongest(evidence.metrics);
  return {
    kind: 'fail',
    code: 'regression',
    settled: true,
    summary: `Fail, on ${METRIC_NAMES[driver.metric]}: ${driver.counts}. The evidence against the canary is ${amount(evidence.total)} to 1, where ${amount(evidence.totalNeeded)} to 1 decides.`,
    statements: [
      `A version as good as the baseline ever gathers this much evidence against itself in at most ${percent(policy.alpha)} of releases, however often one looks.`,
      `By metric: ${evidence.metrics
        .filter(({ measured }) => measured)
        .map(({ metric, eValue, weight }) => `${METRIC_NAMES[metric]} ${amount(eValue)} (weight ${weight})`)
        .join(', ')}.`,
    ],
    drivenBy: driver.metric,
    decidedAtMs: atMs,
    evidence,
  };
}

function certified(policy: JudgePolicy, evidence: Evidence, certifiedAtMs: number): Verdict {
  const failures = evidence.metrics.find(({ metric }) => metric === 'failures');
  return {
    kind: 'pass',
    code: 'certified',
    settled: true,
    summary: `Pass: ${failures?.counts ?? ''}. The evidence against the canary is ${amount(evidence.total)} to 1, where ${amount(evidence.totalNeeded)} to 1 would fail it.`,
    statements: evidence.certification.map(
      ({ metric, margin, eValue, eValueNeeded }) =>
        `${WORSE[metric].version(percent(margin))} passes in at most ${percent(policy.beta)} of releases (evidence now ${amount(eValue)} to 1, ${amount(eValueNeeded)} to 1 was needed and reached).`,
    ),
    decidedAtMs: certifiedAtMs,
    evidence,
  };
}

/** While equal tasks of the stable service differ among themselves, a differing canary proves nothing. */
function stableDifference({ stableTasks }: Evidence): string | undefined {
  if (stableTasks === undefined || stableTasks.eValue < stableTasks.eValueNeeded) return undefined;
  const { task, eValue, eValueNeeded } = stableTasks;
  return `task ${task} of the stable service fails more than its equals (evidence ${amount(eValue)} to 1, ${amount(eValueNeeded)} to 1 suffices), so a difference between the tracks need not be the version's; replace that task`;
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
      why: `no data: nothing has been measured for ${duration(silentMs)}; check that metrics arrive`,
    };
  }
  const unitless = nowMs - (lastUnitAtMs ?? startedAtMs);
  if (lastUnitAtMs === undefined || unitless > policy.silenceMs) {
    return {
      kind: 'inconclusive',
      code: 'no-data',
      why: `no data: neither track has finished a message for ${duration(unitless)}; send traffic, or check that the workers emit outcomes`,
    };
  }
  const { canary, baseline } = evidence;
  if (situation.baselineUnitsSinceCanary >= SILENT_UNITS) {
    const what = canary.units === 0 ? 'has emitted nothing' : `has been silent after ${canary.units} units`;
    return {
      kind: 'inconclusive',
      code: 'canary-silent',
      why: `no data from the canary: it ${what} while the baseline finished ${situation.baselineUnitsSinceCanary} units`,
    };
  }
  if (situation.canaryUnitsSinceBaseline >= SILENT_UNITS) {
    const what =
      baseline.units === 0 ? 'has emitted nothing' : `has been silent after ${baseline.units} units`;
    return {
      kind: 'inconclusive',
      code: 'baseline-silent',
      why: `no data from the baseline: it ${what} while the canary finished ${situation.canaryUnitsSinceBaseline} units, so there is nothing to compare with`,
    };
  }
  return undefined;
}

/** What a pass still lacks, each in a sentence; empty when nothing. */
function missingForPass(situation: Situation): string[] {
  const { policy, startedAtMs, nowMs, evidence } = situation;
  const missing: string[] = [];
  const bakedMs = Math.min(nowMs, evidence.untilMs) - startedAtMs;
  const bakeMs = shortestBakeMs(policy);
  if (bakedMs < bakeMs) {
    missing.push(`The canary has been observed for ${duration(bakedMs)} of at least ${duration(bakeMs)}.`);
  }
  let firstAttempts = 0;
  for (const stratum of evidence.strata) {
    if (stratum.attempt !== 1) continue;
    firstAttempts += 1;
    const { canary, baseline } = stratum;
    if (canary.units >= policy.unitsMin && baseline.units >= policy.unitsMin) continue;
    missing.push(
      `Of ${stratumName(stratum)} there are ${canary.units} units on the canary and ${baseline.units} on the baseline; each needs ${policy.unitsMin}.`,
    );
  }
  if (firstAttempts === 0) missing.push('No first attempts have been measured.');
  for (const certification of evidence.certification) {
    if (!certification.certified) missing.push(remaining(certification, evidence, startedAtMs));
  }
  return missing;
}

/** How far a certification is, and how long it takes from here if all goes on as it has. */
function remaining(
  { metric, margin, eValue, eValueNeeded }: CertificationEvidence,
  evidence: Evidence,
  startedAtMs: number,
): string {
  const so = `${WORSE[metric].not(percent(margin))} is shown at ${amount(eValue)} to 1, where ${amount(eValueNeeded)} to 1 is needed`;
  const { canary, baseline, untilMs } = evidence;
  const units = canary.units + baseline.units;
  const elapsedMs = untilMs - startedAtMs;
  if (metric !== 'failures' || canary.units === 0 || baseline.units === 0 || elapsedMs <= 0) return `${so}.`;
  const failureRate = (baseline.failed + 0.5) / (baseline.units + 100.5);
  const growth = nonInferiorityRate(failureRate, margin, canary.units / units);
  const more = (ln(eValueNeeded / eValue) / growth / units) * elapsedMs;
  return `${so}; a good version takes about ${duration(more)} more at ${amount((units / elapsedMs) * 1000)} units/s.`;
}

function strongest(metrics: readonly MetricEvidence[]): MetricEvidence {
  return metrics.reduce((best, metric) =>
    metric.weight * metric.eValue > best.weight * best.eValue ? metric : best,
  );
}

const METRIC_NAMES: Readonly<Record<MetricEvidence['metric'], string>> = {
  failures: 'failures',
  latency: 'latency',
  stall: 'a stall',
  crashes: 'a crash loop',
  deadLetters: 'dead letters',
};

/** What being worse by a margin means, said of a version and denied of the canary. */
const WORSE: Readonly<
  Record<CertificationEvidence['metric'], { version(margin: string): string; not(margin: string): string }>
> = {
  failures: {
    version: (margin) => `A version that fails ${margin} more of its units than the baseline`,
    not: (margin) => `That the canary does not fail ${margin} more of its units than the baseline`,
  },
  latency: {
    version: (margin) => `A version with ${margin} more of its units beyond the baseline's p90`,
    not: (margin) => `That the canary does not have ${margin} more of its units beyond the baseline's p90`,
  },
};
