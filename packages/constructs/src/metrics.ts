import { OUTCOME_NAMESPACE, type Track, type WorkerMetric } from '@queue-canary/core';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { ECS_NAMESPACE } from './names.ts';

/**
 * Running tasks of a service: each has one value of CPU utilization a minute, so the samples of a minute are its tasks.
 * It is free, unlike the count of Container Insights, and has no value while no task runs. Periods must be one minute.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html#cw_running_task_count
 */
export function runningTasks(
  service: ecs.FargateService,
  options: cloudwatch.MetricOptions = {},
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: ECS_NAMESPACE,
    metricName: 'CPUUtilization',
    dimensionsMap: { ClusterName: service.cluster.clusterName, ServiceName: service.serviceName },
    statistic: cloudwatch.Stats.SAMPLE_COUNT,
    ...options,
  });
}

/** Which workers report. */
export interface OutcomeSource {
  readonly appName: string;
  readonly track: Track;
}

/** One of the metrics that the workers of a track report, summed over its tasks unless told otherwise. */
export function outcomes(
  { appName, track }: OutcomeSource,
  metricName: WorkerMetric,
  options: cloudwatch.MetricOptions = {},
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: OUTCOME_NAMESPACE,
    metricName,
    dimensionsMap: { App: appName, Track: track },
    statistic: cloudwatch.Stats.SUM,
    ...options,
  });
}
