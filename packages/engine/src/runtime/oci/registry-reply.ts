import type { ServerResponse } from 'node:http';
import { ImageStoreError } from './image-store-error.ts';

/** A refusal, in the words of the OCI distribution API. */
export class RegistryError extends Error {
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

const DISCONNECTS = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'];

export function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISCONNECTS.includes(String(error.code));
}

export function toRegistryError(error: unknown): RegistryError | undefined {
  if (error instanceof RegistryError) return error;
  if (error instanceof ImageStoreError)
    return new RegistryError(STORE_ERROR_STATUS[error.code], error.code, error.message);
  return undefined;
}

export function unsupported(method: string): RegistryError {
  return new RegistryError(405, 'UNSUPPORTED', `${method} is not supported here; delete images through ECR.`);
}

export function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: string | Buffer,
  method?: string,
): void {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(method === 'HEAD' || status === 204 ? undefined : body);
}

/** The reply to an upload or a mount that made a blob part of the repository. */
export function created(response: ServerResponse, repository: string, digest: string): void {
  send(response, 201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest }, '');
}
