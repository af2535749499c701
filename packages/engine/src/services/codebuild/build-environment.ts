import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';
import { UserError } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { readSecret, secretPlace, splitReference } from '../../secret-place.ts';
import { encryptionKeyOf } from './artifact-upload.ts';
import type { StoredBuild } from './store.ts';

/** Where variables of these types come from. */
const READERS: Readonly<
  Record<string, (engine: Engine, principal: Principal, reference: string) => Promise<string>>
> = { PARAMETER_STORE: parameter, SECRETS_MANAGER: secret };

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
    /** And from Secrets Manager. */
    readonly secretsManager: Readonly<Record<string, string>>;
    /** Is told each value that must not be in the build's log. */
    readonly conceal: (value: string) => void;
  },
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  const wanted = [
    ...Object.entries(facts.parameterStore).map(([name, value]) => ({
      name,
      value,
      type: 'PARAMETER_STORE',
    })),
    ...Object.entries(facts.secretsManager).map(([name, value]) => ({
      name,
      value,
      type: 'SECRETS_MANAGER',
    })),
    ...build.variables,
  ];
  for (const { name = '', value = '', type = 'PLAINTEXT' } of wanted) {
    const read = READERS[type];
    variables[name] = read ? await read(engine, principal, value) : value;
    if (read) facts.conceal(variables[name]);
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

/** Reads `secret-id:json-key:version-stage:version-id`, of which the first is enough. */
async function secret(engine: Engine, principal: Principal, reference: string): Promise<string> {
  const split = splitReference(reference);
  const place = split && secretPlace(split.secretId, split.fields);
  const text = place && (await readSecret(engine, principal, place));
  if (text !== undefined) return text;
  throw new UserError('NoSecret', `Secrets Manager has no text at ${reference}`);
}

/** Git logs in with the credentials of the build's role, as with CodeBuild's own helper. */
export function writeGitCredentialHelper(home: string, endpoint: string): void {
  const helper =
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"; }; f';
  const value = helper.replace(/["\\]/g, '\\$&');
  writeFileSync(join(home, '.gitconfig'), `[credential "${endpoint}"]\n\thelper = "${value}"\n`);
}
