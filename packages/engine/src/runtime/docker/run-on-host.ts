import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { networkSettings } from '../network-settings.ts';
import { resolveInRoot } from '../oci/rootfs-path.ts';
import type { RunCommand } from './build-request.ts';

export interface RunOnHostOptions {
  readonly nodePath: string;
  /** Environment of the build that called `docker`. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  /** Home directory for the commands; removed with the build. */
  readonly home: string;
  /** Sends what the commands print to standard error, so that standard output holds only the image id. */
  readonly quiet: boolean;
}

/**
 * Runs the commands of RUN as ordinary processes in the image's working directory.
 *
 * They see the image's environment, not the build's. npm uses the builds' download cache, and installs global packages
 * into the image.
 */
export function runOnHost(options: RunOnHostOptions): RunCommand {
  return async ({ words, root, workingDirectory, env }) => {
    const [program = '', ...rest] = words;
    const child = spawn(program, rest, {
      cwd: resolveInRoot(root, workingDirectory),
      env: {
        ...hostSettings(options),
        npm_config_prefix: join(root, 'usr/local'),
        HOME: options.home,
        ...env,
        PATH: searchPath(options, root, env.PATH ?? ''),
      },
      stdio: ['ignore', options.quiet ? 2 : 1, 2],
    });
    return new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new Error(`"${program}" cannot be run: ${error.message}`)));
      child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
    });
  };
}

/** What commands need from the machine to reach the network the way it does, and npm's cache. Not part of the image. */
function hostSettings({ hostEnv }: RunOnHostOptions): Record<string, string> {
  const cache = hostEnv.npm_config_cache;
  return { ...networkSettings(hostEnv), ...(cache === undefined ? {} : { npm_config_cache: cache }) };
}

/** The engine's Node, then the image's own programs, then the machine's. */
function searchPath(options: RunOnHostOptions, root: string, imagePath: string): string {
  const inImage = imagePath
    .split(':')
    .filter((entry) => entry.startsWith('/'))
    .map((entry) => resolveInRoot(root, entry));
  return [dirname(options.nodePath), ...inImage, options.hostEnv.PATH ?? ''].join(delimiter);
}
