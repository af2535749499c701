import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';

/** One version of an object; a delete marker has no blob. */
export interface ObjectVersion {
  readonly versionId: string;
  readonly blob: string | undefined;
  readonly size: number;
  readonly etag: string;
  readonly contentType: string;
  readonly contentEncoding: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly encryption?: ObjectEncryption | undefined;
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

/** What {@link ObjectStore.put} needs besides the bytes. */
export interface ObjectAttributes {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly encryption?: ObjectEncryption | undefined;
  readonly etag?: string;
}

/** Objects by bucket and key: facts in the database, bytes in files that are written before they are named. */
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

  put(
    bucket: string,
    key: string,
    body: Uint8Array,
    attributes: ObjectAttributes,
    versioned: boolean,
  ): ObjectVersion {
    const blob = this.writeBlob(body);
    const version: ObjectVersion = {
      versionId: versioned ? this.#engine.ids.hex(32) : 'null',
      blob,
      size: body.byteLength,
      etag: attributes.etag ?? createHash('md5').update(body).digest('hex'),
      contentType: attributes.contentType ?? 'binary/octet-stream',
      contentEncoding: attributes.contentEncoding,
      metadata: attributes.metadata ?? {},
      encryption: attributes.encryption,
      modifiedAtMs: this.#engine.clock.nowMs(),
    };
    this.#push(bucket, key, version, versioned);
    return version;
  }

  /** Deletes the object, or with versioning puts a delete marker on top; with `versionId` removes that version. */
  delete(
    bucket: string,
    key: string,
    versionId: string | undefined,
    versioned: boolean,
  ): ObjectVersion | undefined {
    const id = objectId(bucket, key);
    const stored = this.#objects.get(id);
    if (!stored) return undefined;
    if (versionId !== undefined || !versioned) {
      const gone = stored.versions.filter(
        (version) => versionId === undefined || version.versionId === versionId,
      );
      const kept = stored.versions.filter((version) => !gone.includes(version));
      if (kept.length > 0) this.#objects.put(id, { ...stored, versions: kept });
      else this.#objects.delete(id);
      for (const version of gone) this.#removeBlob(version.blob);
      return gone[0];
    }
    const marker: ObjectVersion = {
      versionId: this.#engine.ids.hex(32),
      blob: undefined,
      size: 0,
      etag: '',
      contentType: '',
      contentEncoding: undefined,
      metadata: {},
      modifiedAtMs: this.#engine.clock.nowMs(),
    };
    this.#push(bucket, key, marker, true);
    return marker;
  }

  get(bucket: string, key: string, versionId?: string): ObjectVersion | undefined {
    const versions = this.#objects.get(objectId(bucket, key))?.versions ?? [];
    return versionId === undefined
      ? versions[0]
      : versions.find((version) => version.versionId === versionId);
  }

  read(version: ObjectVersion): Buffer {
    return readFileSync(join(this.#directory, version.blob!));
  }

  /** All keys of a bucket with their versions, in key order. */
  list(bucket: string): Array<{ key: string; versions: readonly ObjectVersion[] }> {
    return [...this.#objects.values()]
      .filter((object) => object.bucket === bucket)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Stores bytes under a new name and returns it. */
  writeBlob(body: Uint8Array): string {
    const name = this.#engine.ids.uuid();
    const path = join(this.#directory, name);
    writeFileSync(`${path}.part`, body, { mode: 0o600 });
    renameSync(`${path}.part`, path);
    return name;
  }

  /** Takes back a blob that no object uses, such as a part of an upload; returns its bytes. */
  takeBlob(name: string): Buffer {
    const body = readFileSync(join(this.#directory, name));
    this.#removeBlob(name);
    return body;
  }

  #push(bucket: string, key: string, version: ObjectVersion, versioned: boolean): void {
    const id = objectId(bucket, key);
    const old = this.#objects.get(id)?.versions ?? [];
    this.#objects.put(id, { bucket, key, versions: versioned ? [version, ...old] : [version] });
    if (!versioned) for (const { blob } of old) this.#removeBlob(blob);
  }

  #removeBlob(blob: string | undefined): void {
    if (blob !== undefined) rmSync(join(this.#directory, blob), { force: true });
  }
}

function objectId(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}
