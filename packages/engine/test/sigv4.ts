import { createHmac, hash } from 'node:crypto';

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const sha256 = (data: string | Uint8Array) => hash('sha256', data);
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** HMAC-SHA256 with one key for many texts, without making a key object for each. */
function hmacWith(key: Buffer): (data: string) => string {
  const pad = (mask: number) =>
    Buffer.from(Array.from({ length: 64 }, (_, index) => (key[index] ?? 0) ^ mask));
  const [inner, outer] = [pad(0x36), pad(0x5c)];
  return (data) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(data)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]));
  };
}

/**
 * Signs POST requests with Signature Version 4, for raw HTTP clients that want nothing of an SDK. The derived
 * key and the date are made once, so that a request costs four hashes.
 */
export function signer(
  credentials: SigningKey,
  host: string,
  service: string,
  timestamp: string,
  region = 'us-east-1',
) {
  const date = timestamp.slice(0, 8);
  const scope = `${date}/${region}/${service}/aws4_request`;
  const sign = hmacWith(
    hmac(hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, date), region), service), 'aws4_request'),
  );
  return (
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array,
  ): Record<string, string> => {
    const all: Record<string, string> = { ...headers, host, 'x-amz-date': timestamp };
    const names = Object.keys(all).sort();
    const canonical = `POST\n${path}\n\n${names.map((name) => `${name}:${all[name]}\n`).join('')}\n${names.join(';')}\n${sha256(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`;
    const signature = sign(toSign);
    return {
      ...all,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    };
  };
}

/** The URL of an object that its holder may get for a time, without further credentials. */
export function presigned(
  credentials: SigningKey,
  endpoint: string,
  path: string,
  timestamp: string,
  expiresSeconds: number,
): string {
  const date = timestamp.slice(0, 8);
  const scope = `${date}/us-east-1/s3/aws4_request`;
  const query = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${credentials.accessKeyId}/${scope}`)}`,
    `X-Amz-Date=${timestamp}`,
    `X-Amz-Expires=${expiresSeconds}`,
    'X-Amz-SignedHeaders=host',
  ].join('&');
  const canonical = `GET\n${path}\n${query}\nhost:${new URL(endpoint).host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const key = hmac(
    hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, date), 'us-east-1'), 's3'),
    'aws4_request',
  );
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`);
  return `${endpoint}${path}?${query}&X-Amz-Signature=${signature.toString('hex')}`;
}
