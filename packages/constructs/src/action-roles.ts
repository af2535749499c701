import { RELEASE_REQUEST_KEY } from '@queue-canary/core';
import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { CanaryImage } from './canary-image.ts';
import type { CanaryServices } from './canary-services.ts';
import { allowUse } from './encryption.ts';
import type { WorkerService } from './worker-service.ts';
import { readObject } from './worker-source.ts';

/** Artifacts: the commit, and what says which image is released. */
export const SOURCE = 'Source';
export const IMAGE = 'Image';

/** One role per action, each assumable by the pipeline's role only. */
export class ActionRoles {
  readonly all: iam.Role[] = [];
  readonly #scope: Construct;
  readonly #bucket: s3.Bucket;
  readonly #pipelineRole: iam.Role;
  readonly #key: kms.IKey | undefined;

  constructor(scope: Construct, bucket: s3.Bucket, pipelineRole: iam.Role, key: kms.IKey | undefined) {
    this.#scope = scope;
    this.#bucket = bucket;
    this.#pipelineRole = pipelineRole;
    this.#key = key;
  }

  source({ source }: CanaryImage): iam.Role {
    return this.#role('SourceActionRole', [
      ...source.permissions,
      this.bucketAccess(),
      this.objectAccess(
        SOURCE,
        's3:GetObject',
        's3:GetObjectVersion',
        's3:PutObject',
        // CDK grants its action of connections this as well: that one hands its artifact on with an access control list.
        ...(source.provider === 'CodeStarSourceConnection' ? ['s3:PutObjectAcl'] : []),
      ),
    ]);
  }

  /** Reads release requests. */
  request(): iam.Role {
    return this.#role('SourceActionRole', [
      ...readObject(this.#bucket, RELEASE_REQUEST_KEY),
      this.bucketAccess(),
      this.objectAccess(IMAGE, 's3:GetObject', 's3:GetObjectVersion', 's3:PutObject'),
    ]);
  }

  build({ buildProject }: CanaryImage): iam.Role {
    return this.#role('BuildActionRole', [
      new iam.PolicyStatement({
        actions: ['codebuild:StartBuild', 'codebuild:BatchGetBuilds', 'codebuild:StopBuild'],
        resources: [buildProject.projectArn],
      }),
    ]);
  }

  deploy(id: string, { cluster }: CanaryServices, track: WorkerService): iam.Role {
    const stack = Stack.of(this.#scope);
    const ecsArn = (resource: string, resourceName: string) =>
      stack.formatArn({ service: 'ecs', resource, resourceName, arnFormat: ArnFormat.SLASH_RESOURCE_NAME });
    return this.#role(id, [
      new iam.PolicyStatement({
        actions: ['ecs:DescribeServices', 'ecs:UpdateService'],
        resources: [track.service.serviceArn],
      }),
      // ECS does not authorise these two by resource.
      new iam.PolicyStatement({
        actions: ['ecs:DescribeTaskDefinition', 'ecs:RegisterTaskDefinition'],
        resources: ['*'],
      }),
      new iam.PolicyStatement({
        actions: ['ecs:TagResource'],
        resources: [ecsArn('task-definition', `${track.taskDefinition.family}:*`)],
        conditions: { StringEquals: { 'ecs:CreateAction': 'RegisterTaskDefinition' } },
      }),
      new iam.PolicyStatement({
        actions: ['ecs:ListTasks'],
        resources: ['*'],
        conditions: { ArnEquals: { 'ecs:cluster': cluster.clusterArn } },
      }),
      new iam.PolicyStatement({
        actions: ['ecs:DescribeTasks'],
        resources: [ecsArn('task', `${cluster.clusterName}/*`)],
      }),
      new iam.PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [track.taskRole.roleArn, track.executionRole.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
      }),
      this.bucketAccess(),
      this.objectAccess(IMAGE, 's3:GetObject', 's3:GetObjectVersion'),
    ]);
  }

  approve(topic: sns.ITopic): iam.Role {
    return this.#role('ApproveActionRole', [
      new iam.PolicyStatement({ actions: ['sns:Publish'], resources: [topic.topicArn] }),
    ]);
  }

  invoke(id: string, controller: lambda.IFunction): iam.Role {
    return this.#role(id, [
      new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [controller.functionArn] }),
      // CodePipeline looks the function up by name before it invokes it; the list has no resources.
      new iam.PolicyStatement({ actions: ['lambda:ListFunctions'], resources: ['*'] }),
    ]);
  }

  bucketAccess(): iam.PolicyStatement {
    return new iam.PolicyStatement({
      actions: ['s3:GetBucketAcl', 's3:GetBucketLocation', 's3:GetBucketVersioning'],
      resources: [this.#bucket.bucketArn],
    });
  }

  /** CodePipeline stores an artifact under the pipeline's name, which it may cut, and the artifact's name. */
  objectAccess(artifact: string, ...actions: string[]): iam.PolicyStatement {
    const objects = this.#bucket.arnForObjects(artifact === '*' ? '*' : `*/${artifact}/*`);
    return new iam.PolicyStatement({ actions, resources: [objects] });
  }

  #role(id: string, statements: iam.PolicyStatement[]): iam.Role {
    // By a condition, as CDK does it for actions in other accounts (https://github.com/aws/aws-cdk/pull/34074): IAM may not
    // know a role that was just made, and refuses a trust that names it as "Invalid principal in policy".
    const role = new iam.Role(this.#scope, id, {
      assumedBy: new iam.AccountRootPrincipal().withConditions({
        ArnEquals: { 'aws:PrincipalArn': this.#pipelineRole.roleArn },
      }),
    });
    for (const statement of statements) role.addToPolicy(statement);
    // Artifacts and what is published are encrypted with it.
    const data = statements.some(({ actions }) => actions.some((action) => /^(s3|sns):/.test(action)));
    if (data && this.#key !== undefined) allowUse(this.#key, role);
    this.#pipelineRole.addToPolicy(
      new iam.PolicyStatement({ actions: ['sts:AssumeRole'], resources: [role.roleArn] }),
    );
    this.all.push(role);
    return role;
  }
}
