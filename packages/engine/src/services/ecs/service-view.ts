import type { Engine } from '../../dispatch/service.ts';
import { watchedAlarms } from './deployment-alarms.ts';
import type { StoredDeployment, StoredService, StoredTask } from './model.ts';
import { type DeploymentView, failureThreshold, type ServiceView, type TaskView } from './scheduler.ts';
import type { EcsStore } from './store.ts';

/** A service as the scheduler sees it. */
export function serviceView(engine: Engine, store: EcsStore, service: StoredService): ServiceView {
  const draining = service.status === 'DRAINING';
  const { deploymentConfiguration: configuration, lastCompleted } = service;
  const breaker = configuration.deploymentCircuitBreaker;
  const [primary, ...others] = service.deployments.map((deployment) => deploymentView(deployment, draining));
  const stored = service.deployments[0]!;
  const watching = watchedAlarms(service).length > 0 && stored.alarms.ignored !== undefined;
  return {
    desiredCount: draining ? 0 : service.desiredCount,
    minimumHealthyPercent: configuration.minimumHealthyPercent ?? 100,
    maximumPercent: configuration.maximumPercent ?? 200,
    deployments: [primary!, ...others],
    canRollBack: rollbackTarget(service) !== undefined,
    tasks: store
      .tasksOfService(service)
      .filter(({ lastStatus }) => lastStatus !== 'STOPPED')
      .map((task) => taskView(task, draining)),
    healthyAfterMs: engine.pace.ms('ecs-healthy-after'),
    ...(lastCompleted && lastCompleted.id !== primary!.id ? { sourceId: lastCompleted.id } : {}),
    ...(breaker?.enable
      ? {
          circuitBreaker: {
            threshold: breakerThreshold(service),
            rollback: breaker.rollback ?? false,
          },
        }
      : {}),
    ...(watching
      ? {
          alarms: {
            rollback: configuration.alarms?.rollback ?? false,
            triggered: stored.alarms.triggered,
            bakeMs: stored.alarms.bakeMs,
          },
        }
      : {}),
  };
}

/** Failures at which the service's deployment fails, by its circuit breaker. */
export function breakerThreshold(service: StoredService): number {
  const configured = service.deploymentConfiguration.deploymentCircuitBreaker?.thresholdConfiguration;
  return configured
    ? failureThreshold(service.desiredCount, { type: configured.type!, value: configured.value! })
    : failureThreshold(service.desiredCount);
}

/** The deployment that a failed one goes back to, if one has completed before it. */
export function rollbackTarget({ deployments, lastCompleted }: StoredService): StoredDeployment | undefined {
  if (!lastCompleted || lastCompleted.id === deployments[0]?.id) return undefined;
  return deployments.find(({ id }) => id === lastCompleted.id) ?? lastCompleted;
}

/** A draining service has no rollout left to judge. */
function deploymentView(deployment: StoredDeployment, draining: boolean): DeploymentView {
  return {
    id: deployment.id,
    rolloutState: draining ? 'COMPLETED' : deployment.rolloutState,
    target: deployment.target,
    failures: deployment.failures,
    launchNotBeforeMs: deployment.launchNotBeforeMs,
    isRollback: deployment.isRollback,
    ...(deployment.stableSinceMs === undefined ? {} : { stableSinceMs: deployment.stableSinceMs }),
  };
}

function taskView(task: StoredTask, draining: boolean): TaskView {
  const { startedAtMs, protectedUntilMs, container } = task;
  const stopping = task.desiredStatus === 'STOPPED';
  return {
    id: task.id,
    deploymentId: task.startedBy ?? '',
    createdAtMs: task.createdAtMs,
    phase: stopping ? 'stopping' : task.lastStatus === 'RUNNING' ? 'running' : 'starting',
    seenHealthy: task.seenHealthy,
    ...(startedAtMs === undefined ? {} : { runningSinceMs: startedAtMs }),
    ...(container.health === undefined ? {} : { health: container.health }),
    // Deleting a service overrides the protection of its tasks.
    ...(protectedUntilMs === undefined || draining ? {} : { protectedUntilMs }),
  };
}
