import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import type { Timer } from '../../clock/clock.ts';
import { type Engine, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Queue } from './queue.ts';
import type { Queues } from './queues.ts';

const NAMESPACE = 'AWS/SQS';
/** CloudWatch takes 1,000 metrics in a call; a queue has nine. */
const QUEUES_AT_ONCE = 100;

/**
 * Publishes every queue's `AWS/SQS` metrics to CloudWatch at SQS's interval, with dimension `QueueName`. AWS
 * stops for queues that were idle for six hours and may be late when they wake; here every queue reports.
 */
export class QueueMetrics {
  readonly #engine: Engine;
  readonly #queues: Queues;
  #timer: Timer | undefined;
  #publishing: Promise<void> = Promise.resolve();
  #lastFailure: string | undefined;

  constructor(engine: Engine, queues: Queues) {
    this.#engine = engine;
    this.#queues = queues;
  }

  start(): void {
    const { clock, pace } = this.#engine;
    this.#timer = clock.setTimer(pace.ms('sqs-metrics'), () => {
      this.#publishing = this.#publish();
      this.start();
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#publishing;
  }

  async #publish(): Promise<void> {
    const { clock, call } = this.#engine;
    const at = new Date(clock.nowMs());
    const queues = this.#queues.all();
    for (let from = 0; from < queues.length; from += QUEUES_AT_ONCE) {
      const data = queues.slice(from, from + QUEUES_AT_ONCE).flatMap((queue) => datapoints(queue, at));
      try {
        await call(servicePrincipal(this.#engine, 'sqs.amazonaws.com'), 'cloudwatch', 'PutMetricData', {
          Namespace: NAMESPACE,
          MetricData: data,
        });
        this.#lastFailure = undefined;
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        this.#report(error);
      }
    }
  }

  /** Says that metrics are missing, once until they come again or for another reason. */
  #report(fault: AwsFault): void {
    if (this.#lastFailure === fault.message) return;
    this.#lastFailure = fault.message;
    this.#engine.journal.append('sqs', 'metrics.refused', { code: fault.code, message: fault.message });
  }
}

function datapoints(queue: Queue, at: Date): MetricDatum[] {
  const { visible, inFlight, delayed } = queue.counts();
  const { sent, received, deleted, emptyReceives, sizes } = queue.activity.take();
  const datum = (name: string, unit: NonNullable<MetricDatum['Unit']>): MetricDatum => ({
    MetricName: name,
    Dimensions: [{ Name: 'QueueName', Value: queue.name }],
    Timestamp: at,
    Unit: unit,
  });
  const counts = {
    ApproximateNumberOfMessagesVisible: visible,
    ApproximateNumberOfMessagesNotVisible: inFlight,
    ApproximateNumberOfMessagesDelayed: delayed,
    NumberOfMessagesSent: sent,
    NumberOfMessagesReceived: received,
    NumberOfMessagesDeleted: deleted,
    NumberOfEmptyReceives: emptyReceives,
  };
  return [
    ...Object.entries(counts).map(([name, Value]) => ({ ...datum(name, 'Count'), Value })),
    {
      ...datum('ApproximateAgeOfOldestMessage', 'Seconds'),
      Value: Math.floor(queue.oldestAgeMs() / 1000),
    },
    ...(sizes ? [{ ...datum('SentMessageSize', 'Bytes'), StatisticValues: sizes }] : []),
  ];
}
