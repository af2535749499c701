import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

const SQS_METRIC_PERIOD = Duration.minutes(1);
const LATE_MINUTES = 5;

/**
 * An alarm on *new* dead letters, which is in ALARM while the dead-letter queue grows.
 *
 * CloudWatch acts on state transitions only: an alarm on the depth would stay in ALARM while residue of
 * an earlier release lies in the dead-letter queue, and the next bad release would be silent. An increase
 * needs two datapoints, and SQS publishes none for a queue that was untouched for six hours;
 * the controller reads the dead-letter queue every minute, which keeps it active.
 *
 * It is a reason to look, for the controller and for people, and proves nothing: its metrics are approximate,
 * late and sometimes missing. The controller counts what the workers report.
 */
export function deadLetterAlarm(
  scope: Construct,
  deadLetterQueue: sqs.IQueue,
  options: { readonly alarmThreshold?: number; readonly alarmTopic?: sns.ITopic },
): cloudwatch.Alarm {
  const { alarmThreshold = 1, alarmTopic } = options;
  if (!(alarmThreshold > 0)) {
    throw new Error(
      `alarmThreshold must be greater than 0, got ${alarmThreshold}: at 0 the alarm never clears`,
    );
  }
  const depth = { statistic: cloudwatch.Stats.MAXIMUM, period: SQS_METRIC_PERIOD };
  const alarm = new cloudwatch.Alarm(scope, 'DeadLetterAlarm', {
    alarmDescription: 'Messages were dead-lettered within the last minutes',
    metric: new cloudwatch.MathExpression({
      // Who looks at dead letters hides them for a while. SQS need not report that nothing is in flight.
      expression: 'DIFF(visible + FILL(inFlight, 0))',
      label: 'New dead letters',
      period: SQS_METRIC_PERIOD,
      usingMetrics: {
        visible: deadLetterQueue.metricApproximateNumberOfMessagesVisible(depth),
        inFlight: deadLetterQueue.metricApproximateNumberOfMessagesNotVisible(depth),
      },
    }),
    threshold: alarmThreshold,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    // The metrics may be three minutes late, and an increase is seen only while both its minutes are looked at.
    evaluationPeriods: LATE_MINUTES,
    datapointsToAlarm: 1,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  if (alarmTopic !== undefined) alarm.addAlarmAction(new actions.SnsAction(alarmTopic));
  return alarm;
}
