import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input, Output } from '../../sdk/services.ts';
import { alarmArn } from './alarm-arn.ts';
import { alarmQueries, defineAlarm } from './alarm-definition.ts';
import type { Alarm, Alarms } from './alarms.ts';
import { metricNameOf } from './metric-data.ts';
import { metricsOf } from './metric-query.ts';

type MetricAlarm = NonNullable<Output<'cloudwatch', 'DescribeAlarms'>['MetricAlarms']>[number];

const PAGE = 100;
const DELETED_AT_ONCE_MAX = 100;

/** Defining, describing and deleting metric alarms. */
export function alarmOperations(engine: Engine, alarms: Alarms) {
  const arnOf = (name: string) => alarmArn(engine, name);
  const arnsOf = (names: readonly string[] | undefined) =>
    names && names.length > 0 ? names.map(arnOf) : [arnOf('*')];

  return {
    PutMetricAlarm: {
      resources: (input) => [arnOf(input.AlarmName ?? '')],
      run: (input) => {
        const definition = defineAlarm(input, arnOf(input.AlarmName ?? ''), engine.clock.nowMs());
        alarms.put(definition, tagMap(input.Tags));
        return {};
      },
    },
    PutCompositeAlarm: {
      resources: (input) => [arnOf(input.AlarmName ?? '')],
      run: () => {
        throw new AwsFault(
          'ValidationError',
          'The local engine does not support composite alarms: use a metric alarm, with metric math over several metrics if need be.',
        );
      },
    },
    DescribeAlarms: {
      resources: (input) => arnsOf(input.AlarmNames),
      run: (input) => describeAlarms(alarms, input),
    },
    DescribeAlarmsForMetric: {
      run: (input) => {
        const wanted = metricNameOf(input.Namespace ?? '', input.MetricName ?? '', input.Dimensions ?? []);
        const key = JSON.stringify(wanted);
        const statistic = input.Statistic ?? input.ExtendedStatistic;
        const found = alarms.all().filter(({ definition }) => {
          if (!metricsOf(alarmQueries(definition)).some((metric) => JSON.stringify(metric) === key)) {
            return false;
          }
          if (statistic !== undefined && definition.single?.statistic !== statistic) return false;
          if (input.Unit !== undefined && definition.single?.unit !== input.Unit) return false;
          return input.Period === undefined || definition.periodSeconds === input.Period;
        });
        return { MetricAlarms: found.map(shown) };
      },
    },
    DeleteAlarms: {
      resources: (input) => (input.AlarmNames ?? []).map(arnOf),
      run: (input) => {
        const names = input.AlarmNames ?? [];
        if (names.length > DELETED_AT_ONCE_MAX) {
          throw new AwsFault(
            'ValidationError',
            `The collection AlarmNames must not have a size greater than ${DELETED_AT_ONCE_MAX}.`,
          );
        }
        for (const name of names) alarms.require(name);
        for (const name of names) alarms.delete(name);
        return {};
      },
    },
  } satisfies OperationTable<'cloudwatch'>;
}

function describeAlarms(alarms: Alarms, input: Input<'cloudwatch', 'DescribeAlarms'>) {
  if (input.ChildrenOfAlarmName !== undefined || input.ParentsOfAlarmName !== undefined) {
    throw new AwsFault(
      'ValidationError',
      'The local engine has no composite alarms: leave out ChildrenOfAlarmName and ParentsOfAlarmName.',
    );
  }
  if (input.AlarmTypes && !input.AlarmTypes.includes('MetricAlarm')) {
    return { MetricAlarms: [], CompositeAlarms: [] };
  }
  const { AlarmNames, AlarmNamePrefix, StateValue, ActionPrefix } = input;
  if (AlarmNames && AlarmNames.length > 0 && AlarmNamePrefix !== undefined) {
    throw new AwsFault('ValidationError', 'AlarmNames and AlarmNamePrefix are mutually exclusive.');
  }
  const found = alarms.all().filter(({ definition, state }) => {
    if (AlarmNames && AlarmNames.length > 0 && !AlarmNames.includes(definition.name)) return false;
    if (AlarmNamePrefix !== undefined && !definition.name.startsWith(AlarmNamePrefix)) return false;
    if (StateValue !== undefined && state.value !== StateValue) return false;
    const actions = Object.values(definition.actions).flat();
    return ActionPrefix === undefined || actions.some((arn) => arn.startsWith(ActionPrefix));
  });
  const { items, next } = page(
    found,
    input.NextToken,
    input.MaxRecords ?? PAGE,
    () => new AwsFault('InvalidNextToken', 'The next token is invalid.'),
  );
  return { MetricAlarms: items.map(shown), CompositeAlarms: [], NextToken: next };
}

function shown({ definition, state, transitionedAtMs }: Alarm): MetricAlarm {
  const { condition, single, given } = definition;
  const simple =
    single !== undefined &&
    ['SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum'].includes(single.statistic);
  return {
    AlarmName: definition.name,
    AlarmArn: definition.arn,
    AlarmDescription: definition.description,
    AlarmConfigurationUpdatedTimestamp: new Date(definition.configuredAtMs),
    ActionsEnabled: definition.actionsEnabled,
    OKActions: [...definition.actions.OK],
    AlarmActions: [...definition.actions.ALARM],
    InsufficientDataActions: [...definition.actions.INSUFFICIENT_DATA],
    StateValue: state.value,
    StateReason: state.reason,
    StateReasonData: state.reasonData,
    StateUpdatedTimestamp: new Date(state.updatedAtMs),
    StateTransitionedTimestamp: new Date(transitionedAtMs),
    ...(single
      ? {
          Namespace: single.namespace,
          MetricName: single.metricName,
          Dimensions: single.dimensions.map(([Name, Value]) => ({ Name, Value })),
          ...(simple
            ? { Statistic: single.statistic as NonNullable<MetricAlarm['Statistic']> }
            : { ExtendedStatistic: single.statistic }),
          Period: definition.periodSeconds,
          Unit: single.unit as MetricAlarm['Unit'],
        }
      : { Metrics: [...(definition.metrics ?? [])], Dimensions: [] }),
    EvaluationPeriods: condition.evaluationPeriods,
    DatapointsToAlarm: given.datapointsToAlarm ? condition.datapointsToAlarm : undefined,
    Threshold: condition.threshold,
    ComparisonOperator: condition.comparison,
    TreatMissingData: given.treatMissingData ? condition.treatMissingData : undefined,
    EvaluateLowSampleCountPercentile: definition.evaluateLowSampleCountPercentile,
  };
}
