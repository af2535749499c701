import type { Counts } from './block.ts';
import type { Effects } from './effect.ts';
import type { CertifiedMetric, JudgedMetric } from './judge-policy.ts';

/** Part of the stake that each metric's evidence is worth; together 1. */
export const metricWeights: Readonly<Record<JudgedMetric, number>> = {
  failures: 0.52,
  broken: 0.18,
  latency: 0.16,
  crashes: 0.06,
  throughput: 0.04,
  counters: 0.04,
};

/** One metric's evidence against the canary. */
export interface MetricEvidence {
  readonly metric: JudgedMetric;
  /** How much likelier what was seen is under a regression than without, by the judge's bets; 1 says nothing. */
  readonly eValue: number;
  readonly weight: number;
  /** Whether any block has measured it. */
  readonly measured: boolean;
  /** Whether it only says what it would have done. */
  readonly dryRun: boolean;
  /** The metric's counts in words. */
  readonly counts: string;
}

/** How far one required metric's certification has come. */
export interface CertificationEvidence {
  readonly metric: CertifiedMetric;
  readonly margin: number;
  readonly eValue: number;
  readonly eValueNeeded: number;
  readonly certified: boolean;
}

/** Something that does not fail a release but that a person should see before its promotion. */
export interface Concern {
  readonly about: 'errorClass' | 'messageType' | 'faster' | 'memory';
  readonly eValue: number;
  readonly summary: string;
}

/** Everything that a verdict rests on, as numbers. */
export interface Evidence {
  /** End of the last block that it covers. */
  readonly untilMs: number;
  /** First deliveries that finished, and of these failed. */
  readonly canary: Counts;
  readonly baseline: Counts;
  /** Later deliveries; they are shown, not compared: stable retries most of what the canary fails. */
  readonly retried: { readonly canary: Counts; readonly baseline: Counts };
  /** Weighted mean of the metrics' e-values: a release fails when it reaches `totalNeeded`. */
  readonly total: number;
  readonly totalNeeded: number;
  readonly metrics: readonly MetricEvidence[];
  readonly certification: readonly CertificationEvidence[];
  /** By how much the canary differs, with 95 % confidence at every look. */
  readonly effects: Effects;
  readonly concerns: readonly Concern[];
  /** How much stable's tasks differ among themselves, and what the evidence would be if they were taken for alike. */
  readonly stableTasks: {
    readonly tasks: number;
    /** Standard deviation of log failure rates that chance does not explain; what was taken for the canary. */
    readonly spread: number;
    readonly spreadUsed: number;
    /** By what factor the slowest is slower than all. */
    readonly slowest: number;
    readonly totalIfAlike: number;
  };
  /** How long it takes from here to a pass or fail if all goes on as it has, ms; absent where that cannot be told. */
  readonly projected?: { readonly kind: 'pass' | 'fail'; readonly ms: number };
  readonly blocks: number;
  /** Blocks in which nothing could be compared: stable was disturbed, or the canary younger than any record. */
  readonly blocksLeftOut: number;
}

/** Why a verdict is what it is, for programs. */
export type VerdictCode =
  | 'regression'
  | 'certified'
  | 'undecided'
  | 'deadline'
  | 'stable-differs'
  | 'concern'
  | 'dry-run'
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
  /**
   * Whether there is nothing to wait for: after a pass or fail, at the deadline, and where all that a pass needs is there
   * but something that a person should see.
   */
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
