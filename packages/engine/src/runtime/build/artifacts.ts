import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import type { Zippable } from 'fflate';
import { zipSync } from 'fflate';
import { UserError } from '../../errors.ts';
import { compileGlob } from '../glob.ts';
import type { BuildspecArtifacts } from './buildspec.ts';

/** One file of an artifact. */
export interface ArtifactFile {
  /** Path in the artifact. */
  readonly path: string;
  /** Absolute path on disk. */
  readonly source: string;
}

/** Earliest time that a ZIP archive can hold. Fixed, so that the same files give the same archive. */
const ZIP_EPOCH = new Date(1980, 0, 1);
const UNIX = 3;

/**
 * The files that an artifact section selects.
 *
 * As in CodeBuild, patterns are relative to the base directory, and selecting nothing fails the build. A
 * symbolic link gives its target's content, and never leads out of the source directory.
 */
export function selectArtifacts(sourceDirectory: string, artifacts: BuildspecArtifacts): ArtifactFile[] {
  const root = realpathSync(sourceDirectory);
  const real = (path: string) =>
    path.startsWith(`${sourceDirectory}/`) ? root + path.slice(sourceDirectory.length) : path;
  const wanted = artifacts.files.map(real);
  const excluded = artifacts.excludePaths.map(real);
  const base = artifacts.baseDirectory === sourceDirectory ? root : real(artifacts.baseDirectory ?? '');
  const files = baseDirectories(root, base).flatMap((directory) =>
    selectBelow(root, directory, wanted, excluded),
  );
  if (files.length === 0) {
    throw new UserError(
      'NoArtifacts',
      `No file matches the artifact patterns ${artifacts.files.map((pattern) => `"${pattern}"`).join(', ')}; does the build write them?`,
    );
  }
  const discardPaths = /^(yes|true)$/i.test(artifacts.discardPaths);
  const byPath = new Map<string, ArtifactFile>();
  for (const file of files) {
    const path = discardPaths ? posix.basename(file.path) : file.path;
    const other = byPath.get(path);
    if (other !== undefined && other.source !== file.source) {
      throw new UserError(
        'DuplicateArtifact',
        `Two files of the artifact are called "${path}"; leave out discard-paths.`,
      );
    }
    byPath.set(path, { ...file, path });
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A ZIP archive of the files. The same files give the same bytes. */
export function zipArtifacts(files: readonly ArtifactFile[]): Uint8Array {
  const contents: Zippable = Object.create(null);
  for (const { path, source } of files) {
    const mode = (statSync(source).mode & 0o111) === 0 ? 0o644 : 0o755;
    contents[path] = [
      readFileSync(source),
      { attrs: ((0o100000 | mode) << 16) >>> 0, os: UNIX, mtime: ZIP_EPOCH },
    ];
  }
  return zipSync(contents, { level: 6 });
}

function selectBelow(
  root: string,
  base: string,
  files: readonly string[],
  excludePaths: readonly string[],
): ArtifactFile[] {
  const wanted = files.map((pattern) => compileGlob(normalise(pattern, base)));
  const excluded = excludePaths.map((pattern) => compileGlob(normalise(pattern, base)));
  const found: ArtifactFile[] = [];
  const visit = (directory: string) => {
    for (const name of readdirSync(join(base, directory)).sort()) {
      const path = posix.join(directory, name);
      const source = join(base, path);
      const stat = lstatSync(source);
      if (stat.isDirectory()) {
        visit(path);
      } else if (
        wanted.some((pattern) => pattern.test(path)) &&
        !excluded.some((pattern) => pattern.test(path))
      ) {
        const real = stat.isSymbolicLink() ? linkTarget(root, source, path) : source;
        if (real !== undefined) found.push({ path, source: real });
      }
    }
  };
  visit('');
  return found;
}

function linkTarget(root: string, source: string, path: string): string | undefined {
  const target = statSync(source, { throwIfNoEntry: false });
  if (target === undefined)
    throw new UserError('BrokenArtifactLink', `The artifact "${path}" is a link to nowhere.`);
  const real = realpathSync(source);
  if (!real.startsWith(root + sep))
    throw new UserError(
      'ArtifactOutsideSource',
      `The artifact "${path}" is a link out of the source directory.`,
    );
  return target.isFile() ? real : undefined;
}

function baseDirectories(root: string, pattern: string): string[] {
  const path = normalise(pattern, root);
  if (path === '' || path === '.') return [root];
  const matches = compileGlob(path);
  const found: string[] = [];
  const visit = (directory: string) => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const inner = posix.join(directory, entry.name);
      if (matches.test(inner)) found.push(join(root, inner));
      else visit(inner);
    }
  };
  visit('');
  if (found.length === 0)
    throw new UserError(
      'NoArtifacts',
      `The artifacts' base-directory "${pattern}" does not exist in the source directory.`,
    );
  return found;
}

/** Variables such as CODEBUILD_SRC_DIR make absolute paths, which are meant as paths below the directory. */
function normalise(pattern: string, directory: string): string {
  const written = posix.normalize(pattern.replaceAll('\\', '/')).replace(/\/$/, '');
  const below = written === directory || written.startsWith(`${directory}/`);
  const path = below ? written.slice(directory.length + 1) : written;
  if (path.startsWith('/') || path === '..' || path.startsWith('../')) {
    throw new UserError(
      'ArtifactOutsideSource',
      `The artifact path "${pattern}" lies outside the source directory.`,
    );
  }
  return path;
}
