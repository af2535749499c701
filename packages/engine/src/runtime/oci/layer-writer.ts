import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { Readable as ReadableStream, Transform } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Header, Pax } from 'tar';
import type { BlobStore } from './blob-store.ts';
import type { Descriptor } from './image-format.ts';
import { MEDIA_TYPES } from './image-format.ts';

/** One entry of a layer. `path` is relative to the image's root, without a leading slash. */
export type LayerEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | {
      readonly type: 'file';
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      readonly source: string;
    }
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  | { readonly type: 'whiteout'; readonly path: string };

/** A layer as it stands in a manifest, and the digest of its uncompressed content for the configuration. */
export interface WrittenLayer extends Descriptor {
  readonly diffId: string;
}

const EPOCH = new Date(0);
const BLOCK = 512;
const LARGE_FILE_BYTES = 1024 * 1024;

/**
 * Packs the entries into a gzip layer in the store.
 *
 * The same entries give the same digest on every machine and at every time: they are sorted, belong to
 * root, carry no time, and their modes are reduced to what an image needs (executable or not).
 */
export async function writeLayer(store: BlobStore, entries: readonly LayerEntry[]): Promise<WrittenLayer> {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const hash = createHash('sha256');
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const archive: Readable = ReadableStream.from(tarBytes(sorted), { objectMode: false });
  const gzip = createGzip({ level: 1 });
  archive.on('error', (error) => measure.destroy(error));
  measure.on('error', (error) => gzip.destroy(error));
  const written = await store.write(archive.pipe(measure).pipe(gzip));
  return { mediaType: MEDIA_TYPES.ociLayerGzip, ...written, diffId: `sha256:${hash.digest('hex')}` };
}

async function* tarBytes(entries: readonly LayerEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield* header(entry);
    if (entry.type !== 'file') continue;
    let size = 0;
    // Most files are small, and opening a stream for each would take most of the time.
    const content =
      entry.size > LARGE_FILE_BYTES ? createReadStream(entry.source) : [readFileSync(entry.source)];
    for await (const chunk of content as AsyncIterable<Buffer> | Buffer[]) {
      size += chunk.length;
      yield chunk;
    }
    if (size !== entry.size) throw new Error(`${entry.source} changed while it was read.`);
    const rest = size % BLOCK;
    if (rest > 0) yield Buffer.alloc(BLOCK - rest);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function* header(entry: LayerEntry): Generator<Buffer> {
  const common = { uid: 0, gid: 0, mtime: EPOCH, size: 0 };
  const fields =
    entry.type === 'directory'
      ? {
          ...common,
          path: `${entry.path}/`,
          type: 'Directory' as const,
          mode: normaliseMode(entry.mode | 0o111),
        }
      : entry.type === 'file'
        ? {
            ...common,
            path: entry.path,
            type: 'File' as const,
            mode: normaliseMode(entry.mode),
            size: entry.size,
          }
        : entry.type === 'link'
          ? {
              ...common,
              path: entry.path,
              type: 'SymbolicLink' as const,
              mode: 0o777,
              linkpath: entry.target,
            }
          : { ...common, path: whiteoutPath(entry.path), type: 'File' as const, mode: 0o644 };
  const block = new Header(fields);
  const bytes = Buffer.alloc(BLOCK);
  if (block.encode(bytes, 0)) {
    yield new Pax({
      path: fields.path,
      size: fields.size,
      ...('linkpath' in fields ? { linkpath: fields.linkpath } : {}),
    }).encode();
  }
  yield bytes;
}

function normaliseMode(mode: number): number {
  return (mode & 0o111) === 0 ? 0o644 : 0o755;
}

function whiteoutPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return `${path.slice(0, slash + 1)}.wh.${path.slice(slash + 1)}`;
}
