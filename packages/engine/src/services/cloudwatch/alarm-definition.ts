import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { AlarmCondition, AlarmStateValue, MissingDataTreatment } from './alarm-evaluation.ts';
import { invalid } from './faults.ts';
import { metricNameOf } from './metric-data.ts';
import {
  checkSingleSeries,
  longestPeriod,
  type MetricDataQuery,
  metricsOf,
  parseQueries,
  type QuerySet,
} from './metric-query.ts';
import { parseStatistic } from './statistics.ts';

type PutMetricAlarmInput = Input<'cloudwatch', 'PutMetricAlarm'>;

/** The metric of an alarm that watches one, as it was given. */
interface SingleMetric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: ReadonlyArray<readonly [name: string, value: string]>;
  /** `Sum`, `p99`, ... */
  readonly statistic: string;
  readonly unit?: string;
}

/** What a person configured. */
export interface AlarmDefinition {
  readonly name: string;
  readonly arn: string;
  readonly description?: string;
  readonly actionsEnabled: boolean;
  readonly actions: Readonly<Record<AlarmStateValue, readonly string[]>>;
  readonly single?: SingleMetric;
  readonly metrics?: readonly MetricDataQuery[];
  readonly periodSeconds: number;
  readonly condition: AlarmCondition;
  /** Whether `TreatMissingData`, `DatapointsToAlarm` were given: replies show only what was. */
  readonly given: { readonly treatMissingData: boolean; readonly datapointsToAlarm: boolean };
  readonly evaluateLowSampleCountPercentile?: string;
  readonly configuredAtMs: number;
}

const UNSUPPORTED = [
  'ThresholdMetricId',
  'EvaluationWindow',
  'WarmUpConfiguration',
  'EvaluationCriteria',
  'EvaluationInterval',
] as const;
const METRICS_MAX = 10;
const WINDOW_SECONDS_MAX = 86_400;
const HOURS_WINDOW_SECONDS_MAX = 604_800;

/** Checks a `PutMetricAlarm` request as AWS does and returns what it defines. */
export function defineAlarm(input: PutMetricAlarmInput, arn: string, nowMs: number): AlarmDefinition {
  for (const field of UNSUPPORTED) {
    if (input[field] !== undefined) {
      throw invalid(`The local engine does not support ${field} of metric alarms: leave it out.`);
    }
  }
  const name = input.AlarmName ?? '';
  if (name.length === 0 || name.length > 255) {
    throw invalid('The parameter AlarmName must be 1 to 255 characters long.');
  }
  const watched = input.Metrics ? watchedMetrics(input) : watchedMetric(input);
  const condition = conditionOf(input);
  const { periodSeconds } = watched;
  checkAlarmPeriod(periodSeconds);
  const spanSeconds = periodSeconds * condition.evaluationPeriods;
  const longest = periodSeconds >= 3600 ? HOURS_WINDOW_SECONDS_MAX : WINDOW_SECONDS_MAX;
  if (spanSeconds > longest) {
    throw invalid(
      `Metrics cannot be checked across more than a ${longest === WINDOW_SECONDS_MAX ? 'day' : 'week'} (EvaluationPeriods * Period must be <= ${longest}).`,
    );
  }
  const lowSample = input.EvaluateLowSampleCountPercentile;
  if (lowSample !== undefined && lowSample !== 'evaluate') {
    throw invalid(
      `The value ${lowSample} for EvaluateLowSampleCountPercentile is not supported by the local engine, which always evaluates.`,
    );
  }
  return {
    name,
    arn,
    ...(input.AlarmDescription === undefined ? {} : { description: input.AlarmDescription }),
    actionsEnabled: input.ActionsEnabled ?? true,
    actions: {
      OK: actionsOf(input.OKActions, 'OKActions'),
      ALARM: actionsOf(input.AlarmActions, 'AlarmActions'),
      INSUFFICIENT_DATA: actionsOf(input.InsufficientDataActions, 'InsufficientDataActions'),
    },
    ...watched,
    condition,
    given: {
      treatMissingData: input.TreatMissingData !== undefined,
      datapointsToAlarm: input.DatapointsToAlarm !== undefined,
    },
    ...(lowSample === undefined ? {} : { evaluateLowSampleCountPercentile: lowSample }),
    configuredAtMs: nowMs,
  };
}

/** The queries whose only returned series an alarm watches. */
export function alarmQueries(alarm: AlarmDefinition): QuerySet {
  if (alarm.metrics) return parseQueries(alarm.metrics);
  const { namespace, metricName, dimensions, statistic, unit } = alarm.single!;
  return parseQueries([
    {
      Id: 'm1',
      MetricStat: {
        Metric: {
          Namespace: namespace,
          MetricName: metricName,
          Dimensions: dimensions.map(([Name, Value]) => ({ Name, Value })),
        },
        Period: alarm.periodSeconds,
        Stat: statistic,
        Unit: unit as NonNullable<NonNullable<MetricDataQuery['MetricStat']>['Unit']> | undefined,
      },
    },
  ]);
}

type Watched = Pick<AlarmDefinition, 'single' | 'metrics' | 'periodSeconds'>;

function watchedMetric(input: PutMetricAlarmInput): Watched {
  const { Namespace, MetricName, Statistic, ExtendedStatistic, Period } = input;
  if (!Namespace || !MetricName || Period === undefined) {
    throw invalid('An alarm needs either Metrics, or Namespace, MetricName, Period and a statistic.');
  }
  if ((Statistic === undefined) === (ExtendedStatistic === undefined)) {
    throw invalid('Exactly one of Statistic and ExtendedStatistic must be given.');
  }
  const statistic = Statistic ?? ExtendedStatistic ?? '';
  parseStatistic(statistic);
  const { dimensions } = metricNameOf(Namespace, MetricName, input.Dimensions ?? []);
  return {
    single: {
      namespace: Namespace,
      metricName: MetricName,
      dimensions,
      statistic,
      ...(input.Unit === undefined ? {} : { unit: input.Unit }),
    },
    periodSeconds: Period,
  };
}

function watchedMetrics(input: PutMetricAlarmInput): Watched {
  for (const field of [
    'MetricName',
    'Namespace',
    'Statistic',
    'ExtendedStatistic',
    'Period',
    'Unit',
  ] as const) {
    if (input[field] !== undefined) {
      throw new AwsFault(
        'InvalidParameterCombinationException',
        `The parameters Metrics and ${field} are mutually exclusive.`,
      );
    }
  }
  const metrics = input.Metrics ?? [];
  const parsed = parseQueries(metrics);
  if (metricsOf(parsed).length > METRICS_MAX) {
    throw invalid(`An alarm can be based on at most ${METRICS_MAX} metrics.`);
  }
  const returned = parsed.queries.filter(({ returned }) => returned);
  if (returned.length !== 1) {
    throw invalid(
      `Exactly one element of the metrics list should return data, not ${returned.length}: set ReturnData to false on the others.`,
    );
  }
  const periods = new Set(
    parsed.queries.flatMap(({ source }) => (source.kind === 'metric' ? [source.periodSeconds] : [])),
  );
  if (periods.size !== 1) {
    throw invalid(
      periods.size === 0
        ? 'An alarm must be based on at least one metric.'
        : 'Period must be the same for all metrics of an alarm.',
    );
  }
  checkSingleSeries(parsed);
  return { metrics, periodSeconds: longestPeriod(parsed) };
}

function checkAlarmPeriod(seconds: number): void {
  if (seconds === 10 || seconds === 20 || seconds === 30 || (seconds > 0 && seconds % 60 === 0)) return;
  throw invalid(`Period must be 10, 20, 30 or a multiple of 60, not ${seconds}.`);
}

const COMPARISONS: readonly string[] = [
  'GreaterThanOrEqualToThreshold',
  'GreaterThanThreshold',
  'LessThanThreshold',
  'LessThanOrEqualToThreshold',
];
const TREATMENTS: readonly string[] = ['missing', 'ignore', 'breaching', 'notBreaching'];

function conditionOf(input: PutMetricAlarmInput): AlarmCondition {
  const { ComparisonOperator, EvaluationPeriods, Threshold } = input;
  if (ComparisonOperator === undefined || EvaluationPeriods === undefined || Threshold === undefined) {
    throw invalid('An alarm needs ComparisonOperator, EvaluationPeriods and Threshold.');
  }
  if (!COMPARISONS.includes(ComparisonOperator)) {
    throw invalid(
      `The ComparisonOperator ${ComparisonOperator} is not supported by the local engine: it compares with a fixed threshold only.`,
    );
  }
  const datapointsToAlarm = input.DatapointsToAlarm ?? EvaluationPeriods;
  if (!Number.isInteger(EvaluationPeriods) || EvaluationPeriods < 1) {
    throw invalid('EvaluationPeriods must be at least 1.');
  }
  if (datapointsToAlarm < 1 || datapointsToAlarm > EvaluationPeriods) {
    throw invalid('DatapointsToAlarm must be at least 1 and not above EvaluationPeriods.');
  }
  const treatMissingData = input.TreatMissingData ?? 'missing';
  if (!TREATMENTS.includes(treatMissingData)) {
    throw invalid(`TreatMissingData must be one of ${TREATMENTS.join(', ')}, not ${treatMissingData}.`);
  }
  return {
    comparison: ComparisonOperator as AlarmCondition['comparison'],
    threshold: Threshold,
    evaluationPeriods: EvaluationPeriods,
    datapointsToAlarm,
    treatMissingData: treatMissingData as MissingDataTreatment,
  };
}

/** What an alarm does through an action, told from the action's ARN. */
export function actionKind(arn: string): 'topic' | 'function' | 'scaling-policy' | undefined {
  if (/^arn:aws:sns:[^:]*:\d*:.+$/.test(arn)) return 'topic';
  if (/^arn:aws:lambda:[^:]*:\d*:function:.+$/.test(arn)) return 'function';
  if (/^arn:aws:autoscaling:[^:]*:\d*:scalingPolicy:.+$/.test(arn)) return 'scaling-policy';
  return undefined;
}

function actionsOf(arns: readonly string[] | undefined, field: string): readonly string[] {
  const actions = [...new Set(arns ?? [])];
  if (actions.length > 5) throw invalid(`The collection ${field} must not have a size greater than 5.`);
  for (const arn of actions) {
    if (actionKind(arn)) continue;
    throw invalid(
      `The local engine does not support the action ${arn} in ${field}: it knows SNS topics, Lambda functions and Application Auto Scaling policies.`,
    );
  }
  return actions;
}
