import { expect, test } from 'vitest';
import { logLine } from './log-line.ts';

test('a report of outcomes becomes one short line with what is not zero', () => {
  const report = {
    _aws: { Timestamp: 1, CloudWatchMetrics: [{ Namespace: 'QueueCanary', Metrics: [{ Name: 'Failed' }] }] },
    App: 'QueueCanary',
    Track: 'canary',
    Revision: 'f8a3fad45c0b7ffbe76c923d55b61cea0a310bb5',
    Version: '2',
    TaskId: 'a9960714f4844842d89d0967ca7e1895',
    Received: 12,
    Succeeded: 11,
    Failed: 1,
    TimedOut: 0,
  };
  expect(logLine(JSON.stringify(report))).toBe(
    '[canary f8a3fad4 a9960714 2] Received 12, Succeeded 11, Failed 1',
  );
  const idle = { ...report, Received: 0, Succeeded: 0, Failed: 0 };
  expect(logLine(JSON.stringify(idle))).toBe('[canary f8a3fad4 a9960714 2] nothing to report');
});

test.each(['plain text', '{"level":"warn","count":3}', '{"_aws":{"Timest', ''])(
  'everything else stays as it was written: %s',
  (message) => {
    expect(logLine(message)).toBe(message);
  },
);
