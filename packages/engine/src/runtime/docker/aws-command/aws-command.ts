import { UserError } from '../../../errors.ts';
import { type ClientSettings, callOperation } from './call-operation.ts';
import { query } from './jmespath.ts';
import { formatOutput } from './output.ts';
import { s3Command } from './s3-command.ts';

export interface AwsCommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly version: string;
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly write: (bytes: Uint8Array) => void;
  readonly readInput: () => Promise<Buffer>;
}

/** Exit statuses of the AWS CLI: the command line is wrong, settings are missing, the service refused. */
const WRONG_USAGE = 252;
const MISSING_SETTINGS = 253;
const SERVICE_ERROR = 254;

/** Options of every command; those without a value have no effect here. */
const GLOBAL_VALUES = [
  'region',
  'endpoint-url',
  'output',
  'query',
  'color',
  'cli-read-timeout',
  'cli-connect-timeout',
];
const GLOBAL_FLAGS = ['no-cli-pager', 'no-paginate', 'no-verify-ssl', 'no-cli-auto-prompt'];

/** Commands that are none of a service's operations, or that the AWS CLI no longer has. */
const REFUSED: Readonly<Record<string, string>> = {
  'ecr get-login':
    'get-login is gone since version 2 of the AWS CLI; write aws ecr get-login-password | docker login --username AWS --password-stdin <registry>',
};

/**
 * The engine's own `aws`: the operations of its services, `s3 cp`, `ls` and `rm`, and what logs in to registries, signed
 * with the build's credentials.
 *
 * Credentials and address come from the environment alone: profiles of the person who runs the engine are never read.
 */
export async function runAwsCommand(args: readonly string[], options: AwsCommandOptions): Promise<number> {
  if (args.length === 1 && args[0] === '--version') {
    options.print(
      `aws-cli/${options.version} queue-canary-built-in Node/${process.versions.node} ${process.platform}/${process.arch}`,
    );
    return 0;
  }
  const fail = (status: number, message: string) => {
    options.warn(`aws: error: ${message}`);
    return status;
  };
  let command = 'aws';
  try {
    const parsed = parseArguments(args);
    const [service = '', operation = ''] = parsed.words;
    command = `${service} ${operation}`;
    const refused = REFUSED[command];
    if (refused !== undefined) throw new UserError('Usage', refused);
    if (service !== 's3' && parsed.words.length > 2)
      throw new UserError('Usage', `"${parsed.words[2]}" is not an option of aws ${command}`);
    if (operation === '')
      throw new UserError('Usage', `"aws ${service}" is not supported: write aws <service> <operation>`);
    if (command === 'ecr-public get-login-password') {
      options.warn('aws: public.ecr.aws is not reached from here; this password is for no registry.');
      options.print('none');
      return 0;
    }
    const settings = readSettings(parsed.globals, options.env);
    if (typeof settings === 'string') return fail(MISSING_SETTINGS, `${settings}.`);
    if (service === 's3') {
      await s3Command(parsed.rest, settings, options);
      return 0;
    }
    const output = parsed.globals.get('output') ?? (options.env.AWS_DEFAULT_OUTPUT || 'json');
    if (output !== 'json' && output !== 'text')
      throw new UserError(
        'Usage',
        `--output ${output} is not supported by the engine's own aws command; use json or text`,
      );
    const login = command === 'ecr get-login-password';
    const { name, answer } = await callOperation(
      {
        service,
        operation: login ? 'get-authorization-token' : operation,
        options: parsed.options,
        cwd: options.cwd,
        paginate: !parsed.flags.has('no-paginate'),
      },
      settings,
    );
    if (login) options.print(passwordOf(answer));
    else {
      const text = parsed.globals.get('query');
      const shown = text === undefined ? answer : query(text, answer);
      if (text !== undefined || Object.keys(answer).length > 0) options.print(formatOutput(shown, output));
    }
    command = name;
    return 0;
  } catch (error) {
    if (error instanceof UserError)
      return fail(
        error.code === 'Usage' || error.code === 'InvalidQuery' ? WRONG_USAGE : 1,
        `${error.message}.`,
      );
    const { name = 'Error', message } = error as Error;
    return fail(SERVICE_ERROR, `${name} when calling ${command}: ${message}`);
  }
}

function passwordOf(answer: Record<string, unknown>): string {
  const token = query('authorizationData[0].authorizationToken', answer) as string;
  const text = Buffer.from(token, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

function readSettings(
  globals: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): ClientSettings | string {
  const region = globals.get('region') ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION);
  const endpoint = globals.get('endpoint-url') ?? env.AWS_ENDPOINT_URL;
  if (!region) return 'no region is set; set AWS_REGION';
  if (!endpoint)
    return "no address of the engine is set; set AWS_ENDPOINT_URL. This is the engine's own aws command, which does not reach AWS";
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = env;
  if (!accessKeyId || !secretAccessKey)
    return 'no credentials are set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  return {
    region,
    endpoint,
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
    },
  };
}

interface Parsed {
  /** Service and operation. */
  readonly words: readonly string[];
  readonly globals: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** Everything behind the service that is not for every command, as written. */
  readonly rest: readonly string[];
}

function parseArguments(args: readonly string[]): Parsed {
  const words: string[] = [];
  const globals = new Map<string, string>();
  const flags = new Set<string>();
  const options = new Map<string, string[]>();
  const rest: string[] = [];
  let current: string[] | undefined;
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!;
    const [, name, inline] = /^--([a-z0-9][a-z0-9-]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === undefined) {
      if (words.length > 0) rest.push(argument);
      if (current !== undefined) current.push(argument);
      else words.push(argument);
      continue;
    }
    if (name === 'profile')
      throw new UserError(
        'Usage',
        "the option --profile is not supported by the engine's own aws command, which takes credentials from the environment alone",
      );
    if (GLOBAL_VALUES.includes(name)) {
      const value = inline ?? args[++index];
      if (value === undefined) throw new UserError('Usage', `--${name} needs a value`);
      globals.set(name, value);
      current = undefined;
    } else if (GLOBAL_FLAGS.includes(name)) {
      flags.add(name);
      current = undefined;
    } else {
      current = inline === undefined ? [] : [inline];
      options.set(name, current);
      rest.push(`--${name}`, ...current);
    }
  }
  return { words, globals, flags, options, rest };
}
