import { join } from 'node:path';
import { NO_WAY_TO_AWS } from '@queue-canary/engine';

/** What of an engine its clients need. */
export interface EngineAccess {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Its state directory, where it keeps what tools want in files; an absolute path. */
  readonly state: string;
}

/** Changes of an environment; undefined means that the variable must not be there, not even empty. */
export type EnvironmentChanges = Readonly<Record<string, string | undefined>>;

/**
 * What of a user's settings for AWS would lead past the engine or its credentials: profiles, sessions, other sources of
 * credentials, and what overrides an endpoint. Clients take an empty AWS_PROFILE for a profile of that name.
 */
const MISLEADING = [
  'AWS_PROFILE',
  'AWS_DEFAULT_PROFILE',
  'AWS_SESSION_TOKEN',
  'AWS_SECURITY_TOKEN',
  'AWS_CREDENTIAL_EXPIRATION',
  'AWS_ROLE_ARN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
];

/** Endpoints of single services come before AWS_ENDPOINT_URL. */
const ENDPOINT_OF_A_SERVICE = /^AWS_ENDPOINT_URL_/;

/**
 * Environment in which every AWS tool talks to the engine, whatever the user has configured for AWS.
 *
 * @param given - the environment to change
 */
export function localEnvironment(engine: EngineAccess, given: EnvironmentChanges): EnvironmentChanges {
  const misleading = [
    ...MISLEADING,
    ...Object.keys(given).filter((name) => ENDPOINT_OF_A_SERVICE.test(name)),
  ];
  return {
    ...Object.fromEntries(misleading.map((name) => [name, undefined])),
    AWS_ENDPOINT_URL: engine.endpoint,
    AWS_REGION: engine.region,
    AWS_DEFAULT_REGION: engine.region,
    AWS_ACCESS_KEY_ID: engine.accessKeyId,
    AWS_SECRET_ACCESS_KEY: engine.secretAccessKey,
    AWS_CONFIG_FILE: join(engine.state, 'aws-config'),
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...NO_WAY_TO_AWS,
    ...gitSettings(engine, given),
    NO_PROXY: withoutProxy(given.NO_PROXY ?? given.no_proxy, engine),
    no_proxy: withoutProxy(given.no_proxy ?? given.NO_PROXY, engine),
  };
}

/**
 * git signs in to the engine by itself, and takes AWS's addresses of CodeCommit repositories, also those of
 * git-remote-codecommit, for the engine's. The settings are appended to what the environment has for git, once.
 */
function gitSettings(engine: EngineAccess, given: EnvironmentChanges): EnvironmentChanges {
  const instead = `url.${engine.endpoint}/git/v1/repos/.insteadOf`;
  const settings = [
    [instead, `https://git-codecommit.${engine.region}.amazonaws.com/v1/repos/`],
    [instead, `codecommit::${engine.region}://`],
    [instead, 'codecommit://'],
    [
      `credential.${engine.endpoint}.helper`,
      `store --file='${join(engine.state, 'git-credentials').replaceAll("'", "'\\''")}'`,
    ],
  ] as const;
  const count = Number(given.GIT_CONFIG_COUNT ?? 0) || 0;
  let first = 0;
  while (first < count && given[`GIT_CONFIG_VALUE_${first}`] !== settings[0][1]) first += 1;
  return {
    GIT_CONFIG_COUNT: String(Math.max(count, first + settings.length)),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${first + index}`, key],
        [`GIT_CONFIG_VALUE_${first + index}`, value],
      ]),
    ),
  };
}

/** A proxy, of this machine's network for example, knows nothing of the engine. */
function withoutProxy(hosts: string | undefined, { endpoint }: EngineAccess): string {
  const all = (hosts ?? '').split(',').filter((host) => host !== '');
  return [...new Set([...all, new URL(endpoint).hostname])].join(',');
}
