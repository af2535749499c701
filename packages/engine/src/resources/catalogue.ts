import { scalableTarget } from './application-auto-scaling-scalable-target.ts';
import { scalingPolicy } from './application-auto-scaling-scaling-policy.ts';
import { cdkMetadata } from './cdk-metadata.ts';
import { cloudwatchAlarm } from './cloudwatch-alarm.ts';
import { cloudwatchDashboard } from './cloudwatch-dashboard.ts';
import { codebuildProject } from './codebuild-project.ts';
import { codecommitRepository } from './codecommit-repository.ts';
import { codepipelinePipeline } from './codepipeline-pipeline.ts';
import { customResource } from './custom-resource.ts';
import { ecrRepository } from './ecr-repository.ts';
import { ecsCluster } from './ecs-cluster.ts';
import { ecsClusterCapacityProviderAssociations } from './ecs-cluster-capacity-provider-associations.ts';
import { ecsService } from './ecs-service.ts';
import { ecsTaskDefinition } from './ecs-task-definition.ts';
import { eventsRule } from './events-rule.ts';
import { iamManagedPolicy } from './iam-managed-policy.ts';
import { iamPolicy } from './iam-policy.ts';
import { iamRole } from './iam-role.ts';
import { KMS_TYPES } from './kms.ts';
import { lambdaAlias } from './lambda-alias.ts';
import { lambdaEventInvokeConfig } from './lambda-event-invoke-config.ts';
import { lambdaFunction } from './lambda-function.ts';
import { lambdaPermission } from './lambda-permission.ts';
import { lambdaVersion } from './lambda-version.ts';
import { logsLogGroup } from './logs-log-group.ts';
import { logsMetricFilter } from './logs-metric-filter.ts';
import { logsResourcePolicy } from './logs-resource-policy.ts';
import { RECORDED_ONLY } from './recorded-only.ts';
import type { ResourceType } from './resource-type.ts';
import { s3Bucket } from './s3-bucket.ts';
import { s3BucketPolicy } from './s3-bucket-policy.ts';
import { secretsmanagerSecret } from './secretsmanager-secret.ts';
import { snsSubscription } from './sns-subscription.ts';
import { snsTopic } from './sns-topic.ts';
import { snsTopicPolicy } from './sns-topic-policy.ts';
import { sqsQueue } from './sqs-queue.ts';
import { sqsQueuePolicy } from './sqs-queue-policy.ts';
import { ssmParameter } from './ssm-parameter.ts';

const TYPES = new Map<string, ResourceType>(
  [
    cdkMetadata,
    cloudwatchAlarm,
    cloudwatchDashboard,
    codebuildProject,
    codecommitRepository,
    codepipelinePipeline,
    ecrRepository,
    ecsCluster,
    ecsClusterCapacityProviderAssociations,
    ecsService,
    ecsTaskDefinition,
    eventsRule,
    iamManagedPolicy,
    iamPolicy,
    iamRole,
    lambdaAlias,
    lambdaEventInvokeConfig,
    lambdaFunction,
    lambdaPermission,
    lambdaVersion,
    logsLogGroup,
    logsMetricFilter,
    logsResourcePolicy,
    s3Bucket,
    s3BucketPolicy,
    scalableTarget,
    scalingPolicy,
    secretsmanagerSecret,
    snsSubscription,
    snsTopic,
    snsTopicPolicy,
    sqsQueue,
    sqsQueuePolicy,
    ssmParameter,
    ...KMS_TYPES,
    ...RECORDED_ONLY,
  ].map((type) => [type.name, type]),
);

/** The resource type of this name, or `undefined` if the engine does not know it. */
export function resourceTypeOf(name: string): ResourceType | undefined {
  return TYPES.get(name) ?? customResource(name);
}
