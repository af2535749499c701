import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { SystemClock } from '../src/index.ts';
import { mortalEngine, testEngine } from './harness.ts';

test('acknowledged lines and the metrics in them survive kill -9', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-logs-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const engine = await mortalEngine(directory);
  const doomed = new CloudWatchLogs(engine.client);
  await doomed.createLogGroup({ logGroupName: 'g' });
  await doomed.createLogStream({ logGroupName: 'g', logStreamName: 's' });
  const startedAt = new SystemClock().nowMs();
  const line = (number: number) =>
    JSON.stringify({
      _aws: {
        Timestamp: startedAt,
        CloudWatchMetrics: [{ Namespace: 'W', Dimensions: [['App']], Metrics: [{ Name: 'Received' }] }],
      },
      App: 'orders',
      Received: 1,
      number,
    });
  const acknowledged: number[] = [];
  const writer = (async () => {
    for (let number = 0; ; number++) {
      await doomed.putLogEvents({
        logGroupName: 'g',
        logStreamName: 's',
        logEvents: [{ timestamp: startedAt, message: line(number) }],
      });
      acknowledged.push(number);
      if (number === 50) void engine.kill();
    }
  })();
  await expect(writer).rejects.toThrow();
  await engine.kill();

  const clock = new VirtualClock(new SystemClock().nowMs());
  const revived = await testEngine({ directory, clock });
  // By then all that was ingested can be read, and its metrics have been recorded.
  await clock.advanceBy(180_000);
  const { events } = await new CloudWatchLogs(revived.client).filterLogEvents({ logGroupName: 'g' });
  const kept = events!.map(({ message }) => (JSON.parse(message!) as { number: number }).number);
  expect(kept).toEqual(expect.arrayContaining(acknowledged));
  expect(new Set(kept).size).toBe(kept.length);
  const { Datapoints } = await new CloudWatch(revived.client).getMetricStatistics({
    Namespace: 'W',
    MetricName: 'Received',
    Dimensions: [{ Name: 'App', Value: 'orders' }],
    StartTime: new Date(startedAt - 60_000),
    EndTime: new Date(startedAt + 3_600_000),
    Period: 7200,
    Statistics: ['Sum'],
  });
  // What the engine was recording when it was killed may count twice, as CloudWatch says of its own.
  const counted = Datapoints!.reduce((sum, { Sum = 0 }) => sum + Sum, 0);
  expect(counted).toBeGreaterThanOrEqual(kept.length);
});
