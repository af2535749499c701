import { type AwsClient, servicesMissed } from '@queue-canary/engine';
import { type EnvironmentChanges, localEnvironment } from '../local-environment.ts';
import { readEngineFile } from '../target.ts';
import type { Terminal } from '../terminal.ts';
import { SHELLS, type Shell } from './shells.ts';

export interface EnvOptions {
  readonly state: string;
  readonly shell: Shell;
  readonly json?: boolean;
}

interface EnvWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly print: (text: string) => void;
}

/**
 * Prints what a shell has to evaluate so that AWS clients use the engine. Then it looks at the machine's `aws` and boto3,
 * in that very environment, and says what to do where one of them would call AWS.
 */
export async function env(
  options: EnvOptions,
  { environment: given, terminal, print }: EnvWorld,
): Promise<void> {
  const changes = localEnvironment(readEngineFile(options.state), given);
  const syntax = SHELLS[options.shell];
  const [aws, boto3] = await Promise.all(
    (['aws', 'boto3'] as const).map((client) => servicesMissed(client, { ...given, ...changes })),
  );
  const wrapped = !options.json && Array.isArray(aws) && aws.length > 0;
  if (options.json) print(JSON.stringify(withNulls(changes), null, 2));
  else for (const line of syntax.lines(changes, wrapped)) print(line);

  const warn = (text: string) => terminal.line(terminal.style('bad', text));
  for (const [client, found] of [
    ['aws', aws],
    ['boto3', boto3],
  ] as const) {
    if (found === 'slow') warn(unknownOf(client));
  }
  if (Array.isArray(aws) && aws.length > 0) {
    warn(
      `${passesBy('aws', aws)}. ${wrapped ? 'In this shell, and in bash also in scripts for bash, "aws" now adds --endpoint-url by itself. ' : ''}In other scripts, add --endpoint-url "$AWS_ENDPOINT_URL" to each call. AWS CLI 2.13 or later needs neither.`,
    );
  }
  if (Array.isArray(boto3) && boto3.length > 0) {
    warn(
      `${passesBy('boto3', boto3)}. Give each client endpoint_url=os.environ["AWS_ENDPOINT_URL"], or use boto3 1.28 or later.`,
    );
  }
  const login = given.SHELL?.split('/').at(-1) ?? '';
  if (!options.json && syntax === SHELLS.sh && Object.hasOwn(SHELLS, login) && login !== 'sh') {
    terminal.line(
      `This is for sh, bash and zsh. In ${login}: ${SHELLS[login as Shell].usage('queue-canary env --shell')}`,
    );
  }
}

function unknownOf(client: AwsClient): string {
  const what = client === 'aws' ? 'The aws on your PATH' : 'The boto3 of your python3';
  return `${what} made no call within 15 seconds, so it is not known whether it uses AWS_ENDPOINT_URL. Run this command again when the machine is less busy. Calls to AWS fail meanwhile, because AWS_CA_BUNDLE lets it trust no server.`;
}

function passesBy(client: AwsClient, services: readonly string[]): string {
  const what = client === 'aws' ? 'The aws on your PATH' : 'The boto3 of your python3';
  const where = services.includes('sts') ? '' : ` for ${services.join(' and ')}`;
  return `${what} does not use AWS_ENDPOINT_URL${where}: its calls would go to AWS and fail, because AWS_CA_BUNDLE lets it trust no server`;
}

function withNulls(changes: EnvironmentChanges): Record<string, string | null> {
  return Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value ?? null]));
}
