import type { Architecture, VpcConfig } from '@aws-sdk/client-lambda';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { checkedLogging } from './logging-config.ts';
import type { FunctionSettings } from './store.ts';

type SettingsInput = Omit<
  Partial<Input<'lambda', 'CreateFunction'>> & Input<'lambda', 'UpdateFunctionConfiguration'>,
  'FunctionName'
>;

const TIMEOUT_SECONDS_MAX = 900;
const ENVIRONMENT_BYTES_MAX = 4096;

/** Variables that Lambda sets itself and lets nobody configure. */
const RESERVED_VARIABLES = new Set([
  '_HANDLER',
  '_X_AMZN_TRACE_ID',
  'AWS_DEFAULT_REGION',
  'AWS_REGION',
  'AWS_EXECUTION_ENV',
  'AWS_LAMBDA_FUNCTION_NAME',
  'AWS_LAMBDA_FUNCTION_MEMORY_SIZE',
  'AWS_LAMBDA_FUNCTION_VERSION',
  'AWS_LAMBDA_INITIALIZATION_TYPE',
  'AWS_LAMBDA_LOG_GROUP_NAME',
  'AWS_LAMBDA_LOG_STREAM_NAME',
  'AWS_ACCESS_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_LAMBDA_RUNTIME_API',
  'LAMBDA_TASK_ROOT',
  'LAMBDA_RUNTIME_DIR',
]);

/** Fields that would change how a function runs and that the engine does not have. */
const UNSUPPORTED = [
  'FileSystemConfigs',
  'CodeSigningConfigArn',
  'ImageConfig',
  'Layers',
  'TenancyConfig',
  'CapacityProviderConfig',
  'DurableConfig',
  'KMSKeyArn',
  'PublishTo',
] as const;

export function invalidParameter(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}

/** Settings after a change: what `input` leaves out stays as it was, or is Lambda's default for a new function. */
export function mergeSettings(input: SettingsInput, before: FunctionSettings | undefined): FunctionSettings {
  refuseUnsupported(input);
  const role = input.Role ?? before?.role ?? '';
  if (!/^arn:aws:iam::\d{12}:role\/.+$/.test(role)) {
    throw invalidParameter(`Role: ${role || '(none)'} is not the ARN of an IAM role.`);
  }
  const runtime = input.Runtime ?? before?.runtime;
  const handler = input.Handler ?? before?.handler;
  if (runtime === undefined || handler === undefined) {
    throw invalidParameter(
      'Runtime and Handler are mandatory parameters for functions created with a zip file.',
    );
  }
  if (!/^\S{1,128}$/.test(handler)) {
    throw invalidParameter(`Handler: ${JSON.stringify(handler)} must be FILE.FUNCTION, 1 to 128 characters.`);
  }
  const deadLetterArn = input.DeadLetterConfig ? input.DeadLetterConfig.TargetArn : before?.deadLetterArn;
  if (deadLetterArn && !/^arn:aws:(sqs|sns):[^:]+:\d{12}:[^:]+$/.test(deadLetterArn)) {
    throw invalidParameter(
      `DeadLetterConfig.TargetArn: ${deadLetterArn} is not the ARN of a queue or a topic.`,
    );
  }
  const variables = input.Environment ? (input.Environment.Variables ?? {}) : (before?.variables ?? {});
  checkVariables(variables);
  const loggingConfig = checkedLogging(input.LoggingConfig ?? before?.loggingConfig ?? {});
  const vpc = input.VpcConfig ? vpcOf(input.VpcConfig) : before?.vpc;
  return {
    role,
    runtime,
    handler,
    variables,
    loggingConfig,
    description: longest('Description', input.Description ?? before?.description ?? '', 256),
    timeoutSeconds: between('Timeout', input.Timeout ?? before?.timeoutSeconds ?? 3, 1, TIMEOUT_SECONDS_MAX),
    memoryMiB: between('MemorySize', input.MemorySize ?? before?.memoryMiB ?? 128, 128, 10_240),
    ephemeralStorageMiB: between(
      'EphemeralStorage.Size',
      input.EphemeralStorage?.Size ?? before?.ephemeralStorageMiB ?? 512,
      512,
      10_240,
    ),
    tracingMode: input.TracingConfig?.Mode ?? before?.tracingMode ?? 'PassThrough',
    ...(deadLetterArn ? { deadLetterArn } : {}),
    ...(vpc ? { vpc } : {}),
  };
}

function vpcOf({ SubnetIds = [], SecurityGroupIds = [] }: VpcConfig): FunctionSettings['vpc'] {
  return SubnetIds.length === 0 ? undefined : { subnetIds: SubnetIds, securityGroupIds: SecurityGroupIds };
}

/** The architecture is recorded only: code runs on the processor of this machine. */
export function checkArchitectures(
  architectures: readonly Architecture[] | undefined,
): readonly Architecture[] {
  const [architecture = 'x86_64', ...more] = architectures ?? [];
  if (more.length > 0 || (architecture !== 'x86_64' && architecture !== 'arm64')) {
    throw invalidParameter('Architectures must be one of x86_64 and arm64.');
  }
  return [architecture];
}

function refuseUnsupported(input: SettingsInput): void {
  for (const field of UNSUPPORTED) {
    const value = input[field];
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) continue;
    throw invalidParameter(`${field}: not supported by the local engine; leave it out.`);
  }
  if (input.SnapStart?.ApplyOn === 'PublishedVersions') {
    throw invalidParameter('SnapStart: not supported by the local engine, with any runtime.');
  }
}

function checkVariables(variables: Readonly<Record<string, string>>): void {
  const reserved = Object.keys(variables).filter((name) => RESERVED_VARIABLES.has(name));
  if (reserved.length > 0) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(', ')}`,
    );
  }
  const malformed = Object.keys(variables).find((name) => !/^[a-zA-Z]\w+$/.test(name));
  if (malformed !== undefined) {
    throw invalidParameter(
      `Environment.Variables: ${JSON.stringify(malformed)} is not a name of at least two letters, digits and underscores that begins with a letter.`,
    );
  }
  const bytes = Buffer.byteLength(JSON.stringify(variables));
  if (bytes > ENVIRONMENT_BYTES_MAX) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${bytes} bytes`,
    );
  }
}

function between(field: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidParameter(`${field}: ${value} is not a whole number from ${least} to ${most}.`);
}

function longest(field: string, value: string, most: number): string {
  if (value.length <= most) return value;
  throw invalidParameter(`${field} must not be longer than ${most} characters.`);
}
