import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { CONTAINER_INSIGHTS_NAMESPACE, OUTCOME_NAMESPACE, type Track } from './names.ts';

/** Running tasks of a service, as Container Insights counts them every minute. */
export function runningTasks(
  service: ecs.FargateService,
  options: cloudwatch.MetricOptions = {},
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: CONTAINER_INSIGHTS_NAMESPACE,
    metricName: 'RunningTaskCount',
    dimensionsMap: { ClusterName: service.cluster.clusterName, ServiceName: service.serviceName },
    statistic: cloudwatch.Stats.AVERAGE,
    ...options,
  });
}

/** One of the outcome metrics that the workers of a track report. */
export function outcomes(
  appName: string,
  track: Track,
  metricName: 'Received' | 'Succeeded' | 'Failed' | 'ProcessingTimeMs',
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
