import { stages } from '@queue-canary/core';
import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import { alarmsOf } from './controller-permissions.ts';
import type { ReleaseControllerProps } from './release-controller-props.ts';

/** Rules that wake the controller, by the ids of their constructs. */
export function wakeUps(props: ReleaseControllerProps): Record<string, events.RuleProps> {
  const { pipelineName, services } = props;
  const alarms = alarmsOf(props);
  return {
    ...(alarms.length > 0 && {
      AlarmChanged: {
        description:
          alarms.length === 1
            ? 'The dead-letter alarm changed its state'
            : 'An alarm that a release looks at changed its state',
        eventPattern: {
          source: ['aws.cloudwatch'],
          detailType: ['CloudWatch Alarm State Change'],
          resources: alarms.map(({ alarmArn }) => alarmArn),
        },
      },
    }),
    PipelineChanged: {
      description: 'A stage or an execution of the release pipeline changed its state',
      eventPattern: {
        source: ['aws.codepipeline'],
        detailType: [
          'CodePipeline Pipeline Execution State Change',
          'CodePipeline Stage Execution State Change',
        ],
        detail: { pipeline: [pipelineName] },
      },
    },
    ApprovalAsked: {
      description: 'A release waits for approval, which under the automatic policy a pass has given already',
      eventPattern: {
        source: ['aws.codepipeline'],
        detailType: ['CodePipeline Action Execution State Change'],
        detail: {
          pipeline: [pipelineName],
          stage: [stages.approval.stage],
          action: [stages.approval.action],
          state: ['STARTED'],
        },
      },
    },
    DeploymentChanged: {
      description: 'A deployment of the canary or the stable service changed its state',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Deployment State Change'],
        resources: [services.canary.service.serviceArn, services.stable.service.serviceArn],
      },
    },
    TaskStopped: {
      description: 'A task of the cluster stopped',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Task State Change'],
        detail: { clusterArn: [services.cluster.clusterArn], lastStatus: ['STOPPED'] },
      },
    },
    EveryMinute: {
      description: 'Looks at the release even when no event arrives',
      schedule: events.Schedule.rate(Duration.minutes(1)),
    },
  };
}
