import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs';
import { AwsFault } from '../../errors.ts';
import { parseImageReference } from '../../runtime/oci/image-reference.ts';
import { isEcrImage } from './image-pull.ts';

const MIB_PER_GIB = 1024;

/** Memory sizes in MiB that Fargate offers for each CPU size. */
const FARGATE_SIZES: Readonly<Record<number, readonly number[]>> = {
  256: [512, 1024, 2048],
  512: range(1, 4, 1),
  1024: range(2, 8, 1),
  2048: range(4, 16, 1),
  4096: range(8, 30, 1),
  8192: range(16, 60, 4),
  16384: range(32, 120, 8),
};

const FARGATE_STOP_SECONDS_MAX = 120;

function range(fromGib: number, toGib: number, stepGib: number): number[] {
  return Array.from(
    { length: (toGib - fromGib) / stepGib + 1 },
    (_, index) => (fromGib + index * stepGib) * MIB_PER_GIB,
  );
}

export interface FargateSize {
  /** CPU units, 1024 for each vCPU. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
}

/** CPU units and MiB from what AWS accepts: `1024`, `1 vCPU`, `2048`, `2 GB`. */
export function parseFargateSize(cpu: string | undefined, memory: string | undefined): FargateSize {
  if (cpu === undefined || memory === undefined) {
    throw client(
      `Fargate requires that '${cpu === undefined ? 'cpu' : 'memory'}' be defined at the task level.`,
    );
  }
  const units = /^\s*([\d.]+)\s*vcpu\s*$/i.exec(cpu);
  const gib = /^\s*([\d.]+)\s*gb\s*$/i.exec(memory);
  const size = {
    cpu: units ? Number(units[1]) * 1024 : Number(cpu),
    memory: gib ? Number(gib[1]) * MIB_PER_GIB : Number(memory),
  };
  if (!FARGATE_SIZES[size.cpu]?.includes(size.memory)) {
    throw client(
      `No Fargate configuration exists for given values: ${cpu} CPU, ${memory} memory. See the Amazon ECS documentation for the valid values.`,
    );
  }
  return size;
}

/** Task definition members that change what runs and that the engine cannot honour. */
const REFUSED_MEMBERS = ['proxyConfiguration', 'inferenceAccelerators', 'pidMode', 'ipcMode'] as const;

/** Container members that change what runs and that the engine cannot honour. */
const REFUSED_CONTAINER_MEMBERS = [
  'dependsOn',
  'links',
  'volumesFrom',
  'mountPoints',
  'repositoryCredentials',
  'environmentFiles',
  'resourceRequirements',
  'firelensConfiguration',
  'credentialSpecs',
  'extraHosts',
  'dnsServers',
  'dnsSearchDomains',
  'systemControls',
  'disableNetworking',
] as const;

/** Container members that are kept and shown but that a process of this machine does not feel. */
const RECORDED_CONTAINER_MEMBERS = [
  'portMappings',
  'ulimits',
  'readonlyRootFilesystem',
  'user',
  'hostname',
  'linuxParameters',
  'interactive',
  'pseudoTerminal',
  'dockerSecurityOptions',
  'startTimeout',
] as const;

/** Options of the `awslogs` driver that the engine honours, or that make no difference to it. */
const LOG_OPTIONS = new Set([
  'awslogs-group',
  'awslogs-region',
  'awslogs-stream-prefix',
  'awslogs-create-group',
  'mode',
  'max-buffer-size',
]);

/** As Docker reads sizes: bytes, or with a unit of 1024 times the one before. */
const BUFFER_SIZE = /^(\d+)([kmg]?)b?$/i;

/** The bytes of a checked `max-buffer-size`. */
export function bytesOf(size: string): number {
  const [, count, unit = ''] = BUFFER_SIZE.exec(size) ?? [];
  return Number(count) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
}

/**
 * Checks a task definition as ECS does, and refuses what the engine would have to ignore although it changes what runs.
 * Returns the one container, the size of the task if Fargate can run it, and the names of members that are recorded only.
 */
export function checkTaskDefinition(input: RegisterTaskDefinitionRequest): {
  container: ContainerDefinition & { name: string; image: string };
  size: FargateSize | undefined;
  recordedOnly: string[];
} {
  if (!/^[\w-]{1,255}$/.test(input.family ?? '')) {
    throw client(
      'Family contains invalid characters: use up to 255 letters, numbers, hyphens and underscores.',
    );
  }
  if (input.requiresCompatibilities?.some((each) => each !== 'FARGATE')) {
    throw client(
      `the local engine runs Fargate tasks only; requiresCompatibilities is ${input.requiresCompatibilities.join(', ')}`,
    );
  }
  for (const member of REFUSED_MEMBERS) if (isSet(input[member])) throw unsupported(member);
  if (isSet(input.volumes)) throw unsupported('volumes');
  const os = input.runtimePlatform?.operatingSystemFamily;
  if (os !== undefined && os !== 'LINUX') throw unsupported(`runtimePlatform.operatingSystemFamily ${os}`);
  const containers = input.containerDefinitions ?? [];
  if (containers.length === 0) throw client('Container list cannot be empty.');
  if (containers.length > 1) {
    throw client(
      `the local engine runs one container per task; this definition has ${containers.length}: ${containers.map(({ name }) => name).join(', ')}`,
    );
  }
  const container = containers[0]!;
  checkContainer(container, input);
  return {
    container: { ...container, name: container.name!, image: container.image! },
    size: fargateSize(input, container),
    recordedOnly: RECORDED_CONTAINER_MEMBERS.filter((member) => isSet(container[member])),
  };
}

/** The size that Fargate gives its tasks; without one it does not run them, which only who asks for Fargate is told. */
function fargateSize(
  input: RegisterTaskDefinitionRequest,
  container: ContainerDefinition,
): FargateSize | undefined {
  try {
    return checkForFargate(input, container);
  } catch (error) {
    if (input.requiresCompatibilities?.includes('FARGATE') || !(error instanceof AwsFault)) throw error;
    return undefined;
  }
}

function checkForFargate(input: RegisterTaskDefinitionRequest, container: ContainerDefinition): FargateSize {
  if (input.networkMode !== 'awsvpc') throw client(`Fargate only supports network mode 'awsvpc'.`);
  if (isSet(input.placementConstraints)) {
    throw client('Placement constraints are not supported for tasks using the Fargate launch type.');
  }
  const size = parseFargateSize(input.cpu, input.memory);
  const { name, stopTimeout } = container;
  if (container.privileged)
    throw client('Fargate compatible task definitions do not support privileged containers.');
  if ((container.cpu ?? 0) > size.cpu)
    throw client(`The 'cpu' of container ${name} exceeds the task's ${size.cpu}.`);
  for (const member of ['memory', 'memoryReservation'] as const) {
    const value = container[member];
    if (value !== undefined && (value < 4 || value > size.memory)) {
      throw client(
        `Invalid '${member}' setting for container '${name}': it must be between 4 and ${size.memory}.`,
      );
    }
  }
  if (stopTimeout !== undefined && (stopTimeout < 0 || stopTimeout > FARGATE_STOP_SECONDS_MAX)) {
    throw client(
      `Invalid stopTimeout ${stopTimeout} of container '${name}': Fargate allows at most ${FARGATE_STOP_SECONDS_MAX} seconds.`,
    );
  }
  const reference = parseImageReference(container.image ?? '');
  if (reference && isEcrImage(reference) && !input.executionRoleArn) {
    throw client('Fargate requires task definition to have execution role ARN to support ECR images.');
  }
  if (container.logConfiguration && !input.executionRoleArn) {
    throw client(
      'Fargate requires task definition to have execution role ARN to support log driver awslogs.',
    );
  }
  return size;
}

function checkContainer(container: ContainerDefinition, input: RegisterTaskDefinitionRequest): void {
  const { name, image } = container;
  if (!name) throw client('Container.name should not be null or empty.');
  if (!/^[\w-]{1,255}$/.test(name)) throw client(`Invalid container name: ${name}`);
  if (!image) throw client('Container.image should not be null or empty.');
  if (container.essential === false) throw client('At least one essential container must be specified.');
  for (const member of REFUSED_CONTAINER_MEMBERS) {
    if (isSet(container[member])) throw unsupported(`containerDefinitions[${name}].${member}`);
  }
  if (container.restartPolicy?.enabled) throw unsupported(`containerDefinitions[${name}].restartPolicy`);
  const forFargate = input.requiresCompatibilities?.includes('FARGATE');
  if (!forFargate && input.memory === undefined && !container.memory && !container.memoryReservation) {
    throw client(
      `Invalid setting for container '${name}'. At least one of 'memory' or 'memoryReservation' must be specified.`,
    );
  }
  if (isSet(container.secrets) && !input.executionRoleArn) {
    throw client(
      "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
    );
  }
  for (const { name: variable, valueFrom } of container.secrets ?? []) {
    if (valueFrom) continue;
    throw client(`Secret ${variable} of container '${name}' must have a valueFrom.`);
  }
  checkLogs(container, name);
  checkHealthCheck(container, name);
}

function checkLogs(container: ContainerDefinition, name: string): void {
  const logs = container.logConfiguration;
  if (!logs) return;
  if (logs.logDriver !== 'awslogs') {
    throw unsupported(
      `containerDefinitions[${name}].logConfiguration.logDriver ${logs.logDriver} (awslogs is)`,
    );
  }
  if (isSet(logs.secretOptions))
    throw unsupported(`containerDefinitions[${name}].logConfiguration.secretOptions`);
  const options = logs.options ?? {};
  for (const option of Object.keys(options)) {
    if (!LOG_OPTIONS.has(option)) throw unsupported(`log option ${option}`);
  }
  for (const required of ['awslogs-group', 'awslogs-region', 'awslogs-stream-prefix']) {
    if (!options[required]) throw client(`Log driver awslogs requires options: ${required}`);
  }
  const { mode, 'max-buffer-size': buffer } = options;
  if (mode !== undefined && mode !== 'blocking' && mode !== 'non-blocking') {
    throw client(`Log option mode of container '${name}' must be blocking or non-blocking, not ${mode}.`);
  }
  if (buffer !== undefined && (mode === 'blocking' || !BUFFER_SIZE.test(buffer))) {
    throw client(
      `Log option max-buffer-size of container '${name}' must be a size such as 25m, and goes with mode non-blocking only; it is ${buffer}.`,
    );
  }
}

function checkHealthCheck(container: ContainerDefinition, name: string): void {
  const check = container.healthCheck;
  if (!check) return;
  const [kind, ...command] = check.command ?? [];
  if (kind === 'NONE') return;
  if ((kind !== 'CMD' && kind !== 'CMD-SHELL') || command.length === 0) {
    throw client(`Invalid health check command of container '${name}': begin it with CMD or CMD-SHELL.`);
  }
  for (const [member, low, high] of [
    ['interval', 5, 300],
    ['timeout', 2, 120],
    ['retries', 1, 10],
    ['startPeriod', 0, 300],
  ] as const) {
    const value = check[member];
    if (value !== undefined && (value < low || value > high)) {
      throw client(
        `Invalid health check ${member} ${value} of container '${name}': between ${low} and ${high}.`,
      );
    }
  }
}

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false;
  return Array.isArray(value) ? value.length > 0 : true;
}

function client(message: string): AwsFault {
  return new AwsFault('ClientException', message);
}

function unsupported(what: string): AwsFault {
  return client(
    `the local engine does not support ${what}: it would change what runs. Remove it, or deploy to AWS.`,
  );
}
