import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../clock/clock.ts';

/** What the tools on a build's PATH know about the engine. */
export interface BuildToolsSettings {
  /** Address of the engine, such as `http://127.0.0.1:4566`. */
  readonly registryUrl: string;
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
  install(join(directory, 'docker'), program('command/program', settingsPath), own.docker);
  install(join(directory, 'aws'), program('aws-command/program'), own.aws);
}

/** What the machine itself offers to builds. */
export interface MachineTools {
  /** Where a container engine answered, as a Docker-compatible address; undefined when none did. */
  readonly containerEngine: string | undefined;
  /** Whether `aws --version` succeeds; a broken or absent AWS CLI counts as none. */
  readonly awsCli: boolean;
}

/**
 * Finds out which tools work on this machine.
 *
 * A container engine is one whose socket answers a ping: a `docker` client without an engine is common and
 * builds nothing.
 */
export async function detectMachineTools(
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<MachineTools> {
  const [containerEngine, awsCli] = await Promise.all([findContainerEngine(env, clock), runsAwsCli(env)]);
  return { containerEngine, awsCli };
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

function runsAwsCli(env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('aws', ['--version'], { env: { ...env }, timeout: 10_000 }, (error) => resolve(error === null));
  });
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
