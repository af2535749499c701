import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { AwsFault } from '../errors.ts';

/** What of a request is signed, apart from its body. */
export interface RequestHead {
  readonly method: string;
  /** Undecoded path, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** For what, by whom and over which headers a request is signed: the same in every request of a client. */
export interface SignatureScope {
  readonly accessKeyId: string;
  /** `date/region/service/aws4_request`. */
  readonly scope: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
}

/** What a request says about its own signature. */
export interface SignatureClaim {
  readonly scope: SignatureScope;
  readonly signature: string;
  readonly timestamp: string;
  readonly sessionToken: string | undefined;
  readonly presigned: boolean;
}

/** Scopes by the part of the `Authorization` header that states them. */
const scopes = new Map<string, SignatureScope>();
const SCOPES_MAX = 500;

/** Reads the `Authorization` header or the query of a presigned URL; `undefined` for an unsigned request. */
export function readSignature(request: RequestHead): SignatureClaim | undefined {
  const { headers, query } = request;
  const authorization = headers.authorization;
  if (authorization?.startsWith('AWS4-HMAC-SHA256')) {
    const { scope, signature } = readAuthorization(authorization);
    return {
      scope,
      signature,
      timestamp: headers['x-amz-date'] ?? '',
      sessionToken: headers['x-amz-security-token'],
      presigned: false,
    };
  }
  if (query.get('X-Amz-Algorithm') === 'AWS4-HMAC-SHA256') {
    const signature = query.get('X-Amz-Signature');
    if (!signature) throw incomplete();
    return {
      scope: readScope(query.get('X-Amz-Credential'), query.get('X-Amz-SignedHeaders')),
      signature,
      timestamp: query.get('X-Amz-Date') ?? '',
      sessionToken: query.get('X-Amz-Security-Token') ?? undefined,
      presigned: true,
    };
  }
  if (query.has('AWSAccessKeyId') && query.has('Signature')) {
    throw new AwsFault(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256: this presigned URL has Signature Version 2, which boto3 makes without Config(signature_version="s3v4"), and version 1 of the AWS CLI; version 2 signs with the other.',
      400,
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

const SIGNATURE_FIELD = 'Signature=';
const SIGNATURE_LENGTH = 64;

function readAuthorization(authorization: string): { scope: SignatureScope; signature: string } {
  // SDKs write the signature last; then all before it is the same in each of a client's requests.
  const last = authorization.slice(-SIGNATURE_LENGTH);
  const stated = authorization.slice(0, -SIGNATURE_LENGTH);
  const known = scopes.get(stated);
  if (known) return { scope: known, signature: last };
  const field = (name: string) => {
    const at = authorization.indexOf(`${name}=`);
    if (at < 0) return undefined;
    const end = authorization.indexOf(',', at);
    return authorization.slice(at + name.length + 1, end < 0 ? undefined : end).trim();
  };
  const signature = field('Signature');
  if (!signature) throw incomplete();
  const scope = readScope(field('Credential'), field('SignedHeaders'));
  if (signature === last && stated.endsWith(SIGNATURE_FIELD)) {
    if (scopes.size === SCOPES_MAX) scopes.clear();
    scopes.set(stated, scope);
  }
  return { scope, signature };
}

function readScope(
  credential: string | null | undefined,
  signedHeaders: string | null | undefined,
): SignatureScope {
  const parts = credential?.split('/') ?? [];
  if (parts.length < 5 || !signedHeaders) throw incomplete();
  const [service = '', region = '', date = ''] = parts.slice(-4, -1).reverse();
  return {
    accessKeyId: parts.slice(0, -4).join('/'),
    scope: `${date}/${region}/${service}/aws4_request`,
    date,
    region,
    service,
    signedHeaders: signedHeaders.split(';'),
  };
}

function incomplete(): AwsFault {
  return new AwsFault(
    'IncompleteSignature',
    'the Authorization header needs Credential, SignedHeaders and Signature',
    400,
  );
}

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const ROOM_BYTES = 1024;
const CHARACTER_BYTES_MAX = 3;

/**
 * A key for HMAC-SHA256, padded once and kept next to room for the text: `createHmac` spends most of its time
 * telling what kind of key it got, and two one-shot hashes over ready bytes cost a third of it.
 */
class SigningKey {
  readonly #inner = Buffer.alloc(BLOCK_BYTES + ROOM_BYTES, 0x36);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, 0x5c);

  constructor(key: Buffer) {
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = byte ^ 0x36;
      this.#outer[index] = byte ^ 0x5c;
    }
  }

  /** The text's HMAC in hexadecimal. */
  sign(text: string): string {
    this.#outer.write(hash('sha256', this.#padded(text), 'binary'), BLOCK_BYTES, 'binary');
    return hash('sha256', this.#outer, 'hex');
  }

  #padded(text: string): Buffer {
    if (text.length * CHARACTER_BYTES_MAX > ROOM_BYTES) {
      return Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), Buffer.from(text)]);
    }
    return this.#inner.subarray(0, BLOCK_BYTES + this.#inner.write(text, BLOCK_BYTES));
  }
}

/** The key derived for a scope, and from which secret: an access key may be made again with another. */
const signingKeys = new WeakMap<SignatureScope, { readonly secret: string; readonly key: SigningKey }>();

function signingKey(secret: string, scope: SignatureScope): SigningKey {
  const known = signingKeys.get(scope);
  if (known?.secret === secret) return known.key;
  const step = (parent: string | Buffer, data: string) => createHmac('sha256', parent).update(data).digest();
  const key = new SigningKey(
    step(step(step(step(`AWS4${secret}`, scope.date), scope.region), scope.service), 'aws4_request'),
  );
  signingKeys.set(scope, { secret, key });
  return key;
}

const sha256 = (data: string | Uint8Array) => hash('sha256', data, 'hex');

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const HEX_DIGEST = /^[0-9a-f]{64}$/;
/** What S3's clients state instead of a hash: nothing, or chunks that are signed or not signed by themselves. */
const UNSIGNED_PAYLOAD = /^(UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+)$/;

/**
 * Checks a Signature Version 4 signature by the head of a request, and returns the check of its body. A wrong secret or a
 * changed request is `SignatureDoesNotMatch`, as on AWS. The signature is checked at once where the head states the
 * payload's hash, or says that it is not signed, which only S3 allows; else with the body. The age of a
 * signature is not checked, since loopback clients with a wrong clock are served; that of a presigned URL is.
 */
export function verifySignature(
  head: RequestHead,
  claimed: SignatureClaim,
  secret: string,
  nowMs: number,
): (body: Buffer) => void {
  const { scope } = claimed;
  if (!scope.signedHeaders.includes('host')) {
    throw new AwsFault('IncompleteSignature', "'Host' must be a signed header.", 400);
  }
  if (claimed.presigned) checkPresigned(head, claimed, nowMs);
  const isS3 = scope.service === 's3';
  const stated = claimed.presigned
    ? isS3
      ? 'UNSIGNED-PAYLOAD'
      : undefined
    : head.headers['x-amz-content-sha256'];
  if (stated !== undefined && isS3 && UNSIGNED_PAYLOAD.test(stated)) {
    compare(head, claimed, secret, stated);
    return () => {};
  }
  if (stated === undefined) return (body) => compare(head, claimed, secret, sha256(body));
  if (HEX_DIGEST.test(stated)) compare(head, claimed, secret, stated);
  return (body) => {
    if (sha256(body) === stated) return;
    throw new AwsFault(
      'XAmzContentSHA256Mismatch',
      'the x-amz-content-sha256 header does not match the body',
      400,
    );
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html: from 1 s to seven days. */
const PRESIGNED_SECONDS_MAX = 604_800;

function checkPresigned({ query }: RequestHead, claimed: SignatureClaim, nowMs: number): void {
  const expires = query.get('X-Amz-Expires');
  const seconds = Number(expires);
  if (expires === null || !Number.isInteger(seconds) || seconds < 1 || seconds > PRESIGNED_SECONDS_MAX) {
    throw new AwsFault(
      'AuthorizationQueryParametersError',
      `X-Amz-Expires must be a number of seconds from 1 to ${PRESIGNED_SECONDS_MAX}`,
    );
  }
  if (!(nowMs < signedAtMs(claimed.timestamp) + seconds * 1000))
    throw new AwsFault('AccessDenied', 'Request has expired', 403);
}

/** When something was signed; `NaN` where the text is no time. */
export function signedAtMs(timestamp: string): number {
  const time = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp);
  return time ? Date.UTC(+time[1]!, +time[2]! - 1, +time[3]!, +time[4]!, +time[5]!, +time[6]!) : Number.NaN;
}

function compare(request: RequestHead, claimed: SignatureClaim, secret: string, payloadHash: string): void {
  const { scope } = claimed;
  let canonical = `${request.method}\n${canonicalPath(request.path, scope.service)}\n${canonicalQuery(request.query)}\n`;
  for (const name of scope.signedHeaders) canonical += `${name}:${folded(request.headers[name] ?? '')}\n`;
  canonical += `\n${scope.signedHeaders.join(';')}\n${payloadHash}`;
  if (!sameText(claimed.signature, signatureOf(canonical, scope, claimed.timestamp, secret))) {
    throw new AwsFault(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      403,
    );
  }
}

/** The signature of a canonical request. */
export function signatureOf(
  canonical: string,
  scope: SignatureScope,
  timestamp: string,
  secret: string,
): string {
  return signingKey(secret, scope).sign(
    `AWS4-HMAC-SHA256\n${timestamp}\n${scope.scope}\n${sha256(canonical)}`,
  );
}

function canonicalPath(path: string, service: string): string {
  if (path === '/' || path === '') return '/';
  if (service === 's3') return path;
  return path
    .split('/')
    .map((segment) => encode(segment))
    .join('/');
}

function canonicalQuery(query: URLSearchParams): string {
  if (query.size === 0) return '';
  return [...query]
    .filter(([key]) => key !== 'X-Amz-Signature')
    .map(([key, value]) => [encode(key), encode(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([key, value]) => `${key}=${value}`)
    .join('&');
}

const UNFOLDED = /^\s|\s$|\s\s|[^\S ]/;

/** A header's value without outer blanks, and with one space for every run of blanks. */
function folded(value: string): string {
  return UNFOLDED.test(value) ? value.trim().replace(/\s+/g, ' ') : value;
}

/** Compares in a time that reveals nothing of where two texts of the same length differ. */
export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
