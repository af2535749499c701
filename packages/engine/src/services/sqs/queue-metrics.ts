import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { Queue } from './queue.ts';
import type { Queues } from './queues.ts';

const NAMESPACE = 'AWS/SQS';
/** By how much the time between two data points of a queue differs from the interval, at most: assumed, AWS names no figure. */
const IRREGULAR = 0.1;
/** Share of the data points on a queue's depth that are never published: assumed, AWS names no figure. */
const MISSING = 0.02;

/**
 * Publishes the `AWS/SQS` metrics of every queue that is in use to CloudWatch about once a minute, with dimension
 * `QueueName`. Each arrives late by a time of its own, so that the depth of a queue is in CloudWatch in parts, and some
 * data points on it never do. What has not arrived when the engine stops is lost.
 */
export class QueueMetrics {
  readonly #engine: Engine;
  readonly #queues: Queues;
  readonly #timers = new Set<Timer>();
  readonly #publishing = new Set<Promise<void>>();
  #lastFailure: string | undefined;

  constructor(engine: Engine, queues: Queues) {
    this.#engine = engine;
    this.#queues = queues;
  }

  start(): void {
    const { pace, ids } = this.#engine;
    this.#after(pace.ms('sqs-metrics') * (1 + IRREGULAR * (2 * ids.random() - 1)), () => {
      this.#measure();
      this.start();
    });
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#publishing);
  }

  #measure(): void {
    const { clock, pace, ids } = this.#engine;
    const nowMs = clock.nowMs();
    for (const queue of this.#queues.all()) {
      if (!queue.activity.isReported(clock.uptimeMs())) continue;
      const { depth, done } = datapoints(queue, new Date(nowMs));
      const published = depth.filter(() => ids.random() >= MISSING).map((datum) => [datum]);
      for (const data of [...published, done]) {
        this.#after(pace.drawMs('sqs-metrics-delay', ids), () => {
          const publishing = this.#publish(data).finally(() => this.#publishing.delete(publishing));
          this.#publishing.add(publishing);
        });
      }
    }
  }

  #after(delayMs: number, run: () => void): void {
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  async #publish(data: MetricDatum[]): Promise<void> {
    try {
      await this.#engine.call(
        servicePrincipal(this.#engine, 'sqs.amazonaws.com'),
        'cloudwatch',
        'PutMetricData',
        {
          Namespace: NAMESPACE,
          MetricData: data,
        },
      );
      this.#lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      this.#report(error);
    }
  }

  /** Says that metrics are missing, once until they come again or for another reason. */
  #report(fault: AwsFault): void {
    if (this.#lastFailure === fault.message) return;
    this.#lastFailure = fault.message;
    this.#engine.journal.append('sqs', 'metrics.refused', { code: fault.code, message: fault.message });
  }
}

/** What a queue holds, and what was done with it since it was last asked. */
function datapoints(
  queue: Queue,
  at: Date,
): { readonly depth: readonly MetricDatum[]; readonly done: MetricDatum[] } {
  const { visible, inFlight, delayed } = queue.approximateCounts();
  const { sent, received, deleted, emptyReceives, sizes } = queue.activity.take();
  const datum = (name: string, unit: NonNullable<MetricDatum['Unit']>): MetricDatum => ({
    MetricName: name,
    Dimensions: [{ Name: 'QueueName', Value: queue.name }],
    Timestamp: at,
    Unit: unit,
  });
  const counted = (counts: Readonly<Record<string, number>>): MetricDatum[] =>
    Object.entries(counts).map(([name, Value]) => ({ ...datum(name, 'Count'), Value }));
  return {
    depth: [
      ...counted({
        ApproximateNumberOfMessagesVisible: visible,
        ApproximateNumberOfMessagesNotVisible: inFlight,
        ApproximateNumberOfMessagesDelayed: delayed,
      }),
      { ...datum('ApproximateAgeOfOldestMessage', 'Seconds'), Value: Math.floor(queue.oldestAgeMs() / 1000) },
    ],
    done: [
      ...counted({
        NumberOfMessagesSent: sent,
        NumberOfMessagesReceived: received,
        NumberOfMessagesDeleted: deleted,
        NumberOfEmptyReceives: emptyReceives,
      }),
      ...(sizes ? [{ ...datum('SentMessageSize', 'Bytes'), StatisticValues: sizes }] : []),
    ],
  };
}
