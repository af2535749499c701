import type { Deployment, Service } from '@aws-sdk/client-ecs';
import type { RevisionSettings, StoredDeployment, StoredService, StoredTask } from './model.ts';
import type { EcsStore } from './store.ts';

/** A service as `DescribeServices` shows it. */
export function shownService(
  store: EcsStore,
  service: StoredService,
  include: readonly string[] = [],
): Service {
  const tasks = store.tasksOfService(service);
  const [primary] = service.deployments;
  const { settings } = service;
  return {
    serviceArn: service.arn,
    serviceName: service.name,
    clusterArn: service.clusterArn,
    status: service.status,
    desiredCount: service.desiredCount,
    runningCount: tasks.filter(isRunning).length,
    pendingCount: tasks.filter(isPending).length,
    ...placement(settings),
    platformVersion: settings.platformVersion,
    platformFamily: 'Linux',
    taskDefinition: settings.taskDefinitionArn,
    deploymentConfiguration: service.deploymentConfiguration,
    deployments: service.deployments.map((deployment, index) =>
      shownDeployment(store, service, deployment, index === 0, tasks),
    ),
    currentServiceDeployment:
      primary?.rolloutState === 'IN_PROGRESS' ? primary.serviceDeploymentArn : undefined,
    currentServiceRevisions: service.deployments.map((deployment, index) => {
      const own = tasks.filter(({ startedBy }) => startedBy === deployment.id);
      return {
        arn: deployment.revisionArn,
        requestedTaskCount: index === 0 ? service.desiredCount : deployment.target,
        runningTaskCount: own.filter(isRunning).length,
        pendingTaskCount: own.filter(isPending).length,
      };
    }),
    events: service.events.map(({ id, atMs, message }) => ({ id, createdAt: new Date(atMs), message })),
    createdAt: new Date(service.createdAtMs),
    createdBy: service.createdBy,
    networkConfiguration: settings.networkConfiguration,
    healthCheckGracePeriodSeconds: service.healthCheckGracePeriodSeconds,
    schedulingStrategy: 'REPLICA',
    deploymentController: { type: 'ECS' },
    enableECSManagedTags: service.enableECSManagedTags,
    propagateTags: service.propagateTags,
    enableExecuteCommand: service.enableExecuteCommand ?? false,
    availabilityZoneRebalancing: 'DISABLED',
    loadBalancers: [],
    serviceRegistries: [],
    placementConstraints: [],
    placementStrategy: [],
    tags: include.includes('TAGS') ? [...service.tags] : undefined,
  };
}

function shownDeployment(
  store: EcsStore,
  service: StoredService,
  deployment: StoredDeployment,
  isPrimary: boolean,
  tasks: readonly StoredTask[],
): Deployment {
  const revision = store.revisions.get(deployment.revisionArn) ?? service.settings;
  const own = tasks.filter(({ startedBy }) => startedBy === deployment.id);
  return {
    id: deployment.id,
    status: isPrimary ? 'PRIMARY' : 'ACTIVE',
    taskDefinition: revision.taskDefinitionArn,
    desiredCount: isPrimary
      ? service.desiredCount
      : deployment.rolloutState === 'FAILED'
        ? 0
        : deployment.target,
    runningCount: own.filter(isRunning).length,
    pendingCount: own.filter(isPending).length,
    failedTasks: deployment.failures,
    createdAt: new Date(deployment.createdAtMs),
    updatedAt: new Date(deployment.updatedAtMs),
    ...placement(revision),
    platformVersion: revision.platformVersion,
    platformFamily: 'Linux',
    networkConfiguration: revision.networkConfiguration,
    rolloutState: deployment.rolloutState,
    rolloutStateReason: deployment.rolloutStateReason,
  };
}

function placement({
  capacityProviderStrategy,
}: RevisionSettings): Pick<Service, 'launchType' | 'capacityProviderStrategy'> {
  return capacityProviderStrategy.length > 0
    ? { capacityProviderStrategy: [...capacityProviderStrategy] }
    : { launchType: 'FARGATE' };
}

export function isRunning({ lastStatus }: Pick<StoredTask, 'lastStatus'>): boolean {
  return lastStatus === 'RUNNING';
}

export function isPending({ lastStatus }: Pick<StoredTask, 'lastStatus'>): boolean {
  return lastStatus === 'PROVISIONING' || lastStatus === 'PENDING';
}
