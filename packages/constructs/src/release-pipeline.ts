import { stages as names } from '@queue-canary/core';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct, type IDependable } from 'constructs';
import { ActionRoles, IMAGE } from './action-roles.ts';
import type { CanaryServices } from './canary-services.ts';
import { allowUse, type EncryptionProps } from './encryption.ts';
import { type Action, type Stage, stage } from './pipeline-stage.ts';
import { allowBuild, isBuilt, sourceStages, startOnPush } from './release-source.ts';
import type { WorkerImage } from './worker-image.ts';
import type { WorkerService } from './worker-service.ts';

const PIPELINE_NAME_LENGTH_MAX = 100;
const ECS_DEPLOYMENT_MINUTES_MAX = 60;

/** Options of {@link ReleasePipeline}. */
export interface ReleasePipelineProps extends EncryptionProps {
  /** Name of the pipeline; the controller has to know it before the pipeline exists. */
  readonly pipelineName: string;
  /** Where the released images come from. */
  readonly image: WorkerImage;
  /** Where it is deployed. */
  readonly services: CanaryServices;
  /**
   * Invoked to judge the canary before a person is asked, and at the end to watch the promotion and record it
   * as the last good release. As a judge it must set the output variable `Message`, which the approval shows.
   */
  readonly controller: lambda.IFunction;
  /** Told when a release waits for approval. */
  readonly approvalTopic: sns.ITopic;
  /** Where the one who approves sees both tracks: an http or https address. */
  readonly evidenceUrl: string;
  /**
   * What must be in place before the pipeline is, because its first execution starts when it is created: what
   * listens to it.
   */
  readonly startsAfter: IDependable;
  /** Keeps pushes that could not start the pipeline. */
  readonly undeliveredEvents: sqs.IQueue;

  /**
   * Time within which a service must reach steady state on the new version, at most an hour.
   *
   * @default - 30 minutes
   */
  readonly deploymentTimeout?: Duration;

  /**
   * How long artifacts and release requests are kept.
   *
   * @default - 30 days
   */
  readonly artifactRetention?: Duration;

  /**
   * What happens to the artifact bucket when the stack is deleted. CloudFormation deletes empty buckets
   * only, so with `DESTROY` it must be emptied first.
   *
   * @default - the bucket is retained, but for what a failed first deployment made
   */
  readonly removalPolicy?: RemovalPolicy;
}

/**
 * The release as a CodePipeline: source, build, canary, verdict, stable, record. Images that somebody else has pushed
 * are not built: the source is a release request, which names one.
 *
 * Every action has a role of its own, so the canary's deployment cannot touch the stable service and
 * the approval can do nothing but announce itself. The pipeline's role may only take on those roles.
 */
export class ReleasePipeline extends Construct {
  /** Name of the pipeline. */
  readonly pipelineName: string;
  /** ARN of the pipeline. */
  readonly pipelineArn: string;
  /** Where actions hand their artifacts on. */
  readonly artifactBucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: ReleasePipelineProps) {
    super(scope, id);
    const { image, encryptionKey } = props;
    const stack = Stack.of(this);
    if (stack.stackName.length > PIPELINE_NAME_LENGTH_MAX) {
      throw new Error(
        `the pipeline is named after the stack, and ${PIPELINE_NAME_LENGTH_MAX} characters is the longest pipeline name: shorten "${stack.stackName}"`,
      );
    }
    this.artifactBucket = artifactBucket(this, props);
    const pipelineRole = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('codepipeline.amazonaws.com'),
    });
    const roles = new ActionRoles(this, this.artifactBucket, pipelineRole, encryptionKey);
    if (encryptionKey !== undefined) allowUse(encryptionKey, pipelineRole);
    pipelineRole.addToPolicy(roles.bucketAccess());
    pipelineRole.addToPolicy(roles.objectAccess('*', 's3:GetObject', 's3:GetObjectVersion', 's3:PutObject'));
    const pipeline = new codepipeline.CfnPipeline(this, 'Resource', {
      name: props.pipelineName,
      // V2 is paid for by the minute, and the controller's invocations last as long as the bake and the watch. Its
      // rollback of a stage by hand would change stable behind the controller's back.
      pipelineType: 'V1',
      executionMode: 'SUPERSEDED',
      roleArn: pipelineRole.roleArn,
      artifactStore: {
        type: 'S3',
        location: this.artifactBucket.bucketName,
        ...(encryptionKey === undefined ? {} : { encryptionKey: { type: 'KMS', id: encryptionKey.keyArn } }),
      },
      stages: stages(props, this.artifactBucket, roles),
    });
    this.pipelineName = props.pipelineName;
    this.pipelineArn = stack.formatArn({ service: 'codepipeline', resource: props.pipelineName });

    const permissions: IDependable[] = [pipelineRole, ...roles.all];
    if (isBuilt(image)) {
      permissions.push(allowBuild(this, image, this.artifactBucket, roles));
      startOnPush(this, image, this.pipelineArn, props.undeliveredEvents);
    }
    // The pipeline starts when it is created, so everything that its roles may do must be in force.
    pipeline.node.addDependency(...permissions, props.startsAfter);
  }
}

function artifactBucket(scope: Construct, props: ReleasePipelineProps): s3.Bucket {
  const { encryptionKey } = props;
  const retention = props.artifactRetention ?? Duration.days(30);
  return new s3.Bucket(scope, 'Artifacts', {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    ...(encryptionKey === undefined
      ? { encryption: s3.BucketEncryption.S3_MANAGED }
      : { encryption: s3.BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
    enforceSSL: true,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    // CodePipeline takes sources from versioned buckets only.
    ...(isBuilt(props.image) ? {} : { versioned: true }),
    lifecycleRules: [
      {
        expiration: retention,
        ...(isBuilt(props.image) ? {} : { noncurrentVersionExpiration: retention }),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
}

function stages(props: ReleasePipelineProps, bucket: s3.Bucket, roles: ActionRoles): Stage[] {
  const { image, services } = props;
  const timeout = props.deploymentTimeout ?? Duration.minutes(30);
  if (timeout.toMinutes() > ECS_DEPLOYMENT_MINUTES_MAX) {
    throw new Error(
      `deploymentTimeout must be at most ${ECS_DEPLOYMENT_MINUTES_MAX} minutes, got ${timeout.toMinutes()}`,
    );
  }
  const deploy = (track: WorkerService) => ({
    category: 'Deploy',
    provider: 'ECS',
    configuration: {
      ClusterName: services.cluster.clusterName,
      ServiceName: track.service.serviceName,
      FileName: 'imagedefinitions.json',
      DeploymentTimeout: String(timeout.toMinutes()),
    },
    inputs: [IMAGE],
  });
  const invoke = (name: string) => ({
    name,
    category: 'Invoke',
    provider: 'Lambda',
    configuration: {
      FunctionName: props.controller.functionName,
      UserParameters: JSON.stringify({ executionId: '#{codepipeline.PipelineExecutionId}', action: name }),
    },
    role: roles.invoke(`${name}ActionRole`, props.controller),
  });
  return [
    ...sourceStages(image, bucket, roles),
    stage(names.canary.stage, {
      name: names.canary.action,
      ...deploy(services.canary),
      role: roles.deploy('CanaryActionRole', services, services.canary),
    }),
    stage(names.judge.stage, { ...invoke(names.judge.action), namespace: 'judge' }, approval(props, roles)),
    stage(names.stable.stage, {
      name: names.stable.action,
      ...deploy(services.stable),
      role: roles.deploy('StableActionRole', services, services.stable),
    }),
    stage(names.record.stage, invoke(names.record.action)),
  ];
}

function approval({ approvalTopic, evidenceUrl }: ReleasePipelineProps, roles: ActionRoles): Action {
  return {
    name: names.approval.action,
    category: 'Approval',
    provider: 'Manual',
    configuration: {
      NotificationArn: approvalTopic.topicArn,
      CustomData: '#{judge.Message}',
      ExternalEntityLink: evidenceUrl,
    },
    role: roles.approve(approvalTopic),
  };
}
