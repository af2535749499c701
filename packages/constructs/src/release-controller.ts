import { CONTROLLER_VARIABLES, environmentOf, WORKER_CONTAINER } from '@queue-canary/core';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { CONTROLLER_BUNDLE, requireControllerBundle } from './controller-bundle.ts';
import { permissions } from './controller-permissions.ts';
import { wakeUps } from './controller-wake-ups.ts';
import { allowServices, allowUse, queueEncryption } from './encryption.ts';
import type { ReleaseControllerProps } from './release-controller-props.ts';
import { renderPolicy } from './release-policy.ts';

const TIMEOUT = Duration.minutes(5);

/**
 * The function that decides about a release and restores the last good one, and what wakes it.
 *
 * Every event only means "look now": it reads the live state and acts on that, so events that come
 * late, twice or out of order change nothing, and a minute's schedule covers events that never come.
 */
export class ReleaseController extends Construct {
  /** The controller. */
  readonly function: lambda.Function;
  /** The controller's log. */
  readonly logGroup: logs.LogGroup;
  /** JSON record of the last good release. */
  readonly releaseParameter: ssm.StringParameter;
  /** JSON of the last rollback that a person asked for. */
  readonly rollbackParameter: ssm.StringParameter;
  /** Events that EventBridge could not deliver, and those that the controller has failed on in every attempt. */
  readonly undeliveredEvents: sqs.Queue;

  constructor(scope: Construct, id: string, props: ReleaseControllerProps) {
    super(scope, id);
    requireControllerBundle();

    const { encryptionKey, reservedConcurrentExecutions: reserved } = props;
    if (reserved !== undefined && !(reserved >= 3)) {
      throw new Error(
        `reservedConcurrentExecutions must be at least 3, got ${reserved}: alarms would wait for minutes`,
      );
    }

    // As with the image parameter: a change here would make CloudFormation write the value again and
    // forget the last good release.
    this.releaseParameter = new ssm.StringParameter(this, 'Release', { stringValue: '{"version":1}' });
    this.rollbackParameter = new ssm.StringParameter(this, 'Rollback', { stringValue: '{}' });

    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(role);
    for (const statement of permissions(this, props)) role.addToPolicy(statement);

    this.function = new lambda.Function(this, 'Function', {
      description: 'Watches a canary release and promotes it or restores the last good one',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code: lambda.Code.fromAsset(CONTROLLER_BUNDLE),
      handler: 'index.handler',
      // Every line of a release is held, and replayed at each look.
      memorySize: 1536,
      timeout: TIMEOUT,
      ...(reserved === undefined ? {} : { reservedConcurrentExecutions: reserved }),
      role,
      logGroup: this.logGroup,
      environment: this.#environment(props),
    });

    this.undeliveredEvents = new sqs.Queue(this, 'UndeliveredEvents', {
      enforceSSL: true,
      ...queueEncryption(props),
      retentionPeriod: Duration.days(14),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // CDK's own destination would let the role do more than that, by wildcards where there is a key.
    role.addToPolicy(
      new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [this.undeliveredEvents.queueArn] }),
    );
    this.function.configureAsyncInvoke({
      onFailure: { bind: () => ({ destination: this.undeliveredEvents.queueArn }) },
      // By then CodePipeline has given up a job, and the schedule has found out the rest.
      maxEventAge: Duration.minutes(20),
    });
    if (encryptionKey !== undefined) {
      allowServices(this, encryptionKey, 'events');
      // To publish to the topic, and to keep events that it fails on.
      allowUse(encryptionKey, role);
    }
    for (const [alarmId, alarm] of Object.entries(this.#ownAlarms())) {
      new cloudwatch.Alarm(this, alarmId, alarm).addAlarmAction(new actions.SnsAction(props.topic));
    }
    for (const [ruleId, rule] of Object.entries(wakeUps(props))) {
      new events.Rule(this, ruleId, {
        ...rule,
        targets: [
          new targets.LambdaFunction(this.function, {
            deadLetterQueue: this.undeliveredEvents,
            // An event older than this says nothing that the schedule has not found out meanwhile.
            maxEventAge: Duration.minutes(10),
          }),
        ],
      });
    }
  }

  #environment(props: ReleaseControllerProps): Record<string, string> {
    const { services, image, queue, topic, alarms = [], updateParameter } = props;
    const { canary, stable, cluster, tasks } = services;
    return environmentOf(CONTROLLER_VARIABLES, {
      app: props.appName,
      pipeline: props.pipelineName,
      cluster: cluster.clusterName,
      canaryService: canary.service.serviceName,
      stableService: stable.service.serviceName,
      canaryTasks: String(tasks.canary),
      stableTasksMin: String(tasks.stableMin),
      stableTasksMax: String(tasks.stableMax),
      container: WORKER_CONTAINER,
      releaseParameter: this.releaseParameter.parameterName,
      rollbackParameter: this.rollbackParameter.parameterName,
      imageParameter: image.imageParameter.parameterName,
      imageRepository: image.imageRepositoryUri,
      ...(updateParameter && { updateParameter: updateParameter.parameterName }),
      ...(queue.deadLetterAlarm && { alarms: queue.deadLetterAlarm.alarmName }),
      ...(alarms.length > 0 && { stopAlarms: alarms.map(({ alarmName }) => alarmName).join('\n') }),
      ...(queue.deadLetterQueue && { deadLetterQueue: queue.deadLetterQueue.queueName }),
      topicArn: topic.topicArn,
      policy: renderPolicy(props, queue.visibilityTimeout),
    });
  }

  /** What is wrong with the controller itself, which nobody else watches. A failure now and then is retried. */
  #ownAlarms(): Record<string, cloudwatch.AlarmProps> {
    const period = Duration.minutes(5);
    const { SUM, MAXIMUM } = cloudwatch.Stats;
    const common = {
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    };
    return {
      Failing: {
        ...common,
        alarmDescription: 'The release controller has failed for a quarter of an hour: its log says why',
        metric: this.function.metricErrors({ period, statistic: SUM }),
        threshold: 1,
        evaluationPeriods: 3,
      },
      Throttled: {
        ...common,
        alarmDescription: 'Lambda has refused to run the release controller for a quarter of an hour',
        metric: this.function.metricThrottles({ period, statistic: SUM }),
        threshold: 1,
        evaluationPeriods: 3,
      },
      Slow: {
        ...common,
        alarmDescription: 'The release controller runs into its timeout',
        metric: this.function.metricDuration({ period, statistic: MAXIMUM }),
        threshold: TIMEOUT.toMilliseconds() * 0.95,
        evaluationPeriods: 1,
      },
      Undelivered: {
        ...common,
        alarmDescription:
          'Events did not reach the release controller or the pipeline, or it failed on them: a push may have started no release, or a release may wait for an answer',
        metric: this.undeliveredEvents.metricApproximateNumberOfMessagesVisible({
          period,
          statistic: MAXIMUM,
        }),
        threshold: 1,
        evaluationPeriods: 1,
      },
    };
  }
}
