import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';
import { installBuildTools } from '../../runtime/docker/build-tools.ts';
import { detectMachineTools } from '../../runtime/machine-tools.ts';
import { networkSettings } from '../../runtime/network-settings.ts';

/** What the machine lends to builds. */
export interface BuildMachine {
  /** Search path of the commands, with the engine's own tools first where the machine lacks them. */
  readonly path: string;
  /** Environment for network and home directory. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute path of a program of the machine. */
  readonly find: (program: string) => string | undefined;
  /** Version of Node on that path. */
  readonly nodeVersion: string;
  /** One line about where the build runs and which tools it gets. */
  readonly notice: string;
}

/**
 * Finds out what this machine has, and puts the engine's own `docker` and `aws` first on the search path of
 * builds for what it lacks. Asked once per engine, when the first build starts.
 */
export async function prepareBuildMachine(
  engine: Engine,
  env: Readonly<Record<string, string | undefined>>,
  compileCache: string,
): Promise<BuildMachine> {
  const hostPath = (env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => entry !== '')
    .join(delimiter);
  const directory = join(engine.directory, 'codebuild');
  const probeHome = join(directory, 'probe-home');
  mkdirSync(probeHome, { recursive: true });
  const environment = { ...networkSettings(env), npm_config_cache: join(directory, 'npm-cache') };
  const { containerEngine, awsCli } = await detectMachineTools(
    env,
    { ...environment, HOME: probeHome, PATH: hostPath },
    engine.clock,
  );
  const dockerHere = containerEngine !== undefined;
  const own = { docker: !dockerHere, aws: !awsCli };
  const tools = join(directory, 'bin');
  installBuildTools(
    tools,
    {
      registryUrl: engine.endpoint(),
      registryHost: `${engine.accountId}.dkr.ecr.${engine.region}.amazonaws.com`,
      stateDirectory: join(directory, 'docker'),
      compileCache,
    },
    own,
  );
  return {
    path: [tools, hostPath].join(delimiter),
    environment: { ...environment, ...(dockerHere ? { DOCKER_HOST: containerEngine } : {}) },
    find: (program) => onPath(program, hostPath),
    nodeVersion: process.versions.node,
    notice: `The local engine runs this build on the machine itself: the project's image and compute type are recorded only. docker is ${whose('docker', own.docker)}, aws is ${whose('aws', own.aws)}.`,
  };

  function whose(program: string, ours: boolean): string {
    if (!ours) return "the machine's, whose calls were seen to reach this machine";
    return onPath(program, hostPath) === undefined
      ? "the engine's own"
      : "the engine's own, since the machine's was not seen to reach the engine";
  }
}

function onPath(program: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
