import type { State } from '../../state/state.ts';
import { type Grid, periodStarts } from './math-evaluator.ts';
import type { Distribution, Statistic } from './statistics.ts';

/** What a metric is known by. */
export interface MetricName {
  readonly namespace: string;
  readonly name: string;
  /** Sorted by name. */
  readonly dimensions: ReadonlyArray<readonly [name: string, value: string]>;
}

/** Values to record, all of one metric and instant. */
export interface Observation {
  readonly metric: MetricName;
  readonly unit: string;
  readonly atMs: number;
  readonly data:
    | { readonly kind: 'values'; readonly values: ReadonlyArray<readonly [value: number, count: number]> }
    | { readonly kind: 'summary'; readonly summary: Distribution };
}

interface Series {
  readonly id: number;
  readonly metric: MetricName;
  readonly unit: string;
  /** Newest instant with data. */
  lastAtMs: number;
  /** What of `lastAtMs` is on disk; written at most once a minute. */
  savedAtMs: number;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** How long single values are kept; afterwards count, sum, minimum and maximum of each minute remain. */
export const VALUES_KEPT_MS = 3 * HOUR_MS;
/** How long the summaries of a minute are kept, as on AWS. */
export const SUMMARIES_KEPT_MS = 15 * 24 * HOUR_MS;
const SECOND_MS = 1000;
/** Bound on single values; when there are more, the oldest are summarised by the second before their time. */
const VALUES_MAX = 1_500_000;
const KEPT_MS_MIN = 10 * MINUTE_MS;

/**
 * Metric values, durable. Instants keep their milliseconds (AWS rounds standard metrics to minutes), so that
 * an alarm whose period `--pace` shortened still distinguishes its periods.
 *
 * Single values are kept for three hours, so percentiles and trimmed counts are exact there; older periods
 * have summaries by the minute, and these go after 15 days. Beyond `valuesMax` single values, the oldest of
 * the three hours become summaries by the second: sums and counts stay exact, percentiles are gone.
 */
export class MetricStore {
  readonly #state: State;
  readonly #series = new Map<string, Series>();
  readonly #byName = new Map<string, Series[]>();
  readonly #statements;
  readonly #valuesMax: number;
  #values: number;
  /** Summaries before this instant are by the minute already. */
  #minutesUntilMs = 0;

  constructor(state: State, valuesMax = VALUES_MAX) {
    this.#state = state;
    this.#valuesMax = valuesMax;
    const { db } = state;
    db.exec(`
      CREATE TABLE IF NOT EXISTS cloudwatch_series (id INTEGER PRIMARY KEY, namespace TEXT NOT NULL,
        name TEXT NOT NULL, dimensions TEXT NOT NULL, unit TEXT NOT NULL, last_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS cloudwatch_values (series INTEGER NOT NULL, at INTEGER NOT NULL,
        value REAL NOT NULL, count REAL NOT NULL, PRIMARY KEY (series, at, value)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS cloudwatch_summaries (series INTEGER NOT NULL, at INTEGER NOT NULL,
        count REAL NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL);
      CREATE INDEX IF NOT EXISTS cloudwatch_summaries_at ON cloudwatch_summaries (series, at);
    `);
    this.#statements = {
      addSeries: db.prepare(
        'INSERT INTO cloudwatch_series (namespace, name, dimensions, unit, last_at) VALUES (?, ?, ?, ?, ?)',
      ),
      touch: db.prepare('UPDATE cloudwatch_series SET last_at = ? WHERE id = ?'),
      dropSeries: db.prepare('DELETE FROM cloudwatch_series WHERE id = ?'),
      addValue: db.prepare(
        'INSERT INTO cloudwatch_values (series, at, value, count) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
      ),
      addSummary: db.prepare(
        'INSERT INTO cloudwatch_summaries (series, at, count, sum, min, max) VALUES (?, ?, ?, ?, ?, ?)',
      ),
      readValues: db.prepare(
        'SELECT at, value, count FROM cloudwatch_values WHERE series = ? AND at >= ? AND at < ? ORDER BY at',
      ),
      sumValues: db.prepare(
        `SELECT CAST((at - ?) / ? AS INTEGER) AS bucket, SUM(count) AS count, SUM(value * count) AS sum,
          MIN(value) AS min, MAX(value) AS max FROM cloudwatch_values
          WHERE series = ? AND at >= ? AND at < ? GROUP BY bucket`,
      ),
      readSummaries: db.prepare(
        'SELECT at, count, sum, min, max FROM cloudwatch_summaries WHERE series = ? AND at >= ? AND at < ?',
      ),
      summarise: db.prepare(
        `INSERT INTO cloudwatch_summaries (series, at, count, sum, min, max)
          SELECT series, at / :step * :step AS step, SUM(count), SUM(value * count), MIN(value), MAX(value)
          FROM cloudwatch_values WHERE series = :series AND at < :before GROUP BY step`,
      ),
      mergeSummaries: db.prepare(
        `INSERT INTO cloudwatch_summaries (series, at, count, sum, min, max)
          SELECT series, at / 60000 * 60000 AS minute, SUM(count), SUM(sum), MIN(min), MAX(max)
          FROM cloudwatch_summaries WHERE series = ? AND at >= ? AND at < ? AND at % 60000 > 0
          GROUP BY minute`,
      ),
      dropMerged: db.prepare(
        'DELETE FROM cloudwatch_summaries WHERE series = ? AND at >= ? AND at < ? AND at % 60000 > 0',
      ),
      dropValues: db.prepare('DELETE FROM cloudwatch_values WHERE series = ? AND at < ?'),
      dropSummaries: db.prepare('DELETE FROM cloudwatch_summaries WHERE series = ? AND at < ?'),
    };
    this.#statements.readValues.setReturnArrays(true);
    this.#values = Number(db.prepare('SELECT COUNT(*) AS n FROM cloudwatch_values').get()?.n ?? 0);
    for (const row of db.prepare('SELECT * FROM cloudwatch_series ORDER BY id').all()) {
      const metric = {
        namespace: row.namespace as string,
        name: row.name as string,
        dimensions: JSON.parse(row.dimensions as string) as Array<[string, string]>,
      };
      const lastAtMs = row.last_at as number;
      this.#remember({
        id: row.id as number,
        metric,
        unit: row.unit as string,
        lastAtMs,
        savedAtMs: lastAtMs,
      });
    }
  }

  /** Records values; commits with everything else of this event-loop turn. */
  record(observations: readonly Observation[]): void {
    this.#state.write();
    for (const { metric, unit, atMs, data } of observations) {
      const series = this.#seriesOf(metric, unit, atMs);
      if (data.kind === 'values') {
        for (const [value, count] of data.values) {
          this.#statements.addValue.run(series.id, atMs, value, count);
          this.#values++;
        }
      } else {
        const { count, sum, min, max } = data.summary;
        this.#statements.addSummary.run(series.id, atMs, count, sum, min, max);
      }
    }
  }

  /** A statistic for each period of the grid that has data. Values of every unit count unless one is given. */
  read(metric: MetricName, statistic: Statistic, grid: Grid, unit?: string): Map<number, number> {
    return pointsOf(this.distributions(metric, grid, statistic.needsValues, unit), statistic);
  }

  /**
   * What is known about each period of the grid that has data, oldest first; with the single values only when
   * they are asked for, since reading them takes far longer than sums.
   */
  distributions(
    metric: MetricName,
    grid: Grid,
    withValues: boolean,
    unit?: string,
  ): Map<number, Distribution> {
    const found = (this.#byName.get(nameKey(metric)) ?? []).filter(
      (series) => unit === undefined || series.unit === unit,
    );
    const starts = periodStarts(grid);
    const buckets = new Map<number, Bucket>();
    for (const { id } of found) {
      if (withValues) this.#readValues(id, grid, buckets);
      else this.#sumValues(id, grid, buckets);
      this.#readSummaries(id, grid, buckets);
    }
    const distributions = new Map<number, Distribution>();
    for (const [index, bucket] of [...buckets].sort(([a], [b]) => a - b)) {
      const at = starts[index];
      if (at !== undefined && bucket.count > 0) distributions.set(at, finished(bucket));
    }
    return distributions;
  }

  /** Units under which a metric was published. */
  unitsOf(metric: MetricName): string[] {
    return (this.#byName.get(nameKey(metric)) ?? []).map(({ unit }) => unit);
  }

  /** Metrics with data since `sinceMs`, each once. */
  list(sinceMs: number): MetricName[] {
    return [...this.#byName.values()]
      .filter((group) => group.some(({ lastAtMs }) => lastAtMs >= sinceMs))
      .map((group) => group[0]!.metric);
  }

  /** Summarises what is older than three hours and forgets what is older than 15 days. */
  compact(nowMs: number): void {
    this.#state.write();
    let keptMs = VALUES_KEPT_MS;
    this.#summarise(nowMs - keptMs, MINUTE_MS);
    this.#mergeSummaries(nowMs - keptMs);
    while (this.#values > this.#valuesMax && keptMs > KEPT_MS_MIN) {
      keptMs /= 2;
      this.#summarise(nowMs - keptMs, SECOND_MS);
    }
    for (const [key, series] of [...this.#series]) {
      this.#statements.dropSummaries.run(series.id, nowMs - SUMMARIES_KEPT_MS);
      if (series.lastAtMs >= nowMs - SUMMARIES_KEPT_MS) continue;
      this.#statements.dropSeries.run(series.id);
      this.#series.delete(key);
      const group = this.#byName.get(nameKey(series.metric))!.filter((other) => other !== series);
      if (group.length > 0) this.#byName.set(nameKey(series.metric), group);
      else this.#byName.delete(nameKey(series.metric));
    }
  }

  /** Turns single values into one summary for each step of `stepMs`. */
  #summarise(beforeMs: number, stepMs: number): void {
    const cutMs = startOfMinute(beforeMs);
    for (const { id } of this.#series.values()) {
      this.#statements.summarise.run({ step: stepMs, series: id, before: cutMs });
      this.#values -= Number(this.#statements.dropValues.run(id, cutMs).changes);
    }
    this.#values = Math.max(0, this.#values);
  }

  /** Turns summaries of less than a minute into one for each minute. */
  #mergeSummaries(beforeMs: number): void {
    const cutMs = startOfMinute(beforeMs);
    for (const { id } of this.#series.values()) {
      this.#statements.mergeSummaries.run(id, this.#minutesUntilMs, cutMs);
      this.#statements.dropMerged.run(id, this.#minutesUntilMs, cutMs);
    }
    this.#minutesUntilMs = cutMs;
  }

  #seriesOf(metric: MetricName, unit: string, atMs: number): Series {
    const key = `${unit}\0${nameKey(metric)}`;
    let series = this.#series.get(key);
    if (!series) {
      const { lastInsertRowid } = this.#statements.addSeries.run(
        metric.namespace,
        metric.name,
        JSON.stringify(metric.dimensions),
        unit,
        atMs,
      );
      series = { id: Number(lastInsertRowid), metric, unit, lastAtMs: atMs, savedAtMs: atMs };
      this.#remember(series);
    } else if (atMs > series.lastAtMs) {
      series.lastAtMs = atMs;
      if (atMs - series.savedAtMs >= MINUTE_MS) {
        this.#statements.touch.run(atMs, series.id);
        series.savedAtMs = atMs;
      }
    }
    return series;
  }

  #remember(series: Series): void {
    const name = nameKey(series.metric);
    this.#series.set(`${series.unit}\0${name}`, series);
    const group = this.#byName.get(name);
    if (group) group.push(series);
    else this.#byName.set(name, [series]);
  }

  #sumValues(id: number, grid: Grid, buckets: Map<number, Bucket>): void {
    const { startMs, endMs, periodMs } = grid;
    for (const row of this.#statements.sumValues.all(startMs, periodMs, id, startMs, endMs)) {
      add(buckets, row.bucket as number, {
        count: row.count as number,
        sum: row.sum as number,
        min: row.min as number,
        max: row.max as number,
      });
    }
  }

  #readValues(id: number, grid: Grid, buckets: Map<number, Bucket>): void {
    for (const row of this.#statements.readValues.all(id, grid.startMs, grid.endMs)) {
      const [at, value, count] = columns(row);
      const bucket = bucketAt(buckets, bucketOf(at, grid));
      include(bucket, count, value * count, value, value);
      bucket.values.push([value, count]);
    }
  }

  #readSummaries(id: number, grid: Grid, buckets: Map<number, Bucket>): void {
    for (const row of this.#statements.readSummaries.all(id, grid.startMs, grid.endMs)) {
      const min = row.min as number;
      const max = row.max as number;
      const count = row.count as number;
      add(buckets, bucketOf(row.at as number, grid), {
        count,
        sum: row.sum as number,
        min,
        max,
        ...(min === max ? { values: [[min, count] as const] } : {}),
      });
    }
  }
}

interface Bucket {
  count: number;
  sum: number;
  min: number;
  max: number;
  readonly values: Array<readonly [number, number]>;
  /** Whether `values` holds every single value. */
  complete: boolean;
}

function startOfMinute(atMs: number): number {
  return Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
}

function bucketOf(atMs: number, grid: Grid): number {
  return Math.floor((atMs - grid.startMs) / grid.periodMs);
}

/** A row of the statement whose rows are arrays: there are too many of them for objects. */
function columns(row: unknown): [at: number, value: number, count: number] {
  return row as [number, number, number];
}

function bucketAt(buckets: Map<number, Bucket>, index: number): Bucket {
  let bucket = buckets.get(index);
  if (!bucket) {
    bucket = {
      count: 0,
      sum: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
      values: [],
      complete: true,
    };
    buckets.set(index, bucket);
  }
  return bucket;
}

function include(bucket: Bucket, count: number, sum: number, min: number, max: number): void {
  bucket.count += count;
  bucket.sum += sum;
  if (min < bucket.min) bucket.min = min;
  if (max > bucket.max) bucket.max = max;
}

function add(buckets: Map<number, Bucket>, index: number, more: Distribution): void {
  const bucket = bucketAt(buckets, index);
  include(bucket, more.count, more.sum, more.min, more.max);
  if (more.values) bucket.values.push(...more.values);
  else bucket.complete = false;
}

function finished({ complete, values, ...bucket }: Bucket): Distribution {
  return complete ? { ...bucket, values: values.sort(([a], [b]) => a - b) } : bucket;
}

/** The periods whose values determine a statistic, with it. */
export function pointsOf(
  distributions: ReadonlyMap<number, Distribution>,
  statistic: Statistic,
): Map<number, number> {
  const points = new Map<number, number>();
  for (const [at, distribution] of distributions) {
    const value = statistic.of(distribution);
    if (value !== undefined && Number.isFinite(value)) points.set(at, value);
  }
  return points;
}

function nameKey({ namespace, name, dimensions }: MetricName): string {
  return JSON.stringify([namespace, name, dimensions]);
}
