import type { Engine } from '../../dispatch/service.ts';
import type { StoredDeployment, StoredService } from './model.ts';
import type { EcsStore } from './store.ts';

const EVENTS_KEPT = 100;

/** Reports what happens to services: in their list of events, in the journal and on the event bus. */
export class ServiceEvents {
  readonly #engine: Engine;
  readonly #store: EcsStore;

  constructor(engine: Engine, store: EcsStore) {
    this.#engine = engine;
    this.#store = store;
  }

  add(serviceArn: string, text: string): void {
    const { ids, clock, journal } = this.#engine;
    this.#store.changeService(serviceArn, (service) => {
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

  publishDeployment(
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

  publishAction(service: StoredService, eventType: 'INFO' | 'WARN', eventName: string): void {
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
