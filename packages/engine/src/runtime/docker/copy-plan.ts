import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { join, posix, sep } from 'node:path';
import { UserError } from '../../errors.ts';
import { compileGlob, isGlob } from '../glob.ts';
import type { LayerEntry } from '../oci/layer-writer.ts';
import type { IgnoreRule } from './docker-ignore.ts';
import { changeMode } from './file-mode.ts';

export interface CopyRequest {
  readonly sources: readonly string[];
  /** Absolute path in the image; a trailing slash means a directory, as in a Dockerfile. */
  readonly destination: string;
  /** Octal digits, or changes such as `+x`. */
  readonly chmod?: string;
  /** Whether a path of the image, without leading slash, is a directory already. */
  readonly isDirectory: (path: string) => boolean;
  /** ADD unpacks archives, which is not done: they are refused by their content. */
  readonly refuseArchives?: boolean;
}

/** What a COPY puts into the image, and a digest of all that decides about it. */
export interface CopyPlan {
  readonly entries: readonly LayerEntry[];
  readonly contentDigest: string;
}

/** The files that a build may copy from: a directory, less what .dockerignore takes out. */
export class BuildContext {
  readonly #root: string;
  readonly #ignored: IgnoreRule;
  readonly #name: string;

  constructor(directory: string, ignored: IgnoreRule, name = 'the build context') {
    this.#root = realpathSync(directory);
    this.#ignored = ignored;
    this.#name = name;
  }

  /** Works out a COPY as Docker does: directories give their content, patterns stay within one segment. */
  plan(request: CopyRequest): CopyPlan {
    const sources = request.sources.flatMap((source) => this.#match(source));
    const target = request.destination.replace(/^\/+/, '').replace(/\/+$/, '');
    const asDirectory = request.destination.endsWith('/') || request.isDirectory(target);
    if (sources.length > 1 && !asDirectory) {
      throw new UserError(
        'CopyFailed',
        `COPY of several files needs a directory as destination; write "${request.destination}/".`,
      );
    }
    const entries = new Map<string, LayerEntry>();
    const add = (entry: LayerEntry) => {
      if (entry.path !== '') entries.set(entry.path, entry);
    };
    for (const source of sources) {
      const real = this.#follow(source);
      if (lstatSync(real).isDirectory()) {
        addParents(target === '' ? '' : `${target}/x`, add);
        this.#addTree(real, source, target, request, add);
        continue;
      }
      if (request.refuseArchives === true && isArchive(real))
        throw new UserError(
          'CopyFailed',
          `ADD unpacks the archive "${source}", which is not supported without a container engine. Unpack it before, or copy it as it is with COPY.`,
        );
      const path = asDirectory ? posix.join(target, posix.basename(source)) : target;
      addParents(path, add);
      add(this.#entry(real, path, request));
    }
    const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    return { entries: sorted, contentDigest: digestEntries(sorted) };
  }

  /** Existing paths, relative to the context, that the source names. */
  #match(source: string): string[] {
    const pattern = posix.normalize(source.replace(/^\/+/, '')).replace(/\/+$/, '');
    if (pattern === '..' || pattern.startsWith('../')) {
      throw new UserError('CopyFailed', `COPY cannot take "${source}": it lies outside ${this.#name}.`);
    }
    // A pattern may match nothing (https://github.com/moby/buildkit/issues/1266); a name must be there.
    if (isGlob(pattern)) return this.#glob(pattern);
    if (!this.#isThere(pattern)) {
      throw new UserError(
        'CopyFailed',
        `COPY found no "${source}" in ${this.#name}; is it missing, or excluded by .dockerignore?`,
      );
    }
    return [pattern === '.' ? '' : pattern];
  }

  #glob(pattern: string): string[] {
    let candidates = [''];
    for (const segment of pattern.split('/')) {
      const matches = compileGlob(segment);
      candidates = candidates.flatMap((directory) =>
        readDirectory(join(this.#root, directory))
          .filter((name) => matches.test(name))
          .map((name) => posix.join(directory, name)),
      );
    }
    return candidates.filter((path) => this.#isThere(path));
  }

  /** An excluded directory may still hold files that a later `!` line takes back in. */
  #isThere(path: string): boolean {
    if (path === '.') return true;
    const stat = lstatSync(join(this.#root, path), { throwIfNoEntry: false });
    if (stat === undefined) return false;
    if (!this.#ignored(path)) return true;
    return stat.isDirectory() && this.#hasIncluded(path);
  }

  #hasIncluded(directory: string): boolean {
    return readdirSync(join(this.#root, directory), { withFileTypes: true }).some((entry) => {
      const path = posix.join(directory, entry.name);
      return !this.#ignored(path) || (entry.isDirectory() && this.#hasIncluded(path));
    });
  }

  /** A symbolic link that is named directly is followed, but never out of the context. */
  #follow(source: string): string {
    const path = join(this.#root, source);
    if (!existsSync(path))
      throw new UserError('CopyFailed', `COPY cannot take "${source}": it is a link to nowhere.`);
    const real = realpathSync(path);
    if (real !== this.#root && !real.startsWith(this.#root + sep)) {
      throw new UserError('CopyFailed', `COPY cannot take "${source}": it leads outside ${this.#name}.`);
    }
    return real;
  }

  #addTree(
    directory: string,
    relative: string,
    target: string,
    request: CopyRequest,
    add: (entry: LayerEntry) => void,
  ): void {
    for (const name of readdirSync(directory).sort()) {
      const path = join(directory, name);
      const inContext = posix.join(relative, name);
      const inImage = posix.join(target, name);
      const ignored = this.#ignored(inContext);
      if (lstatSync(path).isDirectory()) {
        if (ignored && !this.#hasIncluded(inContext)) continue;
        add({ type: 'directory', path: inImage, mode: 0o755 });
        this.#addTree(path, inContext, inImage, request, add);
      } else if (!ignored) {
        add(this.#entry(path, inImage, request));
      }
    }
  }

  #entry(source: string, path: string, request: CopyRequest): LayerEntry {
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) return { type: 'link', path, target: readlinkSync(source) };
    if (!stat.isFile())
      throw new UserError(
        'CopyFailed',
        `COPY cannot take "${source}": it is neither a file nor a directory.`,
      );
    const mode = request.chmod === undefined ? stat.mode : changeMode(stat.mode, request.chmod);
    return { type: 'file', path, mode, size: stat.size, source };
  }
}

/** Content that Docker takes for an archive: gzip, bzip2, xz, zstd, or tar itself. */
function isArchive(path: string): boolean {
  const head = Buffer.alloc(262);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  const start = head.toString('hex', 0, 6);
  return (
    ['1f8b', '425a68', 'fd377a585a00', '28b52ffd'].some((magic) => start.startsWith(magic)) ||
    head.toString('latin1', 257, 262) === 'ustar'
  );
}

function addParents(path: string, add: (entry: LayerEntry) => void): void {
  const parts = path.split('/').slice(0, -1);
  for (let count = 1; count <= parts.length; count++) {
    add({ type: 'directory', path: parts.slice(0, count).join('/'), mode: 0o755 });
  }
}

function digestEntries(entries: readonly LayerEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    const detail =
      entry.type === 'file'
        ? [(entry.mode & 0o111) !== 0, createHash('sha256').update(readFileSync(entry.source)).digest('hex')]
        : entry.type === 'link'
          ? [entry.target]
          : [];
    hash.update(JSON.stringify([entry.type, entry.path, ...detail]));
  }
  return hash.digest('hex');
}

function readDirectory(path: string): string[] {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(path).sort() : [];
}
