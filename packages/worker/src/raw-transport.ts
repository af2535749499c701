import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from './clock.ts';
import { CachedCredentials, type CredentialsProvider } from './credentials.ts';
import { UserError } from './errors.ts';
import { Signer } from './sigv4.ts';
import {
  type BatchInput,
  type BatchOutput,
  type DeleteEntry,
  type MessageAttribute,
  type ReceiveMessageInput,
  type ReceiveMessageOutput,
  type SendMessageInput,
  type SendMessageOutput,
  SqsFault,
  type SqsMessage,
  type Transport,
  type VisibilityEntry,
} from './transport.ts';

export interface RawTransportOptions {
  readonly queueUrl: string;
  readonly credentials: CredentialsProvider;
  readonly clock: Clock;
  /** @default - the region in the queue URL's host */
  readonly region?: string | undefined;
  /** @default - the origin of the queue URL */
  readonly endpoint?: string | undefined;
  /** Time without a byte after which a call counts as failed; a long poll's wait comes on top. @default 6000 */
  readonly silenceMs?: number | undefined;
}

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly date: string | undefined;
}

/** Below this the difference of the clocks cannot be told from the reply's whole seconds and its way here. */
const OFFSET_MIN_MS = 2_000;

const SKEWED = /RequestTimeTooSkewed|RequestExpired|RequestInTheFuture/;
const MAYBE_SKEWED = /InvalidSignature|SignatureDoesNotMatch|AuthFailure/;
const STALE_CREDENTIALS =
  /ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidSecurity|InvalidAccessKeyId/;

/**
 * SQS over signed HTTP without an SDK, which is most of what an SQS worker costs: JSON 1.0, Signature Version
 * 4, kept-alive connections. Replies are not checked against SQS's MD5 digests; TLS protects them.
 *
 * A call is one attempt, except where trying again at once is certain to be right: a kept-alive connection that
 * the server had closed, a clock that is off (it is set by the reply), credentials that have ended.
 */
export class RawTransport implements Transport {
  readonly #clock: Clock;
  readonly #credentials: CachedCredentials;
  readonly #signer: Signer;
  readonly #silenceMs: number;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #target: RequestOptions;
  readonly #abandonable = new WeakMap<AbortSignal, Set<ClientRequest>>();
  readonly #request: typeof httpRequest;
  #date: string | undefined;
  clockOffsetMs = 0;

  constructor(options: RawTransportOptions) {
    this.#clock = options.clock;
    this.#credentials = new CachedCredentials(options.credentials, options.clock);
    const url = new URL(options.endpoint ?? new URL(options.queueUrl).origin);
    const region = options.region ?? regionOf(options.queueUrl);
    if (region === undefined) {
      throw new UserError(
        'NoRegion',
        `the region of ${options.queueUrl} is not known; set AWS_REGION or pass the region`,
      );
    }
    this.#signer = new Signer(url.host, url.pathname, region);
    this.#silenceMs = options.silenceMs ?? 6_000;
    const secure = url.protocol === 'https:';
    this.#agent = secure
      ? new HttpsAgent({ keepAlive: true, scheduling: 'lifo' })
      : new HttpAgent({ keepAlive: true, scheduling: 'lifo' });
    this.#request = secure ? httpsRequest : httpRequest;
    this.#target = {
      method: 'POST',
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      path: url.pathname,
      agent: this.#agent,
    };
  }

  async receiveMessage(input: ReceiveMessageInput, signal?: AbortSignal): Promise<ReceiveMessageOutput> {
    const output = await this.#call<ReceiveMessageOutput>(
      'ReceiveMessage',
      input,
      this.#silenceMs + input.WaitTimeSeconds * 1000,
      signal,
    );
    return output.Messages?.some(({ MessageAttributes }) => MessageAttributes !== undefined)
      ? { Messages: output.Messages.map(withBinary) }
      : output;
  }

  deleteMessageBatch(input: BatchInput<DeleteEntry>): Promise<BatchOutput> {
    return this.#call('DeleteMessageBatch', input, this.#silenceMs);
  }

  changeMessageVisibilityBatch(input: BatchInput<VisibilityEntry>): Promise<BatchOutput> {
    return this.#call('ChangeMessageVisibilityBatch', input, this.#silenceMs);
  }

  sendMessage(input: SendMessageInput): Promise<SendMessageOutput> {
    const attributes = Object.entries(input.MessageAttributes ?? {}).map(([name, attribute]) => [
      name,
      attribute.BinaryValue === undefined
        ? attribute
        : { ...attribute, BinaryValue: Buffer.from(attribute.BinaryValue).toString('base64') },
    ]);
    const wire = { ...input, MessageAttributes: Object.fromEntries(attributes) };
    return this.#call('SendMessage', wire, this.#silenceMs);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call<Output>(
    operation: string,
    input: object,
    silenceMs: number,
    signal?: AbortSignal,
  ): Promise<Output> {
    const body = JSON.stringify(input);
    const target = `AmazonSQS.${operation}`;
    for (let attempt = 1; ; attempt++) {
      const held = this.#credentials.get();
      const credentials = held instanceof Promise ? await held.catch(refuseCredentials) : held;
      const signedOffsetMs = this.clockOffsetMs;
      const nowMs = this.#clock.nowMs() + signedOffsetMs;
      const headers = this.#signer.headers(target, body, credentials, nowMs);
      const reply = await this.#post(headers, body, silenceMs, signal);
      this.#readDate(reply.date);
      if (reply.status === 200) return parse<Output>(operation, reply);
      const fault = faultOf(reply);
      const clockWasOff =
        SKEWED.test(fault.code) ||
        (MAYBE_SKEWED.test(fault.code) && Math.abs(this.clockOffsetMs - signedOffsetMs) > 60_000);
      const credentialsEnded = STALE_CREDENTIALS.test(fault.code);
      if (credentialsEnded) this.#credentials.forget(credentials);
      if (attempt > 1 || !(clockWasOff || credentialsEnded)) throw fault;
    }
  }

  #post(
    headers: Record<string, string>,
    body: string,
    silenceMs: number,
    signal: AbortSignal | undefined,
    retried = false,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      headers['content-length'] = String(Buffer.byteLength(body));
      if (signal?.aborted) return reject(abandoned());
      const request = this.#request({ ...this.#target, headers, timeout: silenceMs });
      const open = signal === undefined ? undefined : this.#openCalls(signal);
      open?.add(request);
      let answered = false;
      const fail = (error: unknown) => {
        open?.delete(request);
        reject(networkFault(error));
      };
      request.on('timeout', () =>
        request.destroy(new SqsFault('TimeoutError', `no byte from SQS for ${silenceMs} ms`)),
      );
      request.on('error', (error: NodeJS.ErrnoException) => {
        // A server may close an idle connection in the moment it is used again: nobody read that request.
        const idleClosed = request.reusedSocket && !answered && /ECONNRESET|EPIPE/.test(error.code ?? '');
        if (!idleClosed || retried) return fail(error);
        open?.delete(request);
        resolve(this.#post(headers, body, silenceMs, signal, true));
      });
      request.on('response', (response) => {
        answered = true;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          open?.delete(request);
          const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            text: bytes.toString('utf8'),
            date: response.headers.date,
          });
        });
      });
      request.end(body);
    });
  }

  /** The calls that a signal abandons. One listener for all: one for each call would be dear. */
  #openCalls(signal: AbortSignal): Set<ClientRequest> {
    const known = this.#abandonable.get(signal);
    if (known !== undefined) return known;
    const open = new Set<ClientRequest>();
    this.#abandonable.set(signal, open);
    signal.addEventListener(
      'abort',
      () => {
        for (const request of open) request.destroy(abandoned());
      },
      { once: true },
    );
    return open;
  }

  #readDate(date: string | undefined): void {
    if (date === undefined || date === this.#date) return;
    this.#date = date;
    const offsetMs = Date.parse(date) - this.#clock.nowMs();
    if (Number.isNaN(offsetMs)) return;
    this.clockOffsetMs = Math.abs(offsetMs) < OFFSET_MIN_MS ? 0 : offsetMs;
  }
}

function abandoned(): SqsFault {
  return new SqsFault('AbortError', 'the call was abandoned');
}

function parse<Output>(operation: string, reply: Reply): Output {
  try {
    return JSON.parse(reply.text === '' ? '{}' : reply.text) as Output;
  } catch {
    throw new SqsFault('MalformedReply', `${operation} was answered with something that is not JSON`);
  }
}

function faultOf(reply: Reply): SqsFault {
  let code = '';
  let message = reply.text.slice(0, 200);
  try {
    const body = JSON.parse(reply.text) as Record<string, unknown>;
    const type = body.__type ?? body.code;
    if (typeof type === 'string') code = type.replace(/^.*#/, '').replace(/:.*$/, '');
    const text = body.message ?? body.Message;
    if (typeof text === 'string') message = text;
  } catch {
    // A proxy's page, not SQS's answer: the status says it all.
  }
  return new SqsFault(code === '' ? `HTTP ${reply.status}` : code, message, reply.status);
}

function networkFault(error: unknown): SqsFault {
  if (error instanceof SqsFault) return error;
  const { code, name, message } = error as NodeJS.ErrnoException;
  return new SqsFault(code ?? name ?? 'NetworkError', message);
}

function refuseCredentials(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  throw new SqsFault('CredentialsProviderError', `no credentials: ${message}`);
}

function regionOf(queueUrl: string): string | undefined {
  return /^https?:\/\/sqs(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws|api\.aws)/.exec(queueUrl)?.[1];
}

function withBinary(message: SqsMessage): SqsMessage {
  const attributes = Object.entries(message.MessageAttributes ?? {});
  const decoded = attributes.map(([name, attribute]): [string, MessageAttribute] => [
    name,
    typeof attribute.BinaryValue === 'string'
      ? { ...attribute, BinaryValue: new Uint8Array(Buffer.from(attribute.BinaryValue, 'base64')) }
      : attribute,
  ]);
  return { ...message, MessageAttributes: Object.fromEntries(decoded) };
}
