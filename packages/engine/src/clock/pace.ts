/**
 * The latencies of AWS itself that the engine honours, in milliseconds. `--pace N` divides exactly these
 * and nothing else: what a process takes to start or a handler takes to run is never sped up.
 */
export const AWS_LATENCIES = {
  'sqs-metrics': { ms: 60_000, what: 'interval at which SQS publishes queue metrics' },
  'alarm-period': { ms: 60_000, what: 'one minute of an alarm period (other periods in proportion)' },
  'ecs-healthy-after': {
    ms: 40_000,
    what: 'time until a running task without a health check counts as healthy',
  },
  'ecs-restart-step': {
    ms: 10_000,
    what: 'first wait of ECS between restarts of a task that keeps failing; it doubles up to 27 minutes',
  },
  'ecs-metrics': { ms: 60_000, what: 'interval of ECS and Container Insights metrics' },
  'pipeline-continuation': { ms: 30_000, what: 'wait before CodePipeline calls a Lambda action again' },
  'schedule-minute': { ms: 60_000, what: 'one minute of an EventBridge rate or cron schedule' },
  'lambda-retry': {
    ms: 60_000,
    what: 'wait before Lambda retries a failed asynchronous event; doubled for the second',
  },
  'scaling-cooldown-minute': { ms: 60_000, what: 'one minute of an Application Auto Scaling cooldown' },
  // https://docs.docker.com/engine/logging/drivers/awslogs/#awslogs-force-flush-interval-seconds
  'logs-flush': {
    ms: 5_000,
    what: 'interval at which the awslogs driver sends what a container has written',
  },
  // AWS names none. Tools that poll the log have found it: https://github.com/aws/aws-sdk-net/issues/1387,
  // https://github.com/elastic/beats/issues/28133
  'logs-readable': {
    ms: 1_000,
    longestMs: 15_000,
    what: 'usual time from the ingestion of log events until they can be read; up to 15 s',
  },
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Alarms.html says
  // that it depends on the log; https://github.com/prometheus/cloudwatch_exporter/issues/396 that values take minutes.
  'logs-metrics': {
    ms: 5_000,
    longestMs: 180_000,
    what: 'usual time until metrics that are in log events can be read; up to 3 minutes',
  },
} as const;

export type AwsLatency = keyof typeof AWS_LATENCIES;

/** Latencies that differ from one time to the next. */
export type VaryingLatency = {
  [Name in AwsLatency]: (typeof AWS_LATENCIES)[Name] extends { readonly longestMs: number } ? Name : never;
}[AwsLatency];

/** How soon the longer half of a varying latency rises to the longest: one draw in ten is twice the usual or more. */
const TAIL = 6;

/** AWS latencies divided by a factor chosen with `up --pace N`; 1 is AWS's own pace. */
export class Pace {
  readonly factor: number;

  constructor(factor: number) {
    this.factor = factor;
  }

  /** Duration of the named latency, in milliseconds, at this pace. */
  ms(latency: AwsLatency): number {
    return AWS_LATENCIES[latency].ms / this.factor;
  }

  /**
   * One draw of a latency that varies, in milliseconds, at this pace: half of them are evenly below the usual, the others
   * up to the longest, most of them near the usual.
   */
  drawMs(latency: VaryingLatency, random: () => number): number {
    const { ms, longestMs } = AWS_LATENCIES[latency];
    const at = 2 * random();
    return (at < 1 ? ms * at : ms * (longestMs / ms) ** ((at - 1) ** TAIL)) / this.factor;
  }

  /** A duration given in seconds by an alarm period, a schedule or a cooldown, scaled to this pace, in milliseconds. */
  scaleSeconds(
    latency: 'alarm-period' | 'schedule-minute' | 'scaling-cooldown-minute',
    seconds: number,
  ): number {
    return (seconds * this.ms(latency)) / 60;
  }
}
