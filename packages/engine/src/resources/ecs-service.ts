import { AwsFault } from '../errors.ts';
import {
  defineResource,
  lowerListed,
  lowerTagList,
  type ResourceContext,
  retag,
  unlessMissing,
} from './resource-type.ts';
import {
  flag,
  list,
  lowerFirst,
  number,
  object,
  oneOf,
  type Properties,
  required,
  tags,
  text,
} from './schema.ts';

const properties = {
  Cluster: text,
  ServiceName: text,
  TaskDefinition: text,
  DesiredCount: number,
  LaunchType: oneOf('FARGATE', 'EC2', 'EXTERNAL'),
  CapacityProviderStrategy: list(object({ CapacityProvider: required(text), Base: number, Weight: number })),
  PlatformVersion: text,
  DeploymentController: object({ Type: required(oneOf('ECS')) }),
  DeploymentConfiguration: object({
    Alarms: object({
      AlarmNames: required(list(text)),
      Enable: required(flag),
      Rollback: required(flag),
    }),
    DeploymentCircuitBreaker: object({ Enable: required(flag), Rollback: required(flag) }),
    MaximumPercent: number,
    MinimumHealthyPercent: number,
    BakeTimeInMinutes: number,
    Strategy: oneOf('ROLLING'),
  }),
  ForceNewDeployment: object({ EnableForceNewDeployment: required(flag), ForceNewDeploymentNonce: text }),
  AvailabilityZoneRebalancing: oneOf('ENABLED', 'DISABLED'),
  EnableECSManagedTags: flag,
  EnableExecuteCommand: flag,
  HealthCheckGracePeriodSeconds: number,
  NetworkConfiguration: object({
    AwsvpcConfiguration: object({
      AssignPublicIp: oneOf('ENABLED', 'DISABLED'),
      SecurityGroups: list(text),
      Subnets: required(list(text)),
    }),
  }),
  PropagateTags: oneOf('SERVICE', 'TASK_DEFINITION', 'NONE'),
  SchedulingStrategy: oneOf('REPLICA', 'DAEMON'),
  Tags: tags,
};
type EcsService = Properties<typeof properties>;

const nameOf = (context: ResourceContext, service: EcsService) =>
  service.ServiceName ?? context.name({ longest: 255 });

/**
 * A service that counts as created or updated once its deployment has completed, and as failed when ECS gives
 * that deployment up. An update hands ECS the template's task definition again, as on AWS, even when only
 * something else changed; a desired count that the template leaves out is not touched. A deployment is forced by another nonce.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-forcenewdeployment.html
 */
export const ecsService = defineResource('AWS::ECS::Service', {
  properties,
  attributes: ['Name', 'ServiceArn'],
  createOnly: ['Cluster', 'ServiceName', 'LaunchType', 'DeploymentController', 'SchedulingStrategy'],
  identify: nameOf,
  async exists(context, name) {
    const found = await unlessMissing(() => context.call('ecs', 'DescribeServices', { services: [name] }));
    return (found?.services ?? []).some(({ status }) => status === 'ACTIVE');
  },
  async create(context, service) {
    const serviceName = nameOf(context, service);
    const { tags: _tags, forceNewDeployment: _force, ...rest } = lowerFirst(properties, service);
    const created = await context.call('ecs', 'CreateService', {
      ...rest,
      serviceName,
      desiredCount: service.DesiredCount ?? (service.SchedulingStrategy === 'DAEMON' ? undefined : 1),
      tags: lowerTagList(context, service.Tags),
    });
    const arn = created.service!.serviceArn!;
    context.initiated(arn);
    await untilSteady(context, service, arn, primaryOf(created.service));
    return { id: arn, attributes: { Name: serviceName, ServiceArn: arn } };
  },
  async update(context, service, existing) {
    const { id, properties: before } = existing;
    const {
      tags: _tags,
      serviceName: _name,
      launchType: _launchType,
      deploymentController: _controller,
      schedulingStrategy: _strategy,
      forceNewDeployment: _force,
      ...rest
    } = lowerFirst(properties, service);
    const updated = await context.call('ecs', 'UpdateService', {
      ...rest,
      service: id,
      desiredCount: service.DesiredCount === before.DesiredCount ? undefined : service.DesiredCount,
      forceNewDeployment: forcesDeployment(service, before),
    });
    await untilSteady(context, service, id, primaryOf(updated.service));
    await retag(context, service.Tags, existing, {
      set: (tags) => context.call('ecs', 'TagResource', { resourceArn: id, tags: lowerListed(tags) }),
      remove: (tagKeys) => context.call('ecs', 'UntagResource', { resourceArn: id, tagKeys }),
    });
    return undefined;
  },
  async delete(context, { id, properties: service }) {
    const of = service.Cluster === undefined ? {} : { cluster: service.Cluster };
    const deleted = await unlessMissing(() =>
      context.call('ecs', 'DeleteService', { ...of, service: id, force: true }),
    );
    while (deleted && !context.signal.aborted) {
      const found = await unlessMissing(() =>
        context.call('ecs', 'DescribeServices', { ...of, services: [id] }),
      );
      const current = found?.services?.[0];
      if (!current || current.status === 'INACTIVE') return;
      await context.untilReported('ecs');
    }
  },
});

function forcesDeployment({ ForceNewDeployment: asked }: EcsService, before: EcsService): boolean {
  return (
    asked?.EnableForceNewDeployment === true &&
    asked.ForceNewDeploymentNonce !== before.ForceNewDeployment?.ForceNewDeploymentNonce
  );
}

type Described =
  | {
      deployments?:
        | Array<{
            id?: string | undefined;
            status?: string | undefined;
            rolloutState?: string | undefined;
            rolloutStateReason?: string | undefined;
          }>
        | undefined;
    }
  | undefined;

function primaryOf(service: Described): string | undefined {
  return service?.deployments?.find(({ status }) => status === 'PRIMARY')?.id;
}

async function untilSteady(
  context: ResourceContext,
  service: EcsService,
  arn: string,
  deploymentId: string | undefined,
): Promise<void> {
  const of = service.Cluster === undefined ? {} : { cluster: service.Cluster };
  while (!context.signal.aborted) {
    const reported = context.untilReported('ecs');
    const { services } = await context.call('ecs', 'DescribeServices', { ...of, services: [arn] });
    const current = services?.[0];
    const ours = current?.deployments?.find(({ id }) => id === deploymentId);
    if (!current || !ours || ours.rolloutState === 'FAILED') {
      const why = ours?.rolloutStateReason ?? 'the deployment was replaced by another';
      const task = await lastStoppedTask(context, { ...of, serviceName: arn });
      throw new AwsFault(
        'NotStabilized',
        `Error occurred during operation 'ECS Deployment Circuit Breaker was triggered': ${[why, task].join(' ').trim()}`,
      );
    }
    if (ours.rolloutState === 'COMPLETED' && current.deployments?.length === 1) return;
    await reported;
  }
  throw new AwsFault('Cancelled', `the wait for service ${arn} to become steady was cancelled`);
}

/** Why the newest stopped task of a service stopped, for whoever reads why the stack failed. */
async function lastStoppedTask(
  context: ResourceContext,
  of: { cluster?: string; serviceName: string },
): Promise<string> {
  const { taskArns } = await context.call('ecs', 'ListTasks', { ...of, desiredStatus: 'STOPPED' });
  if (!taskArns || taskArns.length === 0) return '';
  const { tasks } = await context.call('ecs', 'DescribeTasks', {
    tasks: taskArns.slice(0, 100),
    ...(of.cluster === undefined ? {} : { cluster: of.cluster }),
  });
  const [last] = (tasks ?? []).sort(
    (left, right) => (right.createdAt?.getTime() ?? 0) - (left.createdAt?.getTime() ?? 0),
  );
  const container = last?.containers?.find(({ reason, exitCode }) => reason || exitCode !== undefined);
  const ended =
    container?.reason ??
    (container?.exitCode === undefined
      ? undefined
      : `container ${container.name} exited with code ${container.exitCode}`);
  const reasons = [last?.stoppedReason, ended].filter(
    (reason, index, all) => reason && all.indexOf(reason) === index,
  );
  return reasons.length === 0 ? '' : `The last task stopped: ${reasons.join(': ')}`;
}
