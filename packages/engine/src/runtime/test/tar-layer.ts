import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { digestOf } from '../oci/image-format.ts';
import type { LayerFile } from '../oci/unpack.ts';

/** One raw entry of a layer, as hostile or odd as a test needs it. */
export interface RawEntry {
  readonly path: string;
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice';
  readonly content?: string;
  readonly linkpath?: string;
  readonly mode?: number;
}

/** A gzip layer with exactly these entries in exactly this order, written into the directory. */
export function tarLayer(directory: string, entries: readonly RawEntry[]): LayerFile {
  const content = gzipSync(tarBytes(entries));
  const digest = digestOf(content);
  const path = join(directory, digest.slice(7, 27));
  writeFileSync(path, content);
  return { path, digest, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
}

export function tarBytes(entries: readonly RawEntry[]): Buffer {
  const blocks = entries.map((entry) => {
    const body = Buffer.from(entry.content ?? '');
    const header = new Header({
      path: entry.path,
      type: entry.type ?? 'File',
      mode: entry.mode ?? 0o644,
      size: body.length,
      uid: 0,
      gid: 0,
      mtime: new Date(0),
      ...(entry.linkpath === undefined ? {} : { linkpath: entry.linkpath }),
    });
    const block = Buffer.alloc(512);
    header.encode(block, 0);
    return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
