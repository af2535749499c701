import type {
  CreateServiceRequest,
  Deployment,
  DeploymentConfiguration,
  Service,
  UpdateServiceRequest,
} from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { checkStrategy } from './clusters.ts';
import type {
  RevisionSettings,
  StoredCluster,
  StoredDeployment,
  StoredService,
  StoredTask,
} from './model.ts';
import { page } from './paging.ts';
import type { ServiceController } from './service-controller.ts';
import { type EcsStore, nameOf } from './store.ts';
import { execFlag, rolesOf } from './task-definitions.ts';

type ServiceOperations =
  | 'CreateService'
  | 'UpdateService'
  | 'DeleteService'
  | 'DescribeServices'
  | 'ListServices';

const LARGEST_DESCRIBE = 10;
const PLATFORM_VERSION = '1.4.0';

/** Members of CreateService and UpdateService that change what runs and that the engine cannot honour. */
const REFUSED_MEMBERS = [
  'loadBalancers',
  'serviceRegistries',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
  'placementConstraints',
  'placementStrategy',
] as const;

/** Services: what is to run, how many, and how a new version replaces the old one. */
export function serviceOperations(
  engine: Engine,
  store: EcsStore,
  controller: ServiceController,
): Pick<OperationTable<'ecs'>, ServiceOperations> {
  const clusterKey = (input: { cluster?: string | undefined }) => ({
    'ecs:cluster': store.clusterArn(input.cluster),
  });
  /**
   * Both roles of the task definition, whenever one is given: whoever chooses it for a service chooses what its tasks may do.
   * Of the operations that put a definition to work, AWS documents `RunTask` and, for CodeDeploy's role, `CreateTaskSet`, and
   * names the execution role as well as the task role
   * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/codedeploy_IAM_role.html). It says nothing of `UpdateService`,
   * which is taken to be like them; AWS's sample, whose rollback passes the task role alone, needs the execution role added.
   */
  const passedRoles = (input: { taskDefinition?: string | undefined }) => {
    const definition = input.taskDefinition ? store.findTaskDefinition(input.taskDefinition) : undefined;
    return definition ? rolesOf(definition) : [];
  };
  return {
    CreateService: {
      resources: (input) => [store.serviceArn(input.cluster, input.serviceName)],
      actions: (input) => ['ecs:CreateService', ...(input.tags?.length ? ['ecs:TagResource'] : [])],
      conditions: (input) => ({ ...clusterKey(input), 'ecs:CreateAction': 'CreateService' }),
      passesRoles: passedRoles,
      run: (input, { principal }) => {
        const cluster = store.cluster(input.cluster);
        const name = input.serviceName ?? '';
        if (!/^[a-zA-Z0-9_-]{1,255}$/.test(name)) throw invalid(`Invalid service name: ${name}`);
        checkSupported(input);
        const arn = store.arn('service', `${cluster.name}/${name}`);
        const existing = store.services.get(arn);
        if (existing?.status === 'DRAINING') {
          throw invalid('Unable to Start a service that is still Draining.');
        }
        if (input.schedulingStrategy === 'DAEMON') {
          throw invalid('The daemon scheduling strategy is not supported with Fargate.');
        }
        const desiredCount = count(input.desiredCount);
        if (!input.taskDefinition) throw invalid('TaskDefinition can not be blank.');
        const definition = store.usableTaskDefinition(input.taskDefinition);
        const settings: RevisionSettings = {
          taskDefinitionArn: definition.arn,
          capacityProviderStrategy: readStrategy(input, cluster),
          platformVersion: platform(input.platformVersion),
          ...(input.networkConfiguration ? { networkConfiguration: input.networkConfiguration } : {}),
        };
        if (existing && existing.status !== 'INACTIVE') {
          const same = existing.desiredCount === desiredCount && sameSettings(existing.settings, settings);
          if (!same) throw invalid('Creation of service was not idempotent.');
          return { service: shownService(store, existing, ['TAGS']) };
        }
        const created: StoredService = {
          name,
          arn,
          clusterName: cluster.name,
          clusterArn: store.clusterArn(cluster.name),
          status: 'ACTIVE',
          desiredCount,
          settings,
          deploymentConfiguration: readConfiguration(input.deploymentConfiguration, DEFAULT_CONFIGURATION),
          deployments: [],
          steady: false,
          events: [],
          createdAtMs: engine.clock.nowMs(),
          createdBy: principal.arn,
          enableECSManagedTags: input.enableECSManagedTags ?? false,
          enableExecuteCommand: execFlag(input.enableExecuteCommand, definition),
          propagateTags: input.propagateTags ?? 'NONE',
          healthCheckGracePeriodSeconds: input.healthCheckGracePeriodSeconds ?? 0,
          tags: input.tags ?? [],
        };
        engine.journal.append('ecs', 'service.created', {
          service: name,
          cluster: cluster.name,
          desiredCount,
          taskDefinition: nameOf(definition.arn),
        });
        return { service: shownService(store, controller.deploy(created, settings), ['TAGS']) };
      },
    },
    UpdateService: {
      resources: (input) => [store.serviceArn(input.cluster, input.service)],
      conditions: clusterKey,
      passesRoles: passedRoles,
      run: (input) => {
        checkSupported(input);
        const service = store.service(input.cluster, input.service);
        if (service.status !== 'ACTIVE') {
          throw new AwsFault('ServiceNotActiveException', 'Service was not ACTIVE.');
        }
        const cluster = store.cluster(service.clusterName);
        const settings = updatedSettings(store, service, input, cluster);
        checkForced(service.settings, settings, input);
        const configured: StoredService = {
          ...service,
          deploymentConfiguration: readConfiguration(
            input.deploymentConfiguration,
            service.deploymentConfiguration,
          ),
          enableECSManagedTags: input.enableECSManagedTags ?? service.enableECSManagedTags,
          enableExecuteCommand: execFlag(
            input.enableExecuteCommand ?? service.enableExecuteCommand,
            store.findTaskDefinition(settings.taskDefinitionArn),
          ),
          propagateTags: input.propagateTags ?? service.propagateTags,
          healthCheckGracePeriodSeconds:
            input.healthCheckGracePeriodSeconds ?? service.healthCheckGracePeriodSeconds,
        };
        const desiredCount =
          input.desiredCount === undefined ? service.desiredCount : count(input.desiredCount);
        const resized = controller.resize(configured, desiredCount);
        const deploys = input.forceNewDeployment || !sameSettings(service.settings, settings);
        if (deploys || desiredCount !== service.desiredCount) {
          engine.journal.append('ecs', 'service.updated', {
            service: service.name,
            cluster: service.clusterName,
            desiredCount,
            ...(deploys ? { taskDefinition: nameOf(settings.taskDefinitionArn) } : {}),
          });
        }
        return { service: shownService(store, deploys ? controller.deploy(resized, settings) : resized) };
      },
    },
    DeleteService: {
      resources: (input) => [store.serviceArn(input.cluster, input.service)],
      conditions: clusterKey,
      run: (input) => {
        const service = store.service(input.cluster, input.service);
        if (service.status === 'ACTIVE' && service.desiredCount > 0 && !input.force) {
          throw invalid('The service cannot be stopped while it is scaled above 0.');
        }
        const draining = store.putService({ ...service, status: 'DRAINING', desiredCount: 0, steady: false });
        controller.reconcile(service.arn);
        return { service: shownService(store, draining) };
      },
    },
    DescribeServices: {
      resources: (input) => (input.services ?? []).map((each) => store.serviceArn(input.cluster, each)),
      conditions: clusterKey,
      run: (input) => {
        const references = input.services ?? [];
        if (references.length === 0) throw invalid('Services cannot be empty.');
        if (references.length > LARGEST_DESCRIBE) {
          throw invalid(`The number of services exceeds the limit of ${LARGEST_DESCRIBE}.`);
        }
        store.cluster(input.cluster);
        const services: Service[] = [];
        const failures: Array<{ arn: string; reason: string }> = [];
        for (const reference of references) {
          const arn = store.serviceArn(input.cluster, reference);
          const service = store.services.get(arn);
          if (service) services.push(shownService(store, service, input.include ?? []));
          else failures.push({ arn, reason: 'MISSING' });
        }
        return { services, failures };
      },
    },
    ListServices: {
      conditions: clusterKey,
      run: (input) => {
        const cluster = store.cluster(input.cluster);
        const arns = [...store.services.values()]
          .filter(
            (service) =>
              service.clusterName === cluster.name &&
              service.status !== 'INACTIVE' &&
              (input.launchType === undefined || input.launchType === 'FARGATE'),
          )
          .map(({ arn }) => arn);
        const { items, nextToken } = page(arns, input);
        return { serviceArns: items, nextToken };
      },
    },
  };
}

const DEFAULT_CONFIGURATION: DeploymentConfiguration = {
  deploymentCircuitBreaker: { enable: false, rollback: false },
  maximumPercent: 200,
  minimumHealthyPercent: 100,
  strategy: 'ROLLING',
  bakeTimeInMinutes: 0,
};

function checkSupported(input: CreateServiceRequest | UpdateServiceRequest): void {
  for (const member of REFUSED_MEMBERS) if (input[member]?.length) throw unsupported(member);
  if (input.serviceConnectConfiguration?.enabled) throw unsupported('serviceConnectConfiguration');
  const controller = input.deploymentController?.type;
  if (controller !== undefined && controller !== 'ECS')
    throw unsupported(`deploymentController ${controller}`);
  if ('launchType' in input && input.launchType !== undefined && input.launchType !== 'FARGATE') {
    throw unsupported(`launchType ${input.launchType} (FARGATE is)`);
  }
}

function readConfiguration(
  input: DeploymentConfiguration | undefined,
  current: DeploymentConfiguration,
): DeploymentConfiguration {
  const { strategy, lifecycleHooks, linearConfiguration, canaryConfiguration, earlySuccessCriteria } =
    input ?? {};
  if (strategy !== undefined && strategy !== 'ROLLING') throw unsupported(`deployment strategy ${strategy}`);
  if (lifecycleHooks?.length) throw unsupported('deploymentConfiguration.lifecycleHooks');
  if (linearConfiguration) throw unsupported('deploymentConfiguration.linearConfiguration');
  if (canaryConfiguration) throw unsupported('deploymentConfiguration.canaryConfiguration');
  if (earlySuccessCriteria?.enable) throw unsupported('deploymentConfiguration.earlySuccessCriteria');
  if (input?.bakeTimeInMinutes) throw unsupported('deploymentConfiguration.bakeTimeInMinutes with ROLLING');
  const defined = Object.fromEntries(Object.entries(input ?? {}).filter(([, value]) => value !== undefined));
  const merged: DeploymentConfiguration = { ...current, ...defined };
  const { minimumHealthyPercent: least = 100, maximumPercent: most = 200 } = merged;
  if (!Number.isInteger(least) || least < 0 || !Number.isInteger(most) || most < 100) {
    throw invalid(
      `minimumHealthyPercent must be at least 0 and maximumPercent at least 100; got ${least} and ${most}.`,
    );
  }
  if (least >= 100 && most <= 100) {
    throw invalid(
      'Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.',
    );
  }
  const threshold = merged.deploymentCircuitBreaker?.thresholdConfiguration;
  if (threshold && !((threshold.value ?? 0) >= 1)) {
    throw invalid('deploymentCircuitBreaker.thresholdConfiguration.value must be at least 1.');
  }
  return merged;
}

function updatedSettings(
  store: EcsStore,
  service: StoredService,
  input: UpdateServiceRequest,
  cluster: StoredCluster,
): RevisionSettings {
  const { settings } = service;
  const network = input.networkConfiguration ?? settings.networkConfiguration;
  return {
    taskDefinitionArn: input.taskDefinition
      ? store.usableTaskDefinition(input.taskDefinition).arn
      : settings.taskDefinitionArn,
    capacityProviderStrategy: input.capacityProviderStrategy
      ? readStrategy(input, cluster)
      : settings.capacityProviderStrategy,
    platformVersion:
      input.platformVersion === undefined ? settings.platformVersion : platform(input.platformVersion),
    ...(network ? { networkConfiguration: network } : {}),
  };
}

/**
 * A change of what a service runs on needs a forced deployment, whatever else changes, and an empty strategy is one. Only the
 * error of the API says so: https://github.com/pipe-cd/pipecd/pull/6385, https://github.com/aws/aws-cdk/issues/34631
 */
function checkForced(before: RevisionSettings, after: RevisionSettings, input: UpdateServiceRequest): void {
  const { capacityProviderStrategy: strategy, forceNewDeployment } = input;
  if (strategy === undefined || forceNewDeployment) return;
  if (strategy.length > 0 && JSON.stringify(strategyKey(before)) === JSON.stringify(strategyKey(after)))
    return;
  throw invalid(
    'When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
  );
}

function readStrategy(
  input: CreateServiceRequest | UpdateServiceRequest,
  cluster: StoredCluster,
): RevisionSettings['capacityProviderStrategy'] {
  const launchType = 'launchType' in input ? input.launchType : undefined;
  const strategy = input.capacityProviderStrategy ?? [];
  if (strategy.length > 0 && launchType !== undefined) {
    throw invalid('Specifying both a launch type and capacity provider strategy is not supported.');
  }
  checkStrategy(strategy, cluster.capacityProviders);
  if (strategy.length > 0) return strategy;
  return launchType === undefined ? cluster.defaultStrategy : [];
}

/** The one version of Fargate's platform. */
export function platform(version: string | undefined): string {
  if (version === undefined || version === 'LATEST') return PLATFORM_VERSION;
  if (version === PLATFORM_VERSION) return version;
  throw new AwsFault('PlatformUnknownException', `The specified platform version does not exist: ${version}`);
}

function count(desired: number | undefined): number {
  if (desired === undefined) throw invalid('desiredCount is required with the REPLICA scheduling strategy.');
  if (!Number.isInteger(desired) || desired < 0) throw invalid('desiredCount must not be negative.');
  return desired;
}

function sameSettings(a: RevisionSettings, b: RevisionSettings): boolean {
  const key = (settings: RevisionSettings) =>
    JSON.stringify([
      settings.taskDefinitionArn,
      strategyKey(settings),
      settings.platformVersion,
      networkKey(settings.networkConfiguration),
    ]);
  return key(a) === key(b);
}

function strategyKey({ capacityProviderStrategy }: RevisionSettings): unknown {
  return capacityProviderStrategy.map(({ capacityProvider, base, weight }) => [
    capacityProvider,
    base ?? 0,
    weight ?? 0,
  ]);
}

function networkKey(network: RevisionSettings['networkConfiguration']): unknown {
  const vpc = network?.awsvpcConfiguration;
  return [
    [...(vpc?.subnets ?? [])].sort(),
    [...(vpc?.securityGroups ?? [])].sort(),
    vpc?.assignPublicIp ?? 'DISABLED',
  ];
}

/** A service as `DescribeServices` shows it. */
export function shownService(
  store: EcsStore,
  service: StoredService,
  include: readonly string[] = [],
): Service {
  const tasks = store.tasksOfService(service);
  const [primary] = service.deployments;
  const { settings } = service;
  return {
    serviceArn: service.arn,
    serviceName: service.name,
    clusterArn: service.clusterArn,
    status: service.status,
    desiredCount: service.desiredCount,
    runningCount: tasks.filter(isRunning).length,
    pendingCount: tasks.filter(isPending).length,
    ...placement(settings),
    platformVersion: settings.platformVersion,
    platformFamily: 'Linux',
    taskDefinition: settings.taskDefinitionArn,
    deploymentConfiguration: service.deploymentConfiguration,
    deployments: service.deployments.map((deployment, index) =>
      shownDeployment(store, service, deployment, index === 0, tasks),
    ),
    currentServiceDeployment:
      primary?.rolloutState === 'IN_PROGRESS' ? primary.serviceDeploymentArn : undefined,
    currentServiceRevisions: service.deployments.map((deployment, index) => {
      const own = tasks.filter(({ startedBy }) => startedBy === deployment.id);
      return {
        arn: deployment.revisionArn,
        requestedTaskCount: index === 0 ? service.desiredCount : deployment.target,
        runningTaskCount: own.filter(isRunning).length,
        pendingTaskCount: own.filter(isPending).length,
      };
    }),
    events: service.events.map(({ id, atMs, message }) => ({ id, createdAt: new Date(atMs), message })),
    createdAt: new Date(service.createdAtMs),
    createdBy: service.createdBy,
    networkConfiguration: settings.networkConfiguration,
    healthCheckGracePeriodSeconds: service.healthCheckGracePeriodSeconds,
    schedulingStrategy: 'REPLICA',
    deploymentController: { type: 'ECS' },
    enableECSManagedTags: service.enableECSManagedTags,
    propagateTags: service.propagateTags,
    enableExecuteCommand: service.enableExecuteCommand ?? false,
    availabilityZoneRebalancing: 'DISABLED',
    loadBalancers: [],
    serviceRegistries: [],
    placementConstraints: [],
    placementStrategy: [],
    tags: include.includes('TAGS') ? [...service.tags] : undefined,
  };
}

function shownDeployment(
  store: EcsStore,
  service: StoredService,
  deployment: StoredDeployment,
  isPrimary: boolean,
  tasks: readonly StoredTask[],
): Deployment {
  const revision = store.revisions.get(deployment.revisionArn) ?? service.settings;
  const own = tasks.filter(({ startedBy }) => startedBy === deployment.id);
  return {
    id: deployment.id,
    status: isPrimary ? 'PRIMARY' : 'ACTIVE',
    taskDefinition: revision.taskDefinitionArn,
    desiredCount: isPrimary
      ? service.desiredCount
      : deployment.rolloutState === 'FAILED'
        ? 0
        : deployment.target,
    runningCount: own.filter(isRunning).length,
    pendingCount: own.filter(isPending).length,
    failedTasks: deployment.failures,
    createdAt: new Date(deployment.createdAtMs),
    updatedAt: new Date(deployment.updatedAtMs),
    ...placement(revision),
    platformVersion: revision.platformVersion,
    platformFamily: 'Linux',
    networkConfiguration: revision.networkConfiguration,
    rolloutState: deployment.rolloutState,
    rolloutStateReason: deployment.rolloutStateReason,
  };
}

function placement({
  capacityProviderStrategy,
}: RevisionSettings): Pick<Service, 'launchType' | 'capacityProviderStrategy'> {
  return capacityProviderStrategy.length > 0
    ? { capacityProviderStrategy: [...capacityProviderStrategy] }
    : { launchType: 'FARGATE' };
}

export function isRunning({ lastStatus }: Pick<StoredTask, 'lastStatus'>): boolean {
  return lastStatus === 'RUNNING';
}

export function isPending({ lastStatus }: Pick<StoredTask, 'lastStatus'>): boolean {
  return lastStatus === 'PROVISIONING' || lastStatus === 'PENDING';
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message);
}

function unsupported(what: string): AwsFault {
  return invalid(`the local engine does not support ${what}: it would change how the service runs.`);
}
