import type { Tag, TaskDefinition } from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { StoredTaskDefinition } from './model.ts';
import { page } from './paging.ts';
import { compatibilityOf, type EcsStore } from './store.ts';
import { checkTaskDefinition } from './task-definition-rules.ts';

type TaskDefinitionOperations =
  | 'RegisterTaskDefinition'
  | 'DescribeTaskDefinition'
  | 'DeregisterTaskDefinition'
  | 'DeleteTaskDefinitions'
  | 'ListTaskDefinitions'
  | 'ListTaskDefinitionFamilies';

/** Roles that ECS takes on for tasks of a definition: the caller must be allowed to pass them. */
export function rolesOf(definition: {
  readonly taskRoleArn?: string | undefined;
  readonly executionRoleArn?: string | undefined;
}): Array<{ roleArn: string; service: string }> {
  return [definition.taskRoleArn, definition.executionRoleArn]
    .filter((roleArn) => roleArn !== undefined && roleArn !== '')
    .map((roleArn) => ({ roleArn: roleArn as string, service: 'ecs-tasks.amazonaws.com' }));
}

/**
 * Whether ECS Exec is asked for, which works with the rights of the task's role and is recorded only: there is no
 * ExecuteCommand. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
 */
export function execFlag(
  asked: boolean | undefined,
  definition: { readonly taskRoleArn?: string | undefined } | undefined,
): boolean {
  if (!asked || definition?.taskRoleArn) return asked ?? false;
  throw new AwsFault(
    'InvalidParameterException',
    'enableExecuteCommand: a valid taskRoleArn is not being used. Specify a valid task role in your task definition and try again.',
  );
}

/** Task definitions: immutable, numbered per family, and never reused once deregistered. */
export function taskDefinitionOperations(
  engine: Engine,
  store: EcsStore,
): Pick<OperationTable<'ecs'>, TaskDefinitionOperations> {
  const describe = (reference: string | undefined) => {
    const definition = store.findTaskDefinition(reference ?? '');
    if (!definition) throw new AwsFault('ClientException', 'Unable to describe task definition.');
    return definition;
  };
  return {
    RegisterTaskDefinition: {
      resources: (input) => [store.arn('task-definition', `${input.family}:*`)],
      actions: (input) => ['ecs:RegisterTaskDefinition', ...(input.tags?.length ? ['ecs:TagResource'] : [])],
      conditions: () => ({ 'ecs:CreateAction': 'RegisterTaskDefinition' }),
      passesRoles: rolesOf,
      run: (input, { principal }) => registerTaskDefinition(engine, store, input, principal),
    },
    DescribeTaskDefinition: {
      run: (input) => {
        const definition = describe(input.taskDefinition);
        return {
          taskDefinition: shownTaskDefinition(definition),
          ...(input.include?.includes('TAGS') ? { tags: [...definition.tags] } : {}),
        };
      },
    },
    DeregisterTaskDefinition: {
      run: (input) => {
        if (!input.taskDefinition?.includes(':')) {
          throw new AwsFault(
            'ClientException',
            'Revision is missing: name the task definition as family:revision.',
          );
        }
        const definition = describe(input.taskDefinition);
        const inactive: StoredTaskDefinition =
          definition.status === 'ACTIVE'
            ? { ...definition, status: 'INACTIVE', deregisteredAtMs: engine.clock.nowMs() }
            : definition;
        store.taskDefinitions.put(`${inactive.family}:${inactive.revision}`, inactive);
        return { taskDefinition: shownTaskDefinition(inactive) };
      },
    },
    DeleteTaskDefinitions: {
      resources: (input) => (input.taskDefinitions ?? []).map((each) => store.taskDefinitionArn(each)),
      run: (input) => deleteTaskDefinitions(engine, store, input),
    },
    ListTaskDefinitions: {
      run: (input) => {
        const status = input.status ?? 'ACTIVE';
        const found = [...store.taskDefinitions.values()]
          .filter(
            (definition) =>
              definition.status === status &&
              (input.familyPrefix === undefined || definition.family === input.familyPrefix),
          )
          .sort((a, b) => a.family.localeCompare(b.family) || a.revision - b.revision)
          .map(({ arn }) => arn);
        if (input.sort === 'DESC') found.reverse();
        const { items, nextToken } = page(found, input);
        return { taskDefinitionArns: items, nextToken };
      },
    },
    ListTaskDefinitionFamilies: {
      run: (input) => {
        const status = input.status ?? 'ACTIVE';
        const active = new Set<string>();
        const all = new Set<string>();
        for (const definition of store.taskDefinitions.values()) {
          if (!definition.family.startsWith(input.familyPrefix ?? '')) continue;
          all.add(definition.family);
          if (definition.status === 'ACTIVE') active.add(definition.family);
        }
        const families = [...all]
          .filter((family) => status === 'ALL' || active.has(family) === (status === 'ACTIVE'))
          .sort();
        const { items, nextToken } = page(families, input);
        return { families: items, nextToken };
      },
    },
  };
}

function registerTaskDefinition(
  engine: Engine,
  store: EcsStore,
  input: Input<'ecs', 'RegisterTaskDefinition'>,
  principal: Principal,
) {
  const { container, size, recordedOnly } = checkTaskDefinition(input);
  const { cpu = input.cpu, memory = input.memory } = size ?? {};
  const family = input.family!;
  const revision = store.families.put(family, (store.families.get(family) ?? 0) + 1);
  const name = `${family}:${revision}`;
  const definition = store.taskDefinitions.put(name, {
    family,
    revision,
    arn: store.arn('task-definition', name),
    status: 'ACTIVE',
    container,
    ...(cpu === undefined ? {} : { cpu: String(cpu) }),
    ...(memory === undefined ? {} : { memory: String(memory) }),
    compatibility: {
      networkMode: input.networkMode,
      requiresCompatibilities: input.requiresCompatibilities,
      compatibilities: size ? ['EC2', 'FARGATE'] : ['EC2'],
    },
    ...(input.taskRoleArn ? { taskRoleArn: input.taskRoleArn } : {}),
    ...(input.executionRoleArn ? { executionRoleArn: input.executionRoleArn } : {}),
    ...(input.runtimePlatform ? { runtimePlatform: input.runtimePlatform } : {}),
    ...(input.ephemeralStorage ? { ephemeralStorage: input.ephemeralStorage } : {}),
    registeredAtMs: engine.clock.nowMs(),
    registeredBy: principal.arn,
    tags: input.tags ?? [],
  });
  engine.journal.append('ecs', 'task-definition.registered', {
    taskDefinition: name,
    image: container.image,
    ...(recordedOnly.length > 0 ? { recordedOnly } : {}),
  });
  return { taskDefinition: shownTaskDefinition(definition), ...shownTags(definition.tags) };
}

function deleteTaskDefinitions(
  engine: Engine,
  store: EcsStore,
  input: Input<'ecs', 'DeleteTaskDefinitions'>,
) {
  const failures: Array<{ arn: string; reason: string; detail: string }> = [];
  const deleted: TaskDefinition[] = [];
  for (const reference of input.taskDefinitions ?? []) {
    const definition = reference.includes(':') ? store.findTaskDefinition(reference) : undefined;
    if (definition?.status !== 'INACTIVE') {
      const detail = definition
        ? 'The specified task definition is not in the INACTIVE state: deregister it first.'
        : 'The specified task definition does not exist.';
      failures.push({ arn: reference, reason: 'INVALID_INPUT', detail });
      continue;
    }
    const inUse = isInUse(store, definition.arn);
    const deleting: StoredTaskDefinition = {
      ...definition,
      status: 'DELETE_IN_PROGRESS',
      deleteRequestedAtMs: engine.clock.nowMs(),
    };
    const key = `${definition.family}:${definition.revision}`;
    if (inUse) store.taskDefinitions.put(key, deleting);
    else store.taskDefinitions.delete(key);
    deleted.push(shownTaskDefinition(deleting));
  }
  return { taskDefinitions: deleted, failures };
}

/** Whether a task runs it or a service may still start one: then it stays until nothing refers to it. */
function isInUse(store: EcsStore, arn: string): boolean {
  const running = [...store.tasks.values()].some(
    (task) => task.taskDefinitionArn === arn && task.lastStatus !== 'STOPPED',
  );
  return (
    running ||
    [...store.services.values()].some(({ status, deployments, lastCompleted }) =>
      [...deployments, ...(lastCompleted ? [lastCompleted] : [])].some(
        ({ revisionArn }) =>
          status !== 'INACTIVE' && store.revisions.get(revisionArn)?.taskDefinitionArn === arn,
      ),
    )
  );
}

/** A task definition as `DescribeTaskDefinition` shows it. */
export function shownTaskDefinition(definition: StoredTaskDefinition): TaskDefinition {
  const { container } = definition;
  const { networkMode, requiresCompatibilities, compatibilities } = compatibilityOf(definition);
  return {
    taskDefinitionArn: definition.arn,
    family: definition.family,
    revision: definition.revision,
    status: definition.status,
    containerDefinitions: [
      {
        ...container,
        cpu: container.cpu ?? 0,
        essential: true,
        portMappings: container.portMappings ?? [],
        environment: container.environment ?? [],
        mountPoints: [],
        volumesFrom: [],
      },
    ],
    cpu: definition.cpu,
    memory: definition.memory,
    taskRoleArn: definition.taskRoleArn,
    executionRoleArn: definition.executionRoleArn,
    networkMode,
    volumes: [],
    placementConstraints: [],
    compatibilities: [...compatibilities],
    requiresCompatibilities: requiresCompatibilities && [...requiresCompatibilities],
    runtimePlatform: definition.runtimePlatform,
    ephemeralStorage: definition.ephemeralStorage,
    registeredAt: new Date(definition.registeredAtMs),
    registeredBy: definition.registeredBy,
    deregisteredAt: dateOf(definition.deregisteredAtMs),
    deleteRequestedAt: dateOf(definition.deleteRequestedAtMs),
  };
}

export function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

function shownTags(tags: readonly Tag[]): { tags?: Tag[] } {
  return tags.length > 0 ? { tags: [...tags] } : {};
}
