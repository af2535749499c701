import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type EngineAccess, type EnvironmentChanges, localEnvironment } from './local-environment.ts';
import { CliError } from './user-error.ts';

/** Where commands go: a local engine, or AWS with whatever the SDK finds in the environment. */
export interface Target {
  readonly kind: 'local' | 'aws';
  /** One line for people, without secrets. */
  readonly description: string;
  /** Settings for SDK clients; empty for AWS, so that the SDK's own chain applies. */
  readonly connection: {
    readonly endpoint?: string;
    readonly region?: string;
    readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** What the environment of programs that the command runs (cdk, git) has instead of the user's. */
  readonly environment: EnvironmentChanges;
}

export interface TargetOptions {
  /** State directory of the local engine. */
  readonly state: string;
  /** Whether the user named the state directory, and so means a local engine. */
  readonly stateNamed?: boolean;
  /** Go to AWS even where a local engine was used. */
  readonly aws?: boolean;
}

interface EngineFile extends EngineAccess {
  readonly accountId: string;
}

/**
 * Finds the target. A state directory means the engine in it, and never silently AWS: if that engine does
 * not run, or the directory that was named is none, the command stops and says so. Otherwise the environment
 * says where to go.
 */
export async function resolveTarget(
  options: TargetOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Target> {
  if (options.aws) return aws(regionIn(environment));
  const path = join(options.state, 'engine.json');
  if (existsSync(path)) {
    const engine = readEngineFile(options.state);
    if (!(await answers(engine.endpoint))) {
      throw new CliError(
        `the local engine of ${options.state} does not answer at ${engine.endpoint}: start it with "queue-canary up --state ${options.state}", or add --aws to use your AWS account`,
      );
    }
    return local(engine, environment);
  }
  if (options.stateNamed) throw noEngine(options.state);
  return environmentTarget(environment);
}

/** The target of an environment: the endpoint that `AWS_ENDPOINT_URL` names, otherwise AWS. */
export function environmentTarget(environment: Readonly<Record<string, string | undefined>>): Target {
  const { AWS_ENDPOINT_URL: endpoint } = environment;
  const target = aws(regionIn(environment));
  if (endpoint === undefined || endpoint === '') return target;
  return { ...target, kind: 'local', description: `endpoint ${endpoint} (AWS_ENDPOINT_URL)` };
}

function regionIn(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  return environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined;
}

function aws(region: string | undefined): Target {
  return {
    kind: 'aws',
    description: `AWS${region ? ` in ${region}` : ''}, with the credentials of your environment`,
    // The SDK for JavaScript reads AWS_REGION alone.
    connection: region === undefined ? {} : { region },
    environment: region === undefined ? {} : { AWS_REGION: region },
  };
}

/** The target of an engine whose file was written by `up`, for programs that otherwise have the given environment. */
export function local(engine: EngineFile, given: EnvironmentChanges = {}): Target {
  const { endpoint, region, accountId, accessKeyId, secretAccessKey } = engine;
  return {
    kind: 'local',
    description: `local engine at ${endpoint} (account ${accountId}, ${region})`,
    connection: { endpoint, region, credentials: { accessKeyId, secretAccessKey } },
    environment: localEnvironment(engine, given),
  };
}

/** What `up` wrote about the engine of a state directory. */
export function readEngineFile(state: string): EngineFile {
  const path = join(state, 'engine.json');
  if (!existsSync(path)) throw noEngine(state);
  try {
    return { ...checked(JSON.parse(readFileSync(path, 'utf8'))), state: resolve(state) };
  } catch (error) {
    throw new CliError(
      `${path} is not readable (${(error as Error).message}): remove this file and run "queue-canary up --state ${state}" with the --port that the engine had; the state itself is kept in engine.db`,
    );
  }
}

function checked(content: unknown): Omit<EngineFile, 'state'> {
  const file = (content ?? {}) as Partial<Record<keyof EngineFile, unknown>>;
  for (const key of ['endpoint', 'region', 'accountId', 'accessKeyId', 'secretAccessKey'] as const) {
    if (typeof file[key] !== 'string') throw new Error(`it has no ${key}`);
  }
  if (!URL.canParse(String(file.endpoint))) throw new Error(`its endpoint is no address: ${file.endpoint}`);
  return file as Omit<EngineFile, 'state'>;
}

function noEngine(state: string): CliError {
  return new CliError(
    `${state} holds no local engine: start one with "queue-canary up --state ${state}", or name the state directory of another one`,
  );
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    await fetch(endpoint, { signal: AbortSignal.timeout(3000) });
    return true;
  } catch {
    return false;
  }
}
