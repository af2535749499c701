import type { BigIntStats } from 'node:fs';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { LayerEntry } from '../oci/layer-writer.ts';

const DIRECTORY = 'directory';

/** State of every file below a directory at one moment. */
export type DirectorySnapshot = ReadonlyMap<string, string>;

/** Records enough of every file to notice any later change; the time of the last status change cannot be forged. */
export function snapshotDirectory(root: string): DirectorySnapshot {
  const snapshot = new Map<string, string>();
  walk(root, '', (path, stat) => {
    const content = stat.isDirectory()
      ? DIRECTORY
      : `${stat.ino}/${stat.size}/${stat.mtimeNs}/${stat.ctimeNs}`;
    snapshot.set(path, `${stat.mode}/${content}`);
  });
  return snapshot;
}

/**
 * Layer entries that turn the snapshot's state into the directory's present one: new and changed files, and
 * whiteouts for removed ones. Files reached by hard links become separate files; sockets and pipes are left out,
 * as Docker leaves them out.
 */
export function diffDirectory(root: string, before: DirectorySnapshot): LayerEntry[] {
  const entries: LayerEntry[] = [];
  const after = snapshotDirectory(root);
  for (const [path, state] of after) {
    if (before.get(path) === state) continue;
    const source = join(root, path);
    const stat = lstatSync(source);
    if (stat.isDirectory()) {
      entries.push({ type: 'directory', path, mode: stat.mode });
    } else if (stat.isSymbolicLink()) {
      entries.push({ type: 'link', path, target: readlinkSync(source) });
    } else if (stat.isFile()) {
      entries.push({ type: 'file', path, mode: stat.mode, size: stat.size, source });
    }
  }
  for (const path of before.keys()) {
    if (after.has(path)) continue;
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    // Below a removed directory, or one that became a file, the entry of that one says it all.
    if (parent === '' || after.get(parent)?.endsWith(DIRECTORY) === true)
      entries.push({ type: 'whiteout', path });
  }
  return entries;
}

function walk(root: string, directory: string, visit: (path: string, stat: BigIntStats) => void): void {
  for (const name of readdirSync(join(root, directory)).sort()) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const stat = lstatSync(join(root, path), { bigint: true });
    visit(path, stat);
    if (stat.isDirectory()) walk(root, path, visit);
  }
}
