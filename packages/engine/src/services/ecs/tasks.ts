import type { RunTaskRequest, Task, TaskOverride } from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import { checkStrategy } from './clusters.ts';
import type { FargateTaskDefinition, StoredTask } from './model.ts';
import { page } from './paging.ts';
import { nextProvider } from './scheduler.ts';
import { checkNetwork, invalid, platform } from './service-settings.ts';
import { shownTask } from './shown-task.ts';
import { type EcsStore, nameOf } from './store.ts';
import { parseFargateSize } from './task-definition-rules.ts';
import { execFlag, rolesOf } from './task-definitions.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';

type TaskOperations = 'RunTask' | 'StopTask' | 'DescribeTasks' | 'ListTasks';

const RUN_TASKS_MAX = 10;
const DESCRIBE_MAX = 100;

/** Tasks: run by hand, looked at and stopped. */
export function taskOperations(
  engine: Engine,
  store: EcsStore,
  lifecycle: TaskLifecycle,
): Pick<OperationTable<'ecs'>, TaskOperations> {
  const clusterKey = (input: { cluster?: string | undefined }) => ({
    'ecs:cluster': store.clusterArn(input.cluster),
  });
  const taskArns = (input: { cluster?: string | undefined; tasks?: readonly string[] | undefined }) =>
    (input.tasks ?? []).map((each) => store.taskArn(input.cluster, each));

  return {
    RunTask: {
      resources: (input) => [store.taskDefinitionArn(input.taskDefinition ?? '')],
      actions: (input) => ['ecs:RunTask', ...(input.tags?.length ? ['ecs:TagResource'] : [])],
      conditions: (input) => ({ ...clusterKey(input), 'ecs:CreateAction': 'RunTask' }),
      passesRoles: (input) => {
        const definition = store.findTaskDefinition(input.taskDefinition ?? '');
        return [...(definition ? rolesOf(definition) : []), ...rolesOf(input.overrides ?? {})];
      },
      run: (input) => runTask(engine, store, lifecycle, input),
    },
    StopTask: {
      resources: (input) => [store.taskArn(input.cluster, input.task)],
      conditions: clusterKey,
      run: (input) => {
        store.cluster(input.cluster);
        const task = store.findTask(input.cluster, input.task ?? '');
        if (!task) throw invalid('The referenced task was not found.');
        const stopped = lifecycle.stop(task.id, {
          code: 'UserInitiated',
          reason: input.reason ?? 'Task stopped by user',
        });
        return { task: shownTask(stopped ?? task, engine.region) };
      },
    },
    DescribeTasks: {
      resources: taskArns,
      conditions: clusterKey,
      run: (input) => {
        const references = input.tasks ?? [];
        if (references.length === 0) throw invalid('Tasks cannot be empty.');
        if (references.length > DESCRIBE_MAX) {
          throw invalid(`The number of tasks exceeds the limit of ${DESCRIBE_MAX}.`);
        }
        store.cluster(input.cluster);
        const tasks: Task[] = [];
        const failures: Array<{ arn: string; reason: string }> = [];
        for (const reference of references) {
          const task = store.findTask(input.cluster, reference);
          if (task) tasks.push(shownTask(task, engine.region, input.include ?? []));
          else failures.push({ arn: store.taskArn(input.cluster, reference), reason: 'MISSING' });
        }
        return { tasks, failures };
      },
    },
    ListTasks: {
      conditions: clusterKey,
      run: (input) => {
        const cluster = store.cluster(input.cluster);
        const service = input.serviceName === undefined ? undefined : nameOf(input.serviceName);
        if (service !== undefined) store.service(cluster.name, service);
        if (input.containerInstance !== undefined)
          throw invalid('There are no container instances on Fargate.');
        const status = input.desiredStatus ?? 'RUNNING';
        const arns = [...store.tasks.values()]
          .filter(
            (task) =>
              task.clusterName === cluster.name &&
              task.desiredStatus === status &&
              (service === undefined || task.serviceName === service) &&
              (input.startedBy === undefined || task.startedBy === input.startedBy) &&
              (input.family === undefined || nameOf(task.taskDefinitionArn).split(':')[0] === input.family) &&
              (input.launchType === undefined || input.launchType === 'FARGATE'),
          )
          .map(({ arn }) => arn);
        const { items, nextToken } = page(arns, input);
        return { taskArns: items, nextToken };
      },
    },
  };
}

function runTask(engine: Engine, store: EcsStore, lifecycle: TaskLifecycle, input: Input<'ecs', 'RunTask'>) {
  const cluster = store.cluster(input.cluster);
  const asShown = (tasks: readonly StoredTask[]) => ({
    tasks: tasks.map((task) => shownTask(task, engine.region, ['TAGS'])),
    failures: [],
  });
  // A client repeats a call whose answer it has not got; SDKs send a token of their own for that.
  const before = [...store.tasks.values()].filter(
    ({ clusterName, clientToken }) =>
      input.clientToken !== undefined && clusterName === cluster.name && clientToken === input.clientToken,
  );
  if (before.length > 0) return asShown(before);
  const count = input.count ?? 1;
  if (count < 1 || count > RUN_TASKS_MAX) throw invalid(`Count must be between 1 and ${RUN_TASKS_MAX}.`);
  checkRunnable(input);
  const definition = store.usableTaskDefinition(input.taskDefinition ?? '');
  checkNetwork(definition, input.networkConfiguration);
  const overrides = readOverrides(input.overrides, definition);
  const enableExecuteCommand = execFlag(input.enableExecuteCommand, {
    taskRoleArn: overrides.taskRoleArn ?? definition.taskRoleArn,
  });
  const asked = input.capacityProviderStrategy ?? [];
  if (asked.length > 0 && input.launchType !== undefined) {
    throw invalid('Specifying both a launch type and capacity provider strategy is not supported.');
  }
  checkStrategy(asked, cluster.capacityProviders);
  const strategy = asked.length > 0 ? asked : input.launchType === undefined ? cluster.defaultStrategy : [];
  const shares = strategy.map(({ capacityProvider, base, weight }) => ({
    capacityProvider: capacityProvider ?? '',
    base: base ?? 0,
    weight: weight ?? 0,
  }));
  const placed = new Map<string, number>();
  const tasks = Array.from({ length: count }, () => {
    const provider = nextProvider(shares, placed);
    if (provider !== undefined) placed.set(provider, (placed.get(provider) ?? 0) + 1);
    return lifecycle.launch({
      clusterName: cluster.name,
      definition,
      group: input.group ?? `family:${definition.family}`,
      ...(input.startedBy === undefined ? {} : { startedBy: input.startedBy }),
      enableExecuteCommand,
      ...(input.clientToken === undefined ? {} : { clientToken: input.clientToken }),
      ...(provider === undefined ? { launchType: 'FARGATE' } : { capacityProviderName: provider }),
      platformVersion: platform(input.platformVersion),
      overrides,
      tags: [...(input.propagateTags === 'TASK_DEFINITION' ? definition.tags : []), ...(input.tags ?? [])],
    });
  });
  return asShown(tasks);
}

function checkRunnable(input: RunTaskRequest): void {
  if (input.launchType !== undefined && input.launchType !== 'FARGATE') {
    throw invalid(`the local engine does not support launchType ${input.launchType}: use FARGATE`);
  }
  for (const member of ['placementConstraints', 'placementStrategy', 'volumeConfigurations'] as const) {
    if (input[member]?.length)
      throw invalid(`the local engine does not support ${member}: leave it out here, or run the task on AWS`);
  }
}

function readOverrides(overrides: TaskOverride | undefined, definition: FargateTaskDefinition): TaskOverride {
  if (!overrides) return {};
  if (overrides.inferenceAcceleratorOverrides?.length) {
    throw invalid('the local engine does not support overrides.inferenceAcceleratorOverrides: leave it out');
  }
  for (const override of overrides.containerOverrides ?? []) {
    if (override.name !== definition.container.name) {
      throw invalid(
        `Override for container named ${override.name} is not a container in the TaskDefinition.`,
      );
    }
    for (const member of ['environmentFiles', 'resourceRequirements'] as const) {
      if (override[member]?.length)
        throw invalid(
          `the local engine does not support containerOverrides.${member}: leave it out here, or run the task on AWS`,
        );
    }
  }
  if (overrides.cpu === undefined && overrides.memory === undefined) return overrides;
  const size = parseFargateSize(overrides.cpu ?? definition.cpu, overrides.memory ?? definition.memory);
  return { ...overrides, cpu: String(size.cpu), memory: String(size.memory) };
}
