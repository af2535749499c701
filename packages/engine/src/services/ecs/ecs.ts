import type { Engine, Service } from '../../dispatch/service.ts';
import type { TaskRunner } from '../../runtime/task-runner.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { clusterOperations } from './clusters.ts';
import { ServiceMetrics } from './metrics.ts';
import { ServiceController } from './service-controller.ts';
import { serviceDeploymentOperations } from './service-deployments.ts';
import { serviceOperations } from './services.ts';
import { EcsStore } from './store.ts';
import { tagOperations, tagsOfArn } from './tags.ts';
import { taskDefinitionOperations } from './task-definitions.ts';
import { TaskEndpoint } from './task-endpoint.ts';
import { TaskLifecycle } from './task-lifecycle.ts';
import { taskProtectionOperations } from './task-protection.ts';
import { taskOperations } from './tasks.ts';

/**
 * Amazon ECS on Fargate: clusters, task definitions, services with rolling deployments and circuit breaker,
 * and tasks that really run, on the runner that it is given.
 *
 * One container per task; no load balancers, service discovery, volumes, or deployment strategies other than
 * rolling: what would change how a task runs is refused by name.
 */
export function createEcs(
  engine: Engine,
  parts: { readonly runner: TaskRunner; readonly handle: (handler: HttpHandler) => void },
): Service<'ecs'> {
  const store = new EcsStore(engine);
  const endpoint = new TaskEndpoint(engine, (taskId) => store.tasks.get(taskId));
  const lifecycle = new TaskLifecycle(engine, store, parts.runner, endpoint);
  const controller = new ServiceController(engine, store, lifecycle);
  const metrics = new ServiceMetrics(engine, store, lifecycle);
  parts.handle((request, response) => endpoint.handle(request, response));

  return {
    name: 'ecs',
    operations: {
      ...clusterOperations(engine, store),
      ...taskDefinitionOperations(engine, store),
      ...serviceOperations(engine, store, controller),
      ...serviceDeploymentOperations(store, controller),
      ...taskOperations(engine, store, lifecycle),
      ...taskProtectionOperations(engine, store, lifecycle, controller),
      ...tagOperations(store),
    },
    resourceTags: (arn) => tagsOfArn(store, arn),
    start: () => {
      engine.journal.append('ecs', 'runner.chosen', {
        runner: parts.runner.name,
        ...parts.runner.report,
      });
      lifecycle.start();
      controller.start();
      metrics.start();
    },
    stop: async () => {
      metrics.stop();
      controller.stop();
      await lifecycle.close();
    },
  };
}
