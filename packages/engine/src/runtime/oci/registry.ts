import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock, Timer } from '../../clock/clock.ts';
import type { Ids } from '../../ids.ts';
import { percentDecoded, splitTarget } from '../../wire/request-target.ts';
import { isDigest } from './image-format.ts';
import { isRepositoryName } from './image-reference.ts';
import type { ImageStore, StoredImage } from './image-store.ts';
import { ImageStoreError } from './image-store.ts';

export type RegistryAction = 'pull' | 'push';

/** What the registry asks ECR about: who may do what, which repositories exist, which tags are frozen. */
export interface RegistryPolicy {
  /**
   * Resolves when the holder of the token (the password of a `docker login`) may act; `repository` is
   * undefined for the mere login check. Throws an error with a `code`: `AccessDeniedException` and other
   * codes that contain `Denied` answer 403, everything else 401. An error with `status` 500 or more is passed on.
   */
  authorize(token: string, repository: string | undefined, action: RegistryAction): Promise<void>;
  repositoryExists(repository: string): boolean | Promise<boolean>;
  /** Whether a tag that exists may not be moved to another image. */
  tagIsImmutable(repository: string, tag: string): boolean | Promise<boolean>;
  /** Called after a manifest was stored. */
  onPushed?(image: StoredImage): void;
  /** Called after a manifest was served to a client that runs or copies it. */
  onPulled?(image: StoredImage): void;
}

/** What a request asks for. */
interface Target {
  readonly path: string;
  readonly query: URLSearchParams;
}

interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly path: string;
  readonly hash: Hash;
  size: number;
  busy: boolean;
  expiry: Timer;
}

class RegistryError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.name = 'RegistryError';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

const STORE_ERROR_STATUS: Record<ImageStoreError['code'], number> = {
  NAME_INVALID: 400,
  BLOB_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  MANIFEST_BLOB_UNKNOWN: 404,
  TAG_INVALID: 400,
};

const UPLOAD_IDLE_MS = 15 * 60_000;
const LARGEST_MANIFEST_BYTES = 4 * 1024 * 1024;
const ROUTE = /^\/v2\/(.+)\/(?:(blobs\/uploads)\/?([^/]*)|(blobs|manifests)\/([^/]+)|(tags)\/list)$/;

/**
 * The OCI distribution API over an {@link ImageStore}, as `docker push` and `docker pull` use it.
 *
 * Uploads stream to disk and are hashed on the way. A client that vanishes in the middle of a blob leaves
 * nothing when the upload was in one piece; a chunked upload may be resumed for 15 minutes and is then
 * dropped. Deleting goes through ECR, so the deleting methods of the API answer `UNSUPPORTED`.
 */
export class Registry {
  readonly #store: ImageStore;
  readonly #policy: RegistryPolicy;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #uploads = new Map<string, Upload>();

  constructor(options: { store: ImageStore; policy: RegistryPolicy; clock: Clock; ids: Ids }) {
    this.#store = options.store;
    this.#policy = options.policy;
    this.#clock = options.clock;
    this.#ids = options.ids;
  }

  /** Answers a request below `/v2`; resolves to false, untouched, when the request is not for a registry. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { path, query } = splitTarget(request.url);
    if (path !== '/v2' && !path.startsWith('/v2/')) return false;
    const target: Target = { path, query: new URLSearchParams(query) };
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    try {
      await this.#route(request, response, target);
    } catch (error) {
      this.#fail(request, response, error);
    }
    return true;
  }

  /** Drops every unfinished upload. */
  async close(): Promise<void> {
    await Promise.all([...this.#uploads.values()].map((upload) => this.#drop(upload)));
  }

  async #route(request: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const method = request.method ?? 'GET';
    const reading = method === 'GET' || method === 'HEAD';
    if (target.path === '/v2/' || target.path === '/v2') {
      await this.#authorize(request, undefined, 'pull');
      if (!reading) throw unsupported(method);
      return send(response, 200, {}, '{}', method);
    }
    const route = ROUTE.exec(target.path);
    if (route === null) {
      await this.#authorize(request, undefined, 'pull');
      throw new RegistryError(404, 'UNSUPPORTED', `This registry does not serve ${target.path}.`);
    }
    const [, repository = '', uploads, uploadId = '', kind, reference = '', tags] = route;
    const pulling = reading && uploads === undefined;
    await this.#authorize(request, repository, pulling ? 'pull' : 'push');
    if (!isRepositoryName(repository))
      throw new RegistryError(400, 'NAME_INVALID', `"${repository}" is not a valid repository name.`);
    if (!(await this.#policy.repositoryExists(repository))) {
      throw new RegistryError(
        404,
        'NAME_UNKNOWN',
        `The repository with name '${repository}' does not exist in the registry`,
      );
    }
    if (tags !== undefined) {
      if (!reading) throw unsupported(method);
      return this.#listTags(response, repository, target, method);
    }
    if (uploads !== undefined) {
      if (uploadId === '') {
        if (method !== 'POST') throw unsupported(method);
        return this.#startUpload(request, response, repository, target);
      }
      return this.#continueUpload(request, response, repository, uploadId, target);
    }
    const decoded = percentDecoded(reference);
    if (decoded === undefined)
      throw new RegistryError(400, 'NAME_INVALID', 'The path is not valid percent-encoding.');
    if (kind === 'blobs') {
      if (!reading) throw unsupported(method);
      return this.#sendBlob(request, response, repository, decoded, method);
    }
    if (method === 'PUT') return this.#putManifest(request, response, repository, decoded);
    if (!reading) throw unsupported(method);
    return this.#sendManifest(response, repository, decoded, method);
  }

  async #authorize(
    request: IncomingMessage,
    repository: string | undefined,
    action: RegistryAction,
  ): Promise<void> {
    const challenge = {
      'www-authenticate': `Basic realm="http://${request.headers.host ?? '127.0.0.1'}/",service="ecr.amazonaws.com"`,
    };
    const token = basicPassword(request.headers.authorization);
    if (token === undefined) {
      throw new RegistryError(
        401,
        'UNAUTHORIZED',
        'Log in first: user name AWS, password from "aws ecr get-login-password".',
        challenge,
      );
    }
    try {
      await this.#policy.authorize(token, repository, action);
    } catch (error) {
      const { code, status, message } = describeError(error);
      if (code === undefined || (status !== undefined && status >= 500)) throw error;
      if (/denied/i.test(code)) throw new RegistryError(403, 'DENIED', message);
      throw new RegistryError(401, 'UNAUTHORIZED', message, challenge);
    }
  }

  #listTags(response: ServerResponse, repository: string, target: Target, method: string): void {
    const all = this.#store.listTags(repository);
    const last = target.query.get('last');
    const after = last === null ? all : all.filter((tag) => tag > last);
    const asked = target.query.get('n');
    const limit = asked === null ? after.length : Number(asked);
    if (!Number.isInteger(limit) || limit < 0)
      throw new RegistryError(400, 'PAGINATION_NUMBER_INVALID', `"${asked}" is not a page size.`);
    const page = after.slice(0, limit);
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (page.length > 0 && page.length < after.length) {
      headers.link = `</v2/${repository}/tags/list?n=${limit}&last=${page.at(-1)!}>; rel="next"`;
    }
    send(response, 200, headers, JSON.stringify({ name: repository, tags: page }), method);
  }

  async #sendBlob(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    digest: string,
    method: string,
  ): Promise<void> {
    if (!isDigest(digest))
      throw new RegistryError(400, 'DIGEST_INVALID', `"${digest}" is not a sha256 digest.`);
    const size = this.#store.hasBlob(repository, digest) ? this.#store.blobs.size(digest) : undefined;
    if (size === undefined)
      throw new RegistryError(404, 'BLOB_UNKNOWN', `${repository} has no blob ${digest}.`);
    const range = parseRange(request.headers.range, size);
    if (range === 'unsatisfiable') {
      throw new RegistryError(416, 'BLOB_UNKNOWN', `The blob has ${size} bytes.`, {
        'content-range': `bytes */${size}`,
      });
    }
    response.writeHead(range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      'accept-ranges': 'bytes',
      'content-length': range === undefined ? size : range.end - range.start + 1,
      ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${size}` }),
    });
    if (method === 'HEAD') {
      response.end();
      return;
    }
    await pipeline(this.#store.blobs.stream(digest, range), response);
  }

  #sendManifest(response: ServerResponse, repository: string, reference: string, method: string): void {
    const manifest = this.#store.readManifest(repository, reference);
    if (manifest === undefined)
      throw new RegistryError(404, 'MANIFEST_UNKNOWN', `${repository} has no image ${reference}.`);
    const headers = {
      'content-type': manifest.mediaType,
      'docker-content-digest': manifest.digest,
      etag: `"${manifest.digest}"`,
    };
    if (method === 'GET') {
      const image = this.#store.describe(repository, manifest.digest);
      if (image !== undefined) this.#policy.onPulled?.(image);
    }
    send(response, 200, headers, manifest.content, method);
  }

  async #putManifest(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
  ): Promise<void> {
    const content = await readBody(request, LARGEST_MANIFEST_BYTES);
    const mediaType = (request.headers['content-type'] ?? '').split(';')[0]!.trim();
    const immutableTags = !isDigest(reference) && (await this.#policy.tagIsImmutable(repository, reference));
    const image = this.#store.putManifest(repository, reference, mediaType, content, { immutableTags });
    this.#policy.onPushed?.(image);
    send(
      response,
      201,
      { location: `/v2/${repository}/manifests/${image.digest}`, 'docker-content-digest': image.digest },
      '',
    );
  }

  async #startUpload(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    target: Target,
  ): Promise<void> {
    const mount = target.query.get('mount');
    const from = target.query.get('from');
    if (mount !== null && isDigest(mount)) {
      if (
        this.#store.hasBlob(repository, mount) ||
        (from !== null && (await this.#mayMount(request, from, mount)))
      ) {
        this.#store.linkBlob(repository, mount);
        return this.#created(response, repository, mount);
      }
    }
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
    const digest = target.query.get('digest');
    if (digest === null) return this.#accepted(response, upload, 202);
    try {
      await this.#receive(request, upload);
    } catch (error) {
      await this.#drop(upload);
      throw error;
    }
    await this.#finish(response, upload, digest);
  }

  /** The mount is refused silently, as the protocol asks: the client then uploads the blob itself. */
  async #mayMount(request: IncomingMessage, from: string, digest: string): Promise<boolean> {
    if (!this.#store.hasBlob(from, digest)) return false;
    try {
      await this.#authorize(request, from, 'pull');
      return true;
    } catch (error) {
      if (error instanceof RegistryError) return false;
      throw error;
    }
  }

  async #continueUpload(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
    target: Target,
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
      case 'PUT': {
        const digest = target.query.get('digest');
        if (digest === null || !isDigest(digest))
          throw new RegistryError(400, 'DIGEST_INVALID', 'Finish an upload with ?digest=sha256:....');
        await this.#receive(request, upload);
        return this.#finish(response, upload, digest);
      }
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
    this.#created(response, upload.repository, digest);
  }

  #created(response: ServerResponse, repository: string, digest: string): void {
    send(
      response,
      201,
      { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest },
      '',
    );
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

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    // A client that has gone leaves nobody to answer, and nothing is wrong here.
    if (isDisconnect(error)) {
      response.destroy();
      return;
    }
    const answer = toRegistryError(error);
    if (answer === undefined) throw error;
    // What the client is still sending must be read, or it never looks at the answer.
    request.resume();
    const body = JSON.stringify({ errors: [{ code: answer.code, message: answer.message }] });
    send(
      response,
      answer.status,
      { ...answer.headers, 'content-type': 'application/json' },
      body,
      request.method,
    );
  }
}

const DISCONNECTS = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'];

function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISCONNECTS.includes(String(error.code));
}

function toRegistryError(error: unknown): RegistryError | undefined {
  if (error instanceof RegistryError) return error;
  if (error instanceof ImageStoreError)
    return new RegistryError(STORE_ERROR_STATUS[error.code], error.code, error.message);
  return undefined;
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: string | Buffer,
  method?: string,
): void {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(method === 'HEAD' || status === 204 ? undefined : body);
}

function uploadHeaders(upload: Upload): Record<string, string> {
  return { 'docker-upload-uuid': upload.id, range: `0-${Math.max(upload.size - 1, 0)}` };
}

function unsupported(method: string): RegistryError {
  return new RegistryError(405, 'UNSUPPORTED', `${method} is not supported here; delete images through ECR.`);
}

function basicPassword(header: string | undefined): string | undefined {
  const match = /^Basic\s+(\S+)$/i.exec(header ?? '');
  if (match === null) return undefined;
  const [user, ...password] = Buffer.from(match[1]!, 'base64').toString('utf8').split(':');
  return user === 'AWS' && password.length > 0 ? password.join(':') : undefined;
}

function describeError(error: unknown): { code?: string; status?: number; message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    message: error.message,
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    ...('status' in error && typeof error.status === 'number' ? { status: error.status } : {}),
  };
}

function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const start = match[1] === '' ? Math.max(size - Number(match[2]), 0) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  if (size > limit) throw new RegistryError(413, 'SIZE_INVALID', `A manifest has at most ${limit} bytes.`);
  return Buffer.concat(chunks);
}
