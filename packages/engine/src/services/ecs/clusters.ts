import type { CapacityProviderStrategyItem, Cluster, ClusterSetting } from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { StoredCluster } from './model.ts';
import { page } from './paging.ts';
import { type EcsStore, nameOf } from './store.ts';

type ClusterOperations =
  | 'CreateCluster'
  | 'DescribeClusters'
  | 'ListClusters'
  | 'DeleteCluster'
  | 'UpdateCluster'
  | 'UpdateClusterSettings'
  | 'PutClusterCapacityProviders';

const FARGATE_PROVIDERS: readonly string[] = ['FARGATE', 'FARGATE_SPOT'];
const INSIGHTS_VALUES: readonly string[] = ['enabled', 'disabled', 'enhanced'];

/** Clusters: names under which services and tasks live; there are no container instances. */
export function clusterOperations(
  engine: Engine,
  store: EcsStore,
): Pick<OperationTable<'ecs'>, ClusterOperations> {
  const put = (cluster: StoredCluster) => store.clusters.put(cluster.name, cluster);
  return {
    CreateCluster: {
      resources: (input) => [store.clusterArn(input.clusterName)],
      run: (input) => {
        const name = input.clusterName ?? 'default';
        if (!/^[a-zA-Z0-9_-]{1,255}$/.test(name)) {
          throw new AwsFault('InvalidParameterException', `Invalid cluster name: ${name}`);
        }
        const existing = store.clusters.get(name);
        if (existing?.status === 'ACTIVE') return { cluster: shown(store, existing, ALL) };
        checkProviders(input.capacityProviders ?? []);
        if (input.serviceConnectDefaults) throw unsupported('serviceConnectDefaults');
        const cluster = put({
          name,
          status: 'ACTIVE',
          settings: readSettings(input.settings),
          capacityProviders: input.capacityProviders ?? [],
          defaultStrategy: input.defaultCapacityProviderStrategy ?? [],
          configuration: input.configuration,
          tags: input.tags ?? [],
        });
        engine.journal.append('ecs', 'cluster.created', { cluster: name });
        return { cluster: shown(store, cluster, ALL) };
      },
    },
    DescribeClusters: {
      resources: (input) => (input.clusters ?? ['default']).map((each) => store.clusterArn(each)),
      run: (input) => {
        const found: Cluster[] = [];
        const failures: Array<{ arn: string; reason: string }> = [];
        for (const reference of input.clusters ?? ['default']) {
          const cluster = store.clusters.get(nameOf(reference));
          if (cluster) found.push(shown(store, cluster, input.include ?? []));
          else failures.push({ arn: store.clusterArn(reference), reason: 'MISSING' });
        }
        return { clusters: found, failures };
      },
    },
    ListClusters: {
      run: (input) => {
        const arns = [...store.clusters.values()]
          .filter(({ status }) => status === 'ACTIVE')
          .map(({ name }) => store.clusterArn(name));
        const { items, nextToken } = page(arns, input);
        return { clusterArns: items, nextToken };
      },
    },
    DeleteCluster: {
      resources: (input) => [store.clusterArn(input.cluster)],
      run: (input) => deleteCluster(engine, store, input),
    },
    UpdateCluster: {
      resources: (input) => [store.clusterArn(input.cluster)],
      run: (input) => {
        if (input.serviceConnectDefaults) throw unsupported('serviceConnectDefaults');
        const cluster = store.cluster(input.cluster);
        const settings = input.settings ? readSettings(input.settings) : cluster.settings;
        const configuration = input.configuration ?? cluster.configuration;
        return { cluster: shown(store, put({ ...cluster, settings, configuration }), ALL) };
      },
    },
    UpdateClusterSettings: {
      resources: (input) => [store.clusterArn(input.cluster)],
      run: (input) => {
        const cluster = store.cluster(input.cluster);
        return { cluster: shown(store, put({ ...cluster, settings: readSettings(input.settings) }), ALL) };
      },
    },
    PutClusterCapacityProviders: {
      resources: (input) => [store.clusterArn(input.cluster)],
      run: (input) => {
        const cluster = store.cluster(input.cluster);
        const capacityProviders = input.capacityProviders ?? [];
        checkProviders(capacityProviders);
        const defaultStrategy = input.defaultCapacityProviderStrategy ?? [];
        checkStrategy(defaultStrategy, capacityProviders);
        for (const provider of cluster.capacityProviders) {
          if (!capacityProviders.includes(provider)) checkUnused(store, cluster, provider);
        }
        return { cluster: shown(store, put({ ...cluster, capacityProviders, defaultStrategy }), ALL) };
      },
    },
  };
}

const ALL = ['CONFIGURATIONS', 'SETTINGS', 'STATISTICS', 'TAGS'];

function shown(store: EcsStore, cluster: StoredCluster, include: readonly string[]): Cluster {
  const tasks = [...store.tasks.values()].filter(({ clusterName }) => clusterName === cluster.name);
  return {
    clusterArn: store.clusterArn(cluster.name),
    clusterName: cluster.name,
    status: cluster.status,
    registeredContainerInstancesCount: 0,
    runningTasksCount: tasks.filter(({ lastStatus }) => lastStatus === 'RUNNING').length,
    pendingTasksCount: tasks.filter(
      ({ lastStatus }) => lastStatus === 'PENDING' || lastStatus === 'PROVISIONING',
    ).length,
    activeServicesCount: [...store.services.values()].filter(
      ({ clusterName, status }) => clusterName === cluster.name && status === 'ACTIVE',
    ).length,
    statistics: [],
    capacityProviders: [...cluster.capacityProviders],
    defaultCapacityProviderStrategy: [...cluster.defaultStrategy],
    configuration: include.includes('CONFIGURATIONS') ? cluster.configuration : undefined,
    settings: include.includes('SETTINGS') ? [...cluster.settings] : [],
    tags: include.includes('TAGS') ? [...cluster.tags] : [],
  };
}

function readSettings(settings: readonly ClusterSetting[] | undefined): ClusterSetting[] {
  for (const { name, value } of settings ?? []) {
    if (name !== 'containerInsights' || !INSIGHTS_VALUES.includes(value ?? '')) {
      throw new AwsFault('InvalidParameterException', `Invalid cluster setting: ${name}=${value}`);
    }
  }
  return settings?.length ? [...settings] : [{ name: 'containerInsights', value: 'disabled' }];
}

function checkProviders(providers: readonly string[]): void {
  for (const provider of providers) {
    if (FARGATE_PROVIDERS.includes(provider)) continue;
    throw new AwsFault(
      'InvalidParameterException',
      `The specified capacity provider '${provider}' was not found: the local engine has ${FARGATE_PROVIDERS.join(' and ')}.`,
    );
  }
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutClusterCapacityProviders.html */
function checkUnused(store: EcsStore, cluster: StoredCluster, provider: string): void {
  const used =
    [...store.services.values()].some(
      ({ clusterName, status, settings }) =>
        clusterName === cluster.name &&
        status !== 'INACTIVE' &&
        settings.capacityProviderStrategy.some(({ capacityProvider }) => capacityProvider === provider),
    ) ||
    [...store.tasks.values()].some(
      ({ clusterName, lastStatus, capacityProviderName }) =>
        clusterName === cluster.name && lastStatus !== 'STOPPED' && capacityProviderName === provider,
    );
  if (!used) return;
  throw new AwsFault(
    'ResourceInUseException',
    'The specified capacity provider is in use and cannot be removed.',
  );
}

/**
 * Checks a capacity provider strategy against the providers of the cluster.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
 */
export function checkStrategy(
  strategy: readonly CapacityProviderStrategyItem[],
  providers: readonly string[],
): void {
  if (strategy.length === 0) return;
  for (const { capacityProvider } of strategy) {
    if (!capacityProvider || !providers.includes(capacityProvider)) {
      throw new AwsFault(
        'InvalidParameterException',
        `The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster: ${capacityProvider}`,
      );
    }
  }
  if (strategy.filter(({ base }) => (base ?? 0) > 0).length > 1) {
    throw new AwsFault(
      'InvalidParameterException',
      'Only one capacity provider of a strategy can have a base.',
    );
  }
  if (strategy.every(({ weight }) => (weight ?? 0) === 0)) {
    throw new AwsFault(
      'InvalidParameterException',
      'At least one capacity provider of a strategy must have a weight above 0.',
    );
  }
}

function unsupported(field: string): AwsFault {
  return new AwsFault(
    'InvalidParameterException',
    `the local engine does not support ${field}: leave it out here, or make the call on AWS`,
  );
}

function deleteCluster(engine: Engine, store: EcsStore, input: Input<'ecs', 'DeleteCluster'>) {
  const cluster = store.cluster(input.cluster);
  const isHere = ({ clusterName }: { clusterName: string }) => clusterName === cluster.name;
  if ([...store.services.values()].some((each) => isHere(each) && each.status !== 'INACTIVE')) {
    throw new AwsFault(
      'ClusterContainsServicesException',
      'The Cluster cannot be deleted while Services are active.',
    );
  }
  if ([...store.tasks.values()].some((each) => isHere(each) && each.lastStatus !== 'STOPPED')) {
    throw new AwsFault(
      'ClusterContainsTasksException',
      'The Cluster cannot be deleted while Tasks are active.',
    );
  }
  const inactive = store.clusters.put(cluster.name, { ...cluster, status: 'INACTIVE' });
  engine.journal.append('ecs', 'cluster.deleted', { cluster: cluster.name });
  return { cluster: shown(store, inactive, ALL) };
}
