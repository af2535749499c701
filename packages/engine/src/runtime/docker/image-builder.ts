import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { hostArchitecture } from '../oci/image-format.ts';
import { parseImageReference } from '../oci/image-reference.ts';
import { unpackLayers } from '../oci/unpack.ts';
import { type Base, languageBase, unknownBase } from './base-images.ts';
import { BuildArguments } from './build-arguments.ts';
import type { BuilderOptions, BuildRequest } from './build-request.ts';
import type { BuiltStage } from './built-stage.ts';
import { BuildContext } from './copy-plan.ts';
import type { Instruction } from './dockerfile.ts';
import { DockerfileError, throwAll } from './dockerfile-error.ts';
import { hostChange } from './host-safety.ts';
import type { LibraryImage } from './image-library.ts';
import { StageBuilder } from './stage-builder.ts';
import { earlierStage, neededStages, type Stage, splitStages } from './stages.ts';

/** Where the files of a COPY --from come from. */
type Source = Pick<BuiltStage['image'], 'manifest' | 'manifestDigest'>;

/**
 * Carries out a Dockerfile on the host and stores the result as an OCI image.
 *
 * Nothing in the result depends on the time or on who builds: the same base, files and commands give the same
 * digest. As with BuildKit, only the stages that the wanted one needs are built. What cannot be carried out in them
 * is said before anything is, all at once.
 */
export class ImageBuilder {
  readonly #options: BuilderOptions;
  readonly #request: BuildRequest;
  readonly #platform: { readonly os: string; readonly architecture: string };
  readonly #globals: BuildArguments;
  readonly #built = new Map<Stage, BuiltStage>();
  readonly #images = new Map<string, LibraryImage>();
  readonly #contexts = new Map<string, Promise<BuildContext>>();
  #stages: readonly Stage[] = [];

  constructor(options: BuilderOptions, request: BuildRequest) {
    this.#options = options;
    this.#request = request;
    const [os = 'linux', architecture = hostArchitecture()] = (request.platform ?? '')
      .split('/')
      .filter((part) => part !== '');
    this.#platform = { os, architecture };
    this.#globals = new BuildArguments(request.buildArgs, this.#platform);
  }

  /** Builds the image and returns it, already in the library but without a name. */
  async build(): Promise<{ manifestDigest: string; id: string }> {
    const { library, scratch, print } = this.#options;
    try {
      const { globals, stages } = splitStages(this.#request.instructions);
      this.#stages = stages;
      for (const instruction of globals) this.#globals.declare(instruction);
      const needed = neededStages(stages, this.#request.target, (stage) => this.#fromOf(stage));
      const bases = await this.#check(needed);
      const total = globals.length + needed.reduce((sum, { instructions }) => sum + instructions.length, 0);
      let step = 0;
      const announce = ({ source }: Instruction) =>
        print(`Step ${++step}/${total} : ${source.replace(/\s*\n\s*/g, ' ')}`);
      globals.forEach(announce);
      for (const stage of needed) {
        const base = bases.get(stage)!();
        const labels = stage === needed.at(-1) ? this.#request.labels : {};
        const around = {
          stage,
          base,
          labels,
          globals: this.#globals,
          platform: this.#platform,
          filesOf: (from: string) => this.#filesOf(stage, from),
        };
        this.#built.set(stage, await new StageBuilder(this.#options, this.#request, around).build(announce));
      }
      for (const name of this.#globals.unused())
        print(`[Warning] The build argument ${name} was not used: there is no ARG ${name}.`);
      const { image, id } = this.#built.get(needed.at(-1)!)!;
      library.add(image.manifestDigest);
      return { manifestDigest: image.manifestDigest, id };
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  #fromOf({ from }: Stage): string {
    return this.#globals.expand(from.image, from);
  }

  /** Everything that cannot be carried out fails here. Returns what each stage is made from, once that is there. */
  async #check(needed: readonly Stage[]): Promise<Map<Stage, () => Base>> {
    const errors: DockerfileError[] = [];
    const bases = new Map<Stage, () => Base>();
    for (const stage of needed) {
      try {
        bases.set(stage, await this.#base(stage));
      } catch (error) {
        errors.push(asDockerfileError(error, stage.from.line));
      }
      for (const instruction of stage.instructions) {
        if (instruction.kind === 'REFUSED') errors.push(instruction.error);
        if (instruction.kind === 'RUN') {
          const change = hostChange(instruction.command, instruction.line);
          if (change !== undefined) errors.push(change);
        }
        if (instruction.kind === 'COPY' && instruction.from !== undefined)
          await this.#findSource(stage, instruction.from).catch((error: unknown) =>
            errors.push(asDockerfileError(error, instruction.line)),
          );
      }
    }
    throwAll(errors);
    return bases;
  }

  async #base(stage: Stage): Promise<() => Base> {
    const written = this.#fromOf(stage);
    const earlier = earlierStage(this.#stages, stage, written, false);
    if (earlier !== undefined) return () => ({ kind: 'stage', ...this.#built.get(earlier)! });
    const reference = parseImageReference(written);
    if (reference === undefined)
      throw new DockerfileError('InvalidDockerfile', stage.from.line, `"${written}" is not an image name.`);
    const base = languageBase(reference, this.#options.nodeVersion);
    if (base !== undefined) return () => ({ kind: 'language', base, reference });
    const image = await this.#options.findBase(written);
    if (image === undefined) throw unknownBase(written, this.#options.nodeVersion);
    return () => ({ kind: 'image', image });
  }

  async #findSource(stage: Stage, from: string): Promise<void> {
    if (earlierStage(this.#stages, stage, from, true) !== undefined || this.#images.has(from)) return;
    const image = await this.#options.findBase(from);
    if (image === undefined) throw unknownBase(from, this.#options.nodeVersion);
    this.#images.set(from, image);
  }

  #filesOf(stage: Stage, from: string): { digest: string; context: () => Promise<BuildContext> } {
    const earlier = earlierStage(this.#stages, stage, from, true);
    const source: Source = earlier === undefined ? this.#images.get(from)! : this.#built.get(earlier)!.image;
    const digest = source.manifestDigest;
    return {
      digest,
      context: () => {
        const known = this.#contexts.get(digest) ?? this.#unpack(source, from);
        this.#contexts.set(digest, known);
        return known;
      },
    };
  }

  async #unpack({ manifest, manifestDigest }: Source, name: string): Promise<BuildContext> {
    const { library, scratch } = this.#options;
    const directory = join(scratch, `files-${manifestDigest.replace(':', '-')}`);
    mkdirSync(directory, { recursive: true });
    await unpackLayers(
      manifest.layers.map((layer) => ({ ...layer, path: library.blobs.path(layer.digest) })),
      directory,
    );
    return new BuildContext(directory, () => false, `the files of "${name}"`);
  }
}

function asDockerfileError(error: unknown, line: number): DockerfileError {
  if (error instanceof DockerfileError) return error;
  if (error instanceof UserError) return new DockerfileError('UnsupportedInstruction', line, error.message);
  throw error;
}
