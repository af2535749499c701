import { createReadStream } from 'node:fs';
import { chmod, link, lstat, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { ReadEntry } from 'tar';
import { Parser } from 'tar';
import { UserError } from '../../errors.ts';
import { confineLinkTarget, normaliseImagePath } from './rootfs-path.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const BACKLOG_BYTES = 64 * 1024 * 1024;

/** A layer as a file on disk, with the media type that its manifest gives. */
export interface LayerFile {
  readonly path: string;
  readonly mediaType: string;
  readonly digest: string;
}

/**
 * Writes the merged files of the layers, lowest first, into `directory`, which must exist.
 *
 * Whiteouts remove what lower layers brought. An entry that climbs out of the root, or that lies below a
 * symbolic link, fails the whole image: both write outside the root when followed. Symbolic links are written
 * so that they stay inside the root. Ownership, times and set-id bits are dropped, and device nodes are left
 * out, because the files are used by ordinary processes of this machine.
 */
export async function unpackLayers(layers: readonly LayerFile[], directory: string): Promise<void> {
  for (const layer of layers) {
    try {
      await new LayerUnpacker(directory).unpack(layer);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError('InvalidLayer', `Layer ${layer.digest} cannot be unpacked: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

class LayerUnpacker {
  readonly #root: string;
  /** Paths that this layer wrote: an opaque whiteout hides only what lower layers brought. */
  readonly #written = new Set<string>();
  /** Directories known to be real directories. Forgotten whenever something is removed or a link is made. */
  readonly #directories = new Set<string>(['']);

  constructor(root: string) {
    this.#root = root;
  }

  async unpack(layer: LayerFile): Promise<void> {
    if (/zstd/.test(layer.mediaType)) {
      throw new UserError(
        'InvalidLayer',
        `Layer ${layer.digest} is compressed with zstd; push the image with gzip layers.`,
      );
    }
    const parser = new Parser({ strict: true });
    const ended = new Promise<void>((resolve, reject) => {
      parser.once('end', resolve);
      parser.on('error', reject);
    });
    // Awaited below, but it may reject while something else is awaited.
    ended.catch(() => undefined);
    let work: Promise<void> = Promise.resolve();
    let backlogBytes = 0;
    parser.on('entry', (entry: ReadEntry) => {
      const content = isFile(entry) ? entry.concat() : undefined;
      if (content === undefined) entry.resume();
      backlogBytes += entry.size;
      work = work.then(async () => {
        await this.#apply(
          entry,
          content === undefined ? undefined : await Promise.race([content, rejected(ended)]),
        );
        backlogBytes -= entry.size;
      });
      work.catch(() => undefined);
    });
    const feed = async (chunks: AsyncIterable<Buffer>) => {
      let empty = true;
      for await (const chunk of chunks) {
        // A layer without entries is nothing but zeros, which the parser does not take for an archive.
        if (empty && chunk.every((byte) => byte === 0)) continue;
        empty = false;
        parser.write(chunk);
        if (backlogBytes > BACKLOG_BYTES) await work;
      }
      if (empty) return;
      parser.end();
      await ended;
      await work;
    };
    const source = createReadStream(layer.path);
    if (/gzip/.test(layer.mediaType)) await pipeline(source, createGunzip(), feed);
    else await pipeline(source, feed);
  }

  async #apply(entry: ReadEntry, data: Buffer | undefined): Promise<void> {
    const path = this.#checked(entry.path);
    if (path === '') return;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    if (name === OPAQUE) return this.#clearLower(parent);
    if (name.startsWith(`${WHITEOUT}${WHITEOUT}`)) return;
    if (name.startsWith(WHITEOUT)) return this.#hide(parent, this.#checked(name.slice(WHITEOUT.length)));
    await this.#ensureDirectory(parent);
    for (let written = path; written !== ''; written = dirnameOf(written)) this.#written.add(written);
    const target = join(this.#root, path);
    const mode = (entry.mode ?? 0o644) & 0o777;
    switch (entry.type) {
      case 'Directory':
      case 'GNUDumpDir':
        await this.#makeDirectory(path, mode);
        return;
      case 'File':
      case 'OldFile':
      case 'ContiguousFile':
        await this.#remove(path);
        await writeFile(target, data ?? Buffer.alloc(0), { mode: mode | 0o200, flag: 'wx' });
        await chmod(target, mode | 0o400);
        return;
      case 'SymbolicLink':
        await this.#remove(path);
        await symlink(confineLinkTarget(path, String(entry.linkpath)), target);
        return;
      case 'Link': {
        const source = this.#checked(String(entry.linkpath));
        await this.#requireRealDirectories(dirnameOf(source));
        if (source === path) return;
        await this.#remove(path);
        await link(join(this.#root, source), target);
        return;
      }
      case 'CharacterDevice':
      case 'BlockDevice':
      case 'FIFO':
        return;
      default:
        throw new UserError(
          'InvalidLayer',
          `The layer contains "${entry.path}" of the unsupported type ${entry.type}.`,
        );
    }
  }

  #checked(path: string): string {
    const normal = normaliseImagePath(path);
    if (normal === undefined)
      throw new UserError('InvalidLayer', `The layer contains "${path}", which leads out of the image.`);
    return normal;
  }

  async #ensureDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#ensureDirectory(dirnameOf(path));
    const absolute = join(this.#root, path);
    const stat = await lstat(absolute).catch(ignoreMissing);
    if (stat === undefined) await mkdir(absolute, 0o755);
    else if (!stat.isDirectory()) {
      throw new UserError('InvalidLayer', `The layer writes below "${path}", which is not a directory.`);
    }
    this.#directories.add(path);
  }

  async #requireRealDirectories(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#requireRealDirectories(dirnameOf(path));
    const stat = await lstat(join(this.#root, path));
    if (!stat.isDirectory())
      throw new UserError('InvalidLayer', `The layer links through "${path}", which is not a directory.`);
  }

  async #makeDirectory(path: string, mode: number): Promise<void> {
    const absolute = join(this.#root, path);
    const stat = await lstat(absolute).catch(ignoreMissing);
    if (stat !== undefined && !stat.isDirectory()) await this.#remove(path);
    if (stat?.isDirectory() !== true) await mkdir(absolute);
    await chmod(absolute, mode | 0o700);
    this.#directories.add(path);
  }

  /** Applies a whiteout: what this layer itself wrote under the name stays, wherever the whiteout stands. */
  async #hide(parent: string, name: string): Promise<void> {
    if (name === '')
      throw new UserError('InvalidLayer', `The layer contains a whiteout without a name in "/${parent}".`);
    const path = parent === '' ? name : `${parent}/${name}`;
    if (!this.#written.has(path)) return this.#remove(path);
    const stat = await lstat(join(this.#root, path));
    if (stat.isDirectory()) await this.#clearLower(path);
  }

  /** Removes the entry, without following a link at or above it: a file never goes through what was there. */
  async #remove(path: string): Promise<void> {
    await this.#requireRealDirectories(dirnameOf(path)).catch(ignoreMissing);
    const absolute = join(this.#root, path);
    const stat = await lstat(absolute).catch(ignoreMissing);
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      this.#directories.clear();
      this.#directories.add('');
    }
    await rm(absolute, { recursive: true, force: true });
  }

  /** Removes what lower layers brought into the directory. */
  async #clearLower(directory: string): Promise<void> {
    await this.#ensureDirectory(directory);
    for (const name of await readdir(join(this.#root, directory))) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (!this.#written.has(path)) {
        await this.#remove(path);
        continue;
      }
      const stat = await lstat(join(this.#root, path));
      if (stat.isDirectory()) await this.#clearLower(path);
    }
  }
}

function isFile(entry: ReadEntry): boolean {
  return entry.type === 'File' || entry.type === 'OldFile' || entry.type === 'ContiguousFile';
}

/** Never resolves; rejects when the promise does. A truncated archive would otherwise wait for its last entry. */
function rejected(promise: Promise<void>): Promise<never> {
  return new Promise((_, reject) => {
    promise.catch(reject);
  });
}

function dirnameOf(path: string): string {
  const parent = dirname(path);
  return parent === '.' ? '' : parent;
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined;
  throw error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
