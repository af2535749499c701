import type { AlarmDefinition } from './alarm-definition.ts';
import type { AlarmDecision, AlarmStateValue } from './alarm-evaluation.ts';

/** An alarm's state with why and since when. */
export interface AlarmState {
  readonly value: AlarmStateValue;
  readonly reason: string;
  readonly reasonData?: string;
  readonly updatedAtMs: number;
}

/** A change of state, as events and notifications tell it. */
export interface AlarmTransition {
  readonly alarm: AlarmDefinition;
  readonly from: AlarmState;
  readonly to: AlarmState;
}

/** `StateReasonData` of an evaluation: the data points behind the decision, as AWS writes them. */
export function reasonData(alarm: AlarmDefinition, decision: AlarmDecision, nowMs: number): string {
  const points = decision.evaluated;
  const oldest = points.at(-1);
  return JSON.stringify({
    version: '1.0',
    queryDate: awsTime(nowMs),
    ...(oldest ? { startDate: awsTime(oldest.atMs) } : {}),
    ...(alarm.single?.unit ? { unit: alarm.single.unit } : {}),
    ...(alarm.single ? { statistic: alarm.single.statistic } : {}),
    period: alarm.periodSeconds,
    recentDatapoints: points.map(({ value }) => value).reverse(),
    threshold: alarm.condition.threshold,
    evaluatedDatapoints: points.map(({ atMs, value }) => ({ timestamp: awsTime(atMs), value })),
  });
}

/** Detail of the `CloudWatch Alarm State Change` event. */
export function eventDetail({ alarm, from, to }: AlarmTransition): Record<string, unknown> {
  return {
    alarmName: alarm.name,
    state: eventState(to),
    previousState: eventState(from),
    configuration: {
      ...(alarm.description === undefined ? {} : { description: alarm.description }),
      metrics: configuredMetrics(alarm),
    },
  };
}

/** What a Lambda function receives as an alarm's action. */
export function functionPayload(
  transition: AlarmTransition,
  accountId: string,
  region: string,
): Record<string, unknown> {
  return {
    source: 'aws.cloudwatch',
    alarmArn: transition.alarm.arn,
    accountId,
    time: awsTime(transition.to.updatedAtMs),
    region,
    alarmData: eventDetail(transition),
  };
}

/** What a topic receives as an alarm's action. */
export function topicMessage(
  { alarm, from, to }: AlarmTransition,
  accountId: string,
  region: string,
): { subject: string; message: string } {
  const { condition, single } = alarm;
  const trigger = {
    ...(single
      ? {
          MetricName: single.metricName,
          Namespace: single.namespace,
          StatisticType: isSimple(single.statistic) ? 'Statistic' : 'ExtendedStatistic',
          [isSimple(single.statistic) ? 'Statistic' : 'ExtendedStatistic']: isSimple(single.statistic)
            ? single.statistic.toUpperCase()
            : single.statistic,
          Unit: single.unit ?? null,
          Dimensions: single.dimensions.map(([name, value]) => ({ value, name })),
        }
      : { Metrics: alarm.metrics }),
    Period: alarm.periodSeconds,
    EvaluationPeriods: condition.evaluationPeriods,
    DatapointsToAlarm: condition.datapointsToAlarm,
    ComparisonOperator: condition.comparison,
    Threshold: condition.threshold,
    TreatMissingData: condition.treatMissingData,
    EvaluateLowSampleCountPercentile: alarm.evaluateLowSampleCountPercentile ?? '',
  };
  return {
    subject: `${to.value}: "${alarm.name}" in ${region}`.slice(0, 100),
    message: JSON.stringify({
      AlarmName: alarm.name,
      AlarmDescription: alarm.description ?? null,
      AWSAccountId: accountId,
      AlarmConfigurationUpdatedTimestamp: awsTime(alarm.configuredAtMs),
      NewStateValue: to.value,
      NewStateReason: to.reason,
      StateChangeTime: awsTime(to.updatedAtMs),
      Region: region,
      AlarmArn: alarm.arn,
      OldStateValue: from.value,
      OKActions: alarm.actions.OK,
      AlarmActions: alarm.actions.ALARM,
      InsufficientDataActions: alarm.actions.INSUFFICIENT_DATA,
      Trigger: trigger,
    }),
  };
}

/** `HistoryData` of a state update. */
export function historyData({ from, to }: AlarmTransition): string {
  const state = ({ value, reason, reasonData }: AlarmState) => ({
    stateValue: value,
    stateReason: reason,
    ...(reasonData === undefined ? {} : { stateReasonData: JSON.parse(reasonData) as unknown }),
  });
  return JSON.stringify({ version: '1.0', oldState: state(from), newState: state(to) });
}

function eventState(state: AlarmState): Record<string, unknown> {
  return {
    value: state.value,
    reason: state.reason,
    ...(state.reasonData === undefined ? {} : { reasonData: state.reasonData }),
    timestamp: awsTime(state.updatedAtMs),
  };
}

function configuredMetrics(alarm: AlarmDefinition): unknown[] {
  if (alarm.single) {
    const { namespace, metricName, dimensions, statistic, unit } = alarm.single;
    return [
      {
        id: 'm1',
        metricStat: {
          metric: { namespace, name: metricName, dimensions: Object.fromEntries(dimensions) },
          period: alarm.periodSeconds,
          stat: statistic,
          ...(unit === undefined ? {} : { unit }),
        },
        returnData: true,
      },
    ];
  }
  return (alarm.metrics ?? []).map((query) => ({
    id: query.Id,
    ...(query.Expression === undefined ? {} : { expression: query.Expression }),
    ...(query.Label === undefined ? {} : { label: query.Label }),
    ...(query.MetricStat
      ? {
          metricStat: {
            metric: {
              namespace: query.MetricStat.Metric?.Namespace,
              name: query.MetricStat.Metric?.MetricName,
              dimensions: Object.fromEntries(
                (query.MetricStat.Metric?.Dimensions ?? []).map(({ Name, Value }) => [Name, Value]),
              ) as Record<string, string>,
            },
            period: query.MetricStat.Period,
            stat: query.MetricStat.Stat,
          },
        }
      : {}),
    returnData: query.ReturnData ?? true,
  }));
}

function isSimple(statistic: string): boolean {
  return ['SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum'].includes(statistic);
}

/** `2026-01-01T00:00:00.000+0000`, as CloudWatch writes times in its messages. */
function awsTime(atMs: number): string {
  return new Date(atMs).toISOString().replace('Z', '+0000');
}
