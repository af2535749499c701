import type { Engine, Principal } from '../../dispatch/service.ts';
import { UserError } from '../../errors.ts';
import { encryptionKeyOf } from './artifact-upload.ts';
import type { StoredBuild } from './store.ts';

const LOOPBACK = '127.0.0.1,localhost';

/**
 * Everything but PATH that a build's commands find in their environment: what the machine needs for its network,
 * the project's variables, and what CodeBuild sets itself, which the project cannot override.
 */
export async function buildEnvironment(
  engine: Engine,
  principal: Principal,
  build: StoredBuild,
  facts: {
    readonly machine: Readonly<Record<string, string>>;
    readonly sourceDirectory: string;
    readonly buildArn: string;
    /** Where docker keeps the build's logins, away from those of the machine's user. */
    readonly dockerConfigDirectory: string;
    /** Home directory of the build's own: what the machine's user keeps in theirs is not for a build. */
    readonly home: string;
    /** Variables that the buildspec takes from Parameter Store. */
    readonly parameterStore: Readonly<Record<string, string>>;
  },
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [name, parameterName] of Object.entries(facts.parameterStore))
    variables[name] = await parameter(engine, principal, parameterName);
  for (const { name, value, type } of build.variables) {
    variables[name ?? ''] =
      type === 'PARAMETER_STORE' ? await parameter(engine, principal, value ?? '') : (value ?? '');
  }
  const own: Record<string, string | undefined> = {
    CI: 'true',
    CODEBUILD_CI: 'true',
    CODEBUILD_BUILD_ARN: facts.buildArn,
    CODEBUILD_BUILD_ID: build.id,
    CODEBUILD_BUILD_IMAGE: build.environment.image,
    CODEBUILD_BUILD_NUMBER: String(build.number),
    CODEBUILD_INITIATOR: build.initiator,
    CODEBUILD_KMS_KEY_ID: encryptionKeyOf(engine, build),
    CODEBUILD_LOG_PATH: build.logStreamName,
    CODEBUILD_PROJECT_ARN: `arn:aws:codebuild:${engine.region}:${engine.accountId}:project/${build.projectName}`,
    CODEBUILD_RESOLVED_SOURCE_VERSION: build.resolvedSourceVersion,
    CODEBUILD_SOURCE_REPO_URL: build.source.location,
    CODEBUILD_SOURCE_VERSION: build.sourceVersion,
    CODEBUILD_SRC_DIR: facts.sourceDirectory,
    DOCKER_CONFIG: facts.dockerConfigDirectory,
    CODEBUILD_START_TIME: String(build.startedAtMs),
    ...engine.credentials(principal).environment,
  };
  const set = Object.entries(own).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return {
    ...facts.machine,
    ...withoutProxyForEngine(facts.machine),
    HOME: facts.home,
    ...variables,
    ...Object.fromEntries(set),
  };
}

/** The engine is on loopback: a proxy of the machine must not be asked for it. */
function withoutProxyForEngine(machine: Readonly<Record<string, string>>): Record<string, string> {
  const proxied = Object.keys(machine).some((name) => /^(https?|all)_proxy$/i.test(name));
  if (!proxied) return {};
  const direct = [machine.NO_PROXY ?? machine.no_proxy, LOOPBACK].filter((part) => part).join(',');
  return { NO_PROXY: direct, no_proxy: direct };
}

async function parameter(engine: Engine, principal: Principal, name: string): Promise<string> {
  const { Parameters, InvalidParameters } = await engine.call(principal, 'ssm', 'GetParameters', {
    Names: [name],
    WithDecryption: true,
  });
  const value = Parameters?.[0]?.Value;
  if (value === undefined)
    throw new UserError('NoParameter', `Parameter does not exist: ${InvalidParameters?.[0] ?? name}`);
  return value;
}
