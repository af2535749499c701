import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input, Output } from '../../sdk/services.ts';
import { invalid } from './faults.ts';
import type { Grid, TimeSeries } from './math-evaluator.ts';
import { metricNameOf, observationsOf } from './metric-data.ts';
import { checkPeriod, longestPeriod, parseQueries, runQueries } from './metric-query.ts';
import { type MetricStore, VALUES_KEPT_MS } from './metric-store.ts';
import { pageOfPoints } from './point-pages.ts';
import { parseStatistic } from './statistics.ts';

type Datapoint = NonNullable<Output<'cloudwatch', 'GetMetricStatistics'>['Datapoints']>[number];

const DATAPOINTS_MAX = 100_800;
const STATISTICS_DATAPOINTS_MAX = 1440;
const LIST_PAGE = 500;
const LISTED_FOR_MS = 14 * 24 * 3_600_000;
const RECENT_MS = 3 * 3_600_000;

/** Operations on metrics: publish, query, list. Clients' periods are real seconds, whatever the pace. */
export function metricOperations(engine: Engine, store: MetricStore) {
  return {
    PutMetricData: {
      conditions: (input) => ({ 'cloudwatch:namespace': input.Namespace ?? '' }),
      journaled: false,
      run: (input, { principal, atMs }) => {
        store.record(observationsOf(input, principal.kind === 'service', atMs));
        return {};
      },
    },
    GetMetricData: {
      run: (input) => {
        const queries = parseQueries(input.MetricDataQueries ?? []);
        const gridOf = gridsWithin(input.StartTime, input.EndTime, engine.clock.nowMs());
        const limit = input.MaxDatapoints ?? DATAPOINTS_MAX;
        if (!Number.isInteger(limit) || limit < 1 || limit > DATAPOINTS_MAX) {
          throw invalid(`MaxDatapoints must be between 1 and ${DATAPOINTS_MAX}.`);
        }
        if (longestPeriod(queries) === 0 && queries.queries.length > 0) {
          throw invalid('At least one metric query must have a MetricStat.');
        }
        const results = runQueries(queries, store, gridOf).flatMap(({ id, label, series }) =>
          series.map((one) => ({
            id,
            label: labelled(series.length > 1 ? one.label : label, one),
            points: [...one.points],
          })),
        );
        const { shown, next } = pageOfPoints(
          results,
          input.ScanBy !== 'TimestampAscending',
          input.NextToken,
          limit,
        );
        return {
          MetricDataResults: shown.map(({ id, label, points, complete }) => ({
            Id: id,
            Label: label,
            Timestamps: points.map(([at]) => new Date(at)),
            Values: points.map(([, value]) => value),
            StatusCode: complete ? 'Complete' : 'PartialData',
          })),
          Messages: [],
          NextToken: next,
        };
      },
    },
    GetMetricStatistics: { run: (input) => metricStatistics(engine, store, input) },
    ListMetrics: {
      run: (input) => {
        const activeMs = input.RecentlyActive === 'PT3H' ? RECENT_MS : LISTED_FOR_MS;
        const found = store
          .list(engine.clock.nowMs() - activeMs)
          .filter(
            ({ namespace, name, dimensions }) =>
              (input.Namespace === undefined || namespace === input.Namespace) &&
              (input.MetricName === undefined || name === input.MetricName) &&
              (input.Dimensions ?? []).every(({ Name, Value }) =>
                dimensions.some(([key, value]) => key === Name && (Value === undefined || value === Value)),
              ),
          );
        const { items, next } = page(found, input.NextToken, LIST_PAGE, () => invalidToken());
        return {
          Metrics: items.map(({ namespace, name, dimensions }) => ({
            Namespace: namespace,
            MetricName: name,
            Dimensions: dimensions.map(([Name, Value]) => ({ Name, Value })),
          })),
          NextToken: next,
        };
      },
    },
  } satisfies OperationTable<'cloudwatch'>;
}

function metricStatistics(
  engine: Engine,
  store: MetricStore,
  input: Input<'cloudwatch', 'GetMetricStatistics'>,
): Output<'cloudwatch', 'GetMetricStatistics'> {
  const periodSeconds = checkPeriod(input.Period ?? 0);
  const grid = gridsWithin(input.StartTime, input.EndTime, engine.clock.nowMs())(periodSeconds);
  if ((grid.endMs - grid.startMs) / grid.periodMs > STATISTICS_DATAPOINTS_MAX) {
    throw new AwsFault(
      'InvalidParameterCombinationException',
      `You have requested up to ${Math.ceil((grid.endMs - grid.startMs) / grid.periodMs)} datapoints, which exceeds the limit of ${STATISTICS_DATAPOINTS_MAX}. You may reduce the datapoints requested by increasing Period, or decreasing the time range.`,
    );
  }
  const wanted = [...(input.Statistics ?? []), ...(input.ExtendedStatistics ?? [])];
  if (wanted.length === 0) {
    throw new AwsFault(
      'MissingRequiredParameterException',
      'At least one of Statistics and ExtendedStatistics must be specified.',
    );
  }
  const metric = metricNameOf(input.Namespace ?? '', input.MetricName ?? '', input.Dimensions ?? []);
  const unit = input.Unit ?? store.unitsOf(metric)[0];
  const points = new Map<number, Datapoint>();
  for (const name of wanted) {
    for (const [at, value] of store.read(metric, parseStatistic(name), grid, input.Unit)) {
      const point = points.get(at) ?? { Timestamp: new Date(at), Unit: unit as Datapoint['Unit'] };
      if (input.Statistics?.some((statistic) => statistic === name)) {
        points.set(at, { ...point, [name]: value });
      } else {
        const extended = { ...point.ExtendedStatistics, [name]: value };
        points.set(at, { ...point, ExtendedStatistics: extended });
      }
    }
  }
  const sorted = [...points].sort(([a], [b]) => a - b).map(([, point]) => point);
  return { Label: input.MetricName, Datapoints: sorted };
}

/**
 * Periods aligned to the epoch: the start is rounded down, the end up. What is older than three hours has no
 * periods below a minute, as on AWS: the values of that time are kept by the minute only.
 */
function gridsWithin(
  start: Date | undefined,
  end: Date | undefined,
  nowMs: number,
): (periodSeconds: number) => Grid {
  const fromMs = start?.getTime() ?? Number.NaN;
  const toMs = end?.getTime() ?? Number.NaN;
  if (!(fromMs < toMs)) {
    throw invalid('The parameter StartTime must be less than the parameter EndTime.');
  }
  return (periodSeconds) => {
    const periodMs = periodSeconds * 1000;
    const oldestMs = periodSeconds < 60 ? nowMs - VALUES_KEPT_MS : fromMs;
    const startMs = Math.floor(Math.max(fromMs, oldestMs) / periodMs) * periodMs;
    return { startMs, endMs: Math.max(startMs, Math.ceil(toMs / periodMs) * periodMs), periodMs };
  };
}

const LABEL_VALUES: Readonly<Record<string, (values: number[]) => number | undefined>> = {
  AVG: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  MAX: (values) => Math.max(...values),
  MIN: (values) => Math.min(...values),
  SUM: (values) => values.reduce((sum, value) => sum + value, 0),
  FIRST: (values) => values[0],
  LAST: (values) => values.at(-1),
  DATAPOINT_COUNT: (values) => values.length,
};

/** Fills `${AVG}` and the like into a label. */
function labelled(label: string, series: TimeSeries): string {
  return label.replace(/\$\{([^}]*)\}/g, (_whole, name: string) => {
    if (name === 'LABEL') return series.label;
    const compute = LABEL_VALUES[name];
    if (!compute) {
      throw invalid(
        `The label uses \${${name}}, which the local engine does not support: use ${Object.keys(LABEL_VALUES).join(', ')}.`,
      );
    }
    const values = [...series.points.values()];
    return values.length === 0 ? '--' : String(compute(values));
  });
}

function invalidToken(): AwsFault {
  return new AwsFault('InvalidNextToken', 'The next token is invalid.');
}
