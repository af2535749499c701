import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import { UserError } from '../../../errors.ts';
import type { ImageReference } from '../../oci/image-reference.ts';
import { formatImageReference, parseImageReference } from '../../oci/image-reference.ts';
import { BuildContext } from '../copy-plan.ts';
import { DockerCredentials } from '../docker-credentials.ts';
import { parseDockerIgnore } from '../docker-ignore.ts';
import { parseDockerfile } from '../dockerfile.ts';
import { formatTemplate } from '../format-template.ts';
import { ImageBuilder } from '../image-builder.ts';
import type { LibraryImage } from '../image-library.ts';
import { ImageLibrary, taggedName } from '../image-library.ts';
import { RegistryClient } from '../registry-client.ts';
import { runOnHost } from '../run-on-host.ts';

export interface DockerCommandOptions {
  /** Address of the engine, such as `http://127.0.0.1:4566`; its registry is below `/v2`. */
  readonly registryUrl: string;
  /** Where images and the build cache are kept. */
  readonly stateDirectory: string;
  readonly nodePath: string;
  readonly nodeVersion: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly newId: () => string;
  readonly readInput: () => Promise<string>;
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes one line to standard error. */
  readonly warn: (line: string) => void;
}

const VERSION = '0.1.0';
const NAME = `queue-canary built-in builder ${VERSION}`;

class UsageError extends UserError {
  constructor(message: string) {
    super('Usage', message);
  }
}

/**
 * The engine's own `docker`: builds, stores and moves images on a machine without a container engine.
 *
 * It has the commands that build scripts use. What it does not have fails, rather than doing something else.
 */
export class DockerCommand {
  readonly #options: DockerCommandOptions;
  readonly #library: ImageLibrary;
  readonly #credentials: DockerCredentials;
  readonly #host: string;

  constructor(options: DockerCommandOptions) {
    this.#options = options;
    this.#library = new ImageLibrary(join(options.stateDirectory, 'images'), options.newId);
    this.#credentials = new DockerCredentials(options.env.DOCKER_CONFIG, options.newId);
    this.#host = new URL(options.registryUrl).host;
  }

  /** Runs one command line; resolves to the exit status, after printing the error if there was one. */
  async run(args: readonly string[]): Promise<number> {
    try {
      await this.#dispatch(args);
      return 0;
    } catch (error) {
      if (error instanceof UsageError) {
        this.#options.warn(`docker: ${error.message}`);
        return 125;
      }
      if (error instanceof UserError) {
        this.#options.warn(`ERROR: ${error.message}`);
        return 1;
      }
      throw error;
    }
  }

  async #dispatch(args: readonly string[]): Promise<void> {
    const [command, ...rest] = args;
    switch (command) {
      case '--version':
      case '-v':
        return this.#options.print(`Docker version ${VERSION}, build ${NAME.replaceAll(' ', '-')}`);
      case 'version':
        return this.#version(rest);
      case 'login':
        return this.#login(rest);
      case 'logout':
        return this.#logout(rest);
      case 'build':
        return this.#build(rest);
      case 'tag':
        return this.#tag(rest);
      case 'push':
        return this.#push(rest);
      case 'pull':
        return this.#pull(rest);
      case 'images':
        return this.#images(rest);
      case 'inspect':
        return this.#inspect(rest);
      case 'rmi':
        return this.#remove(rest);
      case 'image':
        return this.#image(rest);
      case 'manifest':
        return this.#manifest(rest);
      default:
        throw new UsageError(
          `'${command ?? ''}' is not a command of the ${NAME}. It has build, tag, push, pull, images, inspect, manifest inspect, rmi, login, logout and version; anything else needs Docker or Podman.`,
        );
    }
  }

  #image([command, ...rest]: readonly string[]): Promise<void> | void {
    switch (command) {
      case 'build':
        return this.#build(rest);
      case 'inspect':
        return this.#inspect(rest);
      case 'ls':
        return this.#images(rest);
      case 'rm':
        return this.#remove(rest);
      case 'tag':
        return this.#tag(rest);
      case 'push':
        return this.#push(rest);
      case 'pull':
        return this.#pull(rest);
      default:
        throw new UsageError(`'image ${command ?? ''}' is not a command of the ${NAME}.`);
    }
  }

  #version(args: readonly string[]): void {
    const { values } = parse('version', args, { format: { type: 'string', short: 'f' } }, [0, 0]);
    const { format } = values;
    const details = { Version: VERSION, Name: NAME, Os: process.platform, Arch: process.arch };
    if (format !== undefined) {
      this.#options.print(formatTemplate(format, { Client: details, Server: details }));
      return;
    }
    this.#options.print(
      `Client: ${NAME}\n Version: ${VERSION}\n OS/Arch: ${details.Os}/${details.Arch}\n Node: ${this.#options.nodeVersion}`,
    );
    this.#options.print(`Server: none; builds run on this machine, images go to ${this.#host}`);
  }

  async #login(args: readonly string[]): Promise<void> {
    const options = {
      username: { type: 'string', short: 'u' },
      password: { type: 'string', short: 'p' },
      'password-stdin': { type: 'boolean' },
    } as const;
    const { values, positionals } = parse('login', args, options, [1, 1]);
    const host = positionals[0]!.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
    this.#requireOwnHost(host);
    if (typeof values.username !== 'string') throw new UsageError('login needs --username; ECR uses AWS.');
    const password =
      values['password-stdin'] === true
        ? (await this.#options.readInput()).replace(/\r?\n$/, '')
        : values.password;
    if (typeof password !== 'string' || password === '')
      throw new UsageError('login needs a password; pipe it in with --password-stdin.');
    const authorization = Buffer.from(`${values.username}:${password}`).toString('base64');
    await new RegistryClient(this.#options.registryUrl, '', authorization).checkLogin();
    this.#credentials.save(host, values.username, password);
    this.#options.print('Login Succeeded');
  }

  #logout(args: readonly string[]): void {
    const { positionals } = parse('logout', args, {}, [0, 1]);
    const host = positionals[0] ?? this.#host;
    this.#options.print(
      this.#credentials.forget(host) ? `Removing login credentials for ${host}` : `Not logged in to ${host}`,
    );
  }

  async #build(args: readonly string[]): Promise<void> {
    const { values, positionals } = parse(
      'build',
      args,
      {
        tag: { type: 'string', short: 't', multiple: true },
        file: { type: 'string', short: 'f' },
        'build-arg': { type: 'string', multiple: true },
        label: { type: 'string', multiple: true },
        platform: { type: 'string' },
        'no-cache': { type: 'boolean' },
        pull: { type: 'boolean' },
        quiet: { type: 'boolean', short: 'q' },
        progress: { type: 'string' },
        provenance: { type: 'string' },
        iidfile: { type: 'string' },
      },
      [1, 1],
    );
    if (values.provenance !== undefined && values.provenance !== 'false')
      throw new UsageError(
        `build --provenance=${values.provenance} is not supported; provenance is never attached.`,
      );
    const tags = (values.tag ?? []).map((name) => requireReference(name));
    const platform = parsePlatform(values.platform);
    const directory = this.#contextDirectory(positionals[0]!);
    const file = resolve(this.#options.cwd, values.file ?? join(directory, 'Dockerfile'));
    if (!existsSync(file)) throw new UserError('NoDockerfile', `There is no Dockerfile at ${file}.`);
    const instructions = parseDockerfile(readFileSync(file, 'utf8'));
    const quiet = values.quiet === true;
    const scratch = join(this.#options.stateDirectory, 'scratch', this.#options.newId());
    const home = join(scratch, 'home');
    mkdirSync(home, { recursive: true });
    const builder = new ImageBuilder(
      {
        library: this.#library,
        nodeVersion: this.#options.nodeVersion,
        scratch,
        run: runOnHost({ nodePath: this.#options.nodePath, hostEnv: this.#options.env, quiet, home }),
        findBase: (image) => this.#findBase(image),
        print: quiet ? () => undefined : this.#options.print,
      },
      {
        instructions,
        context: new BuildContext(directory, parseDockerIgnore(readIgnoreFile(file, directory))),
        buildArgs: this.#buildArgs(values['build-arg'] ?? []),
        labels: parseLabels(values.label ?? []),
        noCache: values['no-cache'] === true,
        ...(platform === undefined ? {} : { platform }),
      },
    );
    const { manifestDigest, id } = await builder.build();
    for (const tag of tags) this.#library.tag(manifestDigest, tag);
    if (values.iidfile !== undefined) writeFileSync(resolve(this.#options.cwd, values.iidfile), id);
    if (quiet) {
      this.#options.print(id);
      return;
    }
    this.#options.print(`Successfully built ${shortId(id)}`);
    for (const tag of tags) this.#options.print(`Successfully tagged ${taggedName(tag)}`);
  }

  #contextDirectory(written: string): string {
    if (written === '-' || /^[a-z+]+:\/\//.test(written) || written.startsWith('git@')) {
      throw new UsageError(`build takes a directory as its context, not "${written}".`);
    }
    const directory = resolve(this.#options.cwd, written);
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UserError('NoContext', `The build context "${written}" is not a directory.`);
    }
    return directory;
  }

  /** `NAME` alone takes the value from the environment, as in Docker. */
  #buildArgs(items: readonly string[]): Record<string, string> {
    const result: Record<string, string> = {};
    for (const item of items) {
      const equals = item.indexOf('=');
      const name = equals < 0 ? item : item.slice(0, equals);
      const value = equals < 0 ? this.#options.env[item] : item.slice(equals + 1);
      if (name === '') throw new UsageError(`build --build-arg "${item}" has no name.`);
      if (value !== undefined) result[name] = value;
    }
    return result;
  }

  async #findBase(image: string): Promise<LibraryImage | undefined> {
    const reference = parseImageReference(image);
    const known = this.#library.find(image, reference);
    if (known !== undefined) return known;
    if (reference?.registry !== this.#host) return undefined;
    await this.#download(reference);
    return this.#library.find(image, reference);
  }

  #tag(args: readonly string[]): void {
    const { positionals } = parse('tag', args, {}, [2, 2]);
    this.#library.tag(this.#requireImage(positionals[0]!).manifestDigest, requireReference(positionals[1]!));
  }

  async #push(args: readonly string[]): Promise<void> {
    const { values, positionals } = parse('push', args, { quiet: { type: 'boolean', short: 'q' } }, [1, 1]);
    const reference = requireReference(positionals[0]!);
    this.#requireOwnHost(reference.registry, reference);
    const image = this.#requireImage(positionals[0]!);
    const tag = reference.tag ?? 'latest';
    if (values.quiet !== true)
      this.#options.print(`The push refers to repository [${reference.registry}/${reference.repository}]`);
    await this.#client(reference).push(
      this.#library.blobs,
      image.manifest,
      image.manifestDigest,
      image.mediaType,
      tag,
    );
    this.#library.confirm(image.manifestDigest, reference);
    const size = this.#library.blobs.size(image.manifestDigest);
    this.#options.print(
      values.quiet === true ? taggedName(reference) : `${tag}: digest: ${image.manifestDigest} size: ${size}`,
    );
  }

  async #pull(args: readonly string[]): Promise<void> {
    const { values, positionals } = parse(
      'pull',
      args,
      { quiet: { type: 'boolean', short: 'q' }, platform: { type: 'string' } },
      [1, 1],
    );
    const reference = requireReference(positionals[0]!);
    this.#requireOwnHost(reference.registry, reference);
    const digest = await this.#download(reference);
    if (values.quiet !== true) this.#options.print(`Digest: ${digest}`);
    this.#options.print(
      reference.digest === undefined ? taggedName(reference) : formatImageReference(reference),
    );
  }

  async #download(reference: ImageReference): Promise<string> {
    const { digest, mediaType } = await this.#client(reference).pull(
      this.#library.blobs,
      reference.digest ?? reference.tag ?? 'latest',
    );
    this.#library.add(digest, mediaType);
    if (reference.digest === undefined) this.#library.tag(digest, reference);
    this.#library.confirm(digest, reference);
    return digest;
  }

  #images(args: readonly string[]): void {
    const { values } = parse(
      'images',
      args,
      { quiet: { type: 'boolean', short: 'q' }, format: { type: 'string' }, 'no-trunc': { type: 'boolean' } },
      [0, 0],
    );
    const rows = this.#library.list().flatMap((image) => imageRows(image, values['no-trunc'] === true));
    const { format } = values;
    const lines =
      values.quiet === true
        ? rows.map((row) => row.ID)
        : format !== undefined
          ? rows.map((row) => formatTemplate(format, row))
          : imageTable(rows);
    for (const line of lines) this.#options.print(line);
  }

  #inspect(args: readonly string[]): void {
    const { values, positionals } = parse(
      'inspect',
      args,
      { format: { type: 'string', short: 'f' }, type: { type: 'string' } },
      [1, Number.POSITIVE_INFINITY],
    );
    if (values.type !== undefined && values.type !== 'image')
      throw new UsageError(`inspect --type ${values.type} is not supported; there are only images.`);
    const details = positionals.map((name) => this.#describe(this.#requireImage(name)));
    const { format } = values;
    const texts =
      format === undefined
        ? [JSON.stringify(details, null, 4)]
        : details.map((detail) => formatTemplate(format, detail));
    for (const text of texts) this.#options.print(text);
  }

  #describe(image: LibraryImage): Record<string, unknown> {
    const size = image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
    return {
      Id: image.id,
      RepoTags: image.repoTags,
      RepoDigests: image.repoDigests,
      Created: image.config.created ?? '',
      Architecture: image.config.architecture,
      Os: image.config.os,
      Size: size,
      Config: image.config.config ?? {},
      RootFS: { Type: 'layers', Layers: image.config.rootfs.diff_ids },
    };
  }

  #remove(args: readonly string[]): void {
    const { values, positionals } = parse('rmi', args, { force: { type: 'boolean', short: 'f' } }, [
      1,
      Number.POSITIVE_INFINITY,
    ]);
    for (const name of positionals) {
      const image = this.#requireImage(name);
      const reference = parseImageReference(name);
      if (reference !== undefined && this.#library.untag(reference)) {
        this.#options.print(`Untagged: ${taggedName(reference)}`);
        if (image.repoTags.length > 1) continue;
      } else if (image.repoTags.length > 1 && values.force !== true) {
        throw new UserError(
          'ImageInUse',
          `${name} has several names (${image.repoTags.join(', ')}); remove them by name, or use --force.`,
        );
      }
      for (const tag of image.repoTags) this.#library.untag(parseImageReference(tag)!);
      this.#library.remove(image.manifestDigest);
      this.#options.print(`Deleted: ${image.id}`);
    }
  }

  async #manifest([command, ...rest]: readonly string[]): Promise<void> {
    if (command !== 'inspect')
      throw new UsageError(`'manifest ${command ?? ''}' is not a command of the ${NAME}.`);
    const { positionals } = parse('manifest inspect', rest, { insecure: { type: 'boolean' } }, [1, 1]);
    const reference = requireReference(positionals[0]!);
    this.#requireOwnHost(reference.registry, reference);
    const { content } = await this.#client(reference).readManifest(
      reference.digest ?? reference.tag ?? 'latest',
    );
    this.#options.print(JSON.stringify(JSON.parse(content.toString('utf8')), null, 4));
  }

  #requireImage(name: string): LibraryImage {
    const image = this.#library.find(name, parseImageReference(name));
    if (image === undefined) throw new UserError('NoSuchImage', `No such image: ${name}`);
    return image;
  }

  #requireOwnHost(host: string | undefined, reference?: ImageReference): void {
    if (host === this.#host) return;
    const what = reference === undefined ? (host ?? '') : formatImageReference(reference);
    throw new UserError(
      'UnknownRegistry',
      `"${what}" is not in the engine's registry, which is ${this.#host}. Other registries need Docker or Podman.`,
    );
  }

  #client(reference: ImageReference): RegistryClient {
    return new RegistryClient(
      this.#options.registryUrl,
      reference.repository,
      this.#credentials.find(this.#host),
    );
  }
}

interface ImageRow {
  readonly Repository: string;
  readonly Tag: string;
  readonly ID: string;
  readonly Digest: string;
  readonly Size: string;
}

/** One row for each name of the image. */
function imageRows(image: LibraryImage, wholeId: boolean): ImageRow[] {
  const names = image.repoTags.length === 0 ? ['<none>:<none>'] : image.repoTags;
  const size = image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return names.map((name) => {
    const colon = name.lastIndexOf(':');
    return {
      Repository: name.slice(0, colon),
      Tag: name.slice(colon + 1),
      ID: wholeId ? image.id : shortId(image.id),
      Digest: image.manifestDigest,
      Size: `${(size / 1e6).toFixed(1)}MB`,
    };
  });
}

function imageTable(rows: readonly ImageRow[]): string[] {
  const table = [
    ['REPOSITORY', 'TAG', 'IMAGE ID', 'SIZE'],
    ...rows.map((row) => [row.Repository, row.Tag, row.ID, row.Size]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('   ')
      .trimEnd(),
  );
}

function requireReference(name: string): ImageReference {
  const reference = parseImageReference(name);
  if (reference === undefined)
    throw new UserError('InvalidReference', `"${name}" is not a valid image name; it must be lower case.`);
  return reference;
}

function shortId(id: string): string {
  return id.slice('sha256:'.length, 'sha256:'.length + 12);
}

function parsePlatform(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^linux\/(amd64|arm64)$/.test(text))
    throw new UsageError(
      `build --platform ${text} is not supported; use one of linux/amd64 and linux/arm64.`,
    );
  return text;
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

function parse<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: Options,
  [least, most]: readonly [number, number],
) {
  const parsed = parseOrExplain(command, args, options);
  const count = parsed.positionals.length;
  if (count < least || count > most) {
    throw new UsageError(
      `${command} takes ${least === most ? least : `${least} or more`} argument${least === 1 && most === 1 ? '' : 's'}, not ${count}.`,
    );
  }
  return parsed;
}

function parseOrExplain<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [unknown] = /'-[^']*'/.exec(error instanceof Error ? error.message : '') ?? [];
    throw new UsageError(
      unknown === undefined
        ? `${command}: ${error instanceof Error ? error.message : String(error)}`
        : `${command} does not support ${unknown} without a container engine.`,
    );
  }
}
