import { Pool } from 'undici';
import type { Clock, Credentials, Transport } from '../packages/worker/src/index.ts';
import { Signer } from '../packages/worker/src/transport/sigv4.ts';

export interface UndiciTransportOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  readonly clock: Clock;
}

const SILENCE_MS = 6_000;

/**
 * The worker's raw transport over undici's `Pool` in place of its own HTTP client, by `dispatch`, undici's cheapest
 * call. It leaves out the rest that a transport must do (retries, faults, clock skew), so it costs a little less than
 * a real one would.
 */
export class UndiciTransport implements Transport {
  readonly clockOffsetMs = 0;
  readonly #pool: Pool;
  readonly #signer: Signer;
  readonly #options: UndiciTransportOptions;

  constructor(options: UndiciTransportOptions) {
    this.#options = options;
    this.#signer = new Signer(new URL(options.endpoint).host, '/', options.region);
    this.#pool = new Pool(options.endpoint);
  }

  receiveMessage: Transport['receiveMessage'] = (input) =>
    this.#call('ReceiveMessage', input, SILENCE_MS + input.WaitTimeSeconds * 1000);

  deleteMessageBatch: Transport['deleteMessageBatch'] = (input) => this.#call('DeleteMessageBatch', input);

  changeMessageVisibilityBatch: Transport['changeMessageVisibilityBatch'] = (input) =>
    this.#call('ChangeMessageVisibilityBatch', input);

  sendMessage: Transport['sendMessage'] = (input) => this.#call('SendMessage', input);

  close(): void {
    void this.#pool.destroy();
  }

  #call<Output>(operation: string, input: object, silenceMs = SILENCE_MS): Promise<Output> {
    const { credentials, clock } = this.#options;
    const body = JSON.stringify(input);
    const headers = this.#signer.headers(`AmazonSQS.${operation}`, body, credentials, clock.nowMs());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      this.#pool.dispatch(
        { path: '/', method: 'POST', headers, body, headersTimeout: silenceMs, bodyTimeout: silenceMs },
        {
          onRequestStart: () => undefined,
          onResponseStart: () => undefined,
          onResponseData: (_controller, chunk) => {
            chunks.push(chunk);
          },
          onResponseEnd: () => {
            const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
            resolve(JSON.parse(bytes.toString('utf8')) as Output);
          },
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  }
}
