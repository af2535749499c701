export { type CostConfiguration, type CostLine, monthlyCost } from './cost/cost.ts';
export { PRICES_AS_OF } from './cost/prices.ts';
export type { Attempt, Block, Counts, LatencyCounts, Margins, StratumCounts } from './judge/block.ts';
export { type Evidence, metricWeights, type Verdict, type VerdictCode } from './judge/evidence.ts';
export { createJudge, type Judge, judgeBlocks } from './judge/judge.ts';
export {
  type CertifiedMetric,
  defaultJudgePolicy,
  type JudgePolicy,
  type JudgePolicyResult,
  parseJudgePolicy,
  shortestBakeMs,
} from './judge/judge-policy.ts';
export { type RequiredSample, requiredSample, type SamplePlan } from './judge/required-sample.ts';
export { type Blocks, blocksFrom } from './measurement/blocks.ts';
export * from './measurement/measurement.ts';
export { type PastQuantiles, thresholdsFrom } from './measurement/thresholds.ts';
export * from './policy/policy.ts';
export * from './release/effect.ts';
export { assessHealth, type Health } from './release/health.ts';
export { currentRelease, isActive, type Journey, judgedFrom, measuredFrom } from './release/journey.ts';
export * from './release/observed.ts';
export * from './release/plan.ts';
export * from './release/record.ts';
export { renderStatus, type Styler, type Tone } from './view/render.ts';
export * from './view/view.ts';
