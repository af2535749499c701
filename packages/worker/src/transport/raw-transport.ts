import type { Clock } from '../clock.ts';
import { UserError } from '../errors.ts';
import { CachedCredentials, type CredentialsProvider } from './credentials.ts';
import { HttpClient, type HttpReply } from './http-client.ts';
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

/** A smaller difference of the clocks may come from the date's whole seconds and the reply's time in flight. */
const OFFSET_MS_MIN = 2_000;

const SKEWED = /RequestTimeTooSkewed|RequestExpired|RequestInTheFuture/;
const MAYBE_SKEWED = /InvalidSignature|SignatureDoesNotMatch|AuthFailure/;
const STALE_CREDENTIALS =
  /ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidSecurity|InvalidAccessKeyId/;

/**
 * SQS over signed HTTP without an SDK, which is most of what an SQS worker costs: JSON 1.0, Signature Version
 * 4, kept-alive connections. Replies are not checked against SQS's MD5 digests; TLS protects them. Proxies are not
 * supported: behind one, use the SDK's transport with a request handler that knows it.
 *
 * A call is one attempt, except where trying again at once is certain to be right: a kept-alive connection that
 * the server had closed, a clock that is off (it is set by the reply), credentials that have ended.
 */
export class RawTransport implements Transport {
  readonly #clock: Clock;
  readonly #credentials: CachedCredentials;
  readonly #signer: Signer;
  readonly #silenceMs: number;
  readonly #http: HttpClient;
  /** The head of every request up to the headers that are signed. */
  readonly #requestLine: string;
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
    this.#http = new HttpClient(url, options.clock);
    this.#requestLine = `POST ${url.pathname} HTTP/1.1\r\n`;
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
    this.#http.close();
  }

  async #call<Output>(
    operation: string,
    input: object,
    silenceMs: number,
    signal?: AbortSignal,
  ): Promise<Output> {
    const body = JSON.stringify(input);
    const bytes = Buffer.byteLength(body);
    const target = `AmazonSQS.${operation}`;
    for (let attempt = 1; ; attempt++) {
      const held = this.#credentials.get();
      const credentials = held instanceof Promise ? await held.catch(refuseCredentials) : held;
      const signedOffsetMs = this.clockOffsetMs;
      const nowMs = this.#clock.nowMs() + signedOffsetMs;
      const reply = await this.#http.send({
        text:
          this.#requestLine + headOf(this.#signer.headers(target, body, credentials, nowMs), bytes) + body,
        encoding: bytes === body.length ? 'latin1' : 'utf8',
        silenceMs,
        repeatable: operation !== 'SendMessage',
        signal,
      });
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

  #readDate(date: string | undefined): void {
    if (date === undefined || date === this.#date) return;
    this.#date = date;
    const offsetMs = Date.parse(date) - this.#clock.nowMs();
    if (Number.isNaN(offsetMs)) return;
    this.clockOffsetMs = Math.abs(offsetMs) < OFFSET_MS_MIN ? 0 : offsetMs;
  }
}

function headOf(headers: Readonly<Record<string, string>>, contentLength: number): string {
  let head = '';
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  return `${head}content-length: ${contentLength}\r\n\r\n`;
}

function parse<Output>(operation: string, reply: HttpReply): Output {
  try {
    return JSON.parse(reply.text === '' ? '{}' : reply.text) as Output;
  } catch {
    throw new SqsFault('MalformedReply', `${operation} was answered with something that is not JSON`);
  }
}

function faultOf(reply: HttpReply): SqsFault {
  let code = '';
  let message = reply.text.slice(0, 200);
  try {
    const body = JSON.parse(reply.text) as Record<string, unknown>;
    const type = body.__type ?? body.code;
    if (typeof type === 'string') code = type.replace(/^.*#/, '').replace(/:.*$/, '');
    const text = body.message ?? body.Message;
    if (typeof text === 'string') message = text;
  } catch {
    // A proxy's page, not SQS's answer: the status is all there is.
  }
  return new SqsFault(code === '' ? `HTTP ${reply.status}` : code, message, reply.status);
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
