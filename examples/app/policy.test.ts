import { ReleasePolicyError } from '@queue-canary/constructs';
import { parsePolicy, type ReleasePolicy } from '@queue-canary/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../../packages/constructs/test/quick-app.ts';
import { ensureControllerBundle, policyOf as policyIn } from '../../packages/constructs/test/synthesize.ts';
import { addQueueCanary } from './queue-canary-app.ts';
import { inContextNames } from './settings.ts';

beforeAll(ensureControllerBundle);

/** The policy by which the controller goes when the app is deployed with `-c name=value` for each of these. */
function policyOf(context: Record<string, string>): ReleasePolicy {
  const { pipelineStack } = addQueueCanary(quickApp({ context }));
  const parsed = parsePolicy(policyIn({ pipelineStack }));
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('; '));
  return parsed.policy;
}

describe('what the context says, in the controller that is deployed', () => {
  const byDefault = parsePolicy({});
  if (!byDefault.ok) throw new Error('the defaults are impossible');
  const { policy: defaults } = byDefault;
  const { judge } = defaults;
  const minuteMs = 60_000;

  test.each<[string, string, ReleasePolicy]>([
    ['approval', 'automatic', { ...defaults, approval: 'automatic' }],
    ['onNewerCommit', 'wait', { ...defaults, onNewerCommit: 'wait' }],
    ['watchMinutes', '0.5', { ...defaults, watchMs: minuteMs / 2 }],
    [
      'bakeMinutes',
      '45',
      {
        ...defaults,
        bakeMs: 45 * minuteMs,
        judge: { ...judge, bakeMsMin: 45 * minuteMs, deadlineMs: 90 * minuteMs },
      },
    ],
    ['alarmThreshold', '3', { ...defaults, alarmThreshold: 3 }],
    ['decideWithinMinutes', '720', { ...defaults, judge: { ...judge, deadlineMs: 720 * minuteMs } }],
    [
      'visibilityTimeoutSeconds',
      '3600',
      { ...defaults, judge: { ...judge, visibilityTimeoutMs: 60 * minuteMs, deadlineMs: 120 * minuteMs } },
    ],
    ['margin', '0.01', { ...defaults, judge: { ...judge, margin: 0.01 } }],
    [
      'latencyMargin',
      '0.1',
      { ...defaults, judge: { ...judge, latencyMargin: 0.1, required: ['failures', 'latency'] } },
    ],
    ['slower', '0.25', { ...defaults, judge: { ...judge, slower: 0.25 } }],
    ['falseRollbackRate', '0.05', { ...defaults, judge: { ...judge, alpha: 0.05 } }],
    ['falsePromotionRate', '0.1', { ...defaults, judge: { ...judge, beta: 0.1 } }],
    ['messagesMin', '100', { ...defaults, judge: { ...judge, messagesMin: 100 } }],
    ['warmUpSeconds', '15', { ...defaults, judge: { ...judge, warmUpMs: 15_000 } }],
    ['taskSpread', '0.5', { ...defaults, judge: { ...judge, taskSpread: 0.5 } }],
    [
      'counters',
      'items shipped:less:0.25,retries:more:1',
      {
        ...defaults,
        judge: {
          ...judge,
          counters: {
            'items shipped': { worse: 'less', tolerance: 0.25 },
            retries: { worse: 'more', tolerance: 1 },
          },
        },
      },
    ],
    [
      'counters',
      '{"retries":{"worse":"more","tolerance":1}}',
      { ...defaults, judge: { ...judge, counters: { retries: { worse: 'more', tolerance: 1 } } } },
    ],
    ['dryRun', 'true', { ...defaults, judge: { ...judge, dryRun: true } }],
    ['dryRun', 'false', { ...defaults, judge: { ...judge, dryRun: false } }],
    ['dryRun', 'latency,throughput', { ...defaults, judge: { ...judge, dryRun: ['latency', 'throughput'] } }],
  ])('is %s=%s', (name, value, policy) => {
    expect(policyOf({ [name]: value })).toEqual(policy);
  });

  test('is the defaults where nothing is said', () => {
    expect(policyOf({})).toEqual(defaults);
  });

  test.each([
    [
      { bakeMinutes: '0.25' },
      'bakeMinutes must be at least warmUpSeconds, 3 minutes, not 15 seconds: a canary would be promoted before it is warm; bake longer, or set warmUpSeconds to what a task takes to be warm',
    ],
    [
      { warmUpSeconds: '900' },
      'bakeMinutes must be at least warmUpSeconds, 15 minutes, not 10 minutes: a canary would be promoted before it is warm; bake longer, or set warmUpSeconds to what a task takes to be warm',
    ],
    [
      { decideWithinMinutes: '10' },
      'decideWithinMinutes must be later than the shortest bake, 10 minutes (the longer of bakeMinutes and visibilityTimeoutSeconds), not 10 minutes: such a release could never pass',
    ],
    [{ margin: '0' }, 'margin must be a difference of failure rates from 0.0001 to 0.5, not 0'],
    [{ slower: '0.05' }, 'slower must be a part from 0.1 to 10, not 0.05'],
    [
      { counters: 'shipped:less:0' },
      'counters must give "shipped" as {"worse": "less" or "more", "tolerance": a part from 0.01 to 10, below 1 for "less"}, not {"worse":"less","tolerance":0}',
    ],
    [
      { counters: '{"shipped":"less"}' },
      'counters must give "shipped" as {"worse": "less" or "more", "tolerance": a part from 0.01 to 10, below 1 for "less"}, not "less"',
    ],
    [
      { counters: 'größe:less:1' },
      'counters must have names of 1 to 64 letters, digits, spaces and characters of _.:-, as the worker does, not "größe"',
    ],
  ])('is not %j, which the app explains by the names of the context', (context, message) => {
    let said = '';
    try {
      policyOf(context);
    } catch (error) {
      if (!(error instanceof ReleasePolicyError)) throw error;
      said = inContextNames(error);
    }
    expect(said).toBe(`The release policy is impossible:\n  - ${message}`);
  });
});
