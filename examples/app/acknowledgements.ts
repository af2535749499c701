import { CanaryImage, type WorkerService } from '@queue-canary/constructs';
import type { CfnElement } from 'aws-cdk-lib';
import { Stack, Validations } from 'aws-cdk-lib';
import type { CfnCluster, ICluster } from 'aws-cdk-lib/aws-ecs';
import type { IConstruct } from 'constructs';
import type { QueueCanary } from './queue-canary-app.ts';

/** Why one finding of cdk-nag is as it should be. */
export interface Acknowledgement {
  readonly at: IConstruct;
  /** Rule of cdk-nag, with the finding in brackets where a rule reports several. */
  readonly id: string;
  readonly reason: string;
}

const anyResource = 'AwsSolutions-IAM5[Resource::*]';
const ecsHasNoResource =
  'ECS authorises DescribeTaskDefinition and RegisterTaskDefinition on all resources only; ListTasks is restricted to this cluster by condition, and PassRole admits only the two roles of this track';
const registryLogin =
  'ecr:GetAuthorizationToken has no resource; pulling and pushing are limited to the image repository';

type Parts = QueueCanary['pipelineStack']['queueCanary'];
type Services = Parts['services'];

/** Acknowledges the findings of cdk-nag that are as they should be; any other finding fails synthesis. */
export function acknowledgeFindings(system: QueueCanary): void {
  for (const { at, id, reason } of acknowledgements(system)) {
    Validations.of(at).acknowledge({ id: `AwsSolutions::${id}`, reason });
  }
}

/** Every finding of cdk-nag that remains, and the reason why. */
export function acknowledgements({ imageStack, pipelineStack }: QueueCanary): Acknowledgement[] {
  const { services, controller, pipeline } = pipelineStack.queueCanary;
  const encrypted = pipeline.artifactBucket.encryptionKey !== undefined;
  return [
    ...(imageStack.image instanceof CanaryImage ? ofImage(imageStack.image, encrypted) : []),
    ...ofServices(services),
    ...ofController(controller, services),
    ...ofPipeline(pipeline, services, imageStack.image instanceof CanaryImage),
  ];
}

function ofImage(image: CanaryImage, encrypted: boolean): Acknowledgement[] {
  return [
    { at: image.buildRole, id: anyResource, reason: registryLogin },
    ...(encrypted
      ? []
      : [
          {
            at: image.buildProject,
            id: 'AwsSolutions-CB4',
            reason:
              'Build output is encrypted with the AWS managed key of S3 unless keyArn names a key; one costs a dollar a month',
          },
        ]),
  ];
}

function ofServices(services: Services): Acknowledgement[] {
  return [
    ...[services.canary, services.stable].flatMap((track): Acknowledgement[] => [
      { at: track.executionRole, id: anyResource, reason: registryLogin },
      {
        at: track.taskDefinition,
        id: 'AwsSolutions-ECS2',
        reason: 'The variables name the queue and the track; there is no secret among them',
      },
    ]),
    ...protectedTracks(services).map(({ taskRole }) => ofTasks(taskRole, services)),
    ...(hasInsights(services.cluster)
      ? []
      : [
          {
            at: services.cluster,
            id: 'AwsSolutions-ECS4',
            reason:
              'Container Insights are charged as custom metrics, and nothing here reads them; containerInsights=true turns them on',
          },
        ]),
  ];
}

function ofController(controller: Parts['controller'], services: Services): Acknowledgement[] {
  return [
    {
      at: controller,
      id: anyResource,
      reason:
        'Job results, DescribeTaskDefinition and RegisterTaskDefinition have no resource to name, ListTasks is restricted to this cluster by condition, and RegisterScalableTarget, whose ARN is not known beforehand, to the task counts of ECS services; all that changes a service or the pipeline is limited to those of this stack',
    },
    ofTasks(controller, services),
    ...[services.canary, services.stable].map((track) => ofRevisions(controller, track, 'the controller')),
    {
      at: controller.undeliveredEvents,
      id: 'AwsSolutions-SQS3',
      reason: 'This is the dead-letter queue of the EventBridge rules',
    },
  ];
}

function ofPipeline(pipeline: Parts['pipeline'], services: Services, built: boolean): Acknowledgement[] {
  const inPipeline = (role: string) => pipeline.node.findChild(role);
  const artifacts = (role: string, keys: string): Acknowledgement => ({
    at: inPipeline(role),
    id: `AwsSolutions-IAM5[Resource::<${logicalId(pipeline.artifactBucket)}.Arn>/${keys}]`,
    reason: 'CodePipeline chooses the keys of its artifacts; the bucket is used for nothing else',
  });
  const deploys = (role: string, track: WorkerService): Acknowledgement[] => [
    { at: inPipeline(role), id: anyResource, reason: ecsHasNoResource },
    ofRevisions(inPipeline(role), track, 'the action'),
    ofTasks(inPipeline(role), services),
  ];
  const invokes = (role: string): Acknowledgement => ({
    at: inPipeline(role),
    id: anyResource,
    reason: 'lambda:ListFunctions has no resource; invoking is limited to the controller',
  });
  return [
    {
      at: pipeline.artifactBucket,
      id: 'AwsSolutions-S1',
      reason:
        'Holds what CodeCommit and ECR keep anyway, or requests that name an image, for 30 days, readable by the roles of the pipeline only; access logs would need a second bucket',
    },
    artifacts('Role', '*'),
    ...(built
      ? [
          artifacts('SourceActionRole', '*/Source/*'),
          artifacts('BuildArtifacts', '*/Source/*'),
          artifacts('BuildArtifacts', '*/Image/*'),
        ]
      : [artifacts('SourceActionRole', '*/Image/*')]),
    artifacts('CanaryActionRole', '*/Image/*'),
    artifacts('StableActionRole', '*/Image/*'),
    ...deploys('CanaryActionRole', services.canary),
    ...deploys('StableActionRole', services.stable),
    invokes('JudgeActionRole'),
    invokes('RecordActionRole'),
  ];
}

function ofTasks(at: IConstruct, { cluster }: Services): Acknowledgement {
  return {
    at,
    id: ecsFinding('task', `<${logicalId(cluster)}>/*`),
    reason: 'Task ids are known only when the tasks run; the cluster is this stack’s own',
  };
}

function ofRevisions(at: IConstruct, { taskDefinition }: WorkerService, who: string): Acknowledgement {
  return {
    at,
    id: ecsFinding('task-definition', `${taskDefinition.family}:*`),
    reason: `The revision number is known only when ${who} has registered it`,
  };
}

/** Tracks whose tasks may protect themselves. */
function protectedTracks({ canary, stable }: Services): WorkerService[] {
  return [canary, stable].filter(({ protectedMinutesMax }) => protectedMinutesMax !== undefined);
}

function hasInsights(cluster: ICluster): boolean {
  return JSON.stringify((cluster.node.defaultChild as CfnCluster).clusterSettings).includes('"enabled"');
}

function ecsFinding(resource: string, name: string): string {
  return `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:${resource}/${name}]`;
}

function logicalId(construct: IConstruct): string {
  return Stack.of(construct).getLogicalId(construct.node.defaultChild as CfnElement);
}
