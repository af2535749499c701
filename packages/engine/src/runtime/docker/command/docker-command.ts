import { join } from 'node:path';
import { UserError } from '../../../errors.ts';
import { hostArchitecture } from '../../oci/image-format.ts';
import type { ImageReference } from '../../oci/image-reference.ts';
import { formatImageReference, parseImageReference } from '../../oci/image-reference.ts';
import { languageBase } from '../base-images.ts';
import { DockerCredentials } from '../docker-credentials.ts';
import { formatTemplate } from '../format-template.ts';
import type { LibraryImage } from '../image-library.ts';
import { ImageLibrary, taggedName } from '../image-library.ts';
import { RegistryClient } from '../registry-client.ts';
import { parse, requireReference, UsageError } from './arguments.ts';
import { buildCommand } from './build-command.ts';
import type { DockerCommandOptions } from './docker-command-options.ts';
import { inspectImages, listImages, removeImages, requireImage, type Shelf } from './image-listing.ts';

const VERSION = '0.1.0';
const NAME = `queue-canary built-in builder ${VERSION}`;

/** Registries that serve the bases of builds. Nothing is pulled from them here. */
const PUBLIC_REGISTRIES = ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'public.ecr.aws'];

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
  readonly #shelf: Shelf;

  constructor(options: DockerCommandOptions) {
    this.#options = options;
    this.#library = new ImageLibrary(join(options.stateDirectory, 'images'), options.newId);
    this.#credentials = new DockerCredentials(options.env.DOCKER_CONFIG, options.newId);
    this.#host = new URL(options.registryUrl).host;
    this.#shelf = { library: this.#library, print: options.print };
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
      case 'info':
        return this.#info(rest);
      case 'build':
        return this.#build(rest);
      case 'buildx':
        return this.#buildx(rest);
      case 'tag':
        return this.#tag(rest);
      case 'push':
        return this.#push(rest);
      case 'pull':
        return this.#pull(rest);
      case 'images':
        return listImages(rest, this.#shelf);
      case 'inspect':
        return inspectImages(rest, this.#shelf);
      case 'rmi':
        return removeImages(rest, this.#shelf);
      case 'image':
        return this.#image(rest);
      case 'manifest':
        return this.#manifest(rest);
      default:
        throw new UsageError(
          `'${command ?? ''}' is not a command of the ${NAME}. It has build, buildx build, tag, push, pull, images, inspect, manifest inspect, rmi, login, logout, info and version; anything else needs Docker or Podman.`,
        );
    }
  }

  #image([command, ...rest]: readonly string[]): Promise<void> | void {
    switch (command) {
      case 'build':
        return this.#build(rest);
      case 'inspect':
        return inspectImages(rest, this.#shelf);
      case 'ls':
        return listImages(rest, this.#shelf);
      case 'rm':
        return removeImages(rest, this.#shelf);
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
    const { values, positionals } = parse('login', args, options, [0, 1]);
    const host = (positionals[0] ?? 'docker.io').replace(/^https?:\/\//, '').replace(/\/.*$/, '');
    const elsewhere = PUBLIC_REGISTRIES.includes(host);
    if (!elsewhere) this.#requireOwnHost(host);
    if (typeof values.username !== 'string') throw new UsageError('login needs --username; ECR uses AWS.');
    const password =
      values['password-stdin'] === true
        ? (await this.#options.readInput()).replace(/\r?\n$/, '')
        : values.password;
    if (typeof password !== 'string' || password === '')
      throw new UsageError('login needs a password; pipe it in with --password-stdin.');
    if (elsewhere) {
      this.#options.warn(
        `WARNING: ${host} is not reached from here: the login is not checked, and not needed, since Node bases come without one. The engine's registry is ${this.#host}.`,
      );
      return this.#options.print('Login Succeeded');
    }
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
    await buildCommand(args, {
      options: this.#options,
      library: this.#library,
      findBase: (image, fresh) => this.#findBase(image, fresh),
      push: (reference) => this.#pushOne(reference, false),
    });
  }

  /** There is one builder, so making and choosing one changes nothing. */
  #buildx([command, ...rest]: readonly string[]): Promise<void> | void {
    switch (command) {
      case 'build':
        return this.#build(rest);
      case 'version':
        return this.#options.print(`${NAME} (buildx)`);
      case 'create':
      case 'use':
      case 'rm':
      case 'stop':
      case 'prune':
        return;
      case 'ls':
      case 'inspect':
        return this.#options.print(`default ${NAME} running linux/${hostArchitecture()}`);
      default:
        throw new UsageError(
          `'buildx ${command ?? ''}' is not a command of the ${NAME}. It has build, version, create, use, ls, inspect and rm.`,
        );
    }
  }

  #info(args: readonly string[]): void {
    const { values } = parse('info', args, { format: { type: 'string', short: 'f' } }, [0, 0]);
    const images = this.#library.list().length;
    const details = {
      ServerVersion: VERSION,
      Name: NAME,
      OSType: 'linux',
      Architecture: hostArchitecture(),
      Images: images,
      Containers: 0,
      DockerRootDir: this.#options.stateDirectory,
    };
    this.#options.print(
      values.format === undefined
        ? `Server: ${NAME}\n Server Version: ${VERSION}\n Containers: 0\n Images: ${images}\n OSType: linux\n Architecture: ${details.Architecture}\n Registry: ${this.#host}`
        : formatTemplate(values.format, details),
    );
  }

  /** With `fresh` the registry is asked even for what is here. */
  async #findBase(image: string, fresh: boolean): Promise<LibraryImage | undefined> {
    const reference = parseImageReference(image);
    const known = this.#library.find(image, reference);
    if (reference?.registry === undefined || !this.#isOwnHost(reference.registry)) return known;
    if (known !== undefined && !fresh) return known;
    await this.#download(reference);
    return this.#library.find(image, reference);
  }

  #tag(args: readonly string[]): void {
    const { positionals } = parse('tag', args, {}, [2, 2]);
    this.#library.tag(
      requireImage(this.#library, positionals[0]!).manifestDigest,
      requireReference(positionals[1]!),
    );
  }

  async #push(args: readonly string[]): Promise<void> {
    const { values, positionals } = parse(
      'push',
      args,
      { quiet: { type: 'boolean', short: 'q' }, 'all-tags': { type: 'boolean', short: 'a' } },
      [1, 1],
    );
    const reference = requireReference(positionals[0]!);
    this.#requireOwnHost(reference.registry, reference);
    const quiet = values.quiet === true;
    if (values['all-tags'] !== true) return this.#pushOne(reference, quiet);
    if (reference.tag !== undefined)
      throw new UsageError('push --all-tags takes a repository, without a tag.');
    const prefix = `${formatImageReference(reference)}:`;
    const tags = this.#library
      .list()
      .flatMap(({ repoTags }) => repoTags.filter((name) => name.startsWith(prefix)));
    if (tags.length === 0) throw new UserError('NoSuchImage', `No such image: ${positionals[0]}`);
    for (const tag of tags.sort()) await this.#pushOne(requireReference(tag), quiet);
  }

  async #pushOne(reference: ImageReference, quiet: boolean): Promise<void> {
    this.#requireOwnHost(reference.registry, reference);
    const image = requireImage(this.#library, formatImageReference(reference));
    const tag = reference.tag ?? 'latest';
    if (!quiet)
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
      quiet ? taggedName(reference) : `${tag}: digest: ${image.manifestDigest} size: ${size}`,
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
    const base = languageBase(reference, this.#options.nodeVersion);
    if (base !== undefined) {
      this.#options.warn(
        `WARNING: ${base.name} is not pulled: this machine's Node ${this.#options.nodeVersion} stands for it in a FROM.`,
      );
      return;
    }
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

  #requireOwnHost(host: string | undefined, reference?: ImageReference): void {
    if (host !== undefined && this.#isOwnHost(host)) return;
    const what = reference === undefined ? (host ?? '') : formatImageReference(reference);
    throw new UserError(
      'UnknownRegistry',
      `"${what}" is not in the engine's registry, which is ${this.#host}, or ${this.#options.registryHost}. Other registries need Docker or Podman.`,
    );
  }

  #isOwnHost(host: string): boolean {
    return host === this.#host || host === this.#options.registryHost;
  }

  /** A login under either of the registry's names is one for the registry. */
  #client(reference: ImageReference): RegistryClient {
    return new RegistryClient(
      this.#options.registryUrl,
      reference.repository,
      this.#credentials.find(this.#host) ?? this.#credentials.find(this.#options.registryHost),
    );
  }
}
