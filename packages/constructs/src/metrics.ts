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

/** Which of the numbers in the workers' outcome lines are metrics, as the worker runtime names them. */
export type WorkerMetric =
  | 'Received'
  | 'Succeeded'
  | 'Failed'
  | 'TimedOut'
  | 'Poisoned'
  | 'Expired'
  | 'Released'
  | 'ProcessingTimeMs'
  | 'QueueAgeMs'
  | 'InFlight'
  | 'LoopLagMs';

/** One of the metrics that the workers of a track report, summed over its tasks unless told otherwise. */
export function outcomes(
  appName: string,
  track: Track,
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
