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
  'lambda-event': {
    ms: 500,
    what: 'longest time an asynchronous event waits in Lambda; each waits for a part of it, so they overtake each other. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html promises no order',
  },
  'lambda-retry': {
    ms: 60_000,
    what: 'wait before Lambda retries a failed asynchronous event; doubled for the second',
  },
  'scaling-cooldown-minute': { ms: 60_000, what: 'one minute of an Application Auto Scaling cooldown' },
} as const;

export type AwsLatency = keyof typeof AWS_LATENCIES;

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

  /** A duration given in seconds by an alarm period, a schedule or a cooldown, scaled to this pace, in milliseconds. */
  scaleSeconds(
    latency: 'alarm-period' | 'schedule-minute' | 'scaling-cooldown-minute',
    seconds: number,
  ): number {
    return (seconds * this.ms(latency)) / 60;
  }
}
