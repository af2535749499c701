import type { ServiceDeployment, ServiceRevision, ServiceRevisionSummary } from '@aws-sdk/client-ecs';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { watchedAlarms } from './deployment-alarms.ts';
import type { StoredRevision, StoredService, StoredServiceDeployment } from './model.ts';
import { page } from './paging.ts';
import type { ServiceController } from './service-controller.ts';
import { breakerThreshold } from './service-view.ts';
import { isPending, isRunning } from './shown-service.ts';
import type { EcsStore } from './store.ts';
import { dateOf } from './task-definitions.ts';

type DeploymentOperations =
  | 'ListServiceDeployments'
  | 'DescribeServiceDeployments'
  | 'DescribeServiceRevisions'
  | 'StopServiceDeployment';

/** History of a service's deployments, and stopping the one in progress. */
export function serviceDeploymentOperations(
  store: EcsStore,
  controller: ServiceController,
): Pick<OperationTable<'ecs'>, DeploymentOperations> {
  return {
    ListServiceDeployments: {
      resources: (input) => [store.serviceArn(input.cluster, input.service)],
      run: (input) => {
        const service = store.service(input.cluster, input.service);
        const { before, after } = input.createdAt ?? {};
        const found = [...store.serviceDeployments.values()]
          .filter(
            (each) =>
              each.serviceArn === service.arn &&
              (!input.status?.length || input.status.includes(each.status)) &&
              (before === undefined || each.createdAtMs < before.getTime()) &&
              (after === undefined || each.createdAtMs > after.getTime()),
          )
          .reverse();
        const { items, nextToken } = page(found, input);
        return {
          serviceDeployments: items.map((each) => ({
            serviceDeploymentArn: each.arn,
            serviceArn: each.serviceArn,
            clusterArn: each.clusterArn,
            createdAt: new Date(each.createdAtMs),
            startedAt: new Date(each.createdAtMs),
            finishedAt: dateOf(each.finishedAtMs),
            targetServiceRevisionArn: each.targetRevisionArn,
            status: each.status,
            statusReason: each.statusReason,
          })),
          nextToken,
        };
      },
    },
    DescribeServiceDeployments: {
      resources: (input) => input.serviceDeploymentArns ?? [],
      run: (input) => {
        const found: ServiceDeployment[] = [];
        const failures: Array<{ arn: string; reason: string }> = [];
        for (const arn of input.serviceDeploymentArns ?? []) {
          const stored = store.serviceDeployments.get(arn);
          if (stored) found.push(shown(store, stored));
          else failures.push({ arn, reason: 'MISSING' });
        }
        return { serviceDeployments: found, failures };
      },
    },
    DescribeServiceRevisions: {
      resources: (input) => input.serviceRevisionArns ?? [],
      run: (input) => {
        const found: ServiceRevision[] = [];
        const failures: Array<{ arn: string; reason: string }> = [];
        for (const arn of input.serviceRevisionArns ?? []) {
          const revision = store.revisions.get(arn);
          if (revision) found.push(shownRevision(store, revision));
          else failures.push({ arn, reason: 'MISSING' });
        }
        return { serviceRevisions: found, failures };
      },
    },
    StopServiceDeployment: {
      resources: (input) => [input.serviceDeploymentArn ?? ''],
      run: (input) => {
        const arn = input.serviceDeploymentArn ?? '';
        const stored = store.serviceDeployments.get(arn);
        const service = stored && store.services.get(stored.serviceArn);
        if (!stored || !service) {
          throw new AwsFault('ServiceDeploymentNotFoundException', 'The service deployment was not found.');
        }
        if (service.deployments[0]?.serviceDeploymentArn !== arn) {
          throw new AwsFault('ConflictException', 'The service deployment is not in progress.');
        }
        controller.stopDeployment(service, (input.stopType ?? 'ROLLBACK') === 'ROLLBACK');
        return { serviceDeploymentArn: arn };
      },
    },
  };
}

function shown(store: EcsStore, stored: StoredServiceDeployment): ServiceDeployment {
  const service = store.services.get(stored.serviceArn);
  return {
    serviceDeploymentArn: stored.arn,
    serviceArn: stored.serviceArn,
    clusterArn: stored.clusterArn,
    createdAt: new Date(stored.createdAtMs),
    startedAt: new Date(stored.createdAtMs),
    updatedAt: new Date(stored.updatedAtMs),
    finishedAt: dateOf(stored.finishedAtMs),
    stoppedAt: dateOf(stored.stoppedAtMs),
    status: stored.status,
    statusReason: stored.statusReason,
    targetServiceRevision: summary(store, service, stored.targetRevisionArn),
    sourceServiceRevisions: stored.sourceRevisionArns.map((arn) => summary(store, service, arn)),
    ...(stored.rollback
      ? {
          rollback: {
            reason: stored.rollback.reason,
            startedAt: new Date(stored.rollback.startedAtMs),
            serviceRevisionArn: stored.rollback.serviceRevisionArn,
          },
        }
      : {}),
    ...(service ? monitors(service, stored) : {}),
  };
}

function monitors(
  service: StoredService,
  stored: StoredServiceDeployment,
): Pick<ServiceDeployment, 'deploymentConfiguration' | 'deploymentCircuitBreaker' | 'alarms'> {
  const running = service.deployments.find((each) => each.id === stored.deploymentId);
  const failed = stored.rollback !== undefined;
  const status = failed
    ? 'TRIGGERED'
    : stored.status === 'IN_PROGRESS'
      ? 'MONITORING'
      : 'MONITORING_COMPLETE';
  const alarmNames = watchedAlarms(service);
  return {
    deploymentConfiguration: service.deploymentConfiguration,
    deploymentCircuitBreaker: service.deploymentConfiguration.deploymentCircuitBreaker?.enable
      ? {
          status,
          failureCount: running && stored.status === 'IN_PROGRESS' ? running.failures : stored.failureCount,
          threshold: breakerThreshold(service),
        }
      : { status: 'DISABLED' },
    alarms:
      alarmNames.length > 0
        ? {
            status,
            alarmNames: [...alarmNames],
            triggeredAlarmNames: [...(running?.alarms.triggered ?? [])],
          }
        : { status: 'DISABLED' },
  };
}

function summary(store: EcsStore, service: StoredService | undefined, arn: string): ServiceRevisionSummary {
  const deployment = service?.deployments.find(({ revisionArn }) => revisionArn === arn);
  const tasks =
    service && deployment
      ? store.tasksOfService(service).filter(({ startedBy }) => startedBy === deployment.id)
      : [];
  const isPrimary = deployment !== undefined && deployment === service?.deployments[0];
  return {
    arn,
    requestedTaskCount: isPrimary ? service!.desiredCount : (deployment?.target ?? 0),
    runningTaskCount: tasks.filter(isRunning).length,
    pendingTaskCount: tasks.filter(isPending).length,
  };
}

function shownRevision(store: EcsStore, revision: StoredRevision): ServiceRevision {
  const definition = store.findTaskDefinition(revision.taskDefinitionArn);
  return {
    serviceRevisionArn: revision.arn,
    serviceArn: revision.serviceArn,
    clusterArn: revision.clusterArn,
    taskDefinition: revision.taskDefinitionArn,
    ...(revision.capacityProviderStrategy.length > 0
      ? { capacityProviderStrategy: [...revision.capacityProviderStrategy] }
      : { launchType: 'FARGATE' }),
    platformVersion: revision.platformVersion,
    platformFamily: 'Linux',
    networkConfiguration: revision.networkConfiguration,
    containerImages: definition
      ? [
          {
            containerName: definition.container.name,
            image: definition.container.image,
            imageDigest: revision.imageDigest,
          },
        ]
      : [],
    guardDutyEnabled: false,
    createdAt: new Date(revision.createdAtMs),
  };
}
