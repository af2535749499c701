import type { Dimension, MetricDataQuery, PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import type { Engine } from '../../dispatch/service.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { StoredPolicy } from './model.ts';

const PERIOD_SECONDS = 60;
const HIGH_PERIODS = 3;
const LOW_PERIODS = 15;
/** Scaling in begins a tenth below the target, so that a service at its target stays as it is. */
const LOW_SHARE = 0.9;

type Metric = Pick<
  PutMetricAlarmInput,
  'MetricName' | 'Namespace' | 'Dimensions' | 'Statistic' | 'Unit' | 'Metrics' | 'Period'
>;

/** ARN of an alarm by its name. */
export function alarmArn(engine: Pick<Engine, 'region' | 'accountId'>, name: string): string {
  return `arn:aws:cloudwatch:${engine.region}:${engine.accountId}:alarm:${name}`;
}

/**
 * Creates the alarms of a target tracking policy that do not exist yet, or all of them again: above the target
 * for three minutes scales out, a tenth below it for fifteen scales in, as on AWS.
 */
export async function putTrackingAlarms(engine: Engine, policy: StoredPolicy): Promise<void> {
  const { tracking, alarms, arn } = policy;
  if (!tracking || !alarms) return;
  const target = tracking.TargetValue!;
  const caller = servicePrincipal(engine, 'ecs.application-autoscaling.amazonaws.com');
  const common = {
    ...metricOf(policy),
    AlarmDescription: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${arn}.`,
    AlarmActions: [arn],
  };
  await engine.call(caller, 'cloudwatch', 'PutMetricAlarm', {
    ...common,
    AlarmName: alarms.high,
    ComparisonOperator: 'GreaterThanThreshold',
    Threshold: target,
    EvaluationPeriods: HIGH_PERIODS,
  });
  if (alarms.low === undefined) return;
  await engine.call(caller, 'cloudwatch', 'PutMetricAlarm', {
    ...common,
    AlarmName: alarms.low,
    ComparisonOperator: 'LessThanThreshold',
    Threshold: target * LOW_SHARE,
    EvaluationPeriods: LOW_PERIODS,
  });
}

/** Which of the policy's alarms are missing: the engine may have died between policy and alarms. */
export async function lacksAlarms(engine: Engine, policy: StoredPolicy): Promise<boolean> {
  const names = alarmNames(policy);
  if (names.length === 0) return false;
  return (await describe(engine, names)).length < names.length;
}

export async function deleteTrackingAlarms(engine: Engine, policy: StoredPolicy): Promise<void> {
  const names = alarmNames(policy);
  if (names.length === 0) return;
  const caller = servicePrincipal(engine, 'ecs.application-autoscaling.amazonaws.com');
  await engine.call(caller, 'cloudwatch', 'DeleteAlarms', { AlarmNames: names });
}

/** Whether every one of these policies would scale in as well: a service shrinks only when all agree. */
export async function allScaleIn(engine: Engine, policies: readonly StoredPolicy[]): Promise<boolean> {
  const names = policies.flatMap(({ alarms }) => alarms?.low ?? []);
  if (names.length === 0) return true;
  return (await describe(engine, names)).every(({ StateValue }) => StateValue === 'ALARM');
}

export function alarmNames({ alarms }: StoredPolicy): string[] {
  if (!alarms) return [];
  return alarms.low === undefined ? [alarms.high] : [alarms.high, alarms.low];
}

async function describe(engine: Engine, names: readonly string[]) {
  const caller = servicePrincipal(engine, 'ecs.application-autoscaling.amazonaws.com');
  const { MetricAlarms = [] } = await engine.call(caller, 'cloudwatch', 'DescribeAlarms', {
    AlarmNames: [...names],
  });
  return MetricAlarms;
}

function metricOf({ tracking, resourceId }: StoredPolicy): Metric {
  const { PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: own } = tracking!;
  if (predefined) {
    const [, cluster, service] = resourceId.split('/');
    return {
      Namespace: 'AWS/ECS',
      MetricName:
        predefined.PredefinedMetricType === 'ECSServiceAverageCPUUtilization'
          ? 'CPUUtilization'
          : 'MemoryUtilization',
      Dimensions: [
        { Name: 'ClusterName', Value: cluster },
        { Name: 'ServiceName', Value: service },
      ],
      Statistic: 'Average',
      Period: PERIOD_SECONDS,
    };
  }
  if (own?.Metrics?.length) {
    return {
      Metrics: own.Metrics.map(
        ({ Id, Expression, Label, ReturnData, MetricStat }): MetricDataQuery => ({
          Id,
          Expression,
          Label,
          ReturnData: ReturnData ?? true,
          ...(MetricStat
            ? {
                MetricStat: {
                  Metric: {
                    Namespace: MetricStat.Metric?.Namespace,
                    MetricName: MetricStat.Metric?.MetricName,
                    Dimensions: dimensions(MetricStat.Metric?.Dimensions),
                  },
                  Period: PERIOD_SECONDS,
                  Stat: MetricStat.Stat,
                  ...(MetricStat.Unit === undefined ? {} : { Unit: MetricStat.Unit as MetricUnit }),
                },
              }
            : {}),
        }),
      ),
    };
  }
  return {
    Namespace: own?.Namespace,
    MetricName: own?.MetricName,
    Dimensions: dimensions(own?.Dimensions),
    Statistic: own?.Statistic,
    ...(own?.Unit === undefined ? {} : { Unit: own.Unit as MetricUnit }),
    Period: PERIOD_SECONDS,
  };
}

type MetricUnit = NonNullable<PutMetricAlarmInput['Unit']>;

function dimensions(
  list: ReadonlyArray<{ Name: string | undefined; Value: string | undefined }> | undefined,
): Dimension[] {
  return (list ?? []).map(({ Name, Value }) => ({ Name, Value }));
}
