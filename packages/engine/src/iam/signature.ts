import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { AwsFault } from '../errors.ts';
import type { WireRequest } from '../wire/protocols.ts';

/** What a request says about its own signature. */
export interface SignatureClaim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly timestamp: string;
  readonly sessionToken: string | undefined;
  readonly presigned: boolean;
}

/** Reads the `Authorization` header or the query of a presigned URL; `undefined` for an unsigned request. */
export function readSignature(request: WireRequest): SignatureClaim | undefined {
  const { headers, query } = request;
  const authorization = headers.authorization;
  if (authorization?.startsWith('AWS4-HMAC-SHA256')) {
    const field = (name: string) => {
      const at = authorization.indexOf(`${name}=`);
      if (at < 0) return undefined;
      const end = authorization.indexOf(',', at);
      return authorization.slice(at + name.length + 1, end < 0 ? undefined : end).trim();
    };
    return claim(
      field('Credential'),
      field('SignedHeaders'),
      field('Signature'),
      headers['x-amz-date'] ?? '',
      headers['x-amz-security-token'],
      false,
    );
  }
  if (query.get('X-Amz-Algorithm') === 'AWS4-HMAC-SHA256') {
    return claim(
      query.get('X-Amz-Credential') ?? undefined,
      query.get('X-Amz-SignedHeaders') ?? undefined,
      query.get('X-Amz-Signature') ?? undefined,
      query.get('X-Amz-Date') ?? '',
      query.get('X-Amz-Security-Token') ?? undefined,
      true,
    );
  }
  if (authorization?.startsWith('AWS ') || authorization?.startsWith('AWS4-')) {
    throw new AwsFault(
      'IncompleteSignature',
      'only AWS Signature Version 4 (AWS4-HMAC-SHA256) is understood',
      400,
    );
  }
  return undefined;
}

function claim(
  credential: string | undefined,
  signedHeaders: string | undefined,
  signature: string | undefined,
  timestamp: string,
  sessionToken: string | undefined,
  presigned: boolean,
): SignatureClaim {
  const parts = credential?.split('/') ?? [];
  if (parts.length < 5 || !signedHeaders || !signature) {
    throw new AwsFault(
      'IncompleteSignature',
      'the Authorization header needs Credential, SignedHeaders and Signature',
      400,
    );
  }
  const [service = '', region = '', date = ''] = parts.slice(-4, -1).reverse();
  return {
    accessKeyId: parts.slice(0, -4).join('/'),
    date,
    region,
    service,
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp,
    sessionToken,
    presigned,
  };
}

const BLOCK_BYTES = 64;

/** A key as HMAC-SHA256 pads it for its inner and its outer hash. */
interface PaddedKey {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const signingKeys = new Map<string, PaddedKey>();

function padded(key: Buffer): PaddedKey {
  const inner = Buffer.alloc(BLOCK_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES, 0x5c);
  for (const [index, byte] of key.entries()) {
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }
  return { inner, outer };
}

/** HMAC-SHA256 by two one-shot hashes: `createHmac` spends most of its time telling what kind of key it got. */
function hmac(key: PaddedKey, data: string): Buffer {
  const inner = hash('sha256', Buffer.concat([key.inner, Buffer.from(data)]), 'buffer');
  return hash('sha256', Buffer.concat([key.outer, inner]), 'buffer');
}

function signingKey(secret: string, claimed: SignatureClaim): PaddedKey {
  const id = `${claimed.accessKeyId}/${claimed.date}/${claimed.region}/${claimed.service}/${secret}`;
  let key = signingKeys.get(id);
  if (!key) {
    const step = (parent: string | Buffer, data: string) =>
      createHmac('sha256', parent).update(data).digest();
    key = padded(
      step(step(step(step(`AWS4${secret}`, claimed.date), claimed.region), claimed.service), 'aws4_request'),
    );
    if (signingKeys.size > 500) signingKeys.clear();
    signingKeys.set(id, key);
  }
  return key;
}

const sha256 = (data: string | Uint8Array) => hash('sha256', data, 'hex');

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Checks a Signature Version 4 signature, including the payload's hash where the client signed it. A wrong
 * secret or a changed request is `SignatureDoesNotMatch`, as on AWS. The age of the signature is not checked:
 * loopback clients with a wrong clock are served.
 */
export function verifySignature(request: WireRequest, claimed: SignatureClaim, secret: string): void {
  const declared = request.headers['x-amz-content-sha256'];
  const unsignedPayload = claimed.presigned || (declared !== undefined && !/^[0-9a-f]{64}$/.test(declared));
  const payloadHash = claimed.presigned
    ? 'UNSIGNED-PAYLOAD'
    : unsignedPayload
      ? declared!
      : sha256(request.body);
  if (declared !== undefined && !unsignedPayload && declared !== payloadHash) {
    throw new AwsFault(
      'XAmzContentSHA256Mismatch',
      'the x-amz-content-sha256 header does not match the body',
      400,
    );
  }
  const pairs = [...request.query]
    .filter(([key]) => key !== 'X-Amz-Signature')
    .map(([key, value]) => [encode(key), encode(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  const path =
    claimed.service === 's3' || request.path === '/'
      ? request.path
      : request.path
          .split('/')
          .map((segment) => encode(segment))
          .join('/');
  const canonical = [
    request.method,
    path || '/',
    pairs.map(([key, value]) => `${key}=${value}`).join('&'),
    ...claimed.signedHeaders.map(
      (name) => `${name}:${(request.headers[name] ?? '').trim().replace(/\s+/g, ' ')}`,
    ),
    '',
    claimed.signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
  const scope = `${claimed.date}/${claimed.region}/${claimed.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', claimed.timestamp, scope, sha256(canonical)].join('\n');
  const expected = hmac(signingKey(secret, claimed), toSign);
  const actual = Buffer.from(claimed.signature, 'hex');
  if (actual.byteLength !== expected.byteLength || !timingSafeEqual(actual, expected)) {
    throw new AwsFault(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      403,
    );
  }
}
