import { createHash, createHmac } from 'node:crypto';

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const sha256 = (data: string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/**
 * Signs POST requests with Signature Version 4, for raw HTTP clients that want nothing of an SDK. The derived
 * key and the date are made once, so that a request costs two hashes and one HMAC.
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
  const key = hmac(
    hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, date), region), service),
    'aws4_request',
  );
  return (path: string, headers: Readonly<Record<string, string>>, body: string): Record<string, string> => {
    const all: Record<string, string> = { ...headers, host, 'x-amz-date': timestamp };
    const names = Object.keys(all).sort();
    const canonical = `POST\n${path}\n\n${names.map((name) => `${name}:${all[name]}\n`).join('')}\n${names.join(';')}\n${sha256(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`;
    const signature = hmac(key, toSign).toString('hex');
    return {
      ...all,
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    };
  };
}
