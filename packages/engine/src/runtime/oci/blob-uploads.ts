import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '../../clock/clock.ts';
import type { Ids } from '../../ids.ts';
import { isDigest } from './image-format.ts';
import type { ImageStore } from './image-store.ts';
import { created, RegistryError, send, unsupported } from './registry-reply.ts';

interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly path: string;
  readonly hash: Hash;
  size: number;
  busy: boolean;
  expiry: Timer;
}

const UPLOAD_IDLE_MS = 15 * 60_000;

/** Blobs on their way in: in one piece, or in chunks that may be resumed until the upload has been idle for too long. */
export class BlobUploads {
  readonly #store: ImageStore;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #uploads = new Map<string, Upload>();

  constructor({ store, clock, ids }: { store: ImageStore; clock: Clock; ids: Ids }) {
    this.#store = store;
    this.#clock = clock;
    this.#ids = ids;
  }

  /** Drops every unfinished upload. */
  async close(): Promise<void> {
    await Promise.all([...this.#uploads.values()].map((upload) => this.#drop(upload)));
  }

  /** Begins an upload; with a `digest` the request holds the whole blob. */
  async start(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    digest: string | null,
  ): Promise<void> {
    const id = this.#ids.uuid();
    const upload: Upload = {
      id,
      repository,
      path: this.#store.blobs.newPartialPath(),
      hash: createHash('sha256'),
      size: 0,
      busy: false,
      expiry: this.#clock.setTimer(UPLOAD_IDLE_MS, () => void this.#drop(upload)),
    };
    this.#uploads.set(id, upload);
    if (digest === null) return this.#accepted(response, upload, 202);
    try {
      await this.#receive(request, upload);
    } catch (error) {
      await this.#drop(upload);
      throw error;
    }
    await this.#finish(response, upload, digest);
  }

  async resume(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
    digest: string | null,
  ): Promise<void> {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.repository !== repository) {
      throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', `There is no upload ${id}; it may have expired.`);
    }
    switch (request.method) {
      case 'GET':
        return this.#accepted(response, upload, 204);
      case 'DELETE':
        await this.#drop(upload);
        return send(response, 204, {}, '');
      case 'PATCH':
        await this.#receive(request, upload);
        return this.#accepted(response, upload, 202);
      case 'PUT':
        if (digest === null || !isDigest(digest))
          throw new RegistryError(400, 'DIGEST_INVALID', 'Finish an upload with ?digest=sha256:....');
        await this.#receive(request, upload);
        return this.#finish(response, upload, digest);
      default:
        throw unsupported(request.method ?? '');
    }
  }

  async #receive(request: IncomingMessage, upload: Upload): Promise<void> {
    if (upload.busy)
      throw new RegistryError(409, 'BLOB_UPLOAD_INVALID', 'Another request is sending to this upload.');
    const range = /^(?:bytes[ =])?(\d+)-(\d+)/.exec(request.headers['content-range'] ?? '');
    if (range !== null && Number(range[1]) !== upload.size) {
      throw new RegistryError(
        416,
        'BLOB_UPLOAD_INVALID',
        `The upload has ${upload.size} bytes; send the rest from there.`,
        uploadHeaders(upload),
      );
    }
    upload.busy = true;
    upload.expiry.cancel();
    const file = await open(upload.path, 'a');
    try {
      // One chunk at a time, so that hash and size never run ahead of the file when the client vanishes.
      for await (const chunk of request as AsyncIterable<Buffer>) {
        await file.appendFile(chunk);
        upload.hash.update(chunk);
        upload.size += chunk.length;
      }
    } finally {
      await file.close();
      upload.busy = false;
      upload.expiry = this.#clock.setTimer(UPLOAD_IDLE_MS, () => void this.#drop(upload));
    }
  }

  async #finish(response: ServerResponse, upload: Upload, digest: string): Promise<void> {
    const actual = `sha256:${upload.hash.digest('hex')}`;
    if (actual !== digest) {
      await this.#drop(upload);
      throw new RegistryError(400, 'DIGEST_INVALID', `The content's digest is ${actual}, not ${digest}.`);
    }
    this.#forget(upload);
    await this.#store.blobs.adopt(upload.path, digest);
    this.#store.linkBlob(upload.repository, digest);
    created(response, upload.repository, digest);
  }

  #accepted(response: ServerResponse, upload: Upload, status: 202 | 204): void {
    send(
      response,
      status,
      { ...uploadHeaders(upload), location: `/v2/${upload.repository}/blobs/uploads/${upload.id}` },
      '',
    );
  }

  async #drop(upload: Upload): Promise<void> {
    this.#forget(upload);
    await rm(upload.path, { force: true });
  }

  #forget(upload: Upload): void {
    upload.expiry.cancel();
    this.#uploads.delete(upload.id);
  }
}

function uploadHeaders(upload: Upload): Record<string, string> {
  return { 'docker-upload-uuid': upload.id, range: `0-${Math.max(upload.size - 1, 0)}` };
}
