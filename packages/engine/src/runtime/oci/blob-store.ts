import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../../errors.ts';
import { isDigest } from './image-format.ts';

/**
 * Content addressed by sha256 in a directory.
 *
 * A blob appears under its digest by an atomic rename after its bytes were hashed, so a reader never sees
 * half of one, whatever was killed. Several processes may share the directory.
 */
export class BlobStore {
  readonly #blobs: string;
  readonly #partial: string;
  readonly #newId: () => string;

  /** `newId` names partial files: it must be unique among all processes that share the directory. */
  constructor(directory: string, newId: () => string) {
    this.#blobs = join(directory, 'blobs', 'sha256');
    this.#partial = join(directory, 'partial');
    this.#newId = newId;
    mkdirSync(this.#blobs, { recursive: true });
    mkdirSync(this.#partial, { recursive: true });
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  /** Where the blob is, or would be, on disk. */
  path(digest: string): string {
    if (!isDigest(digest)) throw new UserError('InvalidDigest', `"${digest}" is not a sha256 digest.`);
    return join(this.#blobs, digest.slice('sha256:'.length));
  }

  /** Bytes of the blob, or undefined when it is not here. */
  size(digest: string): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  read(digest: string): Buffer {
    return readFileSync(this.path(digest));
  }

  stream(digest: string, range?: { start: number; end: number }): Readable {
    return createReadStream(this.path(digest), range);
  }

  /** A fresh path in which to collect content for {@link adopt}. */
  newPartialPath(): string {
    return join(this.#partial, this.#newId());
  }

  /** Takes a finished partial file in as a blob. The caller vouches that its content has this digest. */
  async adopt(partialPath: string, digest: string): Promise<void> {
    await rename(partialPath, this.path(digest));
  }

  /** Stores the content and returns its digest and size; leaves nothing behind when the source fails. */
  async write(
    source: Readable | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<{ digest: string; size: number }> {
    const path = this.newPartialPath();
    const hash = createHash('sha256');
    let size = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(source, measure, createWriteStream(path, { flags: 'wx' }));
      const digest = `sha256:${hash.digest('hex')}`;
      await this.adopt(path, digest);
      return { digest, size };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Digests of all blobs. */
  list(): string[] {
    return readdirSync(this.#blobs).map((name) => `sha256:${name}`);
  }

  delete(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }

  /** Removes what interrupted writers left. Only for a directory that no other process is writing to. */
  clearPartial(): void {
    for (const name of readdirSync(this.#partial)) rmSync(join(this.#partial, name), { force: true });
  }
}
