import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../../errors.ts';
import { request as httpRequest } from '../../node-http.ts';
import type { BlobStore } from '../oci/blob-store.ts';
import type { Descriptor, ImageManifest } from '../oci/image-format.ts';
import { digestOf, isManifestList, MEDIA_TYPES } from '../oci/image-format.ts';

const ACCEPTED = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerList,
].join(', ');

/** One repository of a registry, over HTTP. */
export class RegistryClient {
  readonly #url: URL;
  readonly #repository: string;
  readonly #authorization: string | undefined;

  /** `authorization` is base64 of `user:password`, as a Docker configuration holds it. */
  constructor(registryUrl: string, repository: string, authorization: string | undefined) {
    this.#url = new URL(registryUrl);
    this.#repository = repository;
    this.#authorization = authorization;
  }

  /** Resolves when the registry accepts the credentials at all. */
  async checkLogin(): Promise<void> {
    const response = await this.#send('GET', '/v2/');
    await expectStatus(response, [200], 'The registry refused the login');
    response.resume();
  }

  async push(
    blobs: BlobStore,
    manifest: ImageManifest,
    manifestDigest: string,
    mediaType: string,
    reference: string,
  ): Promise<void> {
    for (const descriptor of [...manifest.layers, manifest.config]) await this.#pushBlob(blobs, descriptor);
    const content = blobs.read(manifestDigest);
    const response = await this.#send(
      'PUT',
      this.#path(`manifests/${reference}`),
      { 'content-type': mediaType },
      content,
    );
    await expectStatus(response, [201], 'The registry refused the image');
    response.resume();
  }

  /** Copies an image into the blobs and returns its manifest's digest. */
  async pull(blobs: BlobStore, reference: string): Promise<{ digest: string; mediaType: string }> {
    const { content, mediaType } = await this.readManifest(reference);
    if (isManifestList(mediaType)) {
      throw new UserError(
        'Unsupported',
        `${this.#repository}:${reference} is a list of images for several platforms; pull one of them by digest.`,
      );
    }
    const manifest = JSON.parse(content.toString('utf8')) as ImageManifest;
    for (const descriptor of [...manifest.layers, manifest.config]) {
      if (blobs.has(descriptor.digest)) continue;
      const response = await this.#send('GET', this.#path(`blobs/${descriptor.digest}`));
      await expectStatus(response, [200], `The registry does not give the blob ${descriptor.digest}`);
      const written = await blobs.write(response);
      if (written.digest !== descriptor.digest)
        throw new UserError('InvalidImage', `The registry sent wrong content for ${descriptor.digest}.`);
    }
    const { digest } = await blobs.write([content]);
    return { digest, mediaType };
  }

  async readManifest(reference: string): Promise<{ content: Buffer; mediaType: string; digest: string }> {
    const response = await this.#send('GET', this.#path(`manifests/${reference}`), { accept: ACCEPTED });
    await expectStatus(response, [200], `The registry does not give ${this.#repository}:${reference}`);
    const content = await readAll(response);
    return {
      content,
      mediaType: response.headers['content-type'] ?? MEDIA_TYPES.ociManifest,
      digest: digestOf(content),
    };
  }

  async #pushBlob(blobs: BlobStore, { digest, size }: Descriptor): Promise<void> {
    const head = await this.#send('HEAD', this.#path(`blobs/${digest}`));
    head.resume();
    if (head.statusCode === 200) return;
    // A refusal is explained in the answer to the next request: one to HEAD has no body.
    const start = await this.#send('POST', this.#path('blobs/uploads/'));
    await expectStatus(start, [202], 'The registry refused the push');
    start.resume();
    const location = new URL(start.headers.location ?? '', this.#url);
    location.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': size };
    const done = await this.#send('PUT', location.pathname + location.search, headers, blobs.stream(digest));
    await expectStatus(done, [201], `The registry did not take the blob ${digest}`);
    done.resume();
  }

  #path(rest: string): string {
    return `/v2/${this.#repository}/${rest}`;
  }

  #send(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: Readable | Buffer,
  ): Promise<IncomingMessage> {
    const authorization =
      this.#authorization === undefined ? {} : { authorization: `Basic ${this.#authorization}` };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        new URL(path, this.#url),
        { method, headers: { ...authorization, ...headers } },
        resolve,
      );
      request.on('error', (error) =>
        reject(
          new UserError(
            'RegistryUnreachable',
            `The registry ${this.#url.host} does not answer: ${error.message}. Is the engine running?`,
            { cause: error },
          ),
        ),
      );
      if (body === undefined || Buffer.isBuffer(body)) request.end(body);
      else pipeline(body, request).catch(reject);
    });
  }
}

async function expectStatus(
  response: IncomingMessage,
  statuses: readonly number[],
  what: string,
): Promise<void> {
  if (statuses.includes(response.statusCode ?? 0)) return;
  const body = (await readAll(response)).toString('utf8');
  throw new UserError('RegistryRefused', `${what}: ${reasonIn(body) ?? `HTTP ${response.statusCode}`}`);
}

function reasonIn(body: string): string | undefined {
  try {
    const parsed = JSON.parse(body) as { errors?: { code?: string; message?: string }[] };
    const [error] = parsed.errors ?? [];
    return error === undefined ? undefined : `${error.code ?? 'error'}: ${error.message ?? ''}`;
  } catch {
    return body === '' ? undefined : body.slice(0, 500);
  }
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
