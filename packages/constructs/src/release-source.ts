import { stages as names, RELEASE_REQUEST_KEY } from '@queue-canary/core';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { type ActionRoles, IMAGE, SOURCE } from './action-roles.ts';
import { CanaryImage } from './canary-image.ts';
import { type Stage, stage } from './pipeline-stage.ts';
import type { WorkerImage } from './worker-image.ts';

/** Whether releases begin with a commit that the pipeline builds; otherwise somebody names an image. */
export function isBuilt(image: WorkerImage): image is CanaryImage {
  return image instanceof CanaryImage;
}

/** The stages before the canary, which leave `imagedefinitions.json` in the artifact `Image`. */
export function sourceStages(image: WorkerImage, bucket: s3.Bucket, roles: ActionRoles): Stage[] {
  return isBuilt(image)
    ? [commitStage(image, roles), buildStage(image, roles)]
    : [requestStage(bucket, roles)];
}

function commitStage(image: CanaryImage, roles: ActionRoles): Stage {
  return stage(names.source.stage, {
    name: names.source.action,
    category: 'Source',
    provider: image.source.provider,
    configuration: image.source.configuration,
    outputs: [SOURCE],
    role: roles.source(image),
  });
}

function buildStage(image: CanaryImage, roles: ActionRoles): Stage {
  return stage(names.build.stage, {
    name: names.build.action,
    category: 'Build',
    provider: 'CodeBuild',
    configuration: { ProjectName: image.buildProject.projectName },
    inputs: [SOURCE],
    outputs: [IMAGE],
    // The controller reads what the build exports of its image from the action's output variables.
    namespace: 'build',
    role: roles.build(image),
  });
}

/**
 * A release request: a zip with `imagedefinitions.json`, whose metadata `codepipeline-artifact-revision-summary` names
 * the image. CodePipeline shows that as the summary of the source's revision
 * (https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_SourceRevision.html), where the controller reads it.
 *
 * Whoever writes the request starts the pipeline. An event of the object would do it as well, but EventBridge delivers
 * at least once, so that a request could be released twice, and whoever asked would not learn which execution is theirs.
 */
function requestStage(bucket: s3.Bucket, roles: ActionRoles): Stage {
  return stage(names.source.stage, {
    name: names.source.action,
    category: 'Source',
    provider: 'S3',
    configuration: {
      S3Bucket: bucket.bucketName,
      S3ObjectKey: RELEASE_REQUEST_KEY,
      PollForSourceChanges: false,
    },
    outputs: [IMAGE],
    role: roles.request(),
  });
}

/** Lets the build read the commit and leave what it made. */
export function allowBuild(
  scope: Construct,
  image: CanaryImage,
  bucket: s3.Bucket,
  roles: ActionRoles,
): iam.Policy {
  const buildArtifacts = new iam.Policy(scope, 'BuildArtifacts', {
    statements: [
      // CodeBuild asks less of a bucket than CodePipeline's actions do.
      new iam.PolicyStatement({
        actions: ['s3:GetBucketAcl', 's3:GetBucketLocation'],
        resources: [bucket.bucketArn],
      }),
      roles.objectAccess(SOURCE, 's3:GetObject', 's3:GetObjectVersion'),
      roles.objectAccess(IMAGE, 's3:PutObject'),
    ],
  });
  image.buildRole.attachInlinePolicy(buildArtifacts);
  return buildArtifacts;
}

/** Starts the pipeline when there is something new, unless CodePipeline itself notices. */
export function startOnPush(
  scope: Construct,
  { source: { startedBy } }: CanaryImage,
  pipelineArn: string,
  undeliveredEvents: sqs.IQueue,
): void {
  if (startedBy === undefined) return;
  const pushed = new events.Rule(scope, 'Pushed', {
    ...startedBy,
    targets: [
      new targets.CodePipeline(codepipeline.Pipeline.fromPipelineArn(scope, 'Target', pipelineArn), {
        deadLetterQueue: undeliveredEvents,
      }),
    ],
  });
  // CDK does this for functions as targets, but not for pipelines.
  undeliveredEvents.addToResourcePolicy(
    new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal('events.amazonaws.com')],
      actions: ['sqs:SendMessage'],
      resources: [undeliveredEvents.queueArn],
      conditions: { ArnEquals: { 'aws:SourceArn': pushed.ruleArn } },
    }),
  );
}
