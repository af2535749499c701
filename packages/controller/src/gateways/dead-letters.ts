import { type CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { DeadLetterGateway } from '../gateways.ts';
import { UserError } from '../user-error.ts';

/** SQS publishes its metrics once a minute. */
const periodSeconds = 60;

/** Visible messages, and those that somebody looks at: browsing the queue must not look like growth. */
const depthMetrics = ['ApproximateNumberOfMessagesVisible', 'ApproximateNumberOfMessagesNotVisible'] as const;

/** The dead-letter queue, by its own count and by its metrics. */
export class AwsDeadLetterGateway implements DeadLetterGateway {
  readonly #sqs: SQSClient;
  readonly #cloudWatch: CloudWatchClient;
  readonly #queueName: string;
  #queueUrl: string | undefined;

  constructor(sqs: SQSClient, cloudWatch: CloudWatchClient, queueName: string) {
    this.#sqs = sqs;
    this.#cloudWatch = cloudWatch;
    this.#queueName = queueName;
  }

  async depth(): Promise<number> {
    const { Attributes: attributes } = await this.#sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: await this.#url(),
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      }),
    );
    return (
      Number(attributes?.ApproximateNumberOfMessages ?? 0) +
      Number(attributes?.ApproximateNumberOfMessagesNotVisible ?? 0) +
      Number(attributes?.ApproximateNumberOfMessagesDelayed ?? 0)
    );
  }

  /**
   * Increases from one minute to the next are added and decreases ignored, so that a purge or a redrive
   * hides nothing. The minute in which the span begins is the base: what arrived in it may be older. A queue
   * publishes metrics only while it is used; asking for its depth every minute keeps it so.
   */
  async metricGrowth(sinceMs: number, untilMs: number): Promise<number> {
    const periodMs = periodSeconds * 1000;
    const start = Math.floor(sinceMs / periodMs) * periodMs;
    const end = (Math.floor(untilMs / periodMs) + 1) * periodMs;
    const depths = new Map<number, number>();
    let nextToken: string | undefined;
    do {
      const output = await this.#cloudWatch.send(
        new GetMetricDataCommand({
          StartTime: new Date(start),
          EndTime: new Date(end),
          ScanBy: 'TimestampAscending',
          MetricDataQueries: depthMetrics.map((name, index) => ({
            Id: `m${index}`,
            MetricStat: {
              Metric: {
                Namespace: 'AWS/SQS',
                MetricName: name,
                Dimensions: [{ Name: 'QueueName', Value: this.#queueName }],
              },
              Period: periodSeconds,
              Stat: 'Maximum',
            },
          })),
          ...(nextToken !== undefined && { NextToken: nextToken }),
        }),
      );
      for (const result of output.MetricDataResults ?? []) {
        result.Timestamps?.forEach((timestamp, index) => {
          const at = timestamp.getTime();
          depths.set(at, (depths.get(at) ?? 0) + (result.Values?.[index] ?? 0));
        });
      }
      nextToken = output.NextToken;
    } while (nextToken !== undefined);
    const series = [...depths].sort(([a], [b]) => a - b).map(([, depth]) => depth);
    return series.reduce((sum, depth, index) => sum + Math.max(0, depth - (series[index - 1] ?? depth)), 0);
  }

  async #url(): Promise<string> {
    if (this.#queueUrl !== undefined) return this.#queueUrl;
    const { QueueUrl: url } = await this.#sqs.send(new GetQueueUrlCommand({ QueueName: this.#queueName }));
    if (url === undefined) {
      throw new UserError('QueueNotFound', `there is no queue ${this.#queueName}; deploy the pipeline stack`);
    }
    this.#queueUrl = url;
    return url;
  }
}
