import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../../errors.ts';
import type { ImageReference } from '../../oci/image-reference.ts';
import { BuildContext } from '../copy-plan.ts';
import { parseDockerIgnore } from '../docker-ignore.ts';
import { parseDockerfile } from '../dockerfile.ts';
import { ImageBuilder } from '../image-builder.ts';
import type { ImageLibrary, LibraryImage } from '../image-library.ts';
import { taggedName } from '../image-library.ts';
import { runOnHost } from '../run-on-host.ts';
import { parse, requireReference, UsageError } from './arguments.ts';
import type { DockerCommandOptions } from './docker-command-options.ts';
import { shortId } from './image-listing.ts';

/** What a build needs of the rest of the command. */
export interface BuildSurroundings {
  readonly options: DockerCommandOptions;
  readonly library: ImageLibrary;
  readonly findBase: (image: string, fresh: boolean) => Promise<LibraryImage | undefined>;
  readonly push: (reference: ImageReference) => Promise<void>;
}

const OPTIONS = {
  tag: { type: 'string', short: 't', multiple: true },
  file: { type: 'string', short: 'f' },
  'build-arg': { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  platform: { type: 'string' },
  target: { type: 'string' },
  'no-cache': { type: 'boolean' },
  pull: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  iidfile: { type: 'string' },
  'metadata-file': { type: 'string' },
  push: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
  network: { type: 'string' },
  provenance: { type: 'string' },
  sbom: { type: 'string' },
} as const;

/**
 * Options that change how a build comes about and not its result: where its cache is, how much of the machine it takes,
 * what it prints. Intermediate containers do not exist.
 */
const WITHOUT_EFFECT = {
  'cache-from': { type: 'string', multiple: true },
  'cache-to': { type: 'string', multiple: true },
  rm: { type: 'boolean' },
  'force-rm': { type: 'boolean' },
  load: { type: 'boolean' },
  progress: { type: 'string' },
  builder: { type: 'string' },
  memory: { type: 'string', short: 'm' },
  'memory-swap': { type: 'string' },
  'shm-size': { type: 'string' },
  'cpu-shares': { type: 'string', short: 'c' },
  ulimit: { type: 'string', multiple: true },
  compress: { type: 'boolean' },
  isolation: { type: 'string' },
} as const;

/** `docker build`, also as `docker buildx build`: everything that it says, it says before it builds. */
export async function buildCommand(args: readonly string[], around: BuildSurroundings): Promise<void> {
  const { options, library } = around;
  const { values, positionals } = parse('build', withWords(args), { ...OPTIONS, ...WITHOUT_EFFECT }, [1, 1]);
  for (const name of ['provenance', 'sbom'] as const) {
    if (values[name] !== undefined && values[name] !== 'false')
      throw new UsageError(
        `build --${name}=${values[name]} is not supported: nothing is attached to images. Use --${name}=false.`,
      );
  }
  if (values.network !== undefined && !['default', 'host'].includes(values.network))
    throw new UsageError(
      `build --network ${values.network} is not supported: RUN has the network of the machine. Leave it out.`,
    );
  const output = parseOutput(values.output);
  const push = values.push === true || output.push;
  const tags = [...(values.tag ?? []), ...output.names].map((name) => requireReference(name));
  if (push && tags.length === 0) throw new UsageError('build --push needs a name for the image: use --tag.');
  const platform = parsePlatform(values.platform);
  const directory = contextDirectory(options.cwd, positionals[0]!);
  const file = resolve(options.cwd, values.file ?? join(directory, 'Dockerfile'));
  if (!existsSync(file)) throw new UserError('NoDockerfile', `There is no Dockerfile at ${file}.`);
  const instructions = parseDockerfile(readFileSync(file, 'utf8'));
  const quiet = values.quiet === true;
  const scratch = join(options.stateDirectory, 'scratch', options.newId());
  const home = join(scratch, 'home');
  mkdirSync(home, { recursive: true });
  const builder = new ImageBuilder(
    {
      library,
      nodeVersion: options.nodeVersion,
      scratch,
      run: runOnHost({ nodePath: options.nodePath, hostEnv: options.env, quiet, home }),
      findBase: (image) => around.findBase(image, values.pull === true),
      print: quiet ? () => undefined : options.print,
    },
    {
      instructions,
      context: new BuildContext(directory, parseDockerIgnore(readIgnoreFile(file, directory))),
      buildArgs: parseBuildArgs(values['build-arg'] ?? [], options.env),
      labels: parseLabels(values.label ?? []),
      noCache: values['no-cache'] === true,
      ...(values.target === undefined ? {} : { target: values.target }),
      ...(platform === undefined ? {} : { platform }),
    },
  );
  const { manifestDigest, id } = await builder.build();
  for (const tag of tags) library.tag(manifestDigest, tag);
  const write = (path: string | undefined, text: string) => {
    if (path !== undefined) writeFileSync(resolve(options.cwd, path), text);
  };
  write(values.iidfile, id);
  if (quiet) options.print(id);
  else options.print(`Successfully built ${shortId(id)}`);
  for (const tag of tags) if (!quiet) options.print(`Successfully tagged ${taggedName(tag)}`);
  if (push) for (const tag of tags) await around.push(tag);
  write(
    values['metadata-file'],
    `${JSON.stringify(
      {
        'containerimage.config.digest': id,
        'containerimage.digest': manifestDigest,
        'image.name': tags.map(taggedName).join(','),
      },
      null,
      2,
    )}\n`,
  );
}

/** Docker takes `--rm=true` and the like for options that are yes or no. */
function withWords(args: readonly string[]): string[] {
  const yesOrNo = Object.entries({ ...OPTIONS, ...WITHOUT_EFFECT }).flatMap(([name, { type }]) =>
    type === 'boolean' ? [name] : [],
  );
  return args.flatMap((argument) => {
    const [, name, value] = /^--([a-z-]+)=(true|false|1|0)$/.exec(argument) ?? [];
    if (name === undefined || !yesOrNo.includes(name)) return [argument];
    return value === 'true' || value === '1' ? [`--${name}`] : [];
  });
}

/** `--output`: where the image goes. Only the library and the registry are there. */
function parseOutput(text: string | undefined): { push: boolean; names: string[] } {
  if (text === undefined) return { push: false, names: [] };
  const fields = new Map(
    text.split(',').map((field): [string, string] => {
      const equals = field.indexOf('=');
      return equals < 0 ? ['type', 'local'] : [field.slice(0, equals), field.slice(equals + 1)];
    }),
  );
  const type = fields.get('type') ?? '';
  const unknown = [...fields.keys()].find((field) => !['type', 'name', 'push'].includes(field));
  if (!['docker', 'image', 'registry'].includes(type) || unknown !== undefined || fields.has('dest'))
    throw new UsageError(
      `build --output ${text} is not supported without a container engine; use --load or --push.`,
    );
  const name = fields.get('name');
  return {
    push: type === 'registry' || fields.get('push') === 'true',
    names: name === undefined ? [] : [name],
  };
}

function contextDirectory(cwd: string, written: string): string {
  if (written === '-' || /^[a-z+]+:\/\//.test(written) || written.startsWith('git@')) {
    throw new UsageError(`build takes a directory as its context, not "${written}".`);
  }
  const directory = resolve(cwd, written);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UserError('NoContext', `The build context "${written}" is not a directory.`);
  }
  return directory;
}

/** `NAME` alone takes the value from the environment, as in Docker. */
function parseBuildArgs(
  items: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const item of items) {
    const equals = item.indexOf('=');
    const name = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? env[item] : item.slice(equals + 1);
    if (name === '') throw new UsageError(`build --build-arg "${item}" has no name.`);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function parsePlatform(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const [, architecture] = /^linux\/(amd64|x86_64|arm64|aarch64)(?:\/v8)?$/.exec(text) ?? [];
  if (architecture === undefined)
    throw new UsageError(
      `build --platform ${text} is not supported; use one of linux/amd64 and linux/arm64.`,
    );
  return `linux/${architecture.replace('x86_64', 'amd64').replace('aarch64', 'arm64')}`;
}

function parseLabels(items: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    items.map((item) => {
      const equals = item.indexOf('=');
      return equals < 0 ? [item, ''] : [item.slice(0, equals), item.slice(equals + 1)];
    }),
  );
}

/** As in Docker, `<Dockerfile>.dockerignore` goes before the one at the root of the context. */
function readIgnoreFile(dockerfile: string, directory: string): string {
  const path = [`${dockerfile}.dockerignore`, join(directory, '.dockerignore')].find((candidate) =>
    existsSync(candidate),
  );
  return path === undefined ? '' : readFileSync(path, 'utf8');
}
