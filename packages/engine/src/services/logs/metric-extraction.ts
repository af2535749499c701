import type { Input } from '../../dispatch/sdk.ts';
import { type Engine, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type EmbeddedMetric, readEmbeddedMetrics } from './embedded-metrics.ts';
import type { LogGroup, LogStream } from './log-store.ts';
import type { MetricFilters } from './metric-filters.ts';

type Datum = NonNullable<Input<'cloudwatch', 'PutMetricData'>['MetricData']>[number];

const DATA_PER_CALL = 1000;
const VALUES_PER_DATUM = 150;
const REMEMBERED_REASONS = 10_000;

/**
 * Turns log events into metrics: those that events carry in the embedded metric format, and those that the
 * group's metric filters find.
 *
 * What CloudWatch cannot take is journaled as `emf.rejected`, once for each reason and stream.
 */
export class MetricExtraction {
  readonly #engine: Engine;
  readonly #filters: MetricFilters;
  readonly #told = new Set<string>();

  constructor(engine: Engine, filters: MetricFilters) {
    this.#engine = engine;
    this.#filters = filters;
  }

  /** Resolves when the metrics of these events are recorded. */
  async extract(
    group: LogGroup,
    stream: LogStream,
    events: ReadonlyArray<{ atMs: number; message: string }>,
  ): Promise<void> {
    const nowMs = this.#engine.clock.nowMs();
    const metrics = this.#filters.extract(group.name, events);
    for (const { message } of events) {
      const embedded = readEmbeddedMetrics(message, nowMs);
      metrics.push(...embedded.metrics);
      for (const reason of embedded.rejections) this.#reject(group, stream, reason);
    }
    for (const [namespace, data] of dataByNamespace(metrics)) {
      for (let from = 0; from < data.length; from += DATA_PER_CALL) {
        await this.#put(group, stream, namespace, data.slice(from, from + DATA_PER_CALL));
      }
    }
  }

  async #put(group: LogGroup, stream: LogStream, namespace: string, data: Datum[]): Promise<void> {
    try {
      await this.#engine.call(
        servicePrincipal(this.#engine, 'logs.amazonaws.com'),
        'cloudwatch',
        'PutMetricData',
        { Namespace: namespace, MetricData: data },
      );
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      this.#reject(group, stream, `CloudWatch refused the metrics: ${error.message}`);
    }
  }

  #reject(group: LogGroup, stream: LogStream, reason: string): void {
    const key = `${stream.id} ${reason}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= REMEMBERED_REASONS) this.#told.clear();
    this.#told.add(key);
    this.#engine.journal.append('logs', 'emf.rejected', {
      logGroupName: group.name,
      logStreamName: stream.name,
      reason,
    });
  }
}

/** Values of one metric and instant go together: a busy worker logs many lines in a millisecond. */
function dataByNamespace(metrics: readonly EmbeddedMetric[]): Map<string, Datum[]> {
  const namespaces = new Map<string, Datum[]>();
  const open = new Map<string, number[]>();
  for (const { namespace, name, unit, storageResolution, dimensions, atMs, values } of metrics) {
    const key = JSON.stringify([namespace, name, unit, storageResolution, dimensions, atMs]);
    let collected = open.get(key);
    if (!collected || collected.length + values.length > VALUES_PER_DATUM) {
      collected = [];
      open.set(key, collected);
      const data = namespaces.get(namespace) ?? [];
      namespaces.set(namespace, data);
      data.push({
        MetricName: name,
        Unit: unit,
        StorageResolution: storageResolution,
        Dimensions: [...dimensions],
        Timestamp: new Date(atMs),
        Values: collected,
      });
    }
    collected.push(...values);
  }
  return namespaces;
}
