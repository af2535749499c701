import {
  chmodSync,
  closeSync,
  createReadStream,
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { ReadEntry } from 'tar';
import { Parser } from 'tar';
import { UserError } from '../../errors.ts';
import { confineLinkTarget, normaliseImagePath } from './rootfs-path.ts';

/** What all layers of an image may hold together. Fargate gives a task 20 GiB of storage unless more is asked for. */
const UNPACKED_BYTES_MAX = 20 * 1024 ** 3;
const ENTRIES_MAX = 500_000;

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

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
 *
 * With `readOnly` nobody may write to the files; directories stay writable, since further layers need that.
 */
export async function unpackLayers(
  layers: readonly LayerFile[],
  directory: string,
  options: { readOnly?: boolean; maxBytes?: number; maxEntries?: number } = {},
): Promise<void> {
  const fileMode = options.readOnly === true ? 0o555 : 0o777;
  const room: Room = {
    bytes: options.maxBytes ?? UNPACKED_BYTES_MAX,
    entries: options.maxEntries ?? ENTRIES_MAX,
  };
  for (const layer of layers) {
    try {
      await new LayerUnpacker(directory, fileMode, room).unpack(layer);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError('InvalidLayer', `Layer ${layer.digest} cannot be unpacked: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

/** What the layers that are still to come may hold. */
interface Room {
  bytes: number;
  entries: number;
}

/**
 * Works on the file system synchronously, piece by piece between the chunks of the archive: a layer with
 * thousands of small files takes less than half the time that waiting for each operation takes, and no turn of
 * the event loop is long.
 */
class LayerUnpacker {
  readonly #root: string;
  readonly #fileMode: number;
  readonly #room: Room;
  /** Paths that this layer wrote: an opaque whiteout hides only what lower layers brought. */
  readonly #written = new Set<string>();
  /** Directories known to be real ones and no links. Forgotten when a directory is removed. */
  readonly #directories = new Set<string>(['']);

  /** The file that is being written, and the mode that it gets. */
  #file: { readonly descriptor: number; readonly mode: number } | undefined;

  constructor(root: string, fileMode: number, room: Room) {
    this.#root = root;
    this.#fileMode = fileMode;
    this.#room = room;
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
    let failure: unknown;
    const attempt = (step: () => void) => {
      if (failure !== undefined) return;
      try {
        step();
      } catch (error) {
        failure = error;
      }
    };
    parser.on('entry', (entry: ReadEntry) => {
      attempt(() => this.#begin(entry));
      entry.on('data', (chunk: Buffer) => attempt(() => this.#continue(chunk)));
      entry.on('end', () => attempt(() => this.#end()));
    });
    const feed = async (chunks: AsyncIterable<Buffer>) => {
      let empty = true;
      for await (const chunk of chunks) {
        // A layer without entries is nothing but zeros, which the parser does not take for an archive.
        if (empty && chunk.every((byte) => byte === 0)) continue;
        empty = false;
        parser.write(chunk);
        if (failure !== undefined) throw failure;
      }
      if (empty) return;
      parser.end();
      await ended;
      if (failure !== undefined) throw failure;
    };
    const source = createReadStream(layer.path);
    try {
      if (/gzip/.test(layer.mediaType)) await pipeline(source, createGunzip(), feed);
      else await pipeline(source, feed);
    } finally {
      this.#end();
    }
  }

  #begin(entry: ReadEntry): void {
    if (--this.#room.entries < 0) throw tooMuch(`more than ${ENTRIES_MAX} files`);
    const path = this.#checked(entry.path);
    if (path === '') return;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    if (name === OPAQUE) this.#clearLower(parent);
    else if (name.startsWith(`${WHITEOUT}${WHITEOUT}`)) return;
    else if (name.startsWith(WHITEOUT)) this.#hide(parent, this.#checked(name.slice(WHITEOUT.length)));
    else this.#make(entry, path, parent);
  }

  #continue(chunk: Buffer): void {
    this.#room.bytes -= chunk.length;
    if (this.#room.bytes < 0) throw tooMuch(`more than ${UNPACKED_BYTES_MAX / 1024 ** 3} GiB`);
    if (this.#file !== undefined) writeFileSync(this.#file.descriptor, chunk);
  }

  #end(): void {
    if (this.#file === undefined) return;
    const { descriptor, mode } = this.#file;
    this.#file = undefined;
    fchmodSync(descriptor, mode);
    closeSync(descriptor);
  }

  #make(entry: ReadEntry, path: string, parent: string): void {
    this.#ensureDirectory(parent);
    for (let written = path; written !== ''; written = dirnameOf(written)) this.#written.add(written);
    const target = join(this.#root, path);
    const mode = (entry.mode ?? 0o644) & 0o777;
    switch (entry.type) {
      case 'Directory':
      case 'GNUDumpDir':
        this.#makeDirectory(path, mode);
        return;
      case 'File':
      case 'OldFile':
      case 'ContiguousFile':
        this.#remove(path);
        this.#file = { descriptor: openSync(target, 'wx'), mode: (mode | 0o400) & this.#fileMode };
        return;
      case 'SymbolicLink':
        this.#remove(path);
        symlinkSync(confineLinkTarget(path, String(entry.linkpath)), target);
        return;
      case 'Link': {
        const source = this.#checked(String(entry.linkpath));
        this.#requireRealDirectories(dirnameOf(source));
        if (source === path) return;
        this.#remove(path);
        linkSync(join(this.#root, source), target);
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

  #ensureDirectory(path: string): void {
    if (this.#directories.has(path)) return;
    this.#ensureDirectory(dirnameOf(path));
    const absolute = join(this.#root, path);
    const stat = lstatSync(absolute, { throwIfNoEntry: false });
    if (stat === undefined) mkdirSync(absolute, 0o755);
    else if (!stat.isDirectory()) {
      throw new UserError('InvalidLayer', `The layer writes below "${path}", which is not a directory.`);
    }
    this.#directories.add(path);
  }

  /** False when the directory does not exist; throws when something on the way is no directory. */
  #requireRealDirectories(path: string): boolean {
    if (this.#directories.has(path)) return true;
    if (!this.#requireRealDirectories(dirnameOf(path))) return false;
    const stat = lstatSync(join(this.#root, path), { throwIfNoEntry: false });
    if (stat === undefined) return false;
    if (stat.isDirectory()) return true;
    throw new UserError('InvalidLayer', `The layer links through "${path}", which is not a directory.`);
  }

  #makeDirectory(path: string, mode: number): void {
    const absolute = join(this.#root, path);
    const stat = lstatSync(absolute, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory()) this.#remove(path);
    if (stat?.isDirectory() !== true) mkdirSync(absolute);
    chmodSync(absolute, mode | 0o700);
    this.#directories.add(path);
  }

  /** Applies a whiteout: what this layer itself wrote under the name stays, wherever the whiteout stands. */
  #hide(parent: string, name: string): void {
    if (name === '')
      throw new UserError('InvalidLayer', `The layer contains a whiteout without a name in "/${parent}".`);
    const path = parent === '' ? name : `${parent}/${name}`;
    if (!this.#written.has(path)) this.#remove(path);
    else if (lstatSync(join(this.#root, path)).isDirectory()) this.#clearLower(path);
  }

  /** Removes the entry, without following a link at or above it: a file never goes through what was there. */
  #remove(path: string): void {
    if (!this.#requireRealDirectories(dirnameOf(path))) return;
    const absolute = join(this.#root, path);
    const stat = lstatSync(absolute, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      this.#directories.clear();
      this.#directories.add('');
    }
    rmSync(absolute, { recursive: true, force: true });
  }

  /** Removes what lower layers brought into the directory. */
  #clearLower(directory: string): void {
    this.#ensureDirectory(directory);
    for (const name of readdirSync(join(this.#root, directory))) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (!this.#written.has(path)) {
        this.#remove(path);
        continue;
      }
      const stat = lstatSync(join(this.#root, path));
      if (stat.isDirectory()) this.#clearLower(path);
    }
  }
}

function tooMuch(what: string): UserError {
  return new UserError(
    'InvalidLayer',
    `The layers hold ${what} when unpacked, which the local engine does not run.`,
  );
}

function dirnameOf(path: string): string {
  const parent = dirname(path);
  return parent === '.' ? '' : parent;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
