import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { UserError } from '../../errors.ts';
import type { ImageConfig, ImageManifest } from '../oci/image-format.ts';
import { MEDIA_TYPES } from '../oci/image-format.ts';
import type { LayerEntry, WrittenLayer } from '../oci/layer-writer.ts';
import { writeLayer } from '../oci/layer-writer.ts';
import { unpackLayers } from '../oci/unpack.ts';
import type { Base } from './base-images.ts';
import { type BuildArguments, PREDEFINED } from './build-arguments.ts';
import type { BuilderOptions, BuildRequest } from './build-request.ts';
import type { BuiltStage } from './built-stage.ts';
import type { BuildContext, CopyRequest } from './copy-plan.ts';
import { diffDirectory, snapshotDirectory } from './directory-diff.ts';
import type { Instruction, InstructionOf } from './dockerfile.ts';
import type { CommandForm } from './dockerfile-arguments.ts';
import { DockerfileError } from './dockerfile-error.ts';
import { expandVariables } from './expand-variables.ts';
import { ImageSettings } from './image-settings.ts';
import type { Stage } from './stages.ts';

/** What a stage takes from the rest of the build. */
export interface StageSurroundings {
  readonly stage: Stage;
  readonly base: Base;
  readonly globals: BuildArguments;
  readonly platform: { readonly os: string; readonly architecture: string };
  /** Labels of the command line, for the last stage. */
  readonly labels: Readonly<Record<string, string>>;
  /** Files of another stage or of an image, and a digest of them. */
  readonly filesOf: (from: string) => {
    readonly digest: string;
    readonly context: () => Promise<BuildContext>;
  };
}

interface CachedStep {
  /** Null when the step changed no file. */
  readonly layer: WrittenLayer | null;
  readonly directories: readonly string[];
}

const CACHE_VERSION = 2;
const CREATED = new Date(0).toISOString();
/**
 * Carries out one stage of a Dockerfile on the host.
 *
 * Every step that changes files is cached by what it depends on; the image's files are unpacked only when a RUN
 * really has to run.
 */
export class StageBuilder {
  readonly #options: BuilderOptions;
  readonly #request: BuildRequest;
  readonly #around: StageSurroundings;
  readonly #layers: WrittenLayer[] = [];
  readonly #history: { created: string; created_by: string; empty_layer?: boolean }[] = [];
  readonly #directories = new Set<string>();
  readonly #settings = new ImageSettings();
  readonly #args: Record<string, string> = {};
  readonly #root: string;
  #materialized = 0;
  #key = '';
  #baseName = '';

  constructor(options: BuilderOptions, request: BuildRequest, around: StageSurroundings) {
    this.#options = options;
    this.#request = request;
    this.#around = around;
    this.#root = join(options.scratch, `root-${around.stage.index}`);
  }

  /** Carries out the stage's instructions; `announce` says which, before each. */
  async build(announce: (instruction: Instruction) => void): Promise<BuiltStage> {
    for (const instruction of this.#around.stage.instructions) {
      announce(instruction);
      await this.#perform(instruction);
    }
    return this.#finish();
  }

  async #perform(instruction: Instruction): Promise<void> {
    switch (instruction.kind) {
      case 'FROM':
        await this.#from(instruction);
        this.#note(instruction, true);
        return;
      case 'ARG':
        for (const { name, value } of instruction.names)
          this.#declareArg(name, value === undefined ? undefined : this.#expand(value, instruction));
        this.#note(instruction, true);
        return;
      case 'COPY':
      case 'ADD':
        return this.#copy(instruction);
      case 'RUN':
        return this.#run(instruction, instruction.command);
      case 'WORKDIR':
        return this.#workdir(instruction);
      default:
        this.#settings.configure(instruction, (text) => this.#expand(text, instruction));
        this.#note(instruction, true);
    }
  }

  async #from({ image: written }: InstructionOf<'FROM'>): Promise<void> {
    const { base } = this.#around;
    if (base.kind === 'language') {
      const { name, env, command, warning } = base.base;
      if (warning !== undefined) this.#options.print(`[Warning] ${warning}`);
      if (base.reference.digest !== undefined)
        this.#options.print(
          `[Warning] ${name} is not pulled, so its digest is not checked: this machine's Node stands for it.`,
        );
      this.#baseName = name;
      this.#settings.inherit({ Env: env, Cmd: command });
      this.#key = stepKey('', ['FROM', name, this.#options.nodeVersion]);
      return;
    }
    const { image } = base;
    if (base.kind === 'stage') Object.assign(this.#args, base.args);
    this.#baseName = image.manifest.annotations?.[BASE_ANNOTATION] ?? written;
    this.#settings.inherit(image.config.config ?? {}, image.config.author);
    for (const [index, layer] of image.manifest.layers.entries()) {
      this.#layers.push({ ...layer, diffId: image.config.rootfs.diff_ids[index]! });
    }
    this.#history.push(
      ...(image.config.history ?? []).map((item) => ({
        created: CREATED,
        created_by: item.created_by ?? '',
        ...(item.empty_layer === true ? { empty_layer: true } : {}),
      })),
    );
    this.#key = stepKey('', ['FROM', image.manifestDigest, this.#options.nodeVersion]);
    await this.#materialize();
  }

  /** A bare `ARG name` takes over the value that it has before the first FROM. */
  #declareArg(name: string, fallback: string | undefined): void {
    const { globals } = this.#around;
    const value = globals.given(name) ?? fallback ?? globals.value(name);
    if (value !== undefined) this.#args[name] = value;
  }

  async #workdir(instruction: InstructionOf<'WORKDIR'>): Promise<void> {
    const path = this.#expand(instruction.path, instruction);
    const absolute = posix.resolve(this.#settings.workingDirectory, path);
    this.#settings.workingDirectory = absolute;
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

  async #copy(instruction: InstructionOf<'COPY' | 'ADD'>): Promise<void> {
    const destination = this.#expand(instruction.destination, instruction);
    const absolute = posix.resolve(this.#settings.workingDirectory, destination);
    const asDirectory = /(^|\/)\.{0,2}$/.test(destination);
    const request: CopyRequest = {
      sources: instruction.sources.map((source) => this.#expand(source, instruction)),
      destination: asDirectory && absolute !== '/' ? `${absolute}/` : absolute,
      ...(instruction.chmod === undefined ? {} : { chmod: instruction.chmod }),
      isDirectory: (path) => this.#isDirectory(path),
      refuseArchives: instruction.kind === 'ADD',
    };
    const plan = (context: BuildContext) => {
      try {
        return context.plan(request);
      } catch (error) {
        if (error instanceof UserError)
          throw new DockerfileError('InvalidDockerfile', instruction.line, error.message);
        throw error;
      }
    };
    if (instruction.from === undefined) {
      const { entries, contentDigest } = plan(this.#request.context);
      return this.#step(instruction, ['COPY', contentDigest], async () => [...entries]);
    }
    const { digest, context } = this.#around.filesOf(instruction.from);
    const { sources, chmod } = request;
    await this.#step(instruction, ['COPY', digest, sources, request.destination, chmod], async () => [
      ...plan(await context()).entries,
    ]);
  }

  async #run(instruction: Instruction, command: CommandForm): Promise<void> {
    const proxies = PREDEFINED.filter((name) => Object.hasOwn(this.#request.buildArgs, name)).map(
      (name) => [name, this.#request.buildArgs[name]!] as const,
    );
    const env = { ...this.#args, ...this.#settings.env };
    const words = this.#settings.words(command);
    const identity = [
      'RUN',
      words,
      Object.entries(env).sort(),
      this.#settings.workingDirectory,
      process.platform,
      process.arch,
    ];
    await this.#step(instruction, identity, async () => {
      await this.#materialize();
      const before = snapshotDirectory(this.#root);
      const workingDirectory = this.#settings.workingDirectory;
      const code = await this.#options.run({
        words,
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
      return expandVariables(text, { ...this.#args, ...this.#settings.env });
    } catch (error) {
      throw new DockerfileError(
        'InvalidDockerfile',
        line,
        error instanceof Error ? error.message : String(error),
      );
    }
  }

  #note(instruction: Instruction, empty: boolean): void {
    this.#history.push({
      created: CREATED,
      created_by: instruction.source,
      ...(empty ? { empty_layer: true } : {}),
    });
  }

  async #finish(): Promise<BuiltStage> {
    const { library } = this.#options;
    const { platform, labels } = this.#around;
    const config: ImageConfig = {
      created: CREATED,
      architecture: platform.architecture,
      os: platform.os,
      ...this.#settings.finished(labels),
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
    return {
      image: { manifestDigest: digest, manifest, config },
      id: configBlob.digest,
      args: { ...this.#args },
    };
  }
}

/** Standard annotation that names the base whose files are not part of the image. */
const BASE_ANNOTATION = 'org.opencontainers.image.base.name';

function stepKey(parent: string, identity: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify([CACHE_VERSION, parent, identity]))
    .digest('hex');
}
