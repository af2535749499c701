import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { UserError } from '../../errors.ts';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const COMMENT_BYTES_MAX = 65_535;
const STORED = 0;
const DEFLATED = 8;
const FILE_TYPE = 0o170000;
const SYMLINK = 0o120000;
const EXECUTABLE = 0o111;

/**
 * Unpacks a zip archive into a directory, with executable files and symbolic links as they were: a build calls
 * scripts of its source. Entries that would land outside of the directory are refused, also those that would get
 * there through a link.
 */
export function unzipTree(archive: Uint8Array, target: string): void {
  const zip = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const links: Array<{ path: string; to: string }> = [];
  for (const entry of entries(zip)) {
    const path = join(target, safePath(entry.name));
    if (entry.name.endsWith('/')) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    const content = read(zip, entry);
    if ((entry.mode & FILE_TYPE) === SYMLINK) {
      links.push({ path, to: content.toString('utf8') });
      continue;
    }
    writeFileSync(path, content);
    if ((entry.mode & EXECUTABLE) !== 0) chmodSync(path, 0o755);
  }
  // Last, so that no entry is written through a link.
  for (const { path, to } of links) symlinkSync(to, path);
}

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly method: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly offset: number;
}

function* entries(zip: Buffer): Generator<Entry> {
  let end = zip.length - 22;
  const first = Math.max(0, end - COMMENT_BYTES_MAX);
  while (end >= first && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < first || end < 0) throw broken('it has no directory');
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let index = 0; index < count; index++) {
    if (at + 46 > zip.length || zip.readUInt32LE(at) !== DIRECTORY_ENTRY)
      throw broken('its directory is damaged');
    const nameLength = zip.readUInt16LE(at + 28);
    yield {
      name: zip.toString('utf8', at + 46, at + 46 + nameLength),
      mode: zip.readUInt32LE(at + 38) >>> 16,
      method: zip.readUInt16LE(at + 10),
      compressedSize: zip.readUInt32LE(at + 20),
      size: zip.readUInt32LE(at + 24),
      offset: zip.readUInt32LE(at + 42),
    };
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
}

function read(zip: Buffer, entry: Entry): Buffer {
  const start = entry.offset + 30 + zip.readUInt16LE(entry.offset + 26) + zip.readUInt16LE(entry.offset + 28);
  const data = zip.subarray(start, start + entry.compressedSize);
  if (entry.method === STORED) return data;
  if (entry.method !== DEFLATED) throw broken(`${entry.name} uses compression method ${entry.method}`);
  return inflateRawSync(data);
}

function safePath(name: string): string {
  const path = posix.normalize(name);
  if (path.startsWith('/') || path === '..' || path.startsWith('../')) {
    throw broken(`its entry ${name} lies outside of the archive`);
  }
  return path;
}

function broken(why: string): UserError {
  return new UserError('InvalidArchive', `the source archive cannot be unpacked: ${why}`);
}
