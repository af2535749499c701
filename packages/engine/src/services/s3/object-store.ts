import { createHash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, mkdirSync, openSync, read, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Engine } from '../../dispatch/service.ts';
import type { ObjectTags } from './object-tags.ts';

/** Whether a bucket keeps versions; once it has, this can only be suspended. */
export type Versioning = 'Enabled' | 'Suspended' | undefined;

/** Id of the one version of an object that was written while its bucket kept no versions. */
export const NO_VERSION = 'null';

/** One version of an object; a delete marker has no blob. */
export interface ObjectVersion {
  readonly versionId: string;
  readonly blob: string | undefined;
  readonly size: number;
  readonly etag: string;
  readonly contentType: string;
  readonly contentEncoding: string | undefined;
  /** Absent in objects that were stored before these were kept. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly encryption?: ObjectEncryption | undefined;
  /** Absent where there are none. */
  readonly tags?: ObjectTags | undefined;
  readonly modifiedAtMs: number;
}

/** What a request asked for; recorded only. */
export interface ObjectEncryption {
  readonly algorithm: string;
  readonly keyId?: string | undefined;
}

interface StoredObject {
  readonly bucket: string;
  readonly key: string;
  /** Newest first. */
  readonly versions: readonly ObjectVersion[];
}

/** What a request says about the bytes of an object. */
export interface ObjectDescription {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  /** Further headers, such as `CacheControl`, that are returned as they were given. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** What {@link ObjectStore.put} needs besides the bytes. */
export interface ObjectAttributes extends ObjectDescription {
  readonly encryption?: ObjectEncryption | undefined;
  readonly tags?: ObjectTags | undefined;
  readonly size: number;
  readonly etag: string;
}

const readFrom = promisify(read);
const HASHED_AT_ONCE_BYTES = 8 * 1024 * 1024;

/** The digest of bytes, in hexadecimal; a part at a time, so that others are served meanwhile. */
export async function md5(body: Uint8Array): Promise<string> {
  const hash = createHash('md5');
  for (let at = 0; at < body.byteLength; at += HASHED_AT_ONCE_BYTES) {
    if (at > 0) await setImmediate();
    hash.update(body.subarray(at, at + HASHED_AT_ONCE_BYTES));
  }
  return hash.digest('hex');
}

/**
 * Objects by bucket and key: facts in the database, bytes in files that are written before they are named, and off the
 * event loop.
 */
export class ObjectStore {
  readonly #engine: Engine;
  readonly #directory: string;
  readonly #objects;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#directory = join(engine.directory, 's3');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#objects = engine.state.table<StoredObject>('s3.objects');
  }

  /** Names a blob. */
  put(
    bucket: string,
    key: string,
    blob: string,
    attributes: ObjectAttributes,
    versioned: boolean,
  ): ObjectVersion {
    const version: ObjectVersion = {
      versionId: versioned ? this.#engine.ids.hex(32) : NO_VERSION,
      blob,
      size: attributes.size,
      etag: attributes.etag,
      contentType: attributes.contentType ?? 'binary/octet-stream',
      contentEncoding: attributes.contentEncoding,
      headers: attributes.headers ?? {},
      metadata: attributes.metadata ?? {},
      encryption: attributes.encryption,
      tags: someTags(attributes.tags),
      modifiedAtMs: this.#engine.clock.nowMs(),
    };
    this.#push(bucket, key, version, versioned);
    return version;
  }

  /**
   * With `versionId` removes that version. Without it deletes the object; in a bucket that keeps versions, or kept some
   * before, by a delete marker on top.
   *
   * @returns what was removed, or the marker
   */
  delete(
    bucket: string,
    key: string,
    versionId: string | undefined,
    versioning: Versioning,
  ): ObjectVersion | undefined {
    if (versionId !== undefined || versioning === undefined) {
      return this.#remove(bucket, key, versionId ?? NO_VERSION);
    }
    const versioned = versioning === 'Enabled';
    const marker: ObjectVersion = {
      versionId: versioned ? this.#engine.ids.hex(32) : NO_VERSION,
      blob: undefined,
      size: 0,
      etag: '',
      contentType: '',
      contentEncoding: undefined,
      metadata: {},
      modifiedAtMs: this.#engine.clock.nowMs(),
    };
    this.#push(bucket, key, marker, versioned);
    return marker;
  }

  #remove(bucket: string, key: string, versionId: string): ObjectVersion | undefined {
    const id = objectId(bucket, key);
    const stored = this.#objects.get(id);
    const gone = stored?.versions.find((version) => version.versionId === versionId);
    if (!stored || !gone) return undefined;
    const versions = stored.versions.filter((version) => version !== gone);
    if (versions.length > 0) this.#objects.put(id, { ...stored, versions });
    else this.#objects.delete(id);
    this.removeBlob(gone.blob);
    return gone;
  }

  get(bucket: string, key: string, versionId?: string): ObjectVersion | undefined {
    const versions = this.#objects.get(objectId(bucket, key))?.versions ?? [];
    return versionId === undefined
      ? versions[0]
      : versions.find((version) => version.versionId === versionId);
  }

  /** Replaces the tags of a version. */
  retag(bucket: string, key: string, version: ObjectVersion, tags: ObjectTags): ObjectVersion {
    const id = objectId(bucket, key);
    const stored = this.#objects.get(id)!;
    const tagged = { ...version, tags: someTags(tags) };
    const versions = stored.versions.map((each) => (each.versionId === version.versionId ? tagged : each));
    this.#objects.put(id, { ...stored, versions });
    return tagged;
  }

  /** Bytes of an object, from `start` to `end` with both. */
  async read(version: ObjectVersion, start = 0, end = version.size - 1): Promise<Buffer> {
    // Opened at once: what is read stays there, though the object may be replaced meanwhile.
    const file = openSync(join(this.#directory, version.blob!), 'r');
    try {
      const body = Buffer.allocUnsafe(end - start + 1);
      let filled = 0;
      while (filled < body.byteLength) {
        const left = body.byteLength - filled;
        const { bytesRead } = await readFrom(file, body, filled, left, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return body.subarray(0, filled);
    } finally {
      closeSync(file);
    }
  }

  /** All keys of a bucket with their versions, in key order. */
  list(bucket: string): Array<{ key: string; versions: readonly ObjectVersion[] }> {
    return [...this.#objects.values()]
      .filter((object) => object.bucket === bucket)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Stores bytes under a new name and returns it. */
  writeBlob(body: Uint8Array): Promise<string> {
    return this.#make((path) => writeFile(path, body, { mode: 0o600 }));
  }

  /** Joins blobs that no object uses, such as the parts of an upload, to one. */
  async joinBlobs(names: readonly string[]): Promise<string> {
    const directory = this.#directory;
    const joined = await this.#make((path) =>
      pipeline(
        async function* () {
          for (const name of names) yield* createReadStream(join(directory, name));
        },
        createWriteStream(path, { mode: 0o600 }),
      ),
    );
    for (const name of names) this.removeBlob(name);
    return joined;
  }

  async #make(write: (path: string) => Promise<void>): Promise<string> {
    const name = this.#engine.ids.uuid();
    const path = join(this.#directory, name);
    await write(`${path}.part`);
    await rename(`${path}.part`, path);
    return name;
  }

  #push(bucket: string, key: string, version: ObjectVersion, versioned: boolean): void {
    const id = objectId(bucket, key);
    const old = this.#objects.get(id)?.versions ?? [];
    const replaced = versioned ? [] : old.filter(({ versionId }) => versionId === NO_VERSION);
    const kept = old.filter((each) => !replaced.includes(each));
    this.#objects.put(id, { bucket, key, versions: [version, ...kept] });
    for (const { blob } of replaced) this.removeBlob(blob);
  }

  removeBlob(blob: string | undefined): void {
    if (blob !== undefined) rmSync(join(this.#directory, blob), { force: true });
  }
}

function someTags(tags: ObjectTags | undefined): ObjectTags | undefined {
  return tags === undefined || Object.keys(tags).length === 0 ? undefined : tags;
}

function objectId(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}
