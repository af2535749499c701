import { expect, test } from 'vitest';
import { defaultJudgePolicy } from '../judge/judge-policy.ts';
import type { Calibration, ReplayOutcomes } from './calibration.ts';
import type { Recommendation } from './recommendations.ts';
import { renderCalibration } from './render.ts';

const none: ReplayOutcomes = {
  releases: 0,
  failed: 0,
  failedAfterPass: 0,
  failedRateUpTo: 1,
  passed: 0,
  inconclusive: 0,
};

const recommendations: readonly Recommendation[] = [
  { setting: 'warmUpSeconds', value: 300, before: 180, reason: 'until they are 5 min old new tasks fail' },
  { setting: 'bakeMinutes', value: 5, before: 3, reason: 'nothing may pass before its task is warm' },
  { setting: 'taskSpread', value: 0.56, before: 0.25, reason: 'tasks differ' },
  { setting: 'dryRun', value: ['latency', 'counters'], before: [], reason: 'task b takes 6 times as long' },
];

const calibration: Calibration = {
  history: {
    fromMs: 0,
    toMs: 6.9 * 86_400_000,
    lines: 1_500_000,
    tasks: 400,
    tasksKept: 100,
    tasksAtOnce: 90,
  },
  outcomes: {
    together: {
      ...none,
      releases: 500,
      failed: 12,
      failedAfterPass: 3,
      failedRateUpTo: 0.0441,
      inconclusive: 488,
    },
    task: {
      ...none,
      releases: 500,
      failed: 12,
      failedAfterPass: 3,
      failedRateUpTo: 0.0441,
      inconclusive: 488,
    },
    start: none,
  },
  byMetric: [
    { metric: 'broken', failed: 5, rateUpTo: 0.026 },
    { metric: 'latency', failed: 7, rateUpTo: 0.03 },
  ],
  byDryRun: [{ metric: 'counters', releases: 2 }],
  byCode: [
    { code: 'stable-differs', releases: 400 },
    { code: 'canary-silent', releases: 88 },
  ],
  failed: [],
  learnt: {
    differences: { rateSpread: 0.5 },
    traffic: { messagesPerSecond: 0.25, quietMessagesPerSecond: 0.05, failureRate: 0.02, clumping: 8 },
    certification: {
      margin: 0.02,
      messagesPerSecond: 0.3,
      canaryShare: 0.01,
      messages: 4000,
      durationMs: 13_000_000,
      quietDurationMs: 70_000_000,
    },
  },
  recommendations,
  recommended: {
    policy: defaultJudgePolicy,
    failed: { tried: 12, stillFailed: 1 },
    undecided: { tried: 30, passed: 20, failed: 2 },
  },
  missing: [],
};

test('reads well, at most 80 columns wide', () => {
  const lines = renderCalibration(calibration, defaultJudgePolicy);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const text = lines.join('\n').replaceAll(/\s+/g, ' ');
  expect(text).toContain(
    '6.9 days: 1500000 lines of 400 tasks, of which the lines of 100 were kept, 90.0 at once',
  );
  expect(text).toContain('0.25 messages/s on stable; 2 % fail on their first delivery, about 8 at a time');
  expect(text).toContain('together 500 12 4.4 % 0 488 -');
  expect(text).not.toContain('a task that started');
  expect(text).toContain('Failed 5 on failing nearly everything, 7 on latency; 3 of them after a pass');
  expect(text).toContain('Dry run would have failed 2 on your own counters');
  expect(text).toContain("400 because stable's own tasks differ, 88 because the task fell silent");
  expect(text).toContain('not known; no task started');
  expect(text).toContain('takes about 3.7 h, 4000 messages; 19.5 h where traffic is thin');
  expect(text).toContain('Of the 12 that were failed 1 still would be.');
  expect(text).toContain('Of 30 that were undecided 20 would pass, and 2 be failed.');
  expect(text).not.toContain('Missing');
});

test('gives a command that a shell takes as it is', () => {
  const lines = renderCalibration(calibration, defaultJudgePolicy);
  const first = lines.findIndex((line) => line.includes('deploy pipeline'));
  expect(lines.slice(first)).toEqual([
    '    queue-canary deploy pipeline -c warmUpSeconds=300 -c bakeMinutes=5 \\',
    '    -c taskSpread=0.56 -c dryRun=latency,counters',
  ]);
});

test('dresses what matters, and changes no word of it', () => {
  const plain = renderCalibration(calibration, defaultJudgePolicy);
  const dressed = renderCalibration(
    calibration,
    defaultJudgePolicy,
    (tone, text) => `<${tone}>${text}</${tone}>`,
  );
  expect(dressed.join('\n')).toMatch(/<bad> +12<\/bad>/);
  expect(dressed.map((line) => line.replaceAll(/<\/?\w+>/g, ''))).toEqual(plain);
});
