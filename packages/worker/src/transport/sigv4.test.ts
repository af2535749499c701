import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Signer } from './sigv4.ts';

/** The hash that the SDK's signer asks for. */
class Sha256 {
  readonly #chunks: Array<string | Uint8Array> = [];
  readonly #secret: string | Uint8Array | undefined;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret =
      secret === undefined || typeof secret === 'string'
        ? secret
        : ArrayBuffer.isView(secret)
          ? new Uint8Array(secret.buffer, secret.byteOffset, secret.byteLength)
          : new Uint8Array(secret);
  }

  update(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  async digest(): Promise<Uint8Array> {
    const hash = this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
    for (const chunk of this.#chunks) hash.update(chunk);
    return new Uint8Array(hash.digest());
  }

  reset(): void {
    this.#chunks.length = 0;
  }
}

test("signs as the AWS SDK's signer does, whatever the body, the path, the time and the credentials", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        body: fc.string({ unit: 'binary' }),
        path: fc.constantFrom('/', '/base', '/base/with%20space/', '/a+b'),
        nowMs: fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2040, 0, 1) }),
        secretAccessKey: fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' }),
        sessionToken: fc.option(fc.base64String({ minLength: 4 }), { nil: undefined }),
      }),
      async ({ body, path, nowMs, secretAccessKey, sessionToken }) => {
        const credentials = {
          accessKeyId: 'AKID',
          secretAccessKey,
          ...(sessionToken ? { sessionToken } : {}),
        };
        const own = new Signer('127.0.0.1:4566', path, 'eu-west-1').headers(
          'AmazonSQS.ReceiveMessage',
          body,
          credentials,
          nowMs,
        );
        const oracle = new SignatureV4({
          credentials,
          region: 'eu-west-1',
          service: 'sqs',
          sha256: Sha256,
          applyChecksum: false,
        });
        const signed = await oracle.sign(
          {
            method: 'POST',
            protocol: 'http:',
            hostname: '127.0.0.1',
            path,
            query: {},
            headers: {
              host: '127.0.0.1:4566',
              'content-type': 'application/x-amz-json-1.0',
              'x-amz-target': 'AmazonSQS.ReceiveMessage',
            },
            body,
          },
          { signingDate: new Date(nowMs) },
        );
        expect(own).toEqual(signed.headers);
      },
    ),
    { numRuns: 60 },
  );
});

test('the key follows the day and the credentials', () => {
  const signer = new Signer('sqs.eu-west-1.amazonaws.com', '/', 'eu-west-1');
  const fresh = () => new Signer('sqs.eu-west-1.amazonaws.com', '/', 'eu-west-1');
  const first = { accessKeyId: 'A', secretAccessKey: 'one' };
  const second = { accessKeyId: 'B', secretAccessKey: 'two', sessionToken: 't' };
  const lateMs = Date.UTC(2026, 0, 1, 23, 59, 59);
  for (const [credentials, nowMs] of [
    [first, lateMs],
    [first, lateMs + 1_000],
    [second, lateMs + 1_000],
  ] as const) {
    expect(signer.headers('AmazonSQS.X', '{}', credentials, nowMs)).toEqual(
      fresh().headers('AmazonSQS.X', '{}', credentials, nowMs),
    );
  }
});

test.each([
  { accessKeyId: 'AKID\r\nx-evil: 1', secretAccessKey: 'secret' },
  { accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: 'token\n' },
])('credentials that would break out of their header (%j) are refused', (credentials) => {
  const signer = new Signer('sqs.eu-west-1.amazonaws.com', '/', 'eu-west-1');
  expect(() => signer.headers('AmazonSQS.ReceiveMessage', '{}', credentials, 0)).toThrow(/line breaks/);
});
