export {
  type Calibration,
  type CalibrationProgress,
  type CalibrationResult,
  calibrate,
} from './calibration/calibration.ts';
export { History } from './calibration/history.ts';
export { renderCalibration } from './calibration/render.ts';
export * from './contract.ts';
export { type CostChoice, costChoices } from './cost/choices.ts';
export {
  ALARM_METRICS,
  type CostConfiguration,
  type CostLine,
  DEFAULT_CONFIGURATION,
  freeAllowances,
  monthlyCost,
  SAMPLE_WORKLOAD,
  totalOf,
} from './cost/cost.ts';
export { HOURS_PER_MONTH, PRICES, type Price } from './cost/prices.ts';
export { beyondSample, SAMPLE_STATED_USD, type SampleLine, sampleBill } from './cost/sample.ts';
export type { Block, Cell, Counts, Crashes } from './judge/block.ts';
export type { Effects } from './judge/effect.ts';
export {
  type Concern,
  type Evidence,
  metricWeights,
  type Verdict,
  type VerdictCode,
} from './judge/evidence.ts';
export * from './judge/histogram.ts';
export { createJudge, type Judge, judgeBlocks, type Seen } from './judge/judge.ts';
export {
  type CertifiedMetric,
  type CounterPolicy,
  defaultJudgePolicy,
  type JudgedMetric,
  type JudgePolicy,
  type JudgePolicyResult,
  judgedMetrics,
  parseJudgePolicy,
  shortestBakeMs,
} from './judge/judge-policy.ts';
export type { Interval } from './judge/rate-difference.ts';
export { type RequiredSample, requiredSample, type SamplePlan } from './judge/required-sample.ts';
export { type Blocks, blocksFrom } from './measurement/blocks.ts';
export { type Lateness, readableWithinMs, settledAfterMs } from './measurement/lateness.ts';
export * from './measurement/line.ts';
export * from './measurement/measurement.ts';
export { parseLine } from './measurement/parse-line.ts';
export * from './policy/policy.ts';
export { consistentWithinMs } from './release/consistency.ts';
export * from './release/effect.ts';
export { assessHealth, type Health } from './release/health.ts';
export {
  currentRelease,
  isActive,
  type Journey,
  journeyOfUpdate,
  judgedFrom,
  measuredFrom,
  unreadOf,
} from './release/journey.ts';
export * from './release/observed.ts';
export * from './release/phase.ts';
export { plan } from './release/plan.ts';
export * from './release/record.ts';
export { requestRollback } from './release/request-rollback.ts';
export * from './release/stack-update.ts';
export type { Form, Setting, SettingProblem } from './settings/setting.ts';
export { DECIDERS, outcomeOf, outcomeTitle, type ReleaseOutcome, renderOutcome } from './view/outcome.ts';
export { renderStatus, type StatusRow, type Styler, statusRows, type Tone } from './view/render.ts';
export * from './view/view.ts';
