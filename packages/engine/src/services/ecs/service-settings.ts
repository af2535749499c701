import type {
  CreateServiceRequest,
  DeploymentConfiguration,
  UpdateServiceRequest,
} from '@aws-sdk/client-ecs';
import { AwsFault } from '../../errors.ts';
import { checkStrategy } from './clusters.ts';
import type { RevisionSettings, StoredCluster, StoredService, StoredTaskDefinition } from './model.ts';
import { compatibilityOf, type EcsStore } from './store.ts';

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

export const DEFAULT_CONFIGURATION: DeploymentConfiguration = {
  deploymentCircuitBreaker: { enable: false, rollback: false },
  maximumPercent: 200,
  minimumHealthyPercent: 100,
  strategy: 'ROLLING',
  bakeTimeInMinutes: 0,
};

export function checkSupported(input: CreateServiceRequest | UpdateServiceRequest): void {
  for (const member of REFUSED_MEMBERS) if (input[member]?.length) throw unsupported(member);
  if (input.serviceConnectConfiguration?.enabled) throw unsupported('serviceConnectConfiguration');
  const controller = input.deploymentController?.type;
  if (controller !== undefined && controller !== 'ECS')
    throw unsupported(`deploymentController ${controller}`);
  if ('launchType' in input && input.launchType !== undefined && input.launchType !== 'FARGATE') {
    throw unsupported(`launchType ${input.launchType} (it runs FARGATE)`);
  }
}

export function readConfiguration(
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

/** Refuses tasks with network interfaces of their own that are not told which subnets those are in. */
export function checkNetwork(
  definition: StoredTaskDefinition,
  network: RevisionSettings['networkConfiguration'],
): void {
  if (compatibilityOf(definition).networkMode === 'awsvpc' && !network?.awsvpcConfiguration) {
    throw invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  }
}

export function updatedSettings(
  store: EcsStore,
  service: StoredService,
  input: UpdateServiceRequest,
  cluster: StoredCluster,
): RevisionSettings {
  const { settings } = service;
  const network = input.networkConfiguration ?? settings.networkConfiguration;
  const changed = input.taskDefinition ? store.usableTaskDefinition(input.taskDefinition) : undefined;
  if (changed) checkNetwork(changed, network);
  return {
    taskDefinitionArn: changed?.arn ?? settings.taskDefinitionArn,
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
export function checkForced(
  before: RevisionSettings,
  after: RevisionSettings,
  input: UpdateServiceRequest,
): void {
  const { capacityProviderStrategy: strategy, forceNewDeployment } = input;
  if (strategy === undefined || forceNewDeployment) return;
  if (strategy.length > 0 && JSON.stringify(strategyKey(before)) === JSON.stringify(strategyKey(after)))
    return;
  throw invalid(
    'When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
  );
}

export function readStrategy(
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

export function count(desired: number | undefined): number {
  if (desired === undefined) throw invalid('desiredCount is required with the REPLICA scheduling strategy.');
  if (!Number.isInteger(desired) || desired < 0) throw invalid('desiredCount must not be negative.');
  return desired;
}

export function sameSettings(a: RevisionSettings, b: RevisionSettings): boolean {
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

export function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message);
}

function unsupported(what: string): AwsFault {
  return invalid(
    `the local engine does not support ${what}: it would change how the service runs. Leave it out here, or deploy to AWS.`,
  );
}
