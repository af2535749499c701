import type { Engine } from '../../dispatch/service.ts';
import type {
  RevisionSettings,
  ServiceDeploymentState,
  StoredDeployment,
  StoredService,
  StoredServiceDeployment,
} from './model.ts';
import type { Rollout } from './scheduler.ts';
import type { ServiceEvents } from './service-events.ts';
import { rollbackTarget } from './service-view.ts';
import { type EcsStore, nameOf } from './store.ts';

/** What ended a deployment, in the words of its state reason. */
interface FailureCause {
  readonly by: 'circuit breaker' | 'alarms' | 'request';
  readonly text: string;
}

const DEPLOYMENTS_KEPT = 100;

/** How deployments of services begin and end, and the service deployments that record it. */
export class Rollouts {
  readonly #engine: Engine;
  readonly #store: EcsStore;
  readonly #events: ServiceEvents;

  constructor(engine: Engine, store: EcsStore, events: ServiceEvents) {
    this.#engine = engine;
    this.#store = store;
    this.#events = events;
  }

  /** Puts a new primary deployment in front of the service; what ran before is replaced by it. */
  begin(service: StoredService, settings: RevisionSettings): StoredService {
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
    this.#events.publishDeployment(
      stored,
      started,
      'INFO',
      'SERVICE_DEPLOYMENT_IN_PROGRESS',
      started.rolloutStateReason,
    );
    return stored;
  }

  /** Ends the rollout of the primary deployment as the scheduler decided. */
  end(serviceArn: string, rollout: Rollout): void {
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
    this.fail(service, why, rollout.rollBack, asked ?? false);
  }

  #complete(service: StoredService): void {
    const [primary] = service.deployments;
    const reason = `ECS deployment ${primary!.id} completed.`;
    const done = this.#touched(primary!, { rolloutState: 'COMPLETED', rolloutStateReason: reason });
    this.#store.putService({ ...service, deployments: [done], lastCompleted: done });
    this.#endServiceDeployment(primary!, primary!.isRollback ? 'ROLLBACK_SUCCESSFUL' : 'SUCCESSFUL');
    this.#events.add(service.arn, `(deployment ${primary!.id}) deployment completed.`);
    this.#events.publishDeployment(service, done, 'INFO', 'SERVICE_DEPLOYMENT_COMPLETED', reason);
    this.#engine.journal.append('ecs', 'deployment.completed', {
      service: service.name,
      deployment: primary!.id,
      taskDefinition: nameOf(service.settings.taskDefinitionArn),
    });
  }

  /** `asked`: the service is configured, or the caller asks, to roll back. */
  fail(service: StoredService, cause: FailureCause, rollBack: boolean, asked: boolean): void {
    const [primary, ...others] = service.deployments;
    const why = cause.text;
    const reason = `ECS deployment ${cause.by}: ${why}.`;
    const failed = this.#touched(primary!, { rolloutState: 'FAILED', rolloutStateReason: reason });
    this.#events.add(service.arn, `(deployment ${failed.id}) deployment failed: ${why}.`);
    const current = this.#store.services.get(service.arn)!;
    const target = rollBack ? rollbackTarget(current) : undefined;
    this.#events.publishDeployment(service, failed, 'ERROR', 'SERVICE_DEPLOYMENT_FAILED', reason);
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
    this.#events.add(service.arn, `rolling back to deployment ${target.id}.`);
    this.#events.publishDeployment(service, primary, 'INFO', 'SERVICE_DEPLOYMENT_IN_PROGRESS', reason);
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
}

function inProgress(deployment: StoredDeployment): StoredDeployment {
  return { ...deployment, rolloutStateReason: `ECS deployment ${deployment.id} in progress.` };
}

/** The 19 digits with which ECS names deployments and revisions. */
function digits(hex: string): string {
  return BigInt(`0x${hex}`).toString().padStart(19, '0').slice(-19);
}
