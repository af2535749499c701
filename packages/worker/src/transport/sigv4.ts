import { createHmac, hash } from 'node:crypto';
import type { Credentials } from './credentials.ts';
import { SqsFault } from './transport.ts';

const TYPE = 'application/x-amz-json-1.0';

/** HMAC-SHA256 with one key for many texts, without making a key object for each. */
function hmacWith(key: Buffer): (text: string) => string {
  const pad = (mask: number) =>
    Buffer.from(Array.from({ length: 64 }, (_, index) => (key[index] ?? 0) ^ mask));
  const [inner, outer] = [pad(0x36), pad(0x5c)];
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'hex');
  };
}

/** The characters allowed in a header; a line break in a key would begin another header. */
const HEADER_SAFE = /^[\x21-\x7e]*$/;

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

interface DayKey {
  readonly day: string;
  readonly credentials: Credentials;
  readonly scope: string;
  readonly sign: (text: string) => string;
}

/**
 * Signs awsJson 1.0 requests with Signature Version 4. The key of the day and the text of the second are kept,
 * so that a request costs four hashes.
 */
export class Signer {
  readonly #host: string;
  readonly #path: string;
  readonly #region: string;
  #key: DayKey | undefined;
  #second = -1;
  #timestamp = '';

  /** `path` as it stands in the request line. */
  constructor(host: string, path: string, region: string) {
    this.#host = host;
    // Every service but S3 signs the path encoded once more.
    this.#path = path.split('/').map(encodeURIComponent).join('/');
    this.#region = region;
  }

  /** The headers of a signed POST, content length apart. `nowMs` must be within minutes of SQS's clock. */
  headers(target: string, body: string, credentials: Credentials, nowMs: number): Record<string, string> {
    const timestamp = this.#timestampAt(nowMs);
    const key = this.#keyOf(timestamp.slice(0, 8), credentials);
    const { sessionToken } = credentials;
    const tokenLine = sessionToken === undefined ? '' : `x-amz-security-token:${sessionToken}\n`;
    const names =
      sessionToken === undefined
        ? 'content-type;host;x-amz-date;x-amz-target'
        : 'content-type;host;x-amz-date;x-amz-security-token;x-amz-target';
    const canonical =
      `POST\n${this.#path}\n\ncontent-type:${TYPE}\nhost:${this.#host}\nx-amz-date:${timestamp}\n` +
      `${tokenLine}x-amz-target:${target}\n\n${names}\n${hash('sha256', body, 'hex')}`;
    const signature = key.sign(
      `AWS4-HMAC-SHA256\n${timestamp}\n${key.scope}\n${hash('sha256', canonical, 'hex')}`,
    );
    const headers: Record<string, string> = {
      host: this.#host,
      'content-type': TYPE,
      'x-amz-date': timestamp,
      'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${key.scope}, SignedHeaders=${names}, Signature=${signature}`,
    };
    if (sessionToken !== undefined) headers['x-amz-security-token'] = sessionToken;
    return headers;
  }

  #timestampAt(nowMs: number): string {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#timestamp = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
    }
    return this.#timestamp;
  }

  #keyOf(day: string, credentials: Credentials): DayKey {
    if (this.#key?.day === day && this.#key.credentials === credentials) return this.#key;
    if (!HEADER_SAFE.test(credentials.accessKeyId) || !HEADER_SAFE.test(credentials.sessionToken ?? '')) {
      throw new SqsFault(
        'CredentialsProviderError',
        'the access key or session token has blanks or line breaks',
      );
    }
    const dayKey = hmac(`AWS4${credentials.secretAccessKey}`, day);
    const signingKey = hmac(hmac(hmac(dayKey, this.#region), 'sqs'), 'aws4_request');
    this.#key = {
      day,
      credentials,
      scope: `${day}/${this.#region}/sqs/aws4_request`,
      sign: hmacWith(signingKey),
    };
    return this.#key;
  }
}
