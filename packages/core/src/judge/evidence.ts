import type { Counts, StratumCounts } from './block.ts';
import type { CertifiedMetric } from './judge-policy.ts';

/** What can fail a release, each with a part of the error budget. */
export type JudgedMetric = 'failures' | 'latency' | 'stall' | 'crashes' | 'deadLetters';

/** Part of the stake that each metric's evidence is worth; together 1. */
export const metricWeights: Readonly<Record<JudgedMetric, number>> = {
  failures: 0.5,
  latency: 0.15,
  stall: 0.15,
  crashes: 0.15,
  deadLetters: 0.05,
};

/** One metric's evidence against the canary. */
export interface MetricEvidence {
  readonly metric: JudgedMetric;
  /** How much more likely the blocks are under a regression than without, by the judge's bets; 1 says nothing. */
  readonly eValue: number;
  readonly weight: number;
  /** Whether any block has measured it. */
  readonly measured: boolean;
  /** The metric's counts in words. */
  readonly counts: string;
}

/** How far one required metric's certification has come. */
export interface CertificationEvidence {
  readonly metric: CertifiedMetric;
  readonly margin: number;
  readonly eValue: number;
  readonly eValueNeeded: number;
  /** Whether it has ever reached what it needs, before the deadline. */
  readonly certified: boolean;
}

/** Everything that a verdict rests on, as numbers. */
export interface Evidence {
  /** End of the last block that it covers. */
  readonly untilMs: number;
  /** First attempts; retries count in their own strata. */
  readonly canary: Counts;
  readonly baseline: Counts;
  readonly strata: readonly StratumCounts[];
  /** Weighted mean of the metrics' e-values: a release fails when it reaches `totalNeeded`. */
  readonly total: number;
  readonly totalNeeded: number;
  readonly metrics: readonly MetricEvidence[];
  readonly certification: readonly CertificationEvidence[];
  /** Whether equal tasks of the stable service behave equally; left out when their outcomes were not given. */
  readonly stableTasks?: {
    readonly tasks: number;
    /** The task that differs most. */
    readonly task: string;
    readonly eValue: number;
    readonly eValueNeeded: number;
  };
  readonly blocks: number;
  /** Blocks that could not be judged and were left out. */
  readonly blocksUnusable: number;
}

/** Why a verdict is what it is, for programs. */
export type VerdictCode =
  | 'regression'
  | 'certified'
  | 'undecided'
  | 'deadline'
  | 'stable-differs'
  | 'no-data'
  | 'canary-silent'
  | 'baseline-silent'
  | 'not-measured'
  | 'unusable-block';

/** What the judge says of a release at one moment. */
export interface Verdict {
  /** `error` is being unable to measure; silence and bad input never become a `pass`. */
  readonly kind: 'pass' | 'fail' | 'inconclusive' | 'error';
  readonly code: VerdictCode;
  /** Whether waiting any longer cannot change it: after a pass or fail, and at the deadline. */
  readonly settled: boolean;
  /** The verdict and what drove it, in one sentence. */
  readonly summary: string;
  /** What the error rate means, or what is missing, each a sentence. */
  readonly statements: readonly string[];
  /** The metric with the most evidence against the canary; only on a fail. */
  readonly drivenBy?: JudgedMetric;
  /** When the evidence first sufficed; only on a pass or fail. */
  readonly decidedAtMs?: number;
  /** As it was when it first sufficed to fail, else as it is now. */
  readonly evidence: Evidence;
}
