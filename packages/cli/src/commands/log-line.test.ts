import { expect, test } from 'vitest';
import { logLine } from './log-line.ts';

const report = {
  _aws: { Timestamp: 1, CloudWatchMetrics: [{ Namespace: 'QueueCanary', Metrics: [{ Name: 'Failed' }] }] },
  QueueCanary: 'outcomes',
  App: 'QueueCanary',
  Track: 'canary',
  Revision: 'f8a3fad45c0b7ffbe76c923d55b61cea0a310bb5',
  Version: '2',
  TaskId: 'a9960714f4844842d89d0967ca7e1895',
  Sequence: 7,
  Final: false,
  StartedAt: 1_767_225_600_000,
  From: 1_767_225_605_000,
  To: 1_767_225_610_000,
  Received: 12,
  Succeeded: 11,
  Failed: 1,
  TimedOut: 0,
  EmptyReceives: 1,
  InFlight: 3,
  LoopLagMs: 0.5,
  MemoryMiB: 96.4,
  ProcessingTimeMs: [1, 2],
  Durations: [[3, 2]],
  Errors: { RangeError: 1 },
  Types: { order: [12, 1] },
  Counters: { shipped: 11 },
};

test('a report of outcomes becomes one short line with the counts that are not zero', () => {
  expect(logLine(JSON.stringify(report))).toBe(
    '[canary f8a3fad4 a9960714 2] Received 12, Succeeded 11, Failed 1, InFlight 3, RangeError 1, shipped 11',
  );
});

test('a worker that got nothing has nothing to report, and says which report is its last', () => {
  const nothing = {
    Received: 0,
    Succeeded: 0,
    Failed: 0,
    InFlight: 0,
    Errors: undefined,
    Counters: undefined,
  };
  const idle = { ...report, ...nothing };
  expect(logLine(JSON.stringify(idle))).toBe('[canary f8a3fad4 a9960714 2] nothing to report');
  expect(logLine(JSON.stringify({ ...idle, Final: true }))).toBe(
    '[canary f8a3fad4 a9960714 2] nothing to report (its last)',
  );
});

test.each([
  'plain text',
  '{"level":"warn","count":3}',
  '{"_aws":{"Timest',
  '{"_aws":{},"QueueCanary":"outcomes","Rec',
  '',
])('everything else stays as it was written: %s', (message) => {
  expect(logLine(message)).toBe(message);
});
