import { NO_WAY_TO_AWS } from '@queue-canary/engine';

/** What of an engine its clients need. */
export interface EngineAccess {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
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
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...NO_WAY_TO_AWS,
    NO_PROXY: withoutProxy(given.NO_PROXY ?? given.no_proxy, engine),
    no_proxy: withoutProxy(given.no_proxy ?? given.NO_PROXY, engine),
  };
}

/** A proxy, of this machine's network for example, knows nothing of the engine. */
function withoutProxy(hosts: string | undefined, { endpoint }: EngineAccess): string {
  const all = (hosts ?? '').split(',').filter((host) => host !== '');
  return [...new Set([...all, new URL(endpoint).hostname])].join(',');
}
