import type { Input, Output } from '../../dispatch/sdk.ts';
import { AwsFault } from '../../errors.ts';
import type { CodePackage } from './code-package.ts';

type CreateFunctionInput = Input<'lambda', 'CreateFunction'>;
type UpdateFunctionConfigurationInput = Input<'lambda', 'UpdateFunctionConfiguration'>;
type FunctionConfiguration = Output<'lambda', 'UpdateFunctionConfiguration'>;

/** What a person configured of a function. */
export interface FunctionSettings {
  readonly role: string;
  readonly runtime: SupportedRuntime;
  readonly handler: string;
  readonly description: string;
  readonly timeoutSeconds: number;
  readonly memoryMiB: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly logGroup?: string;
  readonly deadLetterArn?: string;
  readonly tracing: 'Active' | 'PassThrough';
  readonly ephemeralMiB: number;
  readonly architecture: 'x86_64' | 'arm64';
  /** Kept and shown: traffic of a local function is not routed through a VPC. */
  readonly vpc?: { readonly subnetIds: readonly string[]; readonly securityGroupIds: readonly string[] };
}

/** A function, or a published version of it. */
export interface StoredFunction extends FunctionSettings {
  readonly name: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  readonly arn: string;
  readonly code: CodePackage;
  readonly revisionId: string;
  readonly modifiedAtMs: number;
}

const RUNTIMES = ['nodejs20.x', 'nodejs22.x', 'nodejs24.x'] as const;
type SupportedRuntime = (typeof RUNTIMES)[number];

const VARIABLES_BYTES_MAX = 4096;
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

/** Settings of a new function, checked as AWS checks them. */
export function newSettings(input: CreateFunctionInput): FunctionSettings {
  if (input.PackageType === 'Image' || input.Code?.ImageUri !== undefined) {
    throw invalid('The local engine does not run Lambda functions from container images: use a zip package.');
  }
  refuse('CodeSigningConfigArn', input.CodeSigningConfigArn);
  refuse('TenancyConfig', input.TenancyConfig);
  refuse('PublishTo', input.PublishTo);
  if (!input.Role) throw invalid('Role is required.');
  if (!input.Handler)
    throw invalid(
      'Runtime and Handler are mandatory parameters for functions created with deployment packages.',
    );
  return changedSettings(
    {
      role: input.Role,
      runtime: runtimeOf(input.Runtime),
      handler: input.Handler,
      description: '',
      timeoutSeconds: 3,
      memoryMiB: 128,
      variables: {},
      tracing: 'PassThrough',
      ephemeralMiB: 512,
      architecture: architectureOf(input.Architectures),
    },
    input,
  );
}

/** Settings with what an update gives; what it leaves out stays. */
export function changedSettings(
  before: FunctionSettings,
  input: UpdateFunctionConfigurationInput | CreateFunctionInput,
): FunctionSettings {
  if (input.Layers && input.Layers.length > 0) {
    throw invalid(
      'The local engine does not support layers: bundle what the function needs into its package.',
    );
  }
  if (input.FileSystemConfigs && input.FileSystemConfigs.length > 0) {
    throw invalid('The local engine does not support FileSystemConfigs.');
  }
  if (input.SnapStart?.ApplyOn && input.SnapStart.ApplyOn !== 'None') {
    throw invalid('nodejs runtimes do not support SnapStart.');
  }
  refuse('ImageConfig', input.ImageConfig);
  refuse('CapacityProviderConfig', input.CapacityProviderConfig);
  refuse('DurableConfig', input.DurableConfig);
  if (input.LoggingConfig?.LogFormat === 'JSON') {
    throw invalid('The local engine does not support the log format JSON: use Text.');
  }
  const logGroup = input.LoggingConfig?.LogGroup ?? before.logGroup;
  const deadLetterArn = input.DeadLetterConfig ? input.DeadLetterConfig.TargetArn : before.deadLetterArn;
  if (deadLetterArn && !/^arn:aws:(sqs|sns):/.test(deadLetterArn)) {
    throw invalid(`The dead-letter target ${deadLetterArn} must be an SQS queue or an SNS topic.`);
  }
  const subnetIds = input.VpcConfig?.SubnetIds ?? [];
  const vpc =
    input.VpcConfig === undefined
      ? before.vpc
      : subnetIds.length === 0
        ? undefined
        : { subnetIds, securityGroupIds: input.VpcConfig.SecurityGroupIds ?? [] };
  const { logGroup: _group, deadLetterArn: _queue, vpc: _vpc, ...rest } = before;
  return {
    ...rest,
    role: input.Role ?? before.role,
    runtime: input.Runtime === undefined ? before.runtime : runtimeOf(input.Runtime),
    handler: input.Handler ?? before.handler,
    description: input.Description ?? before.description,
    timeoutSeconds: within(input.Timeout ?? before.timeoutSeconds, 1, 900, 'timeout'),
    memoryMiB: within(input.MemorySize ?? before.memoryMiB, 128, 10_240, 'memorySize'),
    variables: input.Environment ? variablesOf(input.Environment.Variables ?? {}) : before.variables,
    tracing: input.TracingConfig?.Mode === 'Active' ? 'Active' : before.tracing,
    ephemeralMiB: within(
      input.EphemeralStorage?.Size ?? before.ephemeralMiB,
      512,
      10_240,
      'ephemeralStorage',
    ),
    ...(logGroup ? { logGroup } : {}),
    ...(deadLetterArn ? { deadLetterArn } : {}),
    ...(vpc ? { vpc } : {}),
  };
}

/** The architecture of a function; the code runs on the machine's own whatever it says. */
export function architectureOf(architectures: readonly string[] | undefined): 'x86_64' | 'arm64' {
  const [architecture = 'x86_64'] = architectures ?? [];
  if (architecture !== 'x86_64' && architecture !== 'arm64') {
    throw invalid(`The architecture ${architecture} is unknown: use x86_64 or arm64.`);
  }
  return architecture;
}

/** Where a function's log goes. */
export function logGroupOf(fn: StoredFunction): string {
  return fn.logGroup ?? `/aws/lambda/${fn.name}`;
}

/** A function as `GetFunctionConfiguration` shows it. */
export function shownFunction(fn: StoredFunction): FunctionConfiguration {
  return {
    FunctionName: fn.name,
    FunctionArn: fn.version === '$LATEST' ? fn.arn : `${fn.arn}:${fn.version}`,
    Runtime: fn.runtime,
    Role: fn.role,
    Handler: fn.handler,
    CodeSize: fn.code.bytes,
    Description: fn.description,
    Timeout: fn.timeoutSeconds,
    MemorySize: fn.memoryMiB,
    LastModified: new Date(fn.modifiedAtMs).toISOString().replace('Z', '+0000'),
    CodeSha256: fn.code.sha256,
    Version: fn.version,
    ...(fn.vpc
      ? {
          VpcConfig: {
            SubnetIds: [...fn.vpc.subnetIds],
            SecurityGroupIds: [...fn.vpc.securityGroupIds],
            VpcId: '',
          },
        }
      : {}),
    ...(fn.deadLetterArn === undefined ? {} : { DeadLetterConfig: { TargetArn: fn.deadLetterArn } }),
    ...(Object.keys(fn.variables).length === 0 ? {} : { Environment: { Variables: { ...fn.variables } } }),
    TracingConfig: { Mode: fn.tracing },
    RevisionId: fn.revisionId,
    State: 'Active',
    LastUpdateStatus: 'Successful',
    PackageType: 'Zip',
    Architectures: [fn.architecture],
    EphemeralStorage: { Size: fn.ephemeralMiB },
    LoggingConfig: { LogFormat: 'Text', LogGroup: logGroupOf(fn) },
  };
}

function runtimeOf(runtime: string | undefined): SupportedRuntime {
  const supported = RUNTIMES.find((name) => name === runtime);
  if (supported) return supported;
  throw invalid(
    `The local engine does not run the runtime ${runtime ?? '(none)'}: it has ${RUNTIMES.join(', ')}, all on its own Node.`,
  );
}

function variablesOf(variables: Readonly<Record<string, string>>): Record<string, string> {
  const reserved = Object.keys(variables).filter((name) => RESERVED_VARIABLES.has(name));
  if (reserved.length > 0) {
    throw invalid(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(', ')}`,
    );
  }
  const bad = Object.keys(variables).find((name) => !/^[A-Za-z][A-Za-z0-9_]+$/.test(name));
  if (bad !== undefined) {
    throw invalid(
      `The environment variable name '${bad}' must be a letter followed by letters, digits or underscores.`,
    );
  }
  if (Buffer.byteLength(JSON.stringify(variables)) > VARIABLES_BYTES_MAX) {
    throw invalid(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the ${VARIABLES_BYTES_MAX} bytes limit.`,
    );
  }
  return { ...variables };
}

function within(value: number, least: number, most: number, field: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(
    `1 validation error detected: Value '${value}' at '${field}' failed to satisfy constraint: Member must have value between ${least} and ${most}`,
  );
}

function refuse(field: string, value: unknown): void {
  if (value !== undefined) throw invalid(`The local engine does not support ${field} of Lambda functions.`);
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}
