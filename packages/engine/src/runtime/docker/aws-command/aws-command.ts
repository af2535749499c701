export interface AwsCommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** Exit statuses of the AWS CLI: the command line is wrong, settings are missing, the service refused. */
const WRONG_USAGE = 252;
const MISSING_SETTINGS = 253;
const SERVICE_ERROR = 254;

/**
 * The engine's own `aws`: what a build needs to log in to the registry, signed with the build's credentials.
 *
 * Only `--version`, `ecr get-login-password` and `sts get-caller-identity` exist. Credentials and address come
 * from the environment alone: profiles of the person who runs the engine are never read.
 */
export async function runAwsCommand(args: readonly string[], options: AwsCommandOptions): Promise<number> {
  if (args.length === 1 && args[0] === '--version') {
    options.print(
      `aws-cli/${options.version} queue-canary-built-in Node/${process.versions.node} ${process.platform}/${process.arch}`,
    );
    return 0;
  }
  const parsed = parseArguments(args);
  if (typeof parsed === 'string') {
    options.warn(`aws: error: ${parsed}`);
    return WRONG_USAGE;
  }
  const { command, flags } = parsed;
  const { env } = options;
  const region = flags.get('region') ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION);
  const endpoint = flags.get('endpoint-url') ?? env.AWS_ENDPOINT_URL;
  if (!region) return missing(options, 'no region is set; set AWS_REGION');
  if (!endpoint)
    return missing(
      options,
      "no address of the engine is set; set AWS_ENDPOINT_URL. This is the engine's own aws command, which does not reach AWS",
    );
  if (!env.AWS_ACCESS_KEY_ID || !env.AWS_SECRET_ACCESS_KEY)
    return missing(options, 'no credentials are set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  const config = {
    region,
    endpoint,
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      ...(env.AWS_SESSION_TOKEN ? { sessionToken: env.AWS_SESSION_TOKEN } : {}),
    },
  };
  try {
    options.print(
      command === 'ecr get-login-password' ? await loginPassword(config) : await callerIdentity(config),
    );
    return 0;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Error';
    options.warn(
      `aws: error: ${name} when calling ${command}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return SERVICE_ERROR;
  }
}

interface ClientSettings {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

// The clients are loaded when they are needed: loading both would take longer than the call.
async function loginPassword(settings: ClientSettings): Promise<string> {
  const { ECRClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr');
  const client = new ECRClient(settings);
  const { authorizationData = [] } = await client.send(new GetAuthorizationTokenCommand({}));
  const token = Buffer.from(authorizationData[0]?.authorizationToken ?? '', 'base64').toString('utf8');
  return token.slice(token.indexOf(':') + 1);
}

async function callerIdentity(settings: ClientSettings): Promise<string> {
  const { GetCallerIdentityCommand, STSClient } = await import('@aws-sdk/client-sts');
  const client = new STSClient(settings);
  const { UserId, Account, Arn } = await client.send(new GetCallerIdentityCommand({}));
  return JSON.stringify({ UserId, Account, Arn }, null, 4);
}

type Command = 'ecr get-login-password' | 'sts get-caller-identity';

function parseArguments(args: readonly string[]): { command: Command; flags: Map<string, string> } | string {
  const words: string[] = [];
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!;
    if (!argument.startsWith('-')) {
      words.push(argument);
      continue;
    }
    const [, name = '', inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (!['region', 'endpoint-url', 'output'].includes(name))
      return `the option ${argument} is not supported by the engine's own aws command; install the AWS CLI for it`;
    const value = inline ?? args[++index];
    if (value === undefined) return `${argument} needs a value`;
    if (name === 'output' && value !== 'json')
      return `--output ${value} is not supported by the engine's own aws command; install the AWS CLI for it`;
    flags.set(name, value);
  }
  const command = words.join(' ');
  if (command === 'ecr get-login-password' || command === 'sts get-caller-identity')
    return { command, flags };
  return `"aws ${command}" is not supported: the engine's own aws command has only --version, ecr get-login-password and sts get-caller-identity. Install the AWS CLI for anything else`;
}

function missing(options: AwsCommandOptions, what: string): number {
  options.warn(`aws: error: ${what}.`);
  return MISSING_SETTINGS;
}
