import type { Service } from '@aws-sdk/client-ecs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { RevisionSettings, StoredService } from './model.ts';
import { page } from './paging.ts';
import type { ServiceController } from './service-controller.ts';
import {
  checkForced,
  checkNetwork,
  checkSupported,
  count,
  DEFAULT_CONFIGURATION,
  invalid,
  platform,
  readConfiguration,
  readStrategy,
  sameSettings,
  updatedSettings,
} from './service-settings.ts';
import { shownService } from './shown-service.ts';
import { type EcsStore, nameOf } from './store.ts';
import { execFlag, rolesOf } from './task-definitions.ts';

type ServiceOperations =
  | 'CreateService'
  | 'UpdateService'
  | 'DeleteService'
  | 'DescribeServices'
  | 'ListServices';

const DESCRIBE_MAX = 10;

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
      run: (input, { principal }) => createService(engine, store, controller, input, principal),
    },
    UpdateService: {
      resources: (input) => [store.serviceArn(input.cluster, input.service)],
      conditions: clusterKey,
      passesRoles: passedRoles,
      run: (input) => updateService(engine, store, controller, input),
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
        if (references.length > DESCRIBE_MAX) {
          throw invalid(`The number of services exceeds the limit of ${DESCRIBE_MAX}.`);
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

function createService(
  engine: Engine,
  store: EcsStore,
  controller: ServiceController,
  input: Input<'ecs', 'CreateService'>,
  principal: Principal,
) {
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
  checkNetwork(definition, input.networkConfiguration);
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
}

function updateService(
  engine: Engine,
  store: EcsStore,
  controller: ServiceController,
  input: Input<'ecs', 'UpdateService'>,
) {
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
  const desiredCount = input.desiredCount === undefined ? service.desiredCount : count(input.desiredCount);
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
}
