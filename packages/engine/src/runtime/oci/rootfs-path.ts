import { lstatSync, readlinkSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * Normalises a path inside an image to a relative one without leading slash; the root is the empty string.
 * Undefined when the path climbs above the root, which no honest image does.
 */
export function normaliseImagePath(path: string): string | undefined {
  if (path.includes('\0')) return undefined;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') return undefined;
    parts.push(part);
  }
  return parts.join('/');
}

/**
 * Where a path of an image lies inside the unpacked root, following symbolic links as if the root were `/`:
 * absolute targets start at the root again and `..` stops at it. The result never leaves the root, and may not
 * exist. Throws when links form a loop.
 */
export function resolveInRoot(root: string, path: string): string {
  const pending = path.split('/');
  let current = '';
  let links = 0;
  while (pending.length > 0) {
    const part = pending.shift()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      current = current.slice(0, Math.max(current.lastIndexOf('/'), 0));
      continue;
    }
    const next = current === '' ? part : `${current}/${part}`;
    const stat = lstatSync(join(root, next), { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() !== true) {
      current = next;
      continue;
    }
    if (++links > 40) throw new Error(`Too many symbolic links in "${path}".`);
    const target = readlinkSync(join(root, next));
    if (target.startsWith('/')) current = '';
    pending.unshift(...target.split('/'));
  }
  return join(root, current);
}

/**
 * The target to write for a symbolic link at `linkPath` (relative to the root) so that it means on the host,
 * where the root is an ordinary directory, what it means in a container: absolute targets become relative ones
 * inside the root, and `..` stops at the root.
 */
export function confineLinkTarget(linkPath: string, target: string): string {
  const directory = posix.dirname(`/${linkPath}`);
  const absolute = posix.resolve(directory, target);
  return posix.relative(directory, absolute) || '.';
}
