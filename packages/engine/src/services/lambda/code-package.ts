import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { AwsFault } from '../../errors.ts';

/** A function's code as it was uploaded and unpacked. */
export interface CodePackage {
  readonly directory: string;
  /** Base64, as Lambda shows it. */
  readonly sha256: string;
  readonly bytes: number;
}

const ZIP_BYTES_MAX = 50 * 1024 * 1024;
const UNPACKED_BYTES_MAX = 250 * 1024 * 1024;

/** Code packages below one directory, each unpacked once and known by its hash. */
export class CodePackages {
  readonly #root: string;
  readonly #suffix: () => string;

  constructor(root: string, suffix: () => string) {
    this.#root = root;
    this.#suffix = suffix;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** Unpacks a zip archive; refuses what is none, what is too large, and names that lead outside. */
  unpack(zip: Uint8Array): CodePackage {
    const hash = createHash('sha256').update(zip).digest();
    const directory = join(this.#root, hash.toString('hex'));
    const made = { directory, sha256: hash.toString('base64'), bytes: zip.byteLength };
    if (existsSync(directory)) return made;
    if (zip.byteLength > ZIP_BYTES_MAX) {
      throw invalid(`Request must be smaller than ${ZIP_BYTES_MAX} bytes for the CreateFunction operation`);
    }
    const files = filesOf(zip);
    const staging = `${directory}.${this.#suffix()}`;
    mkdirSync(staging, { recursive: true, mode: 0o700 });
    try {
      for (const [name, content] of files) {
        const path = join(staging, name);
        mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
        if (!name.endsWith('/')) writeFileSync(path, content);
      }
      renameSync(staging, directory);
    } catch (error) {
      rmSync(staging, { recursive: true, force: true });
      throw error;
    }
    return made;
  }

  /** Removes every package that is not in use. Only when no function runs. */
  keepOnly(directories: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#root)) {
      const directory = join(this.#root, name);
      if (!directories.has(directory)) rmSync(directory, { recursive: true, force: true });
    }
  }
}

function filesOf(zip: Uint8Array): Array<[string, Uint8Array]> {
  let unpackedBytes = 0;
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(zip, {
      filter: ({ name, originalSize }) => {
        unpackedBytes += originalSize;
        if (unpackedBytes > UNPACKED_BYTES_MAX) {
          throw invalid(`Unzipped size must be smaller than ${UNPACKED_BYTES_MAX} bytes`);
        }
        if (name.startsWith('/') || name.split(/[/\\]/).includes('..')) {
          throw invalid(`Could not unzip uploaded file: the name "${name}" leads outside of the package.`);
        }
        return true;
      },
    });
  } catch (error) {
    if (error instanceof AwsFault) throw error;
    throw invalid('Could not unzip uploaded file. Please check your file, then try to upload again.');
  }
  const entries = Object.entries(files);
  if (entries.length === 0) throw invalid('Uploaded file must be a non-empty zip');
  return entries;
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}
