import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import type {
  Compatibilities,
  FargateTaskDefinition,
  StoredCluster,
  StoredRevision,
  StoredService,
  StoredServiceDeployment,
  StoredTask,
  StoredTaskDefinition,
} from './model.ts';

/** Everything that ECS remembers, and the names by which callers refer to it. */
export class EcsStore {
  /** By name. */
  readonly clusters: Table<StoredCluster>;
  /** By `family:revision`. */
  readonly taskDefinitions: Table<StoredTaskDefinition>;
  /** Highest revision ever registered, by family: a number is never used twice. */
  readonly families: Table<number>;
  /** By ARN. */
  readonly services: Table<StoredService>;
  /** By ARN. */
  readonly revisions: Table<StoredRevision>;
  /** By ARN. */
  readonly serviceDeployments: Table<StoredServiceDeployment>;
  /** By task id. */
  readonly tasks: Table<StoredTask>;
  readonly #prefix: string;

  constructor(engine: Pick<Engine, 'state' | 'region' | 'accountId'>) {
    const { state } = engine;
    this.clusters = state.table<StoredCluster>('ecs.clusters');
    this.taskDefinitions = state.table<StoredTaskDefinition>('ecs.task-definitions');
    this.families = state.table<number>('ecs.families');
    this.services = state.table<StoredService>('ecs.services');
    this.revisions = state.table<StoredRevision>('ecs.service-revisions');
    this.serviceDeployments = state.table<StoredServiceDeployment>('ecs.service-deployments');
    this.tasks = state.table<StoredTask>('ecs.tasks');
    this.#prefix = `arn:aws:ecs:${engine.region}:${engine.accountId}`;
  }

  arn(kind: string, path: string): string {
    return `${this.#prefix}:${kind}/${path}`;
  }

  /** ARN of a cluster given by name or ARN; absent means `default`. */
  clusterArn(reference: string | undefined): string {
    return this.arn('cluster', nameOf(reference ?? 'default'));
  }

  cluster(reference: string | undefined): StoredCluster {
    const cluster = this.clusters.get(nameOf(reference ?? 'default'));
    if (cluster?.status !== 'ACTIVE') {
      throw new AwsFault('ClusterNotFoundException', 'Cluster not found.');
    }
    return cluster;
  }

  /** ARN of a service given by name or ARN. */
  serviceArn(cluster: string | undefined, reference: string | undefined): string {
    const parts = (reference ?? '').startsWith('arn:') ? (reference ?? '').split('/').slice(1) : [];
    const clusterName = parts.length === 2 ? parts[0]! : nameOf(cluster ?? 'default');
    return this.arn('service', `${clusterName}/${nameOf(reference ?? '')}`);
  }

  /** A service that is not INACTIVE. */
  service(cluster: string | undefined, reference: string | undefined): StoredService {
    this.cluster(cluster ?? clusterOfArn(reference));
    const service = this.services.get(this.serviceArn(cluster, reference));
    if (!service || service.status === 'INACTIVE') {
      throw new AwsFault('ServiceNotFoundException', 'Service not found.');
    }
    return service;
  }

  taskArn(cluster: string | undefined, reference: string | undefined): string {
    const clusterName = clusterOfArn(reference) ?? nameOf(cluster ?? 'default');
    return this.arn('task', `${clusterName}/${nameOf(reference ?? '')}`);
  }

  /** A task of the cluster, also a stopped one that is still remembered. */
  findTask(cluster: string | undefined, reference: string): StoredTask | undefined {
    const task = this.tasks.get(nameOf(reference));
    return task?.clusterName === nameOf(cluster ?? clusterOfArn(reference) ?? 'default') ? task : undefined;
  }

  /** ARN under which a task definition reference is authorised; the latest revision for a bare family. */
  taskDefinitionArn(reference: string): string {
    const name = nameOf(reference);
    const found = this.findTaskDefinition(reference);
    return found?.arn ?? this.arn('task-definition', name.includes(':') ? name : `${name}:*`);
  }

  /** By `family:revision`, ARN or bare family, which names its latest active revision. */
  findTaskDefinition(reference: string): StoredTaskDefinition | undefined {
    const name = nameOf(reference);
    if (name.includes(':')) return this.taskDefinitions.get(name);
    let latest: StoredTaskDefinition | undefined;
    for (const definition of this.taskDefinitions.values()) {
      if (definition.family !== name || definition.status !== 'ACTIVE') continue;
      if (!latest || definition.revision > latest.revision) latest = definition;
    }
    return latest;
  }

  /** A task definition that new tasks and services may be started with. */
  usableTaskDefinition(reference: string): FargateTaskDefinition {
    const definition = this.findTaskDefinition(reference);
    if (!definition) throw new AwsFault('ClientException', 'TaskDefinition not found.');
    if (definition.status !== 'ACTIVE') throw new AwsFault('ClientException', 'TaskDefinition is inactive');
    if (!isForFargate(definition)) {
      throw new AwsFault(
        'InvalidParameterException',
        'Task definition does not support launch_type FARGATE.',
      );
    }
    return definition;
  }

  tasksOfService(service: Pick<StoredService, 'clusterName' | 'name'>): StoredTask[] {
    return [...this.tasks.values()].filter(
      (task) => task.serviceName === service.name && task.clusterName === service.clusterName,
    );
  }

  putService(service: StoredService): StoredService {
    return this.services.put(service.arn, service);
  }

  /** Changes a service as it is now, if it is there. */
  changeService(serviceArn: string, change: (service: StoredService) => StoredService): void {
    const service = this.services.get(serviceArn);
    if (service) this.putService(change(service));
  }
}

/** Last part of an ARN, or the name itself. */
export function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function clusterOfArn(reference: string | undefined): string | undefined {
  if (!reference?.startsWith('arn:')) return undefined;
  const parts = reference.split('/');
  return parts.length === 3 ? parts[1] : undefined;
}

const FARGATE: Compatibilities = {
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  compatibilities: ['EC2', 'FARGATE'],
};

export function compatibilityOf({ compatibility = FARGATE }: StoredTaskDefinition): Compatibilities {
  return compatibility;
}

export function isForFargate(definition: StoredTaskDefinition): definition is FargateTaskDefinition {
  return compatibilityOf(definition).compatibilities.includes('FARGATE');
}
