import { stages } from '@queue-canary/core';
import { ArnFormat, Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { ReleaseControllerProps } from './release-controller-props.ts';

/** The controller with the parameters that are its own. */
interface Controller extends Construct {
  readonly releaseParameter: ssm.IStringParameter;
  readonly rollbackParameter: ssm.IStringParameter;
}

/** All alarms that the controller looks at. */
export function alarmsOf({ queue, alarms = [] }: ReleaseControllerProps): cloudwatch.IAlarm[] {
  return [...(queue.deadLetterAlarm ? [queue.deadLetterAlarm] : []), ...alarms];
}

/** Everything that the controller may do but write its log and keep events that it failed on. */
export function permissions(controller: Controller, props: ReleaseControllerProps): iam.PolicyStatement[] {
  const { releaseParameter, rollbackParameter } = controller;
  const { services, image, queue, topic, pipelineName, updateParameter } = props;
  const { canary, stable } = services;
  const alarms = alarmsOf(props);
  const stack = Stack.of(controller);
  const pipelineArn = stack.formatArn({ service: 'codepipeline', resource: pipelineName });
  return [
    allow(
      [
        'codepipeline:GetPipelineState',
        'codepipeline:ListPipelineExecutions',
        'codepipeline:ListActionExecutions',
        'codepipeline:StopPipelineExecution',
      ],
      [pipelineArn],
    ),
    // Where a person has to approve, the controller is not able to.
    ...(props.approval === 'automatic'
      ? [
          allow(
            ['codepipeline:PutApprovalResult'],
            [`${pipelineArn}/${stages.approval.stage}/${stages.approval.action}`],
          ),
        ]
      : []),
    allow(
      ['codepipeline:DisableStageTransition', 'codepipeline:EnableStageTransition'],
      [`${pipelineArn}/${stages.canary.stage}`],
    ),
    // A job has no ARN; only the pipeline's own function knows its id.
    allow(['codepipeline:PutJobSuccessResult', 'codepipeline:PutJobFailureResult'], ['*']),
    ...onServices(stack, services),
    // The workers' reports. The ARNs end in `:*`, without which they grant nothing in the groups.
    allow(['logs:FilterLogEvents'], [canary.logGroup.logGroupArn, stable.logGroup.logGroupArn]),
    ...(alarms.length > 0
      ? [
          allow(
            ['cloudwatch:DescribeAlarms'],
            alarms.map(({ alarmArn }) => alarmArn),
          ),
        ]
      : []),
    ...(queue.deadLetterQueue
      ? [allow(['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'], [queue.deadLetterQueue.queueArn])]
      : []),
    allow(
      ['ssm:GetParameter', 'ssm:PutParameter'],
      [
        releaseParameter,
        rollbackParameter,
        image.imageParameter,
        ...(updateParameter ? [updateParameter] : []),
      ].map(({ parameterArn }) => parameterArn),
    ),
    allow(['sns:Publish'], [topic.topicArn]),
  ];
}

/** What it may do with the two services, their tasks and their size. */
function onServices(
  stack: Stack,
  { canary, stable, cluster }: ReleaseControllerProps['services'],
): iam.PolicyStatement[] {
  const ecsArn = (resource: string, resourceName: string) =>
    stack.formatArn({ service: 'ecs', resource, resourceName, arnFormat: ArnFormat.SLASH_RESOURCE_NAME });
  return [
    allow(
      ['ecs:DescribeServices', 'ecs:UpdateService'],
      [canary.service.serviceArn, stable.service.serviceArn],
    ),
    // A scalable target's ARN ends in an id that CloudFormation does not tell.
    allow(['application-autoscaling:RegisterScalableTarget'], ['*'], {
      StringEquals: {
        'application-autoscaling:service-namespace': 'ecs',
        'application-autoscaling:scalable-dimension': 'ecs:service:DesiredCount',
      },
    }),
    // ECS does not authorise these by resource.
    allow(['ecs:DescribeTaskDefinition', 'ecs:RegisterTaskDefinition'], ['*']),
    // A restored image keeps the configuration of a stack update, and with it the tags.
    allow(
      ['ecs:TagResource'],
      [canary, stable].map(({ taskDefinition }) => ecsArn('task-definition', `${taskDefinition.family}:*`)),
      { StringEquals: { 'ecs:CreateAction': 'RegisterTaskDefinition' } },
    ),
    allow(['ecs:ListTasks'], ['*'], { ArnEquals: { 'ecs:cluster': cluster.clusterArn } }),
    allow(['ecs:DescribeTasks'], [ecsArn('task', `${cluster.clusterName}/*`)]),
    allow(
      ['iam:PassRole'],
      [
        canary.taskRole.roleArn,
        canary.executionRole.roleArn,
        stable.taskRole.roleArn,
        stable.executionRole.roleArn,
      ],
      { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
    ),
  ];
}

function allow(actions: string[], resources: string[], conditions: iam.Conditions = {}): iam.PolicyStatement {
  return new iam.PolicyStatement({ actions, resources, conditions });
}
