import type { ProtectedTask } from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { StoredTask } from './model.ts';
import type { ServiceController } from './service-controller.ts';
import { invalid } from './service-settings.ts';
import { type EcsStore, nameOf } from './store.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';

const PROTECTION_DEFAULT_MINUTES = 120;
const PROTECTION_MINUTES_MAX = 2880;

/** Protection of tasks from being stopped by the service scheduler. */
export function taskProtectionOperations(
  engine: Engine,
  store: EcsStore,
  lifecycle: TaskLifecycle,
  controller: ServiceController,
): Pick<OperationTable<'ecs'>, 'GetTaskProtection' | 'UpdateTaskProtection'> {
  const clusterKey = (input: { cluster?: string | undefined }) => ({
    'ecs:cluster': store.clusterArn(input.cluster),
  });
  const taskArns = (input: { cluster?: string | undefined; tasks?: readonly string[] | undefined }) =>
    (input.tasks ?? []).map((each) => store.taskArn(input.cluster, each));
  const protectable = (cluster: string | undefined, references: readonly string[]) => {
    const found: StoredTask[] = [];
    const failures: Array<{ arn: string; reason: string; detail?: string }> = [];
    for (const reference of references) {
      const task = store.findTask(cluster, reference);
      const arn = store.taskArn(cluster, reference);
      if (!task || task.lastStatus === 'STOPPED') failures.push({ arn, reason: 'MISSING' });
      else if (task.serviceName === undefined) {
        failures.push({ arn, reason: 'TASK_NOT_VALID', detail: 'The task is not part of a service.' });
      } else found.push(task);
    }
    return { found, failures };
  };

  return {
    GetTaskProtection: {
      resources: (input) =>
        input.tasks?.length
          ? taskArns(input)
          : [store.arn('task', `${nameOf(input.cluster ?? 'default')}/*`)],
      conditions: clusterKey,
      run: (input) => {
        const cluster = store.cluster(input.cluster);
        const references =
          input.tasks ??
          [...store.tasks.values()]
            .filter(
              (task) =>
                task.clusterName === cluster.name &&
                task.serviceName !== undefined &&
                task.lastStatus !== 'STOPPED',
            )
            .map(({ arn }) => arn);
        const { found, failures } = protectable(input.cluster, references);
        return { protectedTasks: found.map((task) => shownProtection(task, engine.clock.nowMs())), failures };
      },
    },
    UpdateTaskProtection: {
      resources: taskArns,
      conditions: clusterKey,
      run: (input) => {
        store.cluster(input.cluster);
        const minutes = input.expiresInMinutes ?? PROTECTION_DEFAULT_MINUTES;
        if (!Number.isInteger(minutes) || minutes < 1 || minutes > PROTECTION_MINUTES_MAX) {
          throw invalid(`expiresInMinutes must be between 1 and ${PROTECTION_MINUTES_MAX}.`);
        }
        const { found, failures } = protectable(input.cluster, input.tasks ?? []);
        const nowMs = engine.clock.nowMs();
        const protectedTasks: ProtectedTask[] = [];
        for (const task of found) {
          if (input.protectionEnabled && task.desiredStatus === 'STOPPED') {
            failures.push({
              arn: task.arn,
              reason: 'DEPLOYMENT_BLOCKED',
              detail: 'The task is being stopped already.',
            });
            continue;
          }
          if (input.protectionEnabled)
            lifecycle.amend(task.id, { protectedUntilMs: nowMs + minutes * 60_000 });
          else lifecycle.unprotect(task.id);
          protectedTasks.push(shownProtection(store.tasks.get(task.id)!, nowMs));
          controller.reconcile(store.arn('service', `${task.clusterName}/${task.serviceName}`));
        }
        return { protectedTasks, failures };
      },
    },
  };
}

function shownProtection({ arn, protectedUntilMs }: StoredTask, nowMs: number): ProtectedTask {
  const enabled = protectedUntilMs !== undefined && protectedUntilMs > nowMs;
  return {
    taskArn: arn,
    protectionEnabled: enabled,
    ...(enabled ? { expirationDate: new Date(protectedUntilMs) } : {}),
  };
}
