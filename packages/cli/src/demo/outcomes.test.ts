import { CloudWatchLogs, type FilteredLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OutcomeTally } from './outcomes.ts';

const logs = new CloudWatchLogs({ region: 'us-east-1' });
const groups = { CanaryLogGroupName: 'canary', StableLogGroupName: 'stable' };
const written: Record<string, FilteredLogEvent[]> = {};

/** Adds a line to a group's log, with the second it was written in as its time. */
function write(group: string, second: number, line: object): void {
  written[group] ??= [];
  const events = written[group];
  events.push({
    eventId: `${group}-${events.length}`,
    timestamp: second * 1000,
    message: JSON.stringify(line),
  });
}

const flush = (Received: number, Succeeded: number, Version = '2') => ({
  QueueCanary: 'outcomes',
  Version,
  Received,
  Succeeded,
});
const failure = (outcome: string) => ({ event: 'message failed', version: '2', outcome });

beforeEach(() => {
  for (const group of Object.keys(written)) delete written[group];
  vi.spyOn(logs, 'filterLogEvents').mockImplementation(async ({ logGroupName, startTime = 0 }) => ({
    events: (written[logGroupName!] ?? []).filter(({ timestamp = 0 }) => timestamp >= startTime),
  }));
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('OutcomeTally', () => {
  test('adds up the outcome lines of a version on a track, each once however often they are read', async () => {
    const tally = new OutcomeTally({ logs }, groups, 0);
    write('canary', 5, flush(4, 3));
    await tally.update();
    write('canary', 10, flush(0, 1));
    write('stable', 10, flush(7, 7, '1'));
    await tally.update();
    await tally.update();
    expect(tally.all()).toMatchObject([
      { track: 'stable', version: '1', received: 7, succeeded: 7, failed: 0 },
      { track: 'canary', version: '2', received: 4, succeeded: 4, failed: 0 },
    ]);
  });

  test('has no outcome of a worker that is alive and gets nothing', async () => {
    const tally = new OutcomeTally({ logs }, groups, 0);
    write('stable', 5, flush(0, 0));
    await tally.update();
    expect(tally.get('stable', '2')).toBeUndefined();
  });

  test('counts failed attempts by their own lines, before outcome lines do and without counting both', async () => {
    const tally = new OutcomeTally({ logs }, groups, 0);
    for (const [index, outcome] of ['Failed', 'TimedOut', 'Poisoned', 'DeleteFailed'].entries()) {
      write('canary', 3 + index, failure(outcome));
    }
    await tally.update();
    expect(tally.get('canary', '2')).toMatchObject({ received: 0, failed: 3, firstFailedAt: 3000 });
    write('canary', 9, { ...flush(4, 0), Failed: 1, TimedOut: 1, Poisoned: 1, DeleteFailed: 1 });
    await tally.update();
    expect(tally.get('canary', '2')).toMatchObject({ received: 4, failed: 3, firstFailedAt: 3000 });
  });
});
