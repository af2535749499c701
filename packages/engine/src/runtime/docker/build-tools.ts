import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../clock/clock.ts';

/** What the tools on a build's PATH know about the engine. */
export interface BuildToolsSettings {
  /** Address of the engine, such as `http://127.0.0.1:4566`. */
  readonly registryUrl: string;
  /** Name that the same registry has in AWS: `<account>.dkr.ecr.<region>.amazonaws.com`. */
  readonly registryHost: string;
  /** Where locally built images and the build cache are kept, shared by all builds. */
  readonly stateDirectory: string;
}

/** Which tools the engine puts on a build's PATH. */
export interface OwnTools {
  readonly docker: boolean;
  readonly aws: boolean;
}

/**
 * Writes the engine's own `docker` and `aws`, as asked, into the directory, which belongs first on a build's
 * PATH. `node` is there too, so that scripts get the Node that tasks run on. A tool that is not wanted is
 * removed if an earlier engine left it.
 */
export function installBuildTools(directory: string, settings: BuildToolsSettings, own: OwnTools): void {
  mkdirSync(directory, { recursive: true });
  const settingsPath = join(directory, 'settings.json');
  writeFileSync(settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
  const compiled = `NODE_COMPILE_CACHE=${quote(join(directory, 'compiled'))}`;
  const program = (name: string, ...args: string[]) =>
    [compiled, 'exec', ...[process.execPath, entry(name), ...args].map(quote)].join(' ');
  install(join(directory, 'node'), `exec ${quote(process.execPath)}`, true);
  // Pauses a build only where a session for debugging was asked for, which is not supported.
  install(join(directory, 'codebuild-breakpoint'), 'true', true);
  install(join(directory, 'docker'), program('command/program', settingsPath), own.docker);
  install(join(directory, 'aws'), program('aws-command/program'), own.aws);
}

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
 * nothing) and whose `docker login` comes to this machine: one in a virtual machine has another 127.0.0.1. An AWS CLI
 * before 1.29 or 2.13 does not know AWS_ENDPOINT_URL, and version 1 ignores it for SQS
 * (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html): their calls would go to AWS.
 *
 * @param buildEnv - what builds will have, HOME and PATH among it
 */
export async function detectMachineTools(
  env: Readonly<Record<string, string | undefined>>,
  buildEnv: Readonly<Record<string, string>>,
  clock: Clock,
): Promise<MachineTools> {
  const [containerEngine, awsCli] = await Promise.all([
    findContainerEngine(env, clock),
    awsReaches(buildEnv, [
      ['sts', 'get-caller-identity'],
      ['sqs', 'list-queues'],
    ]),
  ]);
  const usable = containerEngine !== undefined && (await dockerReaches(buildEnv, containerEngine));
  return { containerEngine: usable ? containerEngine : undefined, awsCli };
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

/** Whether each of the calls arrives. Nothing leaves the machine: the only way out is a proxy that is not there. */
async function awsReaches(
  buildEnv: Readonly<Record<string, string>>,
  calls: readonly string[][],
): Promise<boolean> {
  const arrived = await Promise.all(
    calls.map((call) =>
      watchFor((url) => ({
        program: 'aws',
        args: [...call, '--output', 'json'],
        env: {
          ...buildEnv,
          AWS_ENDPOINT_URL: url,
          AWS_REGION: 'us-east-1',
          AWS_DEFAULT_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: 'probe',
          AWS_SECRET_ACCESS_KEY: 'probe',
          AWS_MAX_ATTEMPTS: '1',
          AWS_EC2_METADATA_DISABLED: 'true',
          HTTP_PROXY: NO_WAY_OUT,
          HTTPS_PROXY: NO_WAY_OUT,
          http_proxy: NO_WAY_OUT,
          https_proxy: NO_WAY_OUT,
          NO_PROXY: '127.0.0.1',
          no_proxy: '127.0.0.1',
        },
      })),
    ),
  );
  return arrived.every((yes) => yes);
}

function dockerReaches(buildEnv: Readonly<Record<string, string>>, address: string): Promise<boolean> {
  return watchFor((url) => ({
    program: 'docker',
    args: ['login', '--username', 'AWS', '--password', 'probe', new URL(url).host],
    env: { ...buildEnv, DOCKER_HOST: address },
  }));
}

/** The port of the discard service, where nothing listens. */
const NO_WAY_OUT = 'http://127.0.0.1:9';
const PROBE_MS = 15_000;

interface Probe {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program against a server of this machine that refuses everything, and says whether anything arrived. */
async function watchFor(probe: (url: string) => Probe): Promise<boolean> {
  let arrived = false;
  const server = createServer((request, response) => {
    arrived = true;
    request.resume();
    response.writeHead(403).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { program, args, env } = probe(`http://127.0.0.1:${port}`);
  await new Promise<void>((resolve) => {
    const child = execFile(program, [...args], { env, timeout: PROBE_MS }, () => resolve());
    child.stdin?.end();
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return arrived;
}

/** The program beside this file, in the language that this file is running in. */
function entry(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
}

/** Writes a script that runs the command line with its own arguments after it. */
function install(path: string, command: string, wanted: boolean): void {
  rmSync(path, { force: true });
  if (wanted) writeFileSync(path, `#!/bin/sh\n${command} "$@"\n`, { mode: 0o755 });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
