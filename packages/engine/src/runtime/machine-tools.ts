import { existsSync } from 'node:fs';
import type { Clock } from '../clock/clock.ts';
import { request } from '../node-http.ts';
import { servicesMissed, watchFor } from './aws-clients.ts';

/** What the machine itself offers to builds. */
export interface MachineTools {
  /** Docker-compatible address of a container engine whose `docker` reaches this machine; undefined without one. */
  readonly containerEngine: string | undefined;
  /** Whether the machine's `aws` sends its calls where AWS_ENDPOINT_URL says. */
  readonly awsCli: boolean;
}

/**
 * Finds out which tools of this machine a build can use, by watching where their calls arrive.
 *
 * A container engine is one whose socket answers a ping (a `docker` client without an engine is common and builds
 * nothing) and whose `docker login` comes to this machine: one in a virtual machine has another 127.0.0.1.
 *
 * @param buildEnv - what builds will have, HOME and PATH among it
 */
export async function detectMachineTools(
  env: Readonly<Record<string, string | undefined>>,
  buildEnv: Readonly<Record<string, string>>,
  clock: Clock,
): Promise<MachineTools> {
  const [containerEngine, missed] = await Promise.all([
    findContainerEngine(env, clock),
    servicesMissed('aws', buildEnv),
  ]);
  const usable = containerEngine !== undefined && (await dockerReaches(buildEnv, containerEngine));
  return { containerEngine: usable ? containerEngine : undefined, awsCli: missed?.length === 0 };
}

const PING_MS = 1_000;

async function findContainerEngine(
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<string | undefined> {
  const runtimeDirectory = env.XDG_RUNTIME_DIR;
  const candidates = [
    env.DOCKER_HOST,
    'unix:///var/run/docker.sock',
    env.CONTAINER_HOST,
    'unix:///run/podman/podman.sock',
    runtimeDirectory === undefined ? undefined : `unix://${runtimeDirectory}/podman/podman.sock`,
  ];
  for (const address of candidates) {
    if (address !== undefined && address !== '' && (await answersPing(address, clock))) return address;
  }
  return undefined;
}

function answersPing(address: string, clock: Clock): Promise<boolean> {
  const match = /^(unix|tcp|http):\/\/(.+)$/.exec(address);
  if (match === null) return Promise.resolve(false);
  const [, scheme, rest = ''] = match;
  if (scheme === 'unix' && !existsSync(rest)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const ping = request(
      scheme === 'unix' ? { socketPath: rest, path: '/_ping' } : new URL(`http://${rest}/_ping`),
      (response) => {
        response.resume();
        finish(response.statusCode === 200);
      },
    );
    const timer = clock.setTimer(PING_MS, () => ping.destroy(new Error('no answer')));
    const finish = (answer: boolean) => {
      timer.cancel();
      resolve(answer);
    };
    ping.on('error', () => finish(false));
    ping.end();
  });
}

async function dockerReaches(buildEnv: Readonly<Record<string, string>>, address: string): Promise<boolean> {
  const { arrived } = await watchFor((url) => ({
    program: 'docker',
    args: ['login', '--username', 'AWS', '--password', 'probe', new URL(url).host],
    env: { ...buildEnv, DOCKER_HOST: address },
  }));
  return arrived;
}
