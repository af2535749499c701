import { stages as names } from '@queue-canary/core';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct, type IDependable } from 'constructs';
import { ActionRoles, IMAGE, SOURCE } from './action-roles.ts';
import type { CanaryImage } from './canary-image.ts';
import type { CanaryServices } from './canary-services.ts';
import { allowUse, type EncryptionProps } from './encryption.ts';
import type { WorkerService } from './worker-service.ts';

const PIPELINE_NAME_LENGTH_MAX = 100;
const ECS_DEPLOYMENT_MINUTES_MAX = 60;

/** Options of {@link ReleasePipeline}. */
export interface ReleasePipelineProps extends EncryptionProps {
  /** Name of the pipeline; the controller has to know it before the pipeline exists. */
  readonly pipelineName: string;
  /** What is built. */
  readonly image: CanaryImage;
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
   * How long source and build artifacts are kept.
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
 * The release as a CodePipeline: source, build, canary, verdict, stable, record.
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
      stages: stages(props, roles),
    });
    this.pipelineName = props.pipelineName;
    this.pipelineArn = stack.formatArn({ service: 'codepipeline', resource: props.pipelineName });

    const buildArtifacts = new iam.Policy(this, 'BuildArtifacts', {
      statements: [
        // CodeBuild asks less of a bucket than CodePipeline's actions do.
        new iam.PolicyStatement({
          actions: ['s3:GetBucketAcl', 's3:GetBucketLocation'],
          resources: [this.artifactBucket.bucketArn],
        }),
        roles.objectAccess(SOURCE, 's3:GetObject', 's3:GetObjectVersion'),
        roles.objectAccess(IMAGE, 's3:PutObject'),
      ],
    });
    image.buildRole.attachInlinePolicy(buildArtifacts);

    // The pipeline starts when it is created, so everything that its roles may do must be in force.
    pipeline.node.addDependency(pipelineRole, ...roles.all, buildArtifacts, props.startsAfter);
    this.#startOnPush(props);
  }

  #startOnPush({ image, undeliveredEvents }: ReleasePipelineProps): void {
    const pushed = new events.Rule(this, 'Pushed', {
      description: `A commit was pushed to ${image.branch}`,
      eventPattern: {
        source: ['aws.codecommit'],
        detailType: ['CodeCommit Repository State Change'],
        resources: [image.codeRepository.repositoryArn],
        detail: {
          event: ['referenceCreated', 'referenceUpdated'],
          referenceType: ['branch'],
          referenceName: [image.branch],
        },
      },
      targets: [
        new targets.CodePipeline(codepipeline.Pipeline.fromPipelineArn(this, 'Target', this.pipelineArn), {
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
}

function artifactBucket(scope: Construct, props: ReleasePipelineProps): s3.Bucket {
  const { encryptionKey } = props;
  return new s3.Bucket(scope, 'Artifacts', {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    ...(encryptionKey === undefined
      ? { encryption: s3.BucketEncryption.S3_MANAGED }
      : { encryption: s3.BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
    enforceSSL: true,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    lifecycleRules: [
      {
        expiration: props.artifactRetention ?? Duration.days(30),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
}

type Stages = codepipeline.CfnPipeline.StageDeclarationProperty[];

function stages(props: ReleasePipelineProps, roles: ActionRoles): Stages {
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
    stage(names.source.stage, {
      name: names.source.action,
      category: 'Source',
      provider: 'CodeCommit',
      configuration: {
        RepositoryName: image.codeRepository.repositoryName,
        BranchName: image.branch,
        PollForSourceChanges: false,
      },
      outputs: [SOURCE],
      role: roles.source(image),
    }),
    stage(names.build.stage, {
      name: names.build.action,
      category: 'Build',
      provider: 'CodeBuild',
      configuration: { ProjectName: image.buildProject.projectName },
      inputs: [SOURCE],
      outputs: [IMAGE],
      // The controller reads what the build exports of its image from the action's output variables.
      namespace: 'build',
      role: roles.build(image),
    }),
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

interface Action {
  readonly name: string;
  readonly category: string;
  readonly provider: string;
  readonly configuration: Record<string, string | boolean>;
  readonly inputs?: string[];
  readonly outputs?: string[];
  /** Under which later actions find what this one reports. */
  readonly namespace?: string;
  readonly role: iam.Role;
}

/** A stage whose actions run one after the other. */
function stage(name: string, ...actions: Action[]): codepipeline.CfnPipeline.StageDeclarationProperty {
  const artifacts = (names: string[] = []) => names.map((artifact) => ({ name: artifact }));
  return {
    name,
    actions: actions.map((action, index) => ({
      name: action.name,
      actionTypeId: { category: action.category, owner: 'AWS', provider: action.provider, version: '1' },
      configuration: action.configuration,
      inputArtifacts: artifacts(action.inputs),
      outputArtifacts: artifacts(action.outputs),
      ...(action.namespace === undefined ? {} : { namespace: action.namespace }),
      roleArn: action.role.roleArn,
      runOrder: index + 1,
    })),
  };
}
