import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';
import { machineBuildEnvironment } from '../../runtime/build/build-runner.ts';
import { detectMachineTools, installBuildTools } from '../../runtime/docker/build-tools.ts';
import type { BuildMachine } from './builder.ts';

/**
 * Finds out what this machine has, and puts the engine's own `docker` and `aws` first on the search path of
 * builds for what it lacks. Asked once per engine, when the first build starts.
 */
export async function prepareBuildMachine(
  engine: Engine,
  env: Readonly<Record<string, string | undefined>>,
): Promise<BuildMachine> {
  const hostPath = env.PATH ?? '';
  const { containerEngine, awsCli } = await detectMachineTools(env, engine.clock);
  const dockerHere = containerEngine !== undefined && onPath('docker', hostPath);
  const own = { docker: !dockerHere, aws: !awsCli };
  const tools = join(engine.directory, 'codebuild', 'bin');
  installBuildTools(
    tools,
    { registryUrl: engine.endpoint(), stateDirectory: join(engine.directory, 'codebuild', 'docker') },
    own,
  );
  const whose = (ours: boolean) => (ours ? "the engine's own" : "the machine's");
  return {
    path: [tools, ...hostPath.split(delimiter).filter((entry) => entry !== '')].join(delimiter),
    environment: {
      ...machineBuildEnvironment(env),
      ...(dockerHere ? { DOCKER_HOST: containerEngine } : {}),
    },
    nodeVersion: process.versions.node,
    notice: `The local engine runs this build on the machine itself: the project's image and compute type are recorded only. docker is ${whose(own.docker)}, aws is ${whose(own.aws)}.`,
  };
}

function onPath(program: string, path: string): boolean {
  return path.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}
