import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import type { Ids } from '../../ids.ts';
import { invalidParameter } from './function-settings.ts';
import type { FunctionCode } from './store.ts';

const UNPACKED_BYTES_MAX = 250 * 1024 * 1024;
/** What the file system says to an archive whose names contradict each other or fit nowhere. */
const CLASHES = new Set<unknown>(['EEXIST', 'EISDIR', 'ENAMETOOLONG', 'ENOTDIR']);

/** The unpacked code of all functions, each in a folder named after the digest of its zip file. */
export class CodeStore {
  readonly #root: string;
  readonly #ids: Ids;

  constructor(parts: { directory: string; ids: Ids }) {
    this.#root = parts.directory;
    this.#ids = parts.ids;
  }

  /** Directory that a function's processes run in. */
  directory(code: FunctionCode): string {
    return join(this.#root, code.sha256);
  }

  /**
   * Checks a zip file without keeping it.
   *
   * @throws `InvalidParameterValueException` for what is not a zip file, is larger than Lambda's 250 MiB, or has
   * an entry that would land outside of its folder
   */
  inspect(zip: Uint8Array): { code: FunctionCode; files: Record<string, Uint8Array> } {
    let files: Record<string, Uint8Array>;
    let unpackedBytes = 0;
    try {
      files = unzipSync(zip, {
        filter: ({ name, originalSize }) => {
          unpackedBytes += originalSize;
          return !name.endsWith('/') && unpackedBytes <= UNPACKED_BYTES_MAX;
        },
      });
    } catch {
      throw notAZip();
    }
    if (unpackedBytes > UNPACKED_BYTES_MAX) {
      throw invalidParameter(`Unzipped size must be smaller than ${UNPACKED_BYTES_MAX} bytes`);
    }
    const names = Object.keys(files);
    if (names.length === 0) throw invalidParameter('Uploaded file must be a non-empty zip');
    const escaping = names.find(leavesItsFolder);
    if (escaping !== undefined) {
      throw invalidParameter(`The zip file's entry ${JSON.stringify(escaping)} leads out of its folder.`);
    }
    const sha256 = createHash('sha256').update(zip).digest('hex');
    return { code: { sha256, sizeBytes: zip.byteLength }, files };
  }

  /** Unpacks a zip file in one step: after a crash its folder is whole, or not there. */
  put(zip: Uint8Array): FunctionCode {
    const { code, files } = this.inspect(zip);
    const directory = this.directory(code);
    if (existsSync(directory)) return code;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    const temporary = join(this.#root, `.${this.#ids.hex(16)}`);
    try {
      for (const [name, content] of Object.entries(files)) {
        const path = join(temporary, name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content);
      }
      renameSync(temporary, directory);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      if (error instanceof Error && 'code' in error && CLASHES.has(error.code)) throw notAZip();
      throw error;
    }
    return code;
  }

  /** Removes every folder that no function uses. */
  keepOnly(codes: Iterable<FunctionCode>): void {
    if (!existsSync(this.#root)) return;
    const used = new Set(Array.from(codes, ({ sha256 }) => sha256));
    for (const name of readdirSync(this.#root)) {
      if (!used.has(name)) rmSync(join(this.#root, name), { recursive: true, force: true });
    }
  }
}

function notAZip() {
  return invalidParameter('Could not unzip uploaded file. Please check your file, then try to upload again.');
}

function leavesItsFolder(name: string): boolean {
  return (
    name.startsWith('/') ||
    /^[a-zA-Z]:/.test(name) ||
    name.split(/[/\\]/).includes('..') ||
    name.includes('\0')
  );
}
