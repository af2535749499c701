import type { Ids } from '../ids.ts';

/**
 * The latencies of AWS itself that the engine honours, in milliseconds. `--pace N` divides exactly these
 * and nothing else: what a process takes to start or a handler takes to run is never sped up. Nor is a time that
 * somebody has set: a visibility timeout, an action's timeout, or the DeploymentTimeout of an ECS action.
 *
 * Those with `worstMs` differ from one time to the next: `ms` is then the median.
 */
export const AWS_LATENCIES = {
  // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html: what a call changes may not be visible at
  // once to all that follow. Parameters: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1613.
  // AWS names no time, and none at all for CodePipeline.
  'api-consistency': {
    ms: 300,
    worstMs: 5_000,
    what: 'age of what the eventually consistent reads of ECS, CodePipeline and Systems Manager answer',
  },
  'sqs-metrics': { ms: 60_000, what: 'interval at which SQS publishes queue metrics, about' },
  // Late by minutes, and each metric by its own: https://alexwlchan.net/2022/02/no-cause-for-alarm/,
  // and AWS's support in https://github.com/justeattakeaway/AwsWatchman/pull/294
  'sqs-metrics-delay': { ms: 60_000, worstMs: 180_000, what: 'time until a queue metric arrives' },
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-monitoring-using-cloudwatch.html
  'sqs-asleep': { ms: 6 * 3_600_000, what: 'time without a call after which a queue publishes no metrics' },
  'sqs-waking': {
    ms: 300_000,
    worstMs: 900_000,
    what: 'time until a queue publishes metrics again after its next call',
  },
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
  'sqs-counts': { ms: 5_000, worstMs: 60_000, what: 'age of the approximate counts of a queue' },
  'sqs-name-reuse': {
    ms: 60_000,
    what: 'time after the deletion of a queue in which SQS refuses a queue of that name (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html)',
  },
  'alarm-period': { ms: 60_000, what: 'one minute of an alarm period (other periods in proportion)' },
  'ecs-healthy-after': {
    ms: 40_000,
    what: 'time until a running task without a health check counts as healthy',
  },
  'ecs-restart-step': {
    ms: 10_000,
    what: 'first wait of ECS between restarts of a task that cannot start; it doubles up to 27 minutes',
  },
  'ecs-metrics': { ms: 60_000, what: 'interval of ECS and Container Insights metrics' },
  // Not documented; target tracking leaves them three minutes: https://github.com/aws/containers-roadmap/issues/2113
  'ecs-metrics-delay': {
    ms: 90_000,
    worstMs: 150_000,
    what: 'time until ECS and Container Insights metrics arrive',
  },
  'pipeline-continuation': { ms: 30_000, what: 'wait before CodePipeline calls a Lambda action again' },
  'schedule-minute': { ms: 60_000, what: 'one minute of an EventBridge rate or cron schedule' },
  'lambda-event': {
    ms: 500,
    what: 'longest time an asynchronous event waits in Lambda; each waits for a part of it, so they overtake each other. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html promises no order',
  },
  'lambda-retry': {
    ms: 60_000,
    what: 'wait before Lambda retries a failed asynchronous event; doubled for the second',
  },
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html: seconds, sometimes a minute or longer.
  's3-notification': {
    ms: 1_000,
    worstMs: 60_000,
    what: 'time until S3 reports what happened in a bucket; each notification has its own, so they overtake each other',
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
    worstMs: 15_000,
    what: 'time from the ingestion of log events until they can be read',
  },
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Alarms.html says
  // that it depends on the log; https://github.com/prometheus/cloudwatch_exporter/issues/396 that values take minutes.
  'logs-metrics': {
    ms: 5_000,
    worstMs: 180_000,
    what: 'time until metrics that are in log events can be read',
  },
} as const;

export type AwsLatency = keyof typeof AWS_LATENCIES;

/** A latency that differs from one time to the next. */
export type VaryingLatency = {
  [L in AwsLatency]: (typeof AWS_LATENCIES)[L] extends { readonly worstMs: number } ? L : never;
}[AwsLatency];

/** Up to this many times its median a varying latency is evenly spread; that is nine draws in ten. The others are longer. */
const EVEN = 1.8;

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

  /** The longest that a varying latency lasts, in milliseconds, at this pace. */
  worstMs(latency: VaryingLatency): number {
    return AWS_LATENCIES[latency].worstMs / this.factor;
  }

  /** How long a varying latency lasts this time, in milliseconds, at this pace. Half of the times it is below its median. */
  drawMs(latency: VaryingLatency, ids: Pick<Ids, 'random'>): number {
    const { ms, worstMs } = AWS_LATENCIES[latency];
    const worst = worstMs / ms;
    const even = Math.min(EVEN, Math.sqrt(worst));
    const at = 2 * ids.random();
    const medians = at < even ? at : even * (worst / even) ** ((at - even) / (2 - even));
    return (medians * ms) / this.factor;
  }

  /** A duration given in seconds by an alarm period, a schedule or a cooldown, scaled to this pace, in milliseconds. */
  scaleSeconds(
    latency: 'alarm-period' | 'schedule-minute' | 'scaling-cooldown-minute',
    seconds: number,
  ): number {
    return (seconds * this.ms(latency)) / 60;
  }
}
