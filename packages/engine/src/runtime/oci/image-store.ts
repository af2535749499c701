import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../../clock/clock.ts';
import type { Ids } from '../../ids.ts';
import { stateFailure } from '../../state/state-failure.ts';
import { writeFileAtomic } from '../atomic-file.ts';
import { BlobStore } from './blob-store.ts';
import type { Descriptor, ImageConfig, ImageManifest, ManifestList } from './image-format.ts';
import { digestOf, hostArchitecture, isDigest, isManifestList } from './image-format.ts';
import { isRepositoryName, isTag } from './image-reference.ts';
import { ImageStoreError } from './image-store-error.ts';
import { checkManifest } from './manifest-check.ts';

/** An image, or list of images, of one repository. */
export interface StoredImage {
  readonly repository: string;
  /** Digest of the manifest: what pins the image. */
  readonly digest: string;
  readonly mediaType: string;
  readonly tags: readonly string[];
  /** Manifest, configuration and layers as stored (compressed); of a list, the sum of its images. */
  readonly sizeBytes: number;
  readonly pushedAtMs: number;
}

/** An image of this machine's platform, ready to be unpacked or inspected. */
export interface LoadedImage {
  /** Digest of the image manifest itself; differs from the asked one when that names a list. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly configDigest: string;
  /** Lowest layer first. */
  readonly layers: readonly (Descriptor & { readonly path: string })[];
}

interface RepositoryIndex {
  manifests: Record<
    string,
    { mediaType: string; sizeBytes: number; pushedAtMs: number; references: string[] }
  >;
  tags: Map<string, string>;
  blobs: string[];
}

type SavedIndex = Omit<RepositoryIndex, 'tags'> & { tags: [string, string][] };

const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The images of all repositories: what the registry serves, ECR lists and tasks run.
 *
 * Blobs are shared between repositories on disk, but a repository serves only what was pushed or mounted to
 * it. Each repository's index is one small file that is replaced atomically, so killing the engine at any
 * instant leaves a consistent store. One process may open a directory at a time. Which repositories exist is
 * not known here: ECR decides that, and calls {@link deleteRepository}.
 */
export class ImageStore {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #blobs: BlobStore;
  readonly #repositories = new Map<string, RepositoryIndex>();

  constructor(options: { directory: string; clock: Clock; ids: Ids }) {
    this.#directory = join(options.directory, 'repositories');
    this.#clock = options.clock;
    this.#ids = options.ids;
    this.#blobs = new BlobStore(options.directory, () => options.ids.hex(16));
    this.#blobs.clearPartial();
    mkdirSync(this.#directory, { recursive: true });
    for (const name of readdirSync(this.#directory)) {
      const path = join(this.#directory, name);
      if (name.endsWith('.json')) {
        const saved = readIndex(path);
        this.#repositories.set(decodeURIComponent(name.slice(0, -'.json'.length)), {
          ...saved,
          tags: new Map(saved.tags),
        });
      } else {
        rmSync(path, { force: true });
      }
    }
    this.#deleteUnused(this.#blobs.list());
  }

  /** The blob files, for the registry's uploads. */
  get blobs(): BlobStore {
    return this.#blobs;
  }

  /** Whether the repository may serve this blob. */
  hasBlob(repository: string, digest: string): boolean {
    const index = this.#repositories.get(repository);
    return index?.blobs.includes(digest) === true && this.#blobs.has(digest);
  }

  /** Makes a blob that is on disk part of the repository (after an upload, or a mount from another one). */
  linkBlob(repository: string, digest: string): void {
    if (!this.#blobs.has(digest)) throw new ImageStoreError('BLOB_UNKNOWN', `There is no blob ${digest}.`);
    const index = this.#open(repository);
    if (index.blobs.includes(digest)) return;
    index.blobs.push(digest);
    this.#save(repository, index);
  }

  /** Stores content as a blob of the repository and returns its digest. */
  async putBlob(
    repository: string,
    source: Readable | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<{ digest: string; size: number }> {
    const written = await this.#blobs.write(source);
    this.linkBlob(repository, written.digest);
    return written;
  }

  /**
   * Stores a manifest whose content is already here, under its digest and, when `reference` is a tag, under
   * that tag. With `immutableTags` a tag that names another image is refused with `TAG_INVALID`; pushing the
   * same image to its tag again changes nothing.
   */
  putManifest(
    repository: string,
    reference: string,
    mediaType: string,
    content: Uint8Array,
    options: { immutableTags?: boolean } = {},
  ): StoredImage {
    const digest = digestOf(content);
    if (isDigest(reference)) {
      if (reference !== digest)
        throw new ImageStoreError('DIGEST_INVALID', `The manifest's digest is ${digest}, not ${reference}.`);
    } else if (!isTag(reference)) {
      throw new ImageStoreError('TAG_INVALID', `"${reference}" is not a valid tag.`);
    }
    if (content.length > MANIFEST_BYTES_MAX)
      throw new ImageStoreError('MANIFEST_INVALID', 'The manifest is larger than 4 MiB.');
    const { references, sizeBytes } = checkManifest(this, repository, mediaType, content);
    const index = this.#open(repository);
    const tagged = isDigest(reference) ? undefined : index.tags.get(reference);
    if (options.immutableTags === true && tagged !== undefined && tagged !== digest) {
      throw new ImageStoreError(
        'TAG_INVALID',
        `The image tag '${reference}' already exists in the '${repository}' repository and cannot be overwritten because the repository is immutable.`,
      );
    }
    writeFileAtomic(this.#blobs.path(digest), content, this.#ids.hex(16));
    index.manifests[digest] ??= { mediaType, sizeBytes, pushedAtMs: this.#clock.nowMs(), references };
    if (!isDigest(reference)) index.tags.set(reference, digest);
    this.#save(repository, index);
    return this.#describe(repository, index, digest);
  }

  /** Digest that a tag or digest names in the repository, or undefined. */
  resolve(repository: string, reference: string): string | undefined {
    const index = this.#repositories.get(repository);
    if (index === undefined) return undefined;
    const digest = isDigest(reference) ? reference : index.tags.get(reference);
    return digest !== undefined && Object.hasOwn(index.manifests, digest) ? digest : undefined;
  }

  /** The image that a tag or digest names, or undefined. */
  describe(repository: string, reference: string): StoredImage | undefined {
    const digest = this.resolve(repository, reference);
    const index = this.#repositories.get(repository);
    return digest === undefined || index === undefined
      ? undefined
      : this.#describe(repository, index, digest);
  }

  /** Manifest bytes exactly as pushed, or undefined. */
  readManifest(
    repository: string,
    reference: string,
  ): { digest: string; mediaType: string; content: Buffer } | undefined {
    const image = this.describe(repository, reference);
    if (image === undefined) return undefined;
    return { digest: image.digest, mediaType: image.mediaType, content: this.#blobs.read(image.digest) };
  }

  /** Every image of the repository, oldest push first; empty for a repository that has none. */
  listImages(repository: string): StoredImage[] {
    const index = this.#repositories.get(repository);
    if (index === undefined) return [];
    return Object.keys(index.manifests)
      .map((digest) => this.#describe(repository, index, digest))
      .sort((a, b) => a.pushedAtMs - b.pushedAtMs || a.digest.localeCompare(b.digest));
  }

  /** Tags of the repository in alphabetical order. */
  listTags(repository: string): string[] {
    return [...(this.#repositories.get(repository)?.tags.keys() ?? [])].sort();
  }

  /**
   * The image for this machine's platform. A list is followed to its entry for `linux` and this machine's
   * architecture; undefined when the reference is unknown.
   */
  load(repository: string, reference: string): LoadedImage | undefined {
    const stored = this.readManifest(repository, reference);
    if (stored === undefined) return undefined;
    if (isManifestList(stored.mediaType)) {
      const list = JSON.parse(stored.content.toString('utf8')) as ManifestList;
      const entry = list.manifests.find(
        (item) => item.platform?.os === 'linux' && item.platform.architecture === hostArchitecture(),
      );
      if (entry === undefined) {
        throw new ImageStoreError(
          'MANIFEST_UNKNOWN',
          `${repository}@${stored.digest} has no image for linux/${hostArchitecture()}.`,
        );
      }
      return this.load(repository, entry.digest);
    }
    const manifest = JSON.parse(stored.content.toString('utf8')) as ImageManifest;
    return {
      digest: stored.digest,
      manifest,
      config: JSON.parse(this.#blobs.read(manifest.config.digest).toString('utf8')) as ImageConfig,
      configDigest: manifest.config.digest,
      layers: manifest.layers.map((layer) => ({ ...layer, path: this.#blobs.path(layer.digest) })),
    };
  }

  /** Takes one tag off its image; the image stays, untagged when it was the last. False when there is none. */
  removeTag(repository: string, tag: string): boolean {
    const index = this.#repositories.get(repository);
    if (index === undefined || !index.tags.delete(tag)) return false;
    this.#save(repository, index);
    return true;
  }

  /** Deletes the image with all its tags, and the blobs that nothing else needs. False when there is none. */
  deleteImage(repository: string, digest: string): boolean {
    const index = this.#repositories.get(repository);
    const record = index?.manifests[digest];
    if (index === undefined || record === undefined) return false;
    delete index.manifests[digest];
    for (const [tag, target] of index.tags) if (target === digest) index.tags.delete(tag);
    const needed = new Set(Object.values(index.manifests).flatMap((manifest) => manifest.references));
    const dropped = record.references.filter((reference) => !needed.has(reference));
    index.blobs = index.blobs.filter((blob) => !dropped.includes(blob));
    this.#save(repository, index);
    this.#deleteUnused([digest, ...dropped]);
    return true;
  }

  /** Deletes every image of the repository. */
  deleteRepository(repository: string): void {
    const index = this.#repositories.get(repository);
    if (index === undefined) return;
    this.#repositories.delete(repository);
    rmSync(this.#indexPath(repository), { force: true });
    this.#deleteUnused([...Object.keys(index.manifests), ...index.blobs]);
  }

  #describe(repository: string, index: RepositoryIndex, digest: string): StoredImage {
    const record = index.manifests[digest]!;
    const tags = [...index.tags].filter(([, target]) => target === digest).map(([tag]) => tag);
    return {
      repository,
      digest,
      mediaType: record.mediaType,
      tags: tags.sort(),
      sizeBytes: record.sizeBytes,
      pushedAtMs: record.pushedAtMs,
    };
  }

  #open(repository: string): RepositoryIndex {
    if (!isRepositoryName(repository))
      throw new ImageStoreError('NAME_INVALID', `"${repository}" is not a valid repository name.`);
    const known = this.#repositories.get(repository);
    if (known !== undefined) return known;
    const fresh: RepositoryIndex = { manifests: {}, tags: new Map(), blobs: [] };
    this.#repositories.set(repository, fresh);
    return fresh;
  }

  #save(repository: string, index: RepositoryIndex): void {
    writeFileAtomic(
      this.#indexPath(repository),
      JSON.stringify({ ...index, tags: [...index.tags] } satisfies SavedIndex),
      this.#ids.hex(16),
    );
  }

  #indexPath(repository: string): string {
    return join(this.#directory, `${encodeURIComponent(repository)}.json`);
  }

  #deleteUnused(digests: readonly string[]): void {
    const used = new Set<string>();
    for (const index of this.#repositories.values()) {
      for (const digest of [...index.blobs, ...Object.keys(index.manifests)]) used.add(digest);
    }
    for (const digest of digests) if (!used.has(digest)) this.#blobs.delete(digest);
  }
}

function readIndex(path: string): SavedIndex {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SavedIndex;
  } catch (error) {
    throw stateFailure(path, error);
  }
}
