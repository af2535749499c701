import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { UserError } from '../errors.ts';
import type { ContainerConfig } from './oci/image-format.ts';
import { resolveInRoot } from './oci/rootfs-path.ts';

/** What to execute on the host so that it does what the image's container would do. */
export interface HostCommand {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface HostCommandOptions {
  /** Directory that holds the image's unpacked files. */
  readonly root: string;
  readonly config: ContainerConfig;
  readonly entryPoint?: readonly string[];
  readonly command?: readonly string[];
  readonly workingDirectory?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The Node that stands for the image's language base. */
  readonly nodePath: string;
  /** Search path of this machine. */
  readonly hostPath: string;
  /** Directory that is this task's own, for temporary files. */
  readonly scratch: string;
}

/** Programs that every image has and that this machine may lend. */
const SYSTEM_DIRECTORIES = [
  '/bin/',
  '/usr/bin/',
  '/usr/local/bin/',
  '/sbin/',
  '/usr/sbin/',
  '/usr/local/sbin/',
];

/**
 * Translates an image's command to this machine, where its root is an ordinary directory.
 *
 * The working directory and absolute paths among the arguments that exist in the image become paths below its
 * root. `node` is the engine's own Node; other programs come from the host first and then from the image,
 * because programs of the image may need libraries that only a container has. Paths inside environment
 * variables, and paths that the program computes itself, are not translated.
 */
export function hostCommand(options: HostCommandOptions): HostCommand {
  const { root, config } = options;
  const cwd = resolveInRoot(root, options.workingDirectory ?? config.WorkingDir ?? '/');
  if (!existsSync(cwd) || !statSync(cwd).isDirectory()) {
    throw new UserError(
      'CannotStartContainerError',
      `The working directory "${options.workingDirectory ?? config.WorkingDir ?? '/'}" is not in the image.`,
    );
  }
  const entryPoint = options.entryPoint ?? config.Entrypoint ?? [];
  const command = options.command ?? (options.entryPoint === undefined ? (config.Cmd ?? []) : []);
  const [program, ...rest] = [...entryPoint, ...command];
  if (program === undefined || program === '') {
    throw new UserError(
      'CannotStartContainerError',
      'Neither the image nor the container definition names a command to run.',
    );
  }
  const env = environment(options);
  const found = findProgram(program, cwd, env.PATH ?? '', options);
  if (found === undefined) {
    throw new UserError(
      'CannotStartContainerError',
      `The command "${program}" was found neither in the image nor on this machine. Programs that only a base image has need a container engine.`,
    );
  }
  return { command: [found, ...rest.map((argument) => translateArgument(root, argument))], cwd, env };
}

function environment(options: HostCommandOptions): Record<string, string> {
  const { root, config } = options;
  const imageEnv: Record<string, string> = {};
  for (const item of config.Env ?? []) {
    const equals = item.indexOf('=');
    if (equals > 0) imageEnv[item.slice(0, equals)] = item.slice(equals + 1);
  }
  const merged = { HOME: options.scratch, TMPDIR: options.scratch, ...imageEnv, ...options.environment };
  const imagePath = (options.environment.PATH ?? imageEnv.PATH ?? '')
    .split(':')
    .filter((entry) => entry.startsWith('/'));
  const inImage = imagePath
    .map((entry) => ({ entry, directory: resolveInRoot(root, entry) }))
    .filter(({ directory }) => existsSync(directory));
  const isSystem = (entry: string) => SYSTEM_DIRECTORIES.includes(entry.endsWith('/') ? entry : `${entry}/`);
  const path = [
    dirname(options.nodePath),
    ...inImage.filter(({ entry }) => !isSystem(entry)).map(({ directory }) => directory),
    ...options.hostPath.split(delimiter).filter((entry) => entry !== ''),
    ...inImage.filter(({ entry }) => isSystem(entry)).map(({ directory }) => directory),
  ];
  return { ...merged, PATH: path.join(delimiter) };
}

function findProgram(
  program: string,
  cwd: string,
  path: string,
  options: HostCommandOptions,
): string | undefined {
  if (program.startsWith('/')) {
    const inImage = resolveInRoot(options.root, program);
    if (isExecutable(inImage)) return program.endsWith('/node') ? options.nodePath : inImage;
    if (SYSTEM_DIRECTORIES.some((directory) => dirname(program) === directory.slice(0, -1))) {
      return findProgram(program.slice(program.lastIndexOf('/') + 1), cwd, path, options);
    }
    return undefined;
  }
  if (program.includes('/')) {
    const relative = resolveInRoot(options.root, join(cwd.slice(options.root.length), program));
    return isExecutable(relative) ? relative : undefined;
  }
  if (program === 'node') return options.nodePath;
  return path
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find(isExecutable);
}

function translateArgument(root: string, argument: string): string {
  if (!argument.startsWith('/') || argument === '/') return argument;
  const inImage = resolveInRoot(root, argument);
  return existsSync(inImage) ? inImage : argument;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
