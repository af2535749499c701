import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault, InvariantError } from '../../errors.ts';
import { lookAtAlarms, watchedAlarms } from './deployment-alarms.ts';
import type {
  RevisionSettings,
  ServiceDeploymentState,
  StoredDeployment,
  StoredService,
  StoredServiceDeployment,
  StoredTask,
} from './model.ts';
import {
  type DeploymentView,
  failureThreshold,
  nextProvider,
  type Plan,
  type Rollout,
  restartDelayMs,
  type ServiceView,
  schedule,
  type TaskView,
} from './scheduler.ts';
import { type EcsStore, isForFargate, nameOf } from './store.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';

/** What ended a deployment, in the words of its state reason. */
interface FailureCause {
  readonly by: 'circuit breaker' | 'alarms' | 'request';
  readonly text: string;
}

const EVENTS_KEPT = 100;
const DEPLOYMENTS_KEPT = 100;
const IMPAIRED_AFTER_FAILURES = 3;
const MOST_PASSES = 20;

/**
 * Brings services to what they are told to be: asks the pure scheduler what to do, does it, and records and
 * reports what happened. Runs again whenever a service or one of its tasks changes, and when the scheduler
 * asked to be woken.
 */
export class ServiceController {
  readonly #engine: Engine;
  readonly #store: EcsStore;
  readonly #tasks: TaskLifecycle;
  readonly #due = new Set<string>();
  readonly #wakes = new Map<string, Timer>();
  #running = false;
  #unsubscribe: (() => void) | undefined;

  constructor(engine: Engine, store: EcsStore, tasks: TaskLifecycle) {
    this.#engine = engine;
    this.#store = store;
    this.#tasks = tasks;
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

  /** Plans the service anew before this event-loop turn ends; several requests make one pass. */
  reconcile(serviceArn: string): void {
    if (!this.#running || this.#due.has(serviceArn)) return;
    this.#due.add(serviceArn);
    queueMicrotask(() => {
      if (this.#due.delete(serviceArn)) this.#reconcileNow(serviceArn);
    });
  }

  /** Puts a new primary deployment in front of the service; what ran before is replaced by it. */
  deploy(service: StoredService, settings: RevisionSettings): StoredService {
    const { ids, clock } = this.#engine;
    const nowMs = clock.nowMs();
    const path = `${service.clusterName}/${service.name}`;
    const revisionArn = this.#store.arn('service-revision', `${path}/${digits(ids.hex(16))}`);
    this.#store.revisions.put(revisionArn, {
      ...settings,
      arn: revisionArn,
      serviceArn: service.arn,
      clusterArn: service.clusterArn,
      createdAtMs: nowMs,
    });
    const deployment: StoredDeployment = {
      id: `ecs-svc/${digits(ids.hex(16))}`,
      revisionArn,
      serviceDeploymentArn: this.#store.arn('service-deployment', `${path}/${ids.hex(21)}`),
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: '',
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      target: 0,
      failures: 0,
      launchNotBeforeMs: 0,
      isRollback: false,
      blockedReported: false,
      alarms: { triggered: [], bakeMs: 0 },
    };
    const started = inProgress(deployment);
    const [replaced, ...others] = service.deployments;
    if (replaced?.rolloutState === 'IN_PROGRESS') {
      this.#endServiceDeployment(replaced, 'STOPPED', 'Superseded by a newer service deployment.');
    }
    this.#store.serviceDeployments.put(deployment.serviceDeploymentArn, {
      arn: deployment.serviceDeploymentArn,
      deploymentId: deployment.id,
      serviceArn: service.arn,
      clusterArn: service.clusterArn,
      status: 'IN_PROGRESS',
      targetRevisionArn: revisionArn,
      sourceRevisionArns: service.deployments.map((each) => each.revisionArn),
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      failureCount: 0,
    });
    this.#trimServiceDeployments(service.arn);
    const stored = this.#store.putService({
      ...service,
      settings,
      steady: false,
      deployments: [
        started,
        ...(replaced ? [{ ...replaced, target: service.desiredCount }, ...others] : others),
      ],
    });
    this.#publishDeployment(
      stored,
      started,
      'INFO',
      'SERVICE_DEPLOYMENT_IN_PROGRESS',
      started.rolloutStateReason,
    );
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
    this.#fail(service, { by: 'request', text: 'stopped on request' }, rollBack, rollBack);
    this.reconcile(service.arn);
  }

  #reconcileNow(serviceArn: string): void {
    this.#wakes.get(serviceArn)?.cancel();
    this.#wakes.delete(serviceArn);
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const service = this.#store.services.get(serviceArn);
      if (!service || service.status === 'INACTIVE' || service.deployments.length === 0) return;
      const nowMs = this.#engine.clock.nowMs();
      const plan = schedule(this.#view(service), nowMs);
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

  #view(service: StoredService): ServiceView {
    const draining = service.status === 'DRAINING';
    const { deploymentConfiguration: configuration, lastCompleted } = service;
    const breaker = configuration.deploymentCircuitBreaker;
    const [primary, ...others] = service.deployments.map((deployment) =>
      deploymentView(deployment, draining),
    );
    const stored = service.deployments[0]!;
    const watching = watchedAlarms(service).length > 0 && stored.alarms.ignored !== undefined;
    return {
      desiredCount: draining ? 0 : service.desiredCount,
      minimumHealthyPercent: configuration.minimumHealthyPercent ?? 100,
      maximumPercent: configuration.maximumPercent ?? 200,
      deployments: [primary!, ...others],
      canRollBack: rollbackTarget(service) !== undefined,
      tasks: this.#store
        .tasksOfService(service)
        .filter(({ lastStatus }) => lastStatus !== 'STOPPED')
        .map((task) => taskView(task, draining)),
      healthyAfterMs: this.#engine.pace.ms('ecs-healthy-after'),
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

  #apply(service: StoredService, plan: Plan): void {
    const nowMs = this.#engine.clock.nowMs();
    for (const id of plan.becameHealthy) this.#becameHealthy(service.arn, id);
    this.#change(service.arn, (current) => ({
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
      this.#rollOut(service.arn, plan.rollout);
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

  #rollOut(serviceArn: string, rollout: Rollout): void {
    const service = this.#store.services.get(serviceArn)!;
    if (rollout.to === 'COMPLETED') {
      this.#complete(service);
      return;
    }
    const why: FailureCause =
      rollout.because === 'tasks'
        ? { by: 'circuit breaker', text: 'tasks failed to start' }
        : { by: 'alarms', text: `alarm detected: ${service.deployments[0]!.alarms.triggered.join(', ')}` };
    const { alarms, deploymentCircuitBreaker } = service.deploymentConfiguration;
    const asked = rollout.because === 'tasks' ? deploymentCircuitBreaker?.rollback : alarms?.rollback;
    this.#fail(service, why, rollout.rollBack, asked ?? false);
  }

  #complete(service: StoredService): void {
    const [primary] = service.deployments;
    const reason = `ECS deployment ${primary!.id} completed.`;
    const done = this.#touched(primary!, { rolloutState: 'COMPLETED', rolloutStateReason: reason });
    this.#store.putService({ ...service, deployments: [done], lastCompleted: done });
    this.#endServiceDeployment(primary!, primary!.isRollback ? 'ROLLBACK_SUCCESSFUL' : 'SUCCESSFUL');
    this.#event(service.arn, `(deployment ${primary!.id}) deployment completed.`);
    this.#publishDeployment(service, done, 'INFO', 'SERVICE_DEPLOYMENT_COMPLETED', reason);
    this.#engine.journal.append('ecs', 'deployment.completed', {
      service: service.name,
      deployment: primary!.id,
      taskDefinition: nameOf(service.settings.taskDefinitionArn),
    });
  }

  #fail(service: StoredService, cause: FailureCause, rollBack: boolean, asked: boolean): void {
    const [primary, ...others] = service.deployments;
    const why = cause.text;
    const reason = `ECS deployment ${cause.by}: ${why}.`;
    const failed = this.#touched(primary!, { rolloutState: 'FAILED', rolloutStateReason: reason });
    this.#event(service.arn, `(deployment ${failed.id}) deployment failed: ${why}.`);
    const current = this.#store.services.get(service.arn)!;
    const target = rollBack ? rollbackTarget(current) : undefined;
    this.#publishDeployment(service, failed, 'ERROR', 'SERVICE_DEPLOYMENT_FAILED', reason);
    this.#engine.journal.append('ecs', 'deployment.failed', {
      service: service.name,
      deployment: failed.id,
      reason: why,
      taskDefinition: nameOf(service.settings.taskDefinitionArn),
      rollsBackTo: target?.id,
    });
    if (!target) {
      this.#store.putService({ ...current, deployments: [failed, ...others], steady: false });
      if (failed.isRollback) this.#endServiceDeployment(failed, 'ROLLBACK_FAILED', why);
      else if (asked) {
        const none = 'No rollback candidate was found to run the rollback.';
        this.#endServiceDeployment(failed, 'ROLLBACK_FAILED', none);
      } else this.#endServiceDeployment(failed, 'STOPPED', why);
      return;
    }
    this.#restore(current, failed, others, target, cause);
  }

  /** Makes the deployment that completed last the primary again; its tasks that still run are kept. */
  #restore(
    service: StoredService,
    failed: StoredDeployment,
    others: readonly StoredDeployment[],
    target: StoredDeployment,
    cause: FailureCause,
  ): void {
    const settings = this.#store.revisions.get(target.revisionArn)!;
    const reason = `ECS deployment ${cause.by}: rolling back to deploymentId ${target.id}.`;
    const restored = this.#touched(target, {
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: reason,
      isRollback: true,
      failures: 0,
      launchNotBeforeMs: 0,
      blockedReported: false,
      serviceDeploymentArn: failed.serviceDeploymentArn,
    });
    const { stableSinceMs: _, ...primary } = restored;
    this.#store.putService({
      ...service,
      settings: {
        taskDefinitionArn: settings.taskDefinitionArn,
        capacityProviderStrategy: settings.capacityProviderStrategy,
        platformVersion: settings.platformVersion,
        ...(settings.networkConfiguration ? { networkConfiguration: settings.networkConfiguration } : {}),
      },
      steady: false,
      deployments: [primary, failed, ...others.filter(({ id }) => id !== target.id)],
    });
    this.#changeServiceDeployment(failed.serviceDeploymentArn, {
      status: 'ROLLBACK_IN_PROGRESS',
      statusReason: cause.text,
      failureCount: failed.failures,
      rollback: {
        reason: `Service deployment rolled back because of: ${cause.text}.`,
        startedAtMs: this.#engine.clock.nowMs(),
        serviceRevisionArn: target.revisionArn,
      },
    });
    this.#event(service.arn, `rolling back to deployment ${target.id}.`);
    this.#publishDeployment(service, primary, 'INFO', 'SERVICE_DEPLOYMENT_IN_PROGRESS', reason);
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
    this.#event(serviceArn, `has started ${count} tasks: ${started.map((id) => `(task ${id})`).join(' ')}.`);
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
    this.#change(serviceArn, (service) => {
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
    this.#change(serviceArn, (service) => ({
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
      this.#event(
        serviceArn,
        `is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`,
      );
      this.#publishAction(service, 'WARN', 'SERVICE_TASK_START_IMPAIRED');
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
        this.#change(service.arn, (current) => ({
          ...current,
          deployments: current.deployments.map((each) =>
            each.id === primary.id ? { ...each, alarms } : each,
          ),
        }));
        this.reconcile(service.arn);
      },
      (error: Error) => {
        this.#event(
          service.arn,
          `(deployment ${primary.id}) cannot read its deployment alarms: ${error.message}`,
        );
      },
    );
  }

  #tellStops(serviceArn: string, stops: Plan['stops']): void {
    for (const { taskId, cause } of stops) {
      if (cause === 'unhealthy') this.#event(serviceArn, `(task ${taskId}) failed container health checks.`);
    }
    if (stops.length === 0) return;
    const names = stops.map(({ taskId }) => `(task ${taskId})`).join(' ');
    this.#event(serviceArn, `has stopped ${stops.length} running tasks: ${names}.`);
  }

  #tellBlocked(serviceArn: string): void {
    const service = this.#store.services.get(serviceArn)!;
    if (service.deployments[0]!.blockedReported) return;
    this.#change(serviceArn, (current) => ({
      ...current,
      deployments: current.deployments.map((each, index) =>
        index === 0 ? { ...each, blockedReported: true } : each,
      ),
    }));
    this.#event(
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
    this.#event(serviceArn, 'has reached a steady state.');
    this.#publishAction(service, 'INFO', 'SERVICE_STEADY_STATE');
    this.#engine.journal.append('ecs', 'service.steady', {
      service: service.name,
      cluster: service.clusterName,
      desiredCount: service.desiredCount,
      taskDefinition: nameOf(service.settings.taskDefinitionArn),
    });
  }

  #touched(deployment: StoredDeployment, changes: Partial<StoredDeployment>): StoredDeployment {
    return { ...deployment, ...changes, updatedAtMs: this.#engine.clock.nowMs() };
  }

  #endServiceDeployment(
    deployment: StoredDeployment,
    status: ServiceDeploymentState,
    statusReason?: string,
  ): void {
    const nowMs = this.#engine.clock.nowMs();
    this.#changeServiceDeployment(deployment.serviceDeploymentArn, {
      status,
      finishedAtMs: nowMs,
      ...(status === 'STOPPED' ? { stoppedAtMs: nowMs } : {}),
      ...(statusReason === undefined ? {} : { statusReason }),
      ...(deployment.isRollback ? {} : { failureCount: deployment.failures }),
    });
  }

  #changeServiceDeployment(arn: string, changes: Partial<StoredServiceDeployment>): void {
    const stored = this.#store.serviceDeployments.get(arn);
    if (!stored) return;
    this.#store.serviceDeployments.put(arn, {
      ...stored,
      ...changes,
      updatedAtMs: this.#engine.clock.nowMs(),
    });
  }

  #trimServiceDeployments(serviceArn: string): void {
    const ofService = [...this.#store.serviceDeployments.values()].filter(
      (each) => each.serviceArn === serviceArn,
    );
    for (const { arn } of ofService.slice(0, -DEPLOYMENTS_KEPT)) this.#store.serviceDeployments.delete(arn);
  }

  #change(serviceArn: string, change: (service: StoredService) => StoredService): void {
    const service = this.#store.services.get(serviceArn);
    if (service) this.#store.putService(change(service));
  }

  #event(serviceArn: string, text: string): void {
    const { ids, clock, journal } = this.#engine;
    this.#change(serviceArn, (service) => {
      const message = `(service ${service.name}) ${text}`;
      journal.append('ecs', 'service.event', {
        service: service.name,
        cluster: service.clusterName,
        message,
      });
      const event = { id: ids.uuid(), atMs: clock.nowMs(), message };
      return { ...service, events: [event, ...service.events].slice(0, EVENTS_KEPT) };
    });
  }

  #publishDeployment(
    service: StoredService,
    deployment: StoredDeployment,
    eventType: 'INFO' | 'ERROR',
    eventName: string,
    reason: string,
  ): void {
    this.#engine.journal.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Deployment State Change',
      resources: [service.arn],
      detail: {
        eventType,
        eventName,
        deploymentId: deployment.id,
        updatedAt: new Date(deployment.updatedAtMs).toISOString(),
        reason,
      },
    });
  }

  #publishAction(service: StoredService, eventType: 'INFO' | 'WARN', eventName: string): void {
    this.#engine.journal.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Service Action',
      resources: [service.arn],
      detail: {
        eventType,
        eventName,
        clusterArn: service.clusterArn,
        createdAt: new Date(this.#engine.clock.nowMs()).toISOString(),
      },
    });
  }
}

/** Failures at which the service's deployment fails, by its circuit breaker. */
export function breakerThreshold(service: StoredService): number {
  const configured = service.deploymentConfiguration.deploymentCircuitBreaker?.thresholdConfiguration;
  return configured
    ? failureThreshold(service.desiredCount, { type: configured.type!, value: configured.value! })
    : failureThreshold(service.desiredCount);
}

/** The deployment that a failed one goes back to, if one has completed before it. */
function rollbackTarget({ deployments, lastCompleted }: StoredService): StoredDeployment | undefined {
  if (!lastCompleted || lastCompleted.id === deployments[0]?.id) return undefined;
  return deployments.find(({ id }) => id === lastCompleted.id) ?? lastCompleted;
}

function inProgress(deployment: StoredDeployment): StoredDeployment {
  return { ...deployment, rolloutStateReason: `ECS deployment ${deployment.id} in progress.` };
}

function withStability(deployment: StoredDeployment, stable: boolean, nowMs: number): StoredDeployment {
  if (stable)
    return deployment.stableSinceMs === undefined ? { ...deployment, stableSinceMs: nowMs } : deployment;
  const { stableSinceMs, ...rest } = deployment;
  return stableSinceMs === undefined ? deployment : rest;
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

/** The 19 digits with which ECS names deployments and revisions. */
function digits(hex: string): string {
  return BigInt(`0x${hex}`).toString().padStart(19, '0').slice(-19);
}
