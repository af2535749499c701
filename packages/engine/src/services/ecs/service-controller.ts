import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault, InvariantError } from '../../errors.ts';
import { lookAtAlarms, watchedAlarms } from './deployment-alarms.ts';
import type { RevisionSettings, StoredDeployment, StoredService, StoredTask } from './model.ts';
import { Rollouts } from './rollouts.ts';
import { nextProvider, type Plan, restartDelayMs, schedule } from './scheduler.ts';
import { ServiceEvents } from './service-events.ts';
import { rollbackTarget, serviceView } from './service-view.ts';
import { type EcsStore, isForFargate, nameOf } from './store.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';

const IMPAIRED_AFTER_FAILURES = 3;
const PASSES_MAX = 20;

/**
 * Brings services to what they are told to be: asks the pure scheduler what to do, does it, and records and
 * reports what happened. Runs again whenever a service or one of its tasks changes, and when the scheduler
 * asked to be woken.
 */
export class ServiceController {
  readonly #engine: Engine;
  readonly #store: EcsStore;
  readonly #events: ServiceEvents;
  readonly #rollouts: Rollouts;
  readonly #tasks: TaskLifecycle;
  readonly #due = new Set<string>();
  readonly #wakes = new Map<string, Timer>();
  #running = false;
  #unsubscribe: (() => void) | undefined;

  constructor(engine: Engine, store: EcsStore, tasks: TaskLifecycle) {
    this.#engine = engine;
    this.#store = store;
    this.#tasks = tasks;
    this.#events = new ServiceEvents(engine, store);
    this.#rollouts = new Rollouts(engine, store, this.#events);
    tasks.onChange((task, before) => this.#taskChanged(task, before));
  }

  /** Takes every service up again where an earlier engine left it. */
  start(): void {
    this.#running = true;
    for (const service of this.#store.services.values()) {
      if (service.status !== 'INACTIVE') this.reconcile(service.arn);
    }
    this.#unsubscribe = this.#engine.journal.subscribe(({ source, type, detail }) => {
      if (source !== 'cloudwatch' || type !== 'aws.event') return;
      const { alarmName } = (detail.detail ?? {}) as { alarmName?: string };
      if (alarmName !== undefined) this.#alarmChanged(alarmName);
    });
  }

  /** Starts nothing any more; tasks are the lifecycle's to stop. */
  stop(): void {
    this.#running = false;
    this.#unsubscribe?.();
    for (const timer of this.#wakes.values()) timer.cancel();
    this.#wakes.clear();
    this.#due.clear();
  }

  /** Plans the service again before this event-loop turn ends; several requests make one pass. */
  reconcile(serviceArn: string): void {
    if (!this.#running || this.#due.has(serviceArn)) return;
    this.#due.add(serviceArn);
    queueMicrotask(() => {
      if (this.#due.delete(serviceArn)) this.#reconcileNow(serviceArn);
    });
  }

  /** Puts a new primary deployment in front of the service; what ran before is replaced by it. */
  deploy(service: StoredService, settings: RevisionSettings): StoredService {
    const stored = this.#rollouts.begin(service, settings);
    this.#watchAlarms(stored);
    this.reconcile(service.arn);
    return stored;
  }

  /** Sets the desired count. While a deployment runs, the version that is being replaced grows as well. */
  resize(service: StoredService, desiredCount: number): StoredService {
    const growth = desiredCount - service.desiredCount;
    const sourceId = service.lastCompleted?.id;
    const resized = this.#store.putService({
      ...service,
      desiredCount,
      steady: service.steady && growth === 0,
      deployments: service.deployments.map((deployment, index) =>
        index > 0 && growth > 0 && deployment.id === sourceId
          ? { ...deployment, target: deployment.target + growth }
          : deployment,
      ),
    });
    this.reconcile(service.arn);
    return resized;
  }

  /**
   * Ends the deployment in progress by hand.
   *
   * `rollBack` restores the deployment that completed last; otherwise the service stays as it is, and starts
   * no further tasks of the stopped deployment.
   */
  stopDeployment(service: StoredService, rollBack: boolean): void {
    const [primary] = service.deployments;
    if (primary?.rolloutState !== 'IN_PROGRESS') {
      throw new AwsFault('ConflictException', 'The service deployment is not in progress.');
    }
    if (rollBack && !rollbackTarget(service)) {
      throw new AwsFault(
        'ConflictException',
        'The service deployment cannot be rolled back: no deployment of the service has completed before it.',
      );
    }
    this.#rollouts.fail(service, { by: 'request', text: 'stopped on request' }, rollBack, rollBack);
    this.reconcile(service.arn);
  }

  #reconcileNow(serviceArn: string): void {
    this.#wakes.get(serviceArn)?.cancel();
    this.#wakes.delete(serviceArn);
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const service = this.#store.services.get(serviceArn);
      if (!service || service.status === 'INACTIVE' || service.deployments.length === 0) return;
      const nowMs = this.#engine.clock.nowMs();
      const plan = schedule(serviceView(this.#engine, this.#store, service), nowMs);
      this.#apply(service, plan);
      if (plan.rollout) continue;
      if (plan.wakeAtMs !== undefined) {
        const timer = this.#engine.clock.setTimer(plan.wakeAtMs - nowMs, () => this.reconcile(serviceArn));
        this.#wakes.set(serviceArn, timer);
      }
      return;
    }
    throw new InvariantError(`the deployments of ${serviceArn} do not come to rest`);
  }

  #apply(service: StoredService, plan: Plan): void {
    const nowMs = this.#engine.clock.nowMs();
    for (const id of plan.becameHealthy) this.#becameHealthy(service.arn, id);
    this.#store.changeService(service.arn, (current) => ({
      ...current,
      deployments: current.deployments
        .filter(({ id }) => !plan.finished.includes(id))
        .map((deployment, index) => {
          const target = plan.targets.find(({ deploymentId }) => deploymentId === deployment.id)?.target;
          const moved = target === undefined ? deployment : { ...deployment, target };
          return index === 0 ? withStability(moved, plan.stable, nowMs) : moved;
        }),
    }));
    if (plan.rollout) {
      this.#rollouts.end(service.arn, plan.rollout);
      return;
    }
    for (const { taskId, cause } of plan.stops) {
      this.#tasks.stop(taskId, {
        code: 'ServiceSchedulerInitiated',
        reason:
          cause === 'unhealthy'
            ? 'Task failed container health checks'
            : `Scaling activity initiated by (deployment ${this.#store.tasks.get(taskId)?.startedBy})`,
        cause,
      });
    }
    this.#tellStops(service.arn, plan.stops);
    for (const { deploymentId, count } of plan.launches) this.#launch(service.arn, deploymentId, count);
    if (plan.blocked) this.#tellBlocked(service.arn);
    this.#settle(service.arn, plan.stable);
  }

  #launch(serviceArn: string, deploymentId: string, count: number): void {
    const service = this.#store.services.get(serviceArn)!;
    const deployment = service.deployments.find(({ id }) => id === deploymentId)!;
    const revision = this.#store.revisions.get(deployment.revisionArn)!;
    const definition = this.#store.findTaskDefinition(revision.taskDefinitionArn);
    if (!definition || !isForFargate(definition))
      throw new InvariantError(`${revision.taskDefinitionArn} of ${serviceArn} is gone`);
    const strategy = revision.capacityProviderStrategy.map(({ capacityProvider, base, weight }) => ({
      capacityProvider: capacityProvider ?? '',
      base: base ?? 0,
      weight: weight ?? 0,
    }));
    const started: string[] = [];
    for (let index = 0; index < count; index++) {
      const provider = nextProvider(strategy, this.#providerCounts(service, deploymentId));
      const task = this.#tasks.launch({
        clusterName: service.clusterName,
        definition,
        group: `service:${service.name}`,
        startedBy: deploymentId,
        enableExecuteCommand: service.enableExecuteCommand ?? false,
        serviceName: service.name,
        revisionArn: revision.arn,
        ...(provider === undefined ? { launchType: 'FARGATE' } : { capacityProviderName: provider }),
        platformVersion: revision.platformVersion,
        overrides: {},
        tags:
          service.propagateTags === 'SERVICE'
            ? service.tags
            : service.propagateTags === 'TASK_DEFINITION'
              ? definition.tags
              : [],
      });
      started.push(task.id);
    }
    this.#events.add(
      serviceArn,
      `has started ${count} tasks: ${started.map((id) => `(task ${id})`).join(' ')}.`,
    );
  }

  #providerCounts(service: StoredService, deploymentId: string): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { startedBy, desiredStatus, capacityProviderName } of this.#store.tasksOfService(service)) {
      if (startedBy !== deploymentId || desiredStatus === 'STOPPED' || capacityProviderName === undefined)
        continue;
      counts.set(capacityProviderName, (counts.get(capacityProviderName) ?? 0) + 1);
    }
    return counts;
  }

  #becameHealthy(serviceArn: string, taskId: string): void {
    this.#tasks.amend(taskId, { seenHealthy: true });
    const startedBy = this.#store.tasks.get(taskId)?.startedBy;
    this.#store.changeService(serviceArn, (service) => {
      const reset = service.deploymentConfiguration.deploymentCircuitBreaker?.resetOnHealthyTask ?? true;
      return {
        ...service,
        deployments: service.deployments.map((deployment) =>
          deployment.id === startedBy && deployment.failures > 0
            ? { ...deployment, failures: reset ? 0 : deployment.failures, launchNotBeforeMs: 0 }
            : deployment,
        ),
      };
    });
  }

  #taskChanged(task: StoredTask, before: StoredTask | undefined): void {
    if (task.serviceName === undefined) return;
    const arn = this.#store.arn('service', `${task.clusterName}/${task.serviceName}`);
    if (task.lastStatus === 'STOPPED' && before?.lastStatus !== 'STOPPED') this.#taskStopped(arn, task);
    this.reconcile(arn);
  }

  /**
   * Counts a task that failed as the circuit breaker does: one that did not start, or that did not pass its health
   * check. One that ran and then exited is no failure where there is no health check, however soon it did
   * (https://github.com/aws/containers-roadmap/issues/1206). It is started again after a pause, which stands for the
   * time that a task takes to start on AWS.
   */
  #taskStopped(serviceArn: string, task: StoredTask): void {
    if (task.seenHealthy && task.stopCause !== 'unhealthy') return;
    const exited = task.stopCode === 'EssentialContainerExited';
    const failed =
      task.stopCode === 'TaskFailedToStart' ||
      task.stopCause === 'unhealthy' ||
      (exited && task.container.health !== undefined);
    if (!failed && !exited) return;
    const { clock, pace } = this.#engine;
    const stepMs = pace.ms('ecs-restart-step');
    this.#store.changeService(serviceArn, (service) => ({
      ...service,
      deployments: service.deployments.map((deployment) => {
        if (deployment.id !== task.startedBy) return deployment;
        const failures = deployment.failures + (failed ? 1 : 0);
        const delayMs = failed ? restartDelayMs(failures, stepMs) : stepMs;
        return { ...deployment, failures, launchNotBeforeMs: clock.nowMs() + delayMs };
      }),
    }));
    if (!failed) return;
    const service = this.#store.services.get(serviceArn);
    const failing = service?.deployments.find(({ id }) => id === task.startedBy);
    if (service && failing?.failures === IMPAIRED_AFTER_FAILURES) {
      this.#events.add(
        serviceArn,
        `is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`,
      );
      this.#events.publishAction(service, 'WARN', 'SERVICE_TASK_START_IMPAIRED');
    }
  }

  #alarmChanged(alarmName: string): void {
    for (const service of this.#store.services.values()) {
      if (service.status === 'ACTIVE' && watchedAlarms(service).includes(alarmName))
        this.#watchAlarms(service);
    }
  }

  #watchAlarms(service: StoredService): void {
    const names = watchedAlarms(service);
    const [primary] = service.deployments;
    if (names.length === 0 || primary?.rolloutState !== 'IN_PROGRESS' || primary.isRollback) return;
    lookAtAlarms(this.#engine, names, primary).then(
      (alarms) => {
        this.#store.changeService(service.arn, (current) => ({
          ...current,
          deployments: current.deployments.map((each) =>
            each.id === primary.id ? { ...each, alarms } : each,
          ),
        }));
        this.reconcile(service.arn);
      },
      (error: Error) => {
        this.#events.add(
          service.arn,
          `(deployment ${primary.id}) cannot read its deployment alarms: ${error.message}`,
        );
      },
    );
  }

  #tellStops(serviceArn: string, stops: Plan['stops']): void {
    for (const { taskId, cause } of stops) {
      if (cause === 'unhealthy')
        this.#events.add(serviceArn, `(task ${taskId}) failed container health checks.`);
    }
    if (stops.length === 0) return;
    const names = stops.map(({ taskId }) => `(task ${taskId})`).join(' ');
    this.#events.add(serviceArn, `has stopped ${stops.length} running tasks: ${names}.`);
  }

  #tellBlocked(serviceArn: string): void {
    const service = this.#store.services.get(serviceArn)!;
    if (service.deployments[0]!.blockedReported) return;
    this.#store.changeService(serviceArn, (current) => ({
      ...current,
      deployments: current.deployments.map((each, index) =>
        index === 0 ? { ...each, blockedReported: true } : each,
      ),
    }));
    this.#events.add(
      serviceArn,
      'was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.',
    );
  }

  /** Reports steady state once each time it is reached, and ends a service that has drained. */
  #settle(serviceArn: string, stable: boolean): void {
    const service = this.#store.services.get(serviceArn)!;
    if (service.status === 'DRAINING') {
      const left = this.#store.tasksOfService(service).some(({ lastStatus }) => lastStatus !== 'STOPPED');
      if (left) return;
      this.#store.putService({ ...service, status: 'INACTIVE', deployments: [], steady: false });
      this.#engine.journal.append('ecs', 'service.deleted', {
        service: service.name,
        cluster: service.clusterName,
      });
      return;
    }
    const steady = stable && service.deployments[0]!.rolloutState === 'COMPLETED';
    if (steady === service.steady) return;
    this.#store.putService({ ...service, steady });
    if (!steady) return;
    this.#events.add(serviceArn, 'has reached a steady state.');
    this.#events.publishAction(service, 'INFO', 'SERVICE_STEADY_STATE');
    this.#engine.journal.append('ecs', 'service.steady', {
      service: service.name,
      cluster: service.clusterName,
      desiredCount: service.desiredCount,
      taskDefinition: nameOf(service.settings.taskDefinitionArn),
    });
  }
}

function withStability(deployment: StoredDeployment, stable: boolean, nowMs: number): StoredDeployment {
  if (stable)
    return deployment.stableSinceMs === undefined ? { ...deployment, stableSinceMs: nowMs } : deployment;
  const { stableSinceMs, ...rest } = deployment;
  return stableSinceMs === undefined ? deployment : rest;
}
