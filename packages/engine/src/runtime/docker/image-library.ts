import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic-file.ts';
import { BlobStore } from '../oci/blob-store.ts';
import type { ImageConfig, ImageManifest } from '../oci/image-format.ts';
import { isDigest, MEDIA_TYPES } from '../oci/image-format.ts';
import type { ImageReference } from '../oci/image-reference.ts';
import { formatImageReference } from '../oci/image-reference.ts';

/** An image that builds have made or pulled. */
export interface LibraryImage {
  readonly manifestDigest: string;
  readonly mediaType: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** The image id: digest of its configuration. */
  readonly id: string;
  /** `repository:tag` names. */
  readonly repoTags: readonly string[];
  /** `repository@digest` names that a registry has confirmed. */
  readonly repoDigests: readonly string[];
}

interface ImageRecord {
  readonly mediaType: string;
  readonly repoDigests: readonly string[];
}

/**
 * Images outside of any registry, as `docker images` lists them, and the cache of build steps.
 *
 * Every name and every cached step is a file of its own that is replaced atomically, so builds that run at the
 * same time in different processes share the directory without locks.
 */
export class ImageLibrary {
  readonly blobs: BlobStore;
  readonly #names: string;
  readonly #images: string;
  readonly #steps: string;
  readonly #newId: () => string;

  constructor(directory: string, newId: () => string) {
    this.blobs = new BlobStore(directory, newId);
    this.#newId = newId;
    this.#names = join(directory, 'names');
    this.#images = join(directory, 'images');
    this.#steps = join(directory, 'steps');
    for (const path of [this.#names, this.#images, this.#steps]) mkdirSync(path, { recursive: true });
  }

  /** Adds the image whose manifest, configuration and layers are all among the blobs. */
  add(manifestDigest: string, mediaType: string = MEDIA_TYPES.ociManifest): void {
    const path = this.#imagePath(manifestDigest);
    if (!existsSync(path)) this.#writeImage(manifestDigest, { mediaType, repoDigests: [] });
  }

  /** Gives the image a name; an image that had the name loses it. */
  tag(manifestDigest: string, reference: ImageReference): void {
    writeFileAtomic(
      join(this.#names, encodeURIComponent(taggedName(reference))),
      manifestDigest,
      this.#newId(),
    );
  }

  /** Removes a name. False when nothing has it. */
  untag(reference: ImageReference): boolean {
    const path = join(this.#names, encodeURIComponent(taggedName(reference)));
    if (!existsSync(path)) return false;
    rmSync(path, { force: true });
    return true;
  }

  /** Notes that a registry holds the image under this repository. */
  confirm(manifestDigest: string, repository: Pick<ImageReference, 'registry' | 'repository'>): void {
    const record = this.#readImage(manifestDigest);
    if (record === undefined) return;
    const { registry, repository: name } = repository;
    const repoDigest = formatImageReference({
      repository: name,
      digest: manifestDigest,
      ...(registry === undefined ? {} : { registry }),
    });
    if (record.repoDigests.includes(repoDigest)) return;
    this.#writeImage(manifestDigest, { ...record, repoDigests: [...record.repoDigests, repoDigest] });
  }

  /** The image with this name, digest, or id (also the first twelve or more digits of it). */
  find(text: string, reference: ImageReference | undefined): LibraryImage | undefined {
    if (reference?.digest !== undefined) return this.#load(reference.digest);
    const path =
      reference === undefined ? undefined : join(this.#names, encodeURIComponent(taggedName(reference)));
    if (path !== undefined && existsSync(path)) return this.#load(readFileSync(path, 'utf8'));
    const hex = /^(?:sha256:)?([0-9a-f]{12,64})$/.exec(text)?.[1];
    return hex === undefined ? undefined : this.list().find((image) => image.id.startsWith(`sha256:${hex}`));
  }

  list(): LibraryImage[] {
    return readdirSync(this.#images)
      .filter((name) => name.endsWith('.json'))
      .map((name) => this.#load(`sha256:${name.slice(0, -'.json'.length)}`))
      .filter((image) => image !== undefined);
  }

  /** Removes an image that has no name any more; its blobs stay as long as cached steps may use them. */
  remove(manifestDigest: string): void {
    rmSync(this.#imagePath(manifestDigest), { force: true });
  }

  /** What an earlier build stored for the step, or undefined. */
  readStep(key: string): unknown {
    const path = join(this.#steps, `${key}.json`);
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
  }

  writeStep(key: string, value: unknown): void {
    writeFileAtomic(join(this.#steps, `${key}.json`), JSON.stringify(value), this.#newId());
  }

  #load(manifestDigest: string): LibraryImage | undefined {
    const record = isDigest(manifestDigest) ? this.#readImage(manifestDigest) : undefined;
    if (record === undefined) return undefined;
    const manifest = JSON.parse(this.blobs.read(manifestDigest).toString('utf8')) as ImageManifest;
    const config = JSON.parse(this.blobs.read(manifest.config.digest).toString('utf8')) as ImageConfig;
    return {
      manifestDigest,
      mediaType: record.mediaType,
      manifest,
      config,
      id: manifest.config.digest,
      repoTags: this.#tagsOf(manifestDigest),
      repoDigests: record.repoDigests,
    };
  }

  #tagsOf(manifestDigest: string): string[] {
    return readdirSync(this.#names)
      .filter(
        (name) => !name.endsWith('.new') && readFileSync(join(this.#names, name), 'utf8') === manifestDigest,
      )
      .map(decodeURIComponent)
      .sort();
  }

  #readImage(manifestDigest: string): ImageRecord | undefined {
    const path = this.#imagePath(manifestDigest);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ImageRecord) : undefined;
  }

  #writeImage(manifestDigest: string, record: ImageRecord): void {
    writeFileAtomic(this.#imagePath(manifestDigest), JSON.stringify(record), this.#newId());
  }

  #imagePath(manifestDigest: string): string {
    return join(this.#images, `${manifestDigest.slice('sha256:'.length)}.json`);
  }
}

/** The name with its tag, which is `latest` when none is written. */
export function taggedName({ registry, repository, tag }: ImageReference): string {
  return formatImageReference({
    ...(registry === undefined ? {} : { registry }),
    repository,
    tag: tag ?? 'latest',
  });
}
