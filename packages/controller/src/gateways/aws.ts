import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { CodePipelineClient } from '@aws-sdk/client-codepipeline';
import { ECSClient } from '@aws-sdk/client-ecs';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { Gateways } from '../gateways.ts';
import type { Names } from '../names.ts';
import { putTo } from '../stack-update-answer.ts';
import { AwsAlarmGateway } from './alarms.ts';
import { AwsDeadLetterGateway } from './dead-letters.ts';
import { LogReader } from './log-reader.ts';
import { AwsNotificationGateway } from './notifications.ts';
import { AwsOutcomeGateway } from './outcomes.ts';
import { AwsPipelineGateway } from './pipeline.ts';
import { AwsRecordGateway } from './record.ts';
import { AwsServiceGateway } from './services.ts';
import { AwsStackUpdateGateway } from './stack-updates.ts';

/** Where AWS is; what is left out comes from the environment, as for every SDK client. */
export interface Connection {
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/** A call that hangs must not use up the time of the whole look; the SDK then tries again. */
const requestHandler = { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true };

/**
 * Other applications of the account use up the same rates. A throttled client waits and then calls less often; what is
 * throttled five times is unknown at this look, and asked for again at the next.
 */
const retries = { retryMode: 'adaptive', maxAttempts: 5 };

/** Gateways to one application in AWS or a local engine. */
export function createAwsGateways(
  names: Names,
  where: Connection,
  sleep: (ms: number) => Promise<void>,
): Gateways {
  const connection = { ...where, ...retries, requestHandler };
  return {
    imageRepository: names.imageRepository,
    pipeline: new AwsPipelineGateway(new CodePipelineClient(connection), names.pipeline),
    services: new AwsServiceGateway(new ECSClient(connection), new ApplicationAutoScalingClient(connection), {
      cluster: names.cluster,
      canary: names.canaryService,
      stable: names.stableService,
      container: names.container,
      ...(names.tasks && { tasks: names.tasks }),
    }),
    alarms: new AwsAlarmGateway(new CloudWatchClient(connection), names),
    deadLetters:
      names.deadLetterQueue === undefined
        ? { depth: async () => undefined }
        : new AwsDeadLetterGateway(new SQSClient(connection), names.deadLetterQueue),
    outcomes: new AwsOutcomeGateway(new LogReader(new CloudWatchLogsClient(connection))),
    record: new AwsRecordGateway(new SSMClient(connection), names, sleep),
    ...(names.updateParameter !== undefined && {
      stackUpdates: new AwsStackUpdateGateway(new SSMClient(connection), names.updateParameter, putTo),
    }),
    notifications: new AwsNotificationGateway(new SNSClient(connection), names.topicArn),
  };
}
