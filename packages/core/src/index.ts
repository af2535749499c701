export {
  type Calibration,
  type CalibrationProgress,
  type CalibrationResult,
  calibrate,
} from './calibration/calibration.ts';
export { History } from './calibration/history.ts';
export { renderCalibration } from './calibration/render.ts';
export { type CostConfiguration, type CostLine, monthlyCost } from './cost/cost.ts';
export { PRICES_AS_OF } from './cost/prices.ts';
export type { Block, Cell, Counts, Crashes } from './judge/block.ts';
export type { Effects, Interval } from './judge/effect.ts';
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
export { type RequiredSample, requiredSample, type SamplePlan } from './judge/required-sample.ts';
export { type Blocks, blocksFrom } from './measurement/blocks.ts';
export { type Lateness, readableWithinMs, settledAfterMs } from './measurement/lateness.ts';
export * from './measurement/line.ts';
export * from './measurement/measurement.ts';
export { parseLine } from './measurement/parse-line.ts';
export * from './policy/policy.ts';
export * from './release/effect.ts';
export { assessHealth, type Health } from './release/health.ts';
export { currentRelease, isActive, type Journey, judgedFrom, measuredFrom } from './release/journey.ts';
export * from './release/observed.ts';
export * from './release/plan.ts';
export * from './release/record.ts';
export { renderStatus, type Styler, type Tone } from './view/render.ts';
export * from './view/view.ts';
