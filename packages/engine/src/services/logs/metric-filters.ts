import { atJsonPath, type JsonPath, parseJsonPath } from '../../json-path.ts';
import { isMetricValue } from '../../metric-limits.ts';
import type { State, Table } from '../../state/state.ts';
import type { EmbeddedMetric } from './embedded-metrics.ts';
import { type FilterPattern, parseFilterPattern } from './filter-pattern.ts';
import { jsonObject } from './json-pattern.ts';
import type { Unit } from './units.ts';

export interface MetricTransformation {
  readonly metricName: string;
  readonly metricNamespace: string;
  /** A number, or the selector of a property that holds one. */
  readonly metricValue: string;
  readonly defaultValue?: number;
  /** Selectors of the dimensions' values, by name. */
  readonly dimensions?: Readonly<Record<string, string>>;
  readonly unit?: Unit;
}

export interface MetricFilter {
  readonly groupName: string;
  readonly name: string;
  readonly pattern: string;
  readonly createdAtMs: number;
  readonly transformation: MetricTransformation;
}

interface CompiledFilter {
  readonly filter: MetricFilter;
  readonly matches: FilterPattern;
  /** Minute in which the default value was last counted. */
  defaultedMinute: number;
}

const MINUTE_MS = 60_000;

/** The metric filters of all log groups, durable. */
export class MetricFilters {
  readonly #table: Table<MetricFilter>;
  readonly #byGroup = new Map<string, CompiledFilter[]>();

  constructor(state: State) {
    this.#table = state.table<MetricFilter>('logs.metric-filters');
    for (const { groupName } of this.#table.values()) this.#compile(groupName);
  }

  /** A group's filters, by name. */
  of(groupName: string): MetricFilter[] {
    return (this.#byGroup.get(groupName) ?? []).map(({ filter }) => filter);
  }

  /** Every filter, by group and name. */
  all(): MetricFilter[] {
    return [...this.#byGroup.keys()].sort().flatMap((groupName) => this.of(groupName));
  }

  put(filter: MetricFilter): void {
    this.#table.put(keyOf(filter.groupName, filter.name), filter);
    this.#compile(filter.groupName);
  }

  /** Whether there was such a filter. */
  drop(groupName: string, name: string): boolean {
    const dropped = this.#table.delete(keyOf(groupName, name));
    this.#compile(groupName);
    return dropped;
  }

  /** Removes the filters of a group that is going. */
  dropAll(groupName: string): void {
    for (const { name } of this.of(groupName)) this.drop(groupName, name);
  }

  /**
   * The values that a group's filters find in events. A filter that matches nothing counts its default value,
   * at most once a minute.
   */
  extract(groupName: string, events: ReadonlyArray<{ atMs: number; message: string }>): EmbeddedMetric[] {
    const metrics: EmbeddedMetric[] = [];
    for (const compiled of this.#byGroup.get(groupName) ?? []) {
      const { transformation } = compiled.filter;
      let matched = false;
      for (const { atMs, message } of events) {
        if (!compiled.matches(message)) continue;
        matched = true;
        const metric = counted(transformation, message, atMs);
        if (metric) metrics.push(metric);
      }
      const lastMs = events.at(-1)?.atMs;
      if (matched || lastMs === undefined || transformation.defaultValue === undefined) continue;
      const minute = Math.floor(lastMs / MINUTE_MS);
      if (minute <= compiled.defaultedMinute) continue;
      compiled.defaultedMinute = minute;
      metrics.push(metricOf(transformation, lastMs, transformation.defaultValue, []));
    }
    return metrics;
  }

  #compile(groupName: string): void {
    const filters = [...this.#table.values()]
      .filter((filter) => filter.groupName === groupName)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((filter) => ({ filter, matches: parseFilterPattern(filter.pattern), defaultedMinute: 0 }));
    if (filters.length === 0) this.#byGroup.delete(groupName);
    else this.#byGroup.set(groupName, filters);
  }
}

/** What one matching event counts; nothing when the value or a dimension is missing in it. */
function counted(
  transformation: MetricTransformation,
  message: string,
  atMs: number,
): EmbeddedMetric | undefined {
  const { metricValue, dimensions = {} } = transformation;
  let document: Record<string, unknown> | undefined;
  const at = (selector: string) => {
    document ??= jsonObject(message);
    return atJsonPath(document, selectorPath(selector));
  };
  const found = metricValue.startsWith('$') ? at(metricValue) : metricValue;
  const value = typeof found === 'string' && found.trim() !== '' ? Number(found) : found;
  if (!isMetricValue(value)) return undefined;
  const pairs: Array<{ Name: string; Value: string }> = [];
  for (const [Name, selector] of Object.entries(dimensions)) {
    const dimension = at(selector);
    if (!/^(string|number|boolean)$/.test(typeof dimension) || String(dimension).trim() === '') {
      return undefined;
    }
    pairs.push({ Name, Value: String(dimension) });
  }
  return metricOf(transformation, atMs, value, pairs);
}

function metricOf(
  { metricName, metricNamespace, unit }: MetricTransformation,
  atMs: number,
  value: number,
  dimensions: EmbeddedMetric['dimensions'],
): EmbeddedMetric {
  return {
    namespace: metricNamespace,
    name: metricName,
    unit: unit ?? 'None',
    storageResolution: 60,
    dimensions,
    atMs,
    values: [value],
  };
}

function selectorPath(selector: string): JsonPath {
  return parseJsonPath(selector) ?? [];
}

function keyOf(groupName: string, name: string): string {
  return `${groupName}:${name}`;
}
