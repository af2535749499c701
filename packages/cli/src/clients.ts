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

/** SDK clients of one target. */
export interface Clients {
  readonly cloudformation: CloudFormation;
  readonly logs: CloudWatchLogs;
  readonly codebuild: CodeBuild;
  readonly codecommit: CodeCommit;
  readonly codepipeline: CodePipeline;
  readonly ecr: ECR;
  readonly lambda: Lambda;
  readonly s3: S3;
  readonly sqs: SQS;
  readonly ssm: SSM;
}

/** Reading days of a log asks more often than AWS allows in a second, so it is throttled, and must be patient. */
const LOG_ATTEMPTS = 12;

export function createClients({ connection }: Target): Clients {
  return {
    cloudformation: new CloudFormation(connection),
    logs: new CloudWatchLogs({ ...connection, maxAttempts: LOG_ATTEMPTS }),
    codebuild: new CodeBuild(connection),
    codecommit: new CodeCommit(connection),
    codepipeline: new CodePipeline(connection),
    ecr: new ECR(connection),
    lambda: new Lambda(connection),
    s3: new S3(connection),
    sqs: new SQS(connection),
    ssm: new SSM(connection),
  };
}
