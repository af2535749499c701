/** Why grants stay in the templates, or why a call was rightly refused, although the demo's stories show no need. */
export interface Reason {
  /** Logical ids of roles, without their last eight digits; for a refusal the principal. */
  readonly who: RegExp;
  readonly actions: readonly string[];
  /** Only grants on resources that match. @default - on all */
  readonly resource?: RegExp;
  readonly because: string;
}

/**
 * What CodePipeline and the documentation of its actions ask for on the artifact bucket:
 * https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
 */
const ARTIFACTS =
  'AWS lists it for roles that handle artifacts, and what CodePipeline itself asks the bucket for is not documented further; the engine reads and writes the objects only';

export const UNUSED_GRANTS: readonly Reason[] = [
  {
    who: /^Pipeline(Role|SourceActionRole|CanaryActionRole|StableActionRole)$/,
    actions: [
      's3:GetBucketAcl',
      's3:GetBucketLocation',
      's3:GetBucketVersioning',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:PutObject',
    ],
    because: ARTIFACTS,
  },
  {
    who: /^ImageBuildRole$/,
    actions: ['s3:GetBucketAcl', 's3:GetBucketLocation', 's3:GetObjectVersion'],
    because:
      'CodeBuild’s documentation lists it for a project with artifacts in S3: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html',
  },
  {
    who: /^PipelineSourceActionRole$/,
    actions: [
      'codecommit:GetRepository',
      'codecommit:GetUploadArchiveStatus',
      'codecommit:CancelUploadArchive',
    ],
    because:
      'CodePipeline polls for a large archive and cancels it when it is stopped; the engine’s archives are there at once: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html',
  },
  {
    who: /^PipelineBuildActionRole$/,
    actions: ['codebuild:StopBuild'],
    because: 'Needed when an execution is stopped while it builds, which no story does',
  },
  {
    who: /^Pipeline(Canary|Stable)ActionRole$/,
    actions: ['ecs:ListTasks', 'ecs:DescribeTasks', 'ecs:TagResource'],
    because:
      'The documentation of the ECS action lists it; the engine’s action knows from the service when it is done: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html',
  },
  {
    who: /^Pipeline(Judge|Record)ActionRole$/,
    actions: ['lambda:ListFunctions'],
    because:
      'The documentation of the Lambda action lists it: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html',
  },
  {
    who: /^NetworkVpcAllIAMRole$/,
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
    because: 'VPC writes its flow logs with it; the engine has no network, so nothing flows',
  },
  {
    who: /^Services(Canary|Stable)ExecutionRole$/,
    actions: ['ecr:BatchCheckLayerAvailability'],
    because:
      'Part of what AWS lists for pulling an image; the engine pulls without asking for layers beforehand: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_ECS.html',
  },
  {
    who: /^ControllerRole$/,
    actions: ['sqs:SendMessage'],
    resource: /UndeliveredEvents/,
    because:
      'Lambda keeps events there that the controller fails on in every attempt, which it does in no story',
  },
  {
    who: /^ControllerRole$/,
    actions: ['ssm:PutParameter'],
    resource: /ControllerRollback/,
    because: 'Keeps the rollback that a person asks for, which nobody does in the stories',
  },
  {
    who: /^ControllerRole$/,
    actions: ['ecs:UpdateService', 'iam:PassRole'],
    resource: /ServicesStable/,
    because:
      'Restores stable when a release fails while it is promoted or watched; in the stories no bad version gets that far',
  },
  {
    who: /^ControllerRole$/,
    actions: ['ecs:RegisterTaskDefinition', 'ecs:TagResource'],
    because:
      'Restores a service with the configuration that a stack update has given it; the stories leave the stacks as they are',
  },
  {
    who: /^ControllerRole$/,
    actions: ['application-autoscaling:RegisterScalableTarget'],
    because:
      'Starts stable in the first release of stacks that were made before there was an image; the stories push one first',
  },
];

export const EXPECTED_REFUSALS: readonly Reason[] = [
  {
    who: /^events\.amazonaws\.com$/,
    actions: ['lambda:InvokeFunction'],
    because:
      'While the stack is made, a rule may exist for a moment before its permission does; EventBridge tries again, and the schedule looks within a minute',
  },
];
