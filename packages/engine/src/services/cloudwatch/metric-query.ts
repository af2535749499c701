import type { Input } from '../../sdk/services.ts';
import { invalid } from './faults.ts';
import {
  evaluateMath,
  type Grid,
  type MathScope,
  type MathValue,
  type TimeSeries,
} from './math-evaluator.ts';
import { type MathNode, parseMath, referencedIds } from './math-parser.ts';
import { metricNameOf } from './metric-data.ts';
import { type MetricName, type MetricStore, pointsOf } from './metric-store.ts';
import { parseStatistic, type Statistic } from './statistics.ts';

export type MetricDataQuery = NonNullable<Input<'cloudwatch', 'GetMetricData'>['MetricDataQueries']>[number];

interface MetricSource {
  readonly kind: 'metric';
  readonly metric: MetricName;
  readonly statistic: Statistic;
  readonly unit: string | undefined;
  readonly periodSeconds: number;
}

interface ParsedQuery {
  readonly id: string;
  readonly label: string;
  readonly returned: boolean;
  readonly source:
    | MetricSource
    | { readonly kind: 'math'; readonly node: MathNode; readonly expression: string };
}

/** Queries of one request, checked together: ids, references, expressions, periods. */
export interface QuerySet {
  readonly queries: readonly ParsedQuery[];
}

const QUERIES_MAX = 500;

/**
 * Checks a set of metric queries and parses their expressions.
 *
 * @throws `ValidationError` for unknown or cyclic references, bad ids and bad expressions.
 */
export function parseQueries(input: readonly MetricDataQuery[]): QuerySet {
  if (input.length > QUERIES_MAX) {
    throw invalid(`The collection MetricDataQueries must not have a size greater than ${QUERIES_MAX}.`);
  }
  const queries = input.map(parseQuery);
  const byId = new Map(queries.map((query) => [query.id, query]));
  if (byId.size !== queries.length) throw invalid('The ids of the metric queries must be unique.');
  const open = new Set<string>();
  const checked = new Set<string>();
  const check = (query: ParsedQuery): void => {
    if (checked.has(query.id) || query.source.kind === 'metric') return;
    if (open.has(query.id)) throw invalid(`The expression '${query.id}' depends on itself.`);
    open.add(query.id);
    for (const id of referencedIds(query.source.node)) {
      const other = byId.get(id);
      if (!other) {
        throw invalid(
          `Error in expression '${query.id}' [Undefined variable]: no metric query has the id '${id}'.`,
        );
      }
      check(other);
    }
    open.delete(query.id);
    checked.add(query.id);
  };
  queries.forEach(check);
  return { queries };
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html */
const EXPRESSION_MAX = 2_048;

function parseQuery(query: MetricDataQuery): ParsedQuery {
  const id = query.Id ?? '';
  if (!/^[a-z][A-Za-z0-9_]{0,254}$/.test(id)) {
    throw invalid(
      `The value '${id}' for parameter MetricDataQueries.Id must begin with a lower-case letter and hold letters, digits and underscores only.`,
    );
  }
  if ((query.MetricStat === undefined) === (query.Expression === undefined)) {
    throw invalid(`The metric query '${id}' must have either a MetricStat or an Expression.`);
  }
  if (query.AccountId !== undefined) {
    throw invalid(`The metric query '${id}' has an AccountId: the local engine has one account only.`);
  }
  const returned = query.ReturnData ?? true;
  if (query.Expression !== undefined) {
    const expression = query.Expression;
    if (expression.length > EXPRESSION_MAX) {
      throw invalid(`The expression of '${id}' is longer than ${EXPRESSION_MAX} characters.`);
    }
    if (/^\s*(SEARCH|SELECT)\b/.test(expression)) {
      throw invalid(
        `The expression of '${id}' uses ${expression.trim().slice(0, 6)}, which the local engine does not support: name the metrics.`,
      );
    }
    const label = query.Label ?? id;
    return { id, label, returned, source: { kind: 'math', node: parseMath(expression), expression } };
  }
  const stat = query.MetricStat!;
  const { Namespace, MetricName, Dimensions } = stat.Metric ?? {};
  if (!Namespace || !MetricName) {
    throw invalid(`The metric query '${id}' must name a Namespace and a MetricName.`);
  }
  return {
    id,
    label: query.Label ?? MetricName,
    returned,
    source: {
      kind: 'metric',
      metric: metricNameOf(Namespace, MetricName, Dimensions ?? []),
      statistic: parseStatistic(stat.Stat ?? ''),
      unit: stat.Unit,
      periodSeconds: checkPeriod(stat.Period ?? query.Period ?? 0),
    },
  };
}

/** Checks a period in seconds: 1, 5, 10, 20, 30 or a multiple of 60. */
export function checkPeriod(seconds: number): number {
  if ([1, 5, 10, 20, 30].includes(seconds) || (seconds > 0 && seconds % 60 === 0)) return seconds;
  throw invalid(`The period of ${seconds} s is invalid: use 1, 5, 10, 20, 30 or a multiple of 60 seconds.`);
}

/** The metrics that a set of queries reads. */
export function metricsOf({ queries }: QuerySet): MetricName[] {
  return queries.flatMap(({ source }) => (source.kind === 'metric' ? [source.metric] : []));
}

/** The longest period of a set of queries, in seconds. */
export function longestPeriod({ queries }: QuerySet): number {
  return Math.max(0, ...queries.map(({ source }) => (source.kind === 'metric' ? source.periodSeconds : 0)));
}

/**
 * Checks that the returned query of an alarm yields exactly one series, by evaluating it without data.
 *
 * @throws `ValidationError` that says what it yields instead, or which function is used wrongly
 */
export function checkSingleSeries(set: QuerySet): void {
  const grid = { startMs: 0, endMs: 60_000, periodMs: 60_000 };
  for (const { id, series } of runQueries(set, { distributions: () => new Map() }, () => grid)) {
    if (series.length !== 1) {
      throw invalid(`The expression '${id}' of an alarm must yield one time series, not ${series.length}.`);
    }
  }
}

/** A returned query with its series: several when an expression yields a list. */
export interface QueryResult {
  readonly id: string;
  readonly label: string;
  readonly series: readonly TimeSeries[];
}

/**
 * Evaluates the returned queries of a set; `gridOf` lays the periods of each metric. Queries that ask for several
 * statistics of one metric read its values once.
 */
export function runQueries(
  { queries }: QuerySet,
  store: Pick<MetricStore, 'distributions'>,
  gridOf: (periodSeconds: number) => Grid,
): QueryResult[] {
  const byId = new Map(queries.map((query) => [query.id, query]));
  const values = new Map<string, MathValue>();
  const readings = new Map<string, ReturnType<MetricStore['distributions']>>();
  const distributionsOf = ({ metric, statistic, unit, periodSeconds }: MetricSource) => {
    const key = JSON.stringify([metric, unit, periodSeconds, statistic.needsValues]);
    let reading = readings.get(key);
    if (!reading) {
      reading = store.distributions(metric, gridOf(periodSeconds), statistic.needsValues, unit);
      readings.set(key, reading);
    }
    return reading;
  };
  const scope: MathScope = {
    resolve: (id) => evaluated(byId.get(id)!),
    metrics: () =>
      queries
        .filter(({ source }) => source.kind === 'metric')
        .flatMap((query) => {
          const value = evaluated(query);
          return value.kind === 'series' ? [{ id: query.id, series: value.series }] : [];
        }),
  };
  const evaluated = (query: ParsedQuery): MathValue => {
    let value = values.get(query.id);
    if (!value) {
      const { source, label } = query;
      if (source.kind === 'math') value = evaluateMath(source.node, scope);
      else {
        const grid = gridOf(source.periodSeconds);
        const points = pointsOf(distributionsOf(source), source.statistic);
        value = { kind: 'series', series: { label, grid, points } };
      }
      values.set(query.id, value);
    }
    return value;
  };
  return queries
    .filter(({ returned }) => returned)
    .map((query) => {
      const value = evaluated(query);
      if (value.kind === 'scalar' || value.kind === 'text') {
        throw invalid(`The expression '${query.id}' must yield a time series, not a number or text.`);
      }
      const series = value.kind === 'series' ? [value.series] : value.list;
      return { id: query.id, label: query.label, series };
    });
}
