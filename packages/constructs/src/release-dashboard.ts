import type { Track, WorkerMetric } from '@queue-canary/core';
import { Aws, Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { CanaryServices } from './canary-services.ts';
import { outcomes, runningTasks } from './metrics.ts';
import type { IWorkerQueue } from './worker-queue.ts';

/** Options of {@link ReleaseDashboard}. */
export interface ReleaseDashboardProps {
  /** Name under which outcomes are reported. */
  readonly appName: string;
  /** Queue whose depth, age and dead letters are shown. */
  readonly queue: IWorkerQueue;
  /**
   * Alarms that end a release.
   *
   * @default - none
   */
  readonly alarms?: readonly cloudwatch.IAlarm[];
  /** Services that are compared. */
  readonly services: CanaryServices;
}

const FULL_WIDTH = 24;
const HALF_WIDTH = 12;
const THIRD_WIDTH = 8;
const FROM_ZERO: cloudwatch.YAxisProps = { min: 0, showUnits: false };

/** Workers report every five seconds at least, and a release takes minutes: two reports a point. */
const WORKER_PERIOD = Duration.seconds(10);
/** SQS and ECS publish once a minute. */
const AWS_PERIOD = Duration.minutes(1);

/** What of the outcome lines is no metric, since metrics are paid for; a query costs next to nothing, when someone looks. */
const OUTCOMES = ['Received', 'Succeeded', 'Failed', 'TimedOut', 'Poisoned', 'Expired', 'Released'];

/**
 * Both tracks side by side, canary left and stable right, above the queue that they share.
 *
 * It opens on the last hour, in points of ten seconds. CloudWatch keeps those for three hours: to look at an
 * older release, set the dashboard's period override to auto.
 */
export class ReleaseDashboard extends Construct {
  /** The CloudWatch dashboard. */
  readonly dashboard: cloudwatch.Dashboard;
  /** Address of the dashboard in the AWS console. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: ReleaseDashboardProps) {
    super(scope, id);
    const { appName, queue, services, alarms = [] } = props;
    const shown = [...(queue.deadLetterAlarm ? [queue.deadLetterAlarm] : []), ...alarms];
    const { compared, reported, queried, percentiles } = widgetsOf(appName, services);
    this.dashboard = new cloudwatch.Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.hours(1),
      periodOverride: cloudwatch.PeriodOverride.INHERIT,
      widgets: [
        shown.length === 0
          ? []
          : [
              new cloudwatch.AlarmStatusWidget({
                width: FULL_WIDTH,
                height: 3,
                title: 'Alarms',
                alarms: shown,
              }),
            ],
        compared('failed first deliveries (% of those that finished)', (track) => ({
          left: [
            new cloudwatch.MathExpression({
              expression: '100 * failed / finished',
              label: 'Failed',
              period: WORKER_PERIOD,
              usingMetrics: {
                failed: reported(track, 'FirstFailed'),
                finished: reported(track, 'FirstFinished'),
              },
            }),
          ],
        })),
        queried('outcomes (messages)', ...OUTCOMES.map((name) => `sum(${name}) as ${name.toLowerCase()}`)),
        compared('processing time (ms)', (track) => ({
          left: percentiles(track, 'ProcessingTimeMs', 50, 90, 99),
        })),
        compared('age of received messages (ms)', (track) => ({
          left: percentiles(track, 'QueueAgeMs', 50, 99),
        })),
        queried(
          'messages in flight per task, and longest event-loop lag (ms)',
          'avg(InFlight) as inflight',
          'max(LoopLagMs) as lag',
        ),
        compared('running tasks', (track) => ({
          left: [runningTasks(services[track].service, { period: AWS_PERIOD, label: 'Running' })],
        })),
        [
          new cloudwatch.GraphWidget({
            title: 'Canary: share of the received messages, measured and by task count (%)',
            width: FULL_WIDTH,
            left: [
              share('Measured', WORKER_PERIOD, {
                canary: reported('canary', 'Received'),
                stable: reported('stable', 'Received'),
              }),
              share('By task count', AWS_PERIOD, {
                canary: runningTasks(services.canary.service),
                stable: runningTasks(services.stable.service),
              }),
            ],
            leftYAxis: { min: 0, max: 100 },
          }),
        ],
        queueWidgets(queue),
      ],
    });
    this.url = `https://console.aws.amazon.com/cloudwatch/home?region=${Aws.REGION}#dashboards/dashboard/${this.dashboard.dashboardName}`;
  }
}

/** Widgets that come in pairs, one for each track. */
function widgetsOf(appName: string, services: CanaryServices) {
  const compared = (what: string, graph: (track: Track) => Omit<cloudwatch.GraphWidgetProps, 'title'>) =>
    (['canary', 'stable'] as const).map(
      (track) =>
        new cloudwatch.GraphWidget({
          title: `${track === 'canary' ? 'Canary' : 'Stable'}: ${what}`,
          width: HALF_WIDTH,
          leftYAxis: FROM_ZERO,
          ...graph(track),
        }),
    );
  const reported = (track: Track, name: WorkerMetric, options: cloudwatch.MetricOptions = {}) =>
    outcomes({ appName, track }, name, { period: WORKER_PERIOD, label: name, ...options });
  const queried = (what: string, ...fields: readonly string[]) =>
    (['canary', 'stable'] as const).map(
      (track) =>
        new cloudwatch.LogQueryWidget({
          title: `${track === 'canary' ? 'Canary' : 'Stable'}: ${what}`,
          width: HALF_WIDTH,
          view: cloudwatch.LogQueryVisualizationType.LINE,
          logGroupNames: [services[track].logGroup.logGroupName],
          queryLines: [
            'filter QueueCanary = "outcomes"',
            `stats ${fields.join(', ')} by bin(${WORKER_PERIOD.toSeconds()}s)`,
          ],
        }),
    );
  const percentiles = (track: Track, name: WorkerMetric, ...of: number[]) =>
    of.map((percentile) =>
      reported(track, name, {
        statistic: cloudwatch.Stats.percentile(percentile),
        label: `p${percentile}`,
      }),
    );
  return { compared, reported, queried, percentiles };
}

/** The canary's part of the sum, in percent; a track that reports nothing counts as zero. */
function share(
  label: string,
  period: Duration,
  { canary, stable }: Readonly<Record<Track, cloudwatch.Metric>>,
): cloudwatch.MathExpression {
  const prefix = label.toLowerCase().replaceAll(' ', '_');
  const [ofCanary, ofStable] = [`${prefix}_canary`, `${prefix}_stable`];
  return new cloudwatch.MathExpression({
    expression: `100 * FILL(${ofCanary}, 0) / (FILL(${ofCanary}, 0) + FILL(${ofStable}, 0))`,
    label,
    period,
    usingMetrics: { [ofCanary]: canary, [ofStable]: stable },
  });
}

function queueWidgets({ queue, deadLetterQueue }: IWorkerQueue): cloudwatch.GraphWidget[] {
  const maximum = (label: string) => ({ period: AWS_PERIOD, statistic: cloudwatch.Stats.MAXIMUM, label });
  const graphs: Readonly<Record<string, cloudwatch.IMetric[]>> = {
    'Queue: depth': [
      queue.metricApproximateNumberOfMessagesVisible(maximum('Waiting')),
      queue.metricApproximateNumberOfMessagesNotVisible(maximum('In flight')),
    ],
    'Queue: age of oldest message (s)': [queue.metricApproximateAgeOfOldestMessage(maximum('Age'))],
    ...(deadLetterQueue && {
      'Dead-letter queue: depth': [
        deadLetterQueue.metricApproximateNumberOfMessagesVisible(maximum('Dead letters')),
      ],
    }),
  };
  return Object.entries(graphs).map(
    ([title, left]) => new cloudwatch.GraphWidget({ title, width: THIRD_WIDTH, left, leftYAxis: FROM_ZERO }),
  );
}
