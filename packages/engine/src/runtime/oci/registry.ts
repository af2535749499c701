import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../clock/clock.ts';
import type { Ids } from '../../ids.ts';
import { percentDecoded, splitTarget } from '../../wire/request-target.ts';
import { BlobUploads } from './blob-uploads.ts';
import { isDigest } from './image-format.ts';
import { isRepositoryName } from './image-reference.ts';
import type { ImageStore, StoredImage } from './image-store.ts';
import {
  created,
  isDisconnect,
  RegistryError,
  send,
  toRegistryError,
  unsupported,
} from './registry-reply.ts';

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

const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
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
  readonly #uploads: BlobUploads;

  constructor(options: { store: ImageStore; policy: RegistryPolicy; clock: Clock; ids: Ids }) {
    this.#store = options.store;
    this.#policy = options.policy;
    this.#uploads = new BlobUploads(options);
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
    await this.#uploads.close();
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
      return this.#uploads.resume(request, response, repository, uploadId, target.query.get('digest'));
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
    const content = await readBody(request, MANIFEST_BYTES_MAX);
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
        return created(response, repository, mount);
      }
    }
    await this.#uploads.start(request, response, repository, target.query.get('digest'));
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
