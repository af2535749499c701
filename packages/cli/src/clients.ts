import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline } from '@aws-sdk/client-codepipeline';
import { ECR } from '@aws-sdk/client-ecr';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { SSM } from '@aws-sdk/client-ssm';
import type { Target } from './target.ts';

/** What starts and follows a release. */
export interface ReleaseClients {
  readonly cloudformation: CloudFormation;
  readonly codepipeline: CodePipeline;
  readonly ecr: ECR;
  readonly lambda: Lambda;
  readonly s3: S3;
}

/** SDK clients of one target. */
export interface Clients extends ReleaseClients {
  readonly logs: CloudWatchLogs;
  readonly codebuild: CodeBuild;
  readonly codecommit: CodeCommit;
  readonly sqs: SQS;
  readonly ssm: SSM;
}

/** Reading days of a log asks more often than AWS allows in a second, so it is throttled, and must be patient. */
const LOG_ATTEMPTS = 12;

export function createReleaseClients({ connection }: Target): ReleaseClients {
  return {
    cloudformation: new CloudFormation(connection),
    codepipeline: new CodePipeline(connection),
    ecr: new ECR(connection),
    lambda: new Lambda(connection),
    s3: new S3(connection),
  };
}

export function createClients(target: Target): Clients {
  const { connection } = target;
  return {
    ...createReleaseClients(target),
    logs: new CloudWatchLogs({ ...connection, maxAttempts: LOG_ATTEMPTS }),
    codebuild: new CodeBuild(connection),
    codecommit: new CodeCommit(connection),
    sqs: new SQS(connection),
    ssm: new SSM(connection),
  };
}
