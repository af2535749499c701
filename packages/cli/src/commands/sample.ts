import { defaultReleasePolicy, requiredSample } from '@queue-canary/core';

export interface SampleOptions {
  readonly rate: number;
  readonly share: number;
  readonly failures: number;
  readonly margin: number;
  readonly falsePromotions: number;
  /** Minutes. */
  readonly within: number;
  readonly json?: boolean;
}

/** What certifying a good version takes, in a sentence or as JSON: to be asked before the release, not at its deadline. */
export function sample(options: SampleOptions): string {
  const { messagesMin, visibilityTimeoutMs, warmUpMs } = defaultReleasePolicy.judge;
  const { sentence, ...figures } = requiredSample({
    unitsPerSecond: options.rate,
    canaryShare: options.share,
    failureRate: options.failures,
    margin: options.margin,
    beta: options.falsePromotions,
    deadlineMs: options.within * 60_000,
    bakeMs: Math.max(visibilityTimeoutMs, warmUpMs),
    trackUnitsMin: messagesMin,
    unit: 'messages',
  });
  return options.json ? JSON.stringify({ ...figures, sentence }, null, 2) : sentence;
}
