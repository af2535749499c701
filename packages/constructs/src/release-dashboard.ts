import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { CanaryServices } from './canary-services.ts';
import { outcomes, runningTasks } from './metrics.ts';
import type { Track } from './names.ts';
import type { WorkerQueue } from './worker-queue.ts';

/** Options of {@link ReleaseDashboard}. */
export interface ReleaseDashboardProps {
  /** Name under which outcomes are reported. */
  readonly appName: string;
  /** Queue whose depth, age and dead letters are shown. */
  readonly queue: WorkerQueue;
  /** Services that are compared. */
  readonly services: CanaryServices;
}

const HALF_WIDTH = 12;
const THIRD_WIDTH = 8;

/** Both tracks side by side over the same minutes, above the queue that they share. */
export class ReleaseDashboard extends Construct {
  /** The CloudWatch dashboard. */
  readonly dashboard: cloudwatch.Dashboard;

  constructor(scope: Construct, id: string, { appName, queue, services }: ReleaseDashboardProps) {
    super(scope, id);
    const period = Duration.minutes(1);
    const tracks: readonly Track[] = ['canary', 'stable'];
    const title = (track: Track, what: string) => `${track === 'canary' ? 'Canary' : 'Stable'}: ${what}`;

    const outcomeWidgets = tracks.map(
      (track) =>
        new cloudwatch.GraphWidget({
          title: title(track, 'messages'),
          width: HALF_WIDTH,
          left: (['Received', 'Succeeded', 'Failed'] as const).map((name) =>
            outcomes(appName, track, name, { period, label: name }),
          ),
          leftYAxis: { min: 0 },
        }),
    );
    const latencyWidgets = tracks.map(
      (track) =>
        new cloudwatch.GraphWidget({
          title: title(track, 'processing time (ms)'),
          width: HALF_WIDTH,
          left: [50, 95, 99].map((percentile) =>
            outcomes(appName, track, 'ProcessingTimeMs', {
              period,
              statistic: cloudwatch.Stats.percentile(percentile),
              label: `p${percentile}`,
            }),
          ),
          leftYAxis: { min: 0 },
        }),
    );
    const taskWidgets = tracks.map(
      (track) =>
        new cloudwatch.GraphWidget({
          title: title(track, 'running tasks'),
          width: HALF_WIDTH,
          left: [runningTasks(services[track].service, { period, label: 'Running' })],
          leftYAxis: { min: 0 },
        }),
    );
    const maximum = { period, statistic: cloudwatch.Stats.MAXIMUM };
    const queueWidgets = [
      new cloudwatch.GraphWidget({
        title: 'Queue: depth',
        width: THIRD_WIDTH,
        left: [
          queue.queue.metricApproximateNumberOfMessagesVisible({ ...maximum, label: 'Waiting' }),
          queue.queue.metricApproximateNumberOfMessagesNotVisible({ ...maximum, label: 'In flight' }),
        ],
        leftYAxis: { min: 0 },
      }),
      new cloudwatch.GraphWidget({
        title: 'Queue: age of oldest message (s)',
        width: THIRD_WIDTH,
        left: [queue.queue.metricApproximateAgeOfOldestMessage({ ...maximum, label: 'Age' })],
        leftYAxis: { min: 0 },
      }),
      new cloudwatch.GraphWidget({
        title: 'Dead-letter queue: depth',
        width: THIRD_WIDTH,
        left: [
          queue.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
            ...maximum,
            label: 'Dead letters',
          }),
        ],
        leftYAxis: { min: 0 },
      }),
    ];
    this.dashboard = new cloudwatch.Dashboard(this, 'Dashboard', {
      widgets: [
        [
          new cloudwatch.AlarmStatusWidget({
            width: 24,
            height: 3,
            title: 'Alarms',
            alarms: [queue.deadLetterAlarm],
          }),
        ],
        outcomeWidgets,
        latencyWidgets,
        taskWidgets,
        queueWidgets,
      ],
    });
  }
}
