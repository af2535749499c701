import { ArnFormat, type CfnCondition, Duration, Fn, Stack, Token } from 'aws-cdk-lib';
import * as appscaling from 'aws-cdk-lib/aws-applicationautoscaling';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { runningTasks } from './metrics.ts';

/** Options of {@link BacklogScaling}. */
export interface BacklogScalingProps {
  /** Service whose task count follows the queue. */
  readonly service: ecs.FargateService;
  /** Whether there is an image. Without one no task could start, and the range is empty until the first release. */
  readonly hasImage: CfnCondition;
  /** Queue that the service consumes. */
  readonly queue: sqs.IQueue;
  /** Fewest tasks. */
  readonly minCapacity: number;
  /** Most tasks. */
  readonly maxCapacity: number;
  /** Waiting messages that one task is expected to carry. */
  readonly backlogPerTask: number;
}

/** Minutes for which messages must have waited for nobody: CloudWatch has the metrics of two services at different times. */
const ASLEEP_MINUTES = 3;

/**
 * Application Auto Scaling of a service on its backlog per task.
 *
 * Target tracking follows `visible / running`. With no task running that ratio has no value and target
 * tracking stays silent, so where there may be none a step policy wakes the service when messages wait and nothing runs.
 */
export class BacklogScaling extends Construct {
  /** In ALARM while messages wait and no task runs; absent where the fewest tasks are more than none. */
  readonly asleepAlarm?: cloudwatch.Alarm;

  constructor(scope: Construct, id: string, props: BacklogScalingProps) {
    super(scope, id);
    const { service, queue, minCapacity, maxCapacity } = props;
    const period = Duration.minutes(1);
    const visible = queue.metricApproximateNumberOfMessagesVisible({
      period,
      statistic: cloudwatch.Stats.MAXIMUM,
    });
    const running = runningTasks(service, { period });

    const scalableTarget = new appscaling.ScalableTarget(this, 'Target', {
      serviceNamespace: appscaling.ServiceNamespace.ECS,
      scalableDimension: 'ecs:service:DesiredCount',
      resourceId: `service/${service.cluster.clusterName}/${service.serviceName}`,
      minCapacity,
      maxCapacity,
      role: iam.Role.fromRoleArn(this, 'ServiceLinkedRole', serviceLinkedRoleArn(this), { mutable: false }),
    });

    const range = scalableTarget.node.defaultChild as appscaling.CfnScalableTarget;
    const withImage = (count: number) => Token.asNumber(Fn.conditionIf(props.hasImage.logicalId, count, 0));
    range.minCapacity = withImage(minCapacity);
    range.maxCapacity = withImage(maxCapacity);

    // The L2 policy takes a single metric only.
    new appscaling.CfnScalingPolicy(this, 'BacklogPerTask', {
      policyName: 'backlog-per-task',
      policyType: 'TargetTrackingScaling',
      scalingTargetId: scalableTarget.scalableTargetId,
      targetTrackingScalingPolicyConfiguration: {
        targetValue: props.backlogPerTask,
        scaleOutCooldown: Duration.minutes(1).toSeconds(),
        scaleInCooldown: Duration.minutes(5).toSeconds(),
        customizedMetricSpecification: {
          metrics: [
            scalingMetric('visible', visible),
            scalingMetric('running', running),
            { id: 'backlog', expression: 'visible / running', label: 'Backlog per task', returnData: true },
          ],
        },
      },
    });

    if (minCapacity > 0) return;
    // It can only add a task, so that a wrong alarm takes none away: a step policy is not held back by target tracking.
    const wake = new appscaling.StepScalingAction(this, 'Wake', {
      scalingTarget: scalableTarget,
      adjustmentType: appscaling.AdjustmentType.CHANGE_IN_CAPACITY,
      cooldown: Duration.minutes(1),
    });
    wake.addAdjustment({ lowerBound: 0, adjustment: 1 });
    this.asleepAlarm = new cloudwatch.Alarm(this, 'AsleepAlarm', {
      alarmDescription: 'Messages wait and no task of the stable service runs',
      metric: new cloudwatch.MathExpression({
        // The newest minutes of a late metric have no value: its last one holds for them. Nothing runs where there is none.
        // See FILL in https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
        expression: 'IF(FILL(FILL(running, REPEAT), 0) < 1, visible, 0)',
        label: 'Messages waiting for nobody',
        period,
        usingMetrics: { visible, running },
      }),
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: ASLEEP_MINUTES,
      datapointsToAlarm: ASLEEP_MINUTES,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    this.asleepAlarm.addAlarmAction({ bind: () => ({ alarmActionArn: wake.scalingPolicyArn }) });
  }
}

/** The role that Application Auto Scaling makes for itself in every account. */
function serviceLinkedRoleArn(scope: Construct): string {
  return Stack.of(scope).formatArn({
    service: 'iam',
    region: '',
    resource: 'role/aws-service-role/ecs.application-autoscaling.amazonaws.com',
    resourceName: 'AWSServiceRoleForApplicationAutoScaling_ECSService',
    arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
  });
}

function scalingMetric(
  id: string,
  metric: cloudwatch.Metric,
): appscaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty {
  const dimensions = Object.entries(metric.dimensions ?? {});
  return {
    id,
    returnData: false,
    metricStat: {
      stat: metric.statistic,
      metric: {
        namespace: metric.namespace,
        metricName: metric.metricName,
        dimensions: dimensions.map(([name, value]) => ({ name, value: String(value) })),
      },
    },
  };
}
