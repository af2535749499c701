import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { join, posix } from 'node:path';
import { UserError } from '../../errors.ts';
import type { ContainerConfig, ImageConfig, ImageManifest } from '../oci/image-format.ts';
import { hostArchitecture, MEDIA_TYPES } from '../oci/image-format.ts';
import { parseImageReference } from '../oci/image-reference.ts';
import type { LayerEntry, WrittenLayer } from '../oci/layer-writer.ts';
import { writeLayer } from '../oci/layer-writer.ts';
import { unpackLayers } from '../oci/unpack.ts';
import { languageBase, unknownBase } from './base-images.ts';
import type { BuildContext } from './copy-plan.ts';
import { diffDirectory, snapshotDirectory } from './directory-diff.ts';
import type { CommandForm, Instruction } from './dockerfile.ts';
import { DockerfileError } from './dockerfile.ts';
import { expandVariables } from './expand-variables.ts';
import { refuseHostChanges } from './host-safety.ts';
import type { ImageLibrary, LibraryImage } from './image-library.ts';

/** Runs a command of the build in the image's files; resolves to its exit code. */
export type RunCommand = (request: {
  readonly command: CommandForm;
  /** Directory with the files of the image so far. */
  readonly root: string;
  /** Working directory as the image names it. */
  readonly workingDirectory: string;
  /** The image's environment and the declared build arguments. */
  readonly env: Readonly<Record<string, string>>;
}) => Promise<number>;

export interface BuildRequest {
  readonly instructions: readonly Instruction[];
  readonly context: BuildContext;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `os/architecture` to record; this machine's by default. */
  readonly platform?: string;
  readonly noCache: boolean;
}

export interface BuilderOptions {
  readonly library: ImageLibrary;
  /** Version of the Node that stands for Node bases, such as `24.1.0`. */
  readonly nodeVersion: string;
  /** Empty directory of this build; removed afterwards. */
  readonly scratch: string;
  readonly run: RunCommand;
  /** Finds a base by name in the engine's registry. */
  readonly findBase: (image: string) => Promise<LibraryImage | undefined>;
  readonly print: (line: string) => void;
}

interface CachedStep {
  /** Null when the step changed no file. */
  readonly layer: WrittenLayer | null;
  readonly directories: readonly string[];
}

type MutableConfig = { -readonly [Key in keyof ContainerConfig]: ContainerConfig[Key] };

const CACHE_VERSION = 1;
const CREATED = new Date(0).toISOString();
/** Arguments that every build has without declaring them. Their values do not count for the cache. */
const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/**
 * Carries out a Dockerfile on the host and stores the result as an OCI image.
 *
 * Nothing in the result depends on the time or on who builds: the same base, files and commands give the same
 * digest. Every step that changes files is cached by what it depends on; the image's files are unpacked only when
 * a RUN really has to run.
 */
export class ImageBuilder {
  readonly #options: BuilderOptions;
  readonly #request: BuildRequest;
  readonly #layers: WrittenLayer[] = [];
  readonly #history: { created: string; created_by: string; empty_layer?: boolean }[] = [];
  readonly #directories = new Set<string>();
  readonly #env: Record<string, string> = {};
  readonly #args: Record<string, string> = {};
  readonly #globalArgs: Record<string, string> = {};
  readonly #config: MutableConfig = {};
  readonly #usedArgs = new Set<string>();
  readonly #root: string;
  #materialized = 0;
  #key = '';
  #baseName = '';
  #commandFromBase = false;

  constructor(options: BuilderOptions, request: BuildRequest) {
    this.#options = options;
    this.#request = request;
    this.#root = join(options.scratch, 'root');
  }

  /** Builds the image and returns it, already in the library but without a name. */
  async build(): Promise<{ manifestDigest: string; id: string }> {
    const { instructions } = this.#request;
    try {
      for (const [index, instruction] of instructions.entries()) {
        this.#options.print(
          `Step ${index + 1}/${instructions.length} : ${instruction.source.replace(/\s*\n\s*/g, ' ')}`,
        );
        await this.#perform(instruction);
      }
      for (const name of Object.keys(this.#request.buildArgs)) {
        if (!this.#usedArgs.has(name) && !PREDEFINED.includes(name))
          this.#options.print(`[Warning] The build argument ${name} was not used: there is no ARG ${name}.`);
      }
      return await this.#finish();
    } finally {
      rmSync(this.#options.scratch, { recursive: true, force: true });
    }
  }

  async #perform(instruction: Instruction): Promise<void> {
    switch (instruction.kind) {
      case 'FROM':
        await this.#from(instruction.image, instruction.line);
        this.#note(instruction, true);
        return;
      case 'ARG':
        for (const { name, value } of instruction.names)
          this.#declareArg(name, value === undefined ? undefined : this.#expand(value, instruction));
        this.#note(instruction, true);
        return;
      case 'COPY':
        return this.#copy(instruction);
      case 'RUN':
        return this.#run(instruction, instruction.command);
      case 'WORKDIR':
        return this.#workdir(instruction);
      default:
        this.#configure(instruction);
        this.#note(instruction, true);
    }
  }

  #configure(instruction: Instruction): void {
    switch (instruction.kind) {
      case 'ENV': {
        const values = instruction.pairs.map(({ name, value }) => ({
          name,
          value: this.#expand(value, instruction),
        }));
        for (const { name, value } of values) this.#env[name] = value;
        return;
      }
      case 'LABEL': {
        const labels = instruction.pairs.map(
          ({ name, value }) => [this.#expand(name, instruction), this.#expand(value, instruction)] as const,
        );
        this.#config.Labels = { ...this.#config.Labels, ...Object.fromEntries(labels) };
        return;
      }
      case 'USER':
        this.#config.User = this.#expand(instruction.user, instruction);
        return;
      case 'CMD':
        this.#config.Cmd = commandWords(instruction.command);
        this.#commandFromBase = false;
        return;
      case 'ENTRYPOINT':
        this.#config.Entrypoint = commandWords(instruction.command);
        // As in Docker, a new entry point takes away a command that only the base has set.
        if (this.#commandFromBase) delete this.#config.Cmd;
        return;
      case 'EXPOSE': {
        const ports = instruction.ports
          .flatMap((port) => this.#expand(port, instruction).split(/\s+/))
          .map((port) => exposedPort(port, instruction.line));
        this.#config.ExposedPorts = {
          ...this.#config.ExposedPorts,
          ...Object.fromEntries(ports.map((port) => [port, {}])),
        };
        return;
      }
      case 'STOPSIGNAL':
        this.#config.StopSignal = this.#expand(instruction.signal, instruction);
        return;
    }
  }

  async #from(written: string, line: number): Promise<void> {
    const image = expandVariables(written, this.#globalArgs);
    const reference = parseImageReference(image);
    if (reference === undefined)
      throw new DockerfileError('InvalidDockerfile', line, `"${image}" is not an image name.`);
    const base = languageBase(reference, this.#options.nodeVersion);
    if (base !== undefined) {
      if (reference.digest !== undefined)
        this.#options.print(
          `[Warning] ${base.name} is not pulled, so its digest is not checked: this machine's Node stands for it.`,
        );
      this.#baseName = base.name;
      this.#inherit({ Env: base.env, Cmd: base.command });
      this.#key = stepKey('', ['FROM', base.name, this.#options.nodeVersion]);
      return;
    }
    const found = await this.#options.findBase(image);
    if (found === undefined) throw unknownBase(image, this.#options.nodeVersion);
    this.#baseName = found.manifest.annotations?.[BASE_ANNOTATION] ?? image;
    this.#inherit(found.config.config ?? {});
    for (const [index, layer] of found.manifest.layers.entries()) {
      this.#layers.push({ ...layer, diffId: found.config.rootfs.diff_ids[index]! });
    }
    this.#history.push(
      ...(found.config.history ?? []).map((item) => ({
        created: CREATED,
        created_by: item.created_by ?? '',
        ...(item.empty_layer === true ? { empty_layer: true } : {}),
      })),
    );
    this.#key = stepKey('', ['FROM', found.manifestDigest, this.#options.nodeVersion]);
    await this.#materialize();
  }

  #inherit(config: ContainerConfig): void {
    Object.assign(this.#config, config);
    this.#commandFromBase = config.Cmd !== undefined;
    for (const item of config.Env ?? []) {
      const equals = item.indexOf('=');
      this.#env[item.slice(0, equals)] = item.slice(equals + 1);
    }
  }

  /** Before FROM an argument serves FROM only; after it, a bare `ARG name` takes that value over. */
  #declareArg(name: string, fallback: string | undefined): void {
    this.#usedArgs.add(name);
    const given = Object.hasOwn(this.#request.buildArgs, name) ? this.#request.buildArgs[name] : undefined;
    const platformArgs = this.#platformArgs();
    const value = given ?? fallback ?? this.#globalArgs[name] ?? platformArgs[name];
    if (value === undefined) return;
    if (this.#key === '') this.#globalArgs[name] = value;
    else this.#args[name] = value;
  }

  #platformArgs(): Record<string, string> {
    const [os, architecture] = this.#platform();
    const [build, target] = [`linux/${hostArchitecture()}`, `${os}/${architecture}`];
    return {
      BUILDPLATFORM: build,
      BUILDOS: 'linux',
      BUILDARCH: hostArchitecture(),
      TARGETPLATFORM: target,
      TARGETOS: os,
      TARGETARCH: architecture,
    };
  }

  async #workdir(instruction: Instruction & { kind: 'WORKDIR' }): Promise<void> {
    const path = this.#expand(instruction.path, instruction);
    const absolute = posix.resolve(this.#workingDirectory(), path);
    this.#config.WorkingDir = absolute;
    const relative = absolute.slice(1);
    if (relative === '') return this.#note(instruction, true);
    await this.#step(instruction, ['WORKDIR', absolute], async () => {
      const parts = relative.split('/');
      return parts.map(
        (_, index): LayerEntry => ({
          type: 'directory',
          path: parts.slice(0, index + 1).join('/'),
          mode: 0o755,
        }),
      );
    });
  }

  async #copy(instruction: Instruction & { kind: 'COPY' }): Promise<void> {
    const destination = this.#expand(instruction.destination, instruction);
    const absolute = posix.resolve(this.#workingDirectory(), destination);
    const asDirectory = /(^|\/)\.{0,2}$/.test(destination);
    let plan: ReturnType<BuildContext['plan']>;
    try {
      plan = this.#request.context.plan({
        sources: instruction.sources.map((source) => this.#expand(source, instruction)),
        destination: asDirectory && absolute !== '/' ? `${absolute}/` : absolute,
        ...(instruction.chmod === undefined ? {} : { chmod: instruction.chmod }),
        isDirectory: (path) => this.#isDirectory(path),
      });
    } catch (error) {
      if (error instanceof UserError)
        throw new DockerfileError('InvalidDockerfile', instruction.line, error.message);
      throw error;
    }
    await this.#step(instruction, ['COPY', plan.contentDigest], async () => [...plan.entries]);
  }

  async #run(instruction: Instruction, command: CommandForm): Promise<void> {
    refuseHostChanges(command.form === 'shell' ? command.text : command.words.join(' '), instruction.line);
    const proxies = PREDEFINED.filter((name) => Object.hasOwn(this.#request.buildArgs, name)).map(
      (name) => [name, this.#request.buildArgs[name]!] as const,
    );
    const env = { ...this.#args, ...this.#env };
    const identity = [
      'RUN',
      command,
      Object.entries(env).sort(),
      this.#workingDirectory(),
      process.platform,
      process.arch,
    ];
    await this.#step(instruction, identity, async () => {
      await this.#materialize();
      const before = snapshotDirectory(this.#root);
      const workingDirectory = this.#workingDirectory();
      const code = await this.#options.run({
        command,
        root: this.#root,
        workingDirectory,
        env: { ...Object.fromEntries(proxies), ...env },
      });
      if (code !== 0)
        throw new UserError(
          'RunFailed',
          `The command of Dockerfile line ${instruction.line} failed with exit code ${code}: ${instruction.source}`,
        );
      return diffDirectory(this.#root, before);
    });
  }

  /** Takes the step's layer from the cache, or makes it from the entries and keeps it. */
  async #step(
    instruction: Instruction,
    identity: readonly unknown[],
    make: () => Promise<LayerEntry[]>,
  ): Promise<void> {
    this.#key = stepKey(this.#key, identity);
    let step = this.#request.noCache ? undefined : this.#cached(this.#key);
    if (step === undefined) {
      const entries = await make();
      const layer = entries.length === 0 ? null : await writeLayer(this.#options.library.blobs, entries);
      step = {
        layer,
        directories: entries.filter((entry) => entry.type === 'directory').map((entry) => entry.path),
      };
      this.#options.library.writeStep(this.#key, step);
      // What RUN left in the root is the layer already.
      if (instruction.kind === 'RUN' && layer !== null) this.#materialized = this.#layers.length + 1;
    } else {
      this.#options.print(' ---> Using cache');
    }
    for (const directory of step.directories) this.#directories.add(directory);
    if (step.layer !== null) this.#layers.push(step.layer);
    this.#note(instruction, step.layer === null);
  }

  #cached(key: string): CachedStep | undefined {
    const step = this.#options.library.readStep(key) as CachedStep | undefined;
    if (step === undefined) return undefined;
    return step.layer === null || this.#options.library.blobs.has(step.layer.digest) ? step : undefined;
  }

  /** Brings the files on disk up to the present step. */
  async #materialize(): Promise<void> {
    if (!existsSync(this.#root)) mkdirSync(this.#root, { recursive: true });
    const missing = this.#layers.slice(this.#materialized);
    await unpackLayers(
      missing.map((layer) => ({ ...layer, path: this.#options.library.blobs.path(layer.digest) })),
      this.#root,
    );
    this.#materialized = this.#layers.length;
  }

  #isDirectory(path: string): boolean {
    if (path === '' || this.#directories.has(path)) return true;
    return lstatSync(join(this.#root, path), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  #expand(text: string, { line }: Instruction): string {
    try {
      return expandVariables(text, this.#key === '' ? this.#globalArgs : { ...this.#args, ...this.#env });
    } catch (error) {
      throw new DockerfileError(
        'InvalidDockerfile',
        line,
        error instanceof Error ? error.message : String(error),
      );
    }
  }

  #workingDirectory(): string {
    return this.#config.WorkingDir || '/';
  }

  #note(instruction: Instruction, empty: boolean): void {
    this.#history.push({
      created: CREATED,
      created_by: instruction.source,
      ...(empty ? { empty_layer: true } : {}),
    });
  }

  #platform(): [os: string, architecture: string] {
    const [os = 'linux', architecture = hostArchitecture()] = (this.#request.platform ?? '')
      .split('/')
      .filter((part) => part !== '');
    return [os, architecture];
  }

  async #finish(): Promise<{ manifestDigest: string; id: string }> {
    const { library } = this.#options;
    const [os, architecture] = this.#platform();
    const labels = { ...this.#config.Labels, ...this.#request.labels };
    const config: ImageConfig = {
      created: CREATED,
      architecture,
      os,
      config: {
        ...this.#config,
        Env: Object.entries(this.#env).map(([name, value]) => `${name}=${value}`),
        ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
      },
      rootfs: { type: 'layers', diff_ids: this.#layers.map((layer) => layer.diffId) },
      history: this.#history,
    };
    const configBlob = await library.blobs.write([Buffer.from(JSON.stringify(config))]);
    const manifest: ImageManifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, ...configBlob },
      layers: this.#layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      annotations: { [BASE_ANNOTATION]: this.#baseName },
    };
    const { digest } = await library.blobs.write([Buffer.from(JSON.stringify(manifest))]);
    library.add(digest);
    return { manifestDigest: digest, id: configBlob.digest };
  }
}

/** Standard annotation that names the base whose files are not part of the image. */
const BASE_ANNOTATION = 'org.opencontainers.image.base.name';

function stepKey(parent: string, identity: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify([CACHE_VERSION, parent, identity]))
    .digest('hex');
}

function commandWords(command: CommandForm): readonly string[] {
  return command.form === 'exec' ? command.words : ['/bin/sh', '-c', command.text];
}

function exposedPort(port: string, line: number): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(port);
  if (match === null)
    throw new DockerfileError('InvalidDockerfile', line, `"${port}" is not a port such as 8080 or 53/udp.`);
  return `${match[1]}/${match[2] ?? 'tcp'}`;
}
