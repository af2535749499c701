import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { Table } from '../../state/state.ts';
import { type EmbeddedMetric, readEmbeddedMetrics } from './embedded-metrics.ts';
import type { LogGroup, LogStream } from './log-store.ts';
import type { MetricFilters } from './metric-filters.ts';

type Datum = NonNullable<Input<'cloudwatch', 'PutMetricData'>['MetricData']>[number];

const DATA_PER_CALL = 1000;
const VALUES_PER_DATUM = 150;
const REMEMBERED_REASONS = 10_000;

/** Metrics that were found in one batch of events and are not recorded yet. */
interface Pending {
  readonly groupName: string;
  readonly streamName: string;
  readonly dueAtMs: number;
  readonly metrics: readonly EmbeddedMetric[];
}

/**
 * Turns log events into metrics: those that events carry in the embedded metric format, and those that the
 * group's metric filters find. They are recorded some time later, as on AWS; what a killed engine has not recorded is
 * recorded when it starts again, and what it was just recording twice, as CloudWatch may.
 *
 * What CloudWatch cannot take is journaled as `emf.rejected`, once for each reason and stream.
 */
export class MetricExtraction {
  readonly #engine: Engine;
  readonly #filters: MetricFilters;
  readonly #told = new Set<string>();
  readonly #pending: Table<Pending>;
  readonly #timers = new Map<string, Timer>();
  readonly #recording = new Set<Promise<void>>();

  constructor(engine: Engine, filters: MetricFilters) {
    this.#engine = engine;
    this.#filters = filters;
    this.#pending = engine.state.table<Pending>('logs.pending-metrics');
  }

  start(): void {
    for (const [key, pending] of this.#pending.entries()) this.#arm(key, pending);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel();
    await Promise.all(this.#recording);
  }

  /** Finds the metrics of these events, to be recorded when AWS would have done so. */
  extract(
    group: LogGroup,
    stream: LogStream,
    events: ReadonlyArray<{ atMs: number; message: string }>,
  ): void {
    const nowMs = this.#engine.clock.nowMs();
    const metrics = this.#filters.extract(group.name, events);
    for (const { message } of events) {
      const embedded = readEmbeddedMetrics(message, nowMs);
      metrics.push(...embedded.metrics);
      for (const reason of embedded.rejections) this.#reject(group.name, stream.name, reason);
    }
    if (metrics.length === 0) return;
    const { pace, ids } = this.#engine;
    const dueAtMs = nowMs + pace.drawMs('logs-metrics', ids);
    const key = ids.uuid();
    this.#arm(
      key,
      this.#pending.put(key, { groupName: group.name, streamName: stream.name, dueAtMs, metrics }),
    );
  }

  #arm(key: string, pending: Pending): void {
    const { clock } = this.#engine;
    const timer = clock.setTimer(pending.dueAtMs - clock.nowMs(), () => {
      this.#timers.delete(key);
      const recording = this.#record(key, pending).finally(() => this.#recording.delete(recording));
      this.#recording.add(recording);
    });
    this.#timers.set(key, timer);
  }

  async #record(key: string, pending: Pending): Promise<void> {
    for (const [namespace, data] of dataByNamespace(pending.metrics)) {
      for (let from = 0; from < data.length; from += DATA_PER_CALL) {
        await this.#put(pending, namespace, data.slice(from, from + DATA_PER_CALL));
      }
    }
    this.#pending.delete(key);
  }

  async #put({ groupName, streamName }: Pending, namespace: string, data: Datum[]): Promise<void> {
    try {
      await this.#engine.call(
        servicePrincipal(this.#engine, 'logs.amazonaws.com'),
        'cloudwatch',
        'PutMetricData',
        { Namespace: namespace, MetricData: data },
      );
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      this.#reject(groupName, streamName, `CloudWatch refused the metrics: ${error.message}`);
    }
  }

  #reject(logGroupName: string, logStreamName: string, reason: string): void {
    const key = `${logGroupName} ${logStreamName} ${reason}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= REMEMBERED_REASONS) this.#told.clear();
    this.#told.add(key);
    this.#engine.journal.append('logs', 'emf.rejected', {
      logGroupName,
      logStreamName,
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
