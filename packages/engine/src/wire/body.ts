import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { AwsFault } from '../errors.ts';
import type { WireRequest } from './protocols.ts';

/** JSON, CBOR and the like. The largest that AWS documents is CodeCommit's file of 6 MB, in base64. */
export const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024;
/** Forms and XML. SQS's batch of 1 MiB takes three times as much when all of it is percent-encoded. */
export const FORM_BYTES_MAX = 4 * 1024 * 1024;
/** An object of S3, or a part of one. S3 takes 5 GiB in one request; AWS's tools send more than 8 MiB in parts. */
export const OBJECT_BYTES_MAX = 64 * 1024 * 1024;
/** All bodies that are in memory at one time. */
const TOTAL_BYTES_MAX = 512 * 1024 * 1024;
/** S3 takes no chunk below 8 KiB but the last. */
const CHUNKS_MAX = OBJECT_BYTES_MAX / 8192 + 2;
/** What a client may still send after it was answered. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;

const inflate = promisify(gunzip);

/** Reads request bodies, each within a bound of its own and all of them within one. */
export class Bodies {
  #bytes = 0;

  /** Reads a body. It counts until it is released. */
  read(incoming: IncomingMessage, most: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const refuse = (fault: AwsFault) => {
        incoming.removeAllListeners('data');
        this.release(size);
        size = 0;
        chunks.length = 0;
        reject(fault);
      };
      if (Number(incoming.headers['content-length'] ?? 0) > most) return refuse(tooLarge(most));
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.byteLength;
        this.#bytes += chunk.byteLength;
        chunks.push(chunk);
        if (size > most) refuse(tooLarge(most));
        else if (this.#bytes > TOTAL_BYTES_MAX) refuse(busy());
      });
      incoming.on('end', () => {
        // From now on it is the caller's to release.
        size = 0;
        resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      });
      incoming.on('error', () => refuse(new AwsFault('IncompleteBody', 'the request body ends early')));
    });
  }

  /** Says that a body is not held any more. */
  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

function tooLarge(most: number): AwsFault {
  return new AwsFault(
    'RequestEntityTooLarge',
    `the local engine reads no such request body of more than ${most} bytes${most === OBJECT_BYTES_MAX ? ': send a larger object in parts' : ''}`,
    413,
  );
}

function busy(): AwsFault {
  return new AwsFault(
    'SlowDown',
    'the bodies of the requests under way are too large together: try again',
    503,
  );
}

/** Ends the connection of a client that goes on and on with a body after it was answered. */
export function boundUnread(incoming: IncomingMessage): void {
  const { socket } = incoming;
  const most = socket.bytesRead + UNREAD_BYTES_MAX;
  const look = () => {
    if (incoming.complete) socket.off('data', look);
    else if (socket.bytesRead > most) socket.destroy();
  };
  socket.on('data', look);
}

/** Undoes `aws-chunked` framing, and of documents gzip, after the signature over the raw body was checked. */
export function decodeBody(request: WireRequest, isDocument: boolean): WireRequest | Promise<WireRequest> {
  const encoding = request.headers['content-encoding'];
  const payload = request.headers['x-amz-content-sha256'];
  if (encoding === undefined && payload === undefined) return request;
  const encodings = (encoding ?? '').split(',').map((each) => each.trim());
  const chunked = encodings.includes('aws-chunked') || payload?.startsWith('STREAMING-');
  const unframed = chunked ? { ...request, body: unchunk(request.body) } : request;
  return isDocument && encodings.includes('gzip') ? unzip(unframed) : unframed;
}

async function unzip(request: WireRequest): Promise<WireRequest> {
  try {
    return { ...request, body: await inflate(request.body, { maxOutputLength: DOCUMENT_BYTES_MAX }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(DOCUMENT_BYTES_MAX);
    throw new AwsFault('SerializationException', 'the request body is not valid gzip');
  }
}

function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < body.length) {
    const lineEnd = body.indexOf('\r\n', at);
    if (lineEnd < 0) throw new AwsFault('IncompleteBody', 'the chunked body ends early');
    const size = /^[0-9a-f]{1,8}(?=;|$)/i.exec(body.toString('latin1', at, Math.min(lineEnd, at + 200)))?.[0];
    if (size === undefined) {
      throw new AwsFault('IncompleteBody', 'the chunked body has a malformed chunk size');
    }
    const length = Number.parseInt(size, 16);
    if (length === 0) break;
    if (parts.length >= CHUNKS_MAX)
      throw new AwsFault('InvalidChunkSizeError', 'chunks have at least 8 KiB, but the last');
    const start = lineEnd + 2;
    if (start + length > body.length) throw new AwsFault('IncompleteBody', 'the chunked body ends early');
    parts.push(body.subarray(start, start + length));
    at = start + length + 2;
  }
  return Buffer.concat(parts);
}
