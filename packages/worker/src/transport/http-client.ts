import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock, Timer } from '../clock.ts';
import { HttpReplyReader } from './http-reply.ts';
import { SqsFault } from './transport.ts';

export interface HttpRequest {
  /** Head and body. */
  readonly text: string;
  /** `latin1` is cheaper and right for text that is all ASCII. */
  readonly encoding: 'latin1' | 'utf8';
  /** Time without a byte after which it fails. */
  readonly silenceMs: number;
  /** Whether sending it twice does no harm. */
  readonly repeatable: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface HttpReply {
  readonly status: number;
  readonly text: string;
  readonly date: string | undefined;
}

/** A connection that was idle for longer is not used again: a device in between may have dropped it silently. */
const IDLE_MS_MAX = 60_000;
/** Safety margin subtracted from the time for which a server says that it keeps a connection. */
const KEPT_MARGIN_MS = 1_000;
/** A timer that is later than this was blocked, and so was the reading of replies. */
const DEAF_MS = 100;
/**
 * If the server had already closed an idle connection, the failure appears within one round trip. A later failure may
 * mean that the request was processed, so it is reported, not retried.
 */
const IDLE_CLOSED_WITHIN_MS = 1_000;

/**
 * Posts to one server over kept-alive HTTP/1.1 connections, one request at a time on each, as many as are needed at
 * once. Not `node:http`, whose client is half of a worker's CPU per message.
 * Not undici: the worker over its `Pool` costs 1.30 times the CPU per message (`npm run bench:worker` compares them).
 *
 * TLS verifies the server's certificate and name, with Node's own options for additional authorities. Proxies,
 * redirects, compression and HTTP/2 are not supported; SQS needs none of them.
 *
 * A request is sent twice only when a connection that had served before is closed within a second and without
 * a single byte in return: then the server had closed it while it was idle.
 */
export class HttpClient {
  readonly #clock: Clock;
  readonly #secure: boolean;
  readonly #host: string;
  readonly #port: number;
  readonly #idle: Connection[] = [];
  readonly #connections = new Set<Connection>();
  readonly #abandonable = new WeakMap<AbortSignal, Set<Call>>();
  #session: Buffer | undefined;

  constructor(url: URL, clock: Clock) {
    this.#clock = clock;
    this.#secure = url.protocol === 'https:';
    this.#host = url.hostname.replace(/^\[|\]$/g, '');
    this.#port = Number(url.port) || (this.#secure ? 443 : 80);
  }

  /** One exchange. Rejects with an {@link SqsFault} when there is no whole reply. */
  send(request: HttpRequest): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const { signal } = request;
      if (signal?.aborted) return reject(abandoned());
      const open = signal === undefined ? undefined : this.#openCalls(signal);
      const call: Call = { request, resolve, reject, open, on: undefined, repeated: false };
      open?.add(call);
      this.#start(call, this.#takeIdle());
    });
  }

  /** Closes all connections; calls in progress fail. */
  close(): void {
    for (const connection of [...this.#connections]) {
      connection.cut(new SqsFault('ConnectionClosed', 'the transport was closed'));
    }
  }

  #start(call: Call, connection: Connection | undefined): void {
    const on = connection ?? this.#connect();
    call.on = on;
    on.carry(call);
  }

  #takeIdle(): Connection | undefined {
    const nowMs = this.#clock.nowMs();
    // The last used first: the others may then end.
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (nowMs < last.idleUntilMs) return last;
      last.cut(new SqsFault('IdleConnection', 'idle for too long'));
    }
    return undefined;
  }

  #connect(): Connection {
    const options = { host: this.#host, port: this.#port, noDelay: true, keepAlive: true };
    const connection = new Connection({
      ...(this.#secure
        ? { socket: this.#secureSocket(options), readyEvent: 'secureConnect' }
        : { socket: netConnect(options), readyEvent: 'connect' }),
      clock: this.#clock,
      onFree: (free, keptForMs) => this.#keep(free, keptForMs),
      onEnd: (ended, call, error, idleClosed) => this.#ended(ended, call, error, idleClosed),
    });
    this.#connections.add(connection);
    return connection;
  }

  #secureSocket(options: { readonly host: string; readonly port: number }): TLSSocket {
    const { host } = options;
    const socket = tlsConnect({
      ...options,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    // Resuming a session spares the next connection most of its handshake.
    socket.on('session', (session) => {
      if (socket.authorized) this.#session = session;
    });
    socket.on('error', () => {
      this.#session = undefined;
    });
    return socket;
  }

  #keep(connection: Connection, keptForMs: number): void {
    const idleMs = Math.min(IDLE_MS_MAX, keptForMs - KEPT_MARGIN_MS);
    connection.idleUntilMs = this.#clock.nowMs() + idleMs;
    if (idleMs > 0) this.#idle.push(connection);
    else connection.cut(new SqsFault('IdleConnection', 'the server keeps it too briefly'));
  }

  #ended(connection: Connection, call: Call | undefined, error: unknown, idleClosed: boolean): void {
    this.#connections.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (call === undefined) return;
    if (idleClosed && call.request.repeatable && !call.repeated) {
      call.repeated = true;
      // A new one: others that are idle may have been closed at the same time.
      this.#start(call, undefined);
      return;
    }
    call.open?.delete(call);
    call.reject(networkFault(error));
  }

  /** The calls that a signal abandons. One listener for all: one for each call would cost too much CPU. */
  #openCalls(signal: AbortSignal): Set<Call> {
    const known = this.#abandonable.get(signal);
    if (known !== undefined) return known;
    const open = new Set<Call>();
    this.#abandonable.set(signal, open);
    const abandon = () => {
      for (const call of [...open]) call.on?.cut(abandoned());
    };
    signal.addEventListener('abort', abandon, { once: true });
    return open;
  }
}

interface Call {
  readonly request: HttpRequest;
  readonly resolve: (reply: HttpReply) => void;
  readonly reject: (fault: SqsFault) => void;
  /** The open calls of its signal. */
  readonly open: Set<Call> | undefined;
  on: Connection | undefined;
  repeated: boolean;
}

interface ConnectionParts {
  readonly socket: Socket;
  readonly readyEvent: string;
  readonly clock: Clock;
  /** It may carry another request, for as long as the server keeps it. */
  readonly onFree: (connection: Connection, keptForMs: number) => void;
  /** It has ended, and the call that it carried without its reply. */
  readonly onEnd: (
    connection: Connection,
    call: Call | undefined,
    error: unknown,
    /** The server had closed it while it was idle. */
    idleClosed: boolean,
  ) => void;
}

/** A socket, and the one call that it carries. */
class Connection {
  readonly #parts: ConnectionParts;
  readonly #socket: Socket;
  #call: Call | undefined;
  #reply = new HttpReplyReader();
  #ready = false;
  #over = false;
  #served = false;
  #sentAtMs = 0;
  /** When the last byte went or came. */
  #stirredAtMs = 0;
  /** Watches for silence; stays armed between calls, since arming it for each would cost too much CPU. */
  #watch: Timer | undefined;
  #watchDueMs = 0;
  idleUntilMs = 0;

  constructor(parts: ConnectionParts) {
    const { socket, readyEvent } = parts;
    this.#parts = parts;
    this.#socket = socket;
    // Nothing is written before: a server that is not who it should be must not see a byte.
    socket.on(readyEvent, () => {
      this.#ready = true;
      if (this.#call !== undefined) this.#write(this.#call.request);
    });
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => this.#end());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#fail(error, /^(ECONNRESET|EPIPE)$/.test(error.code ?? ''));
    });
    socket.on('close', () => this.#end());
  }

  carry(call: Call): void {
    this.#call = call;
    this.#stirredAtMs = this.#parts.clock.nowMs();
    this.#watchSilence(call);
    if (!this.#ready) return;
    this.#reply = new HttpReplyReader();
    this.#socket.ref();
    this.#write(call.request);
  }

  /** Ends it now, and with it what it carries. */
  cut(fault: SqsFault): void {
    this.#fail(fault, false);
  }

  #watchSilence({ request }: Call): void {
    const { clock } = this.#parts;
    const endMs = this.#stirredAtMs + request.silenceMs;
    if (this.#watch !== undefined && this.#watchDueMs <= endMs) return;
    this.#watch?.cancel();
    this.#watchDueMs = endMs;
    this.#watch = clock.setTimer(endMs - clock.nowMs(), () => {
      this.#watch = undefined;
      const call = this.#call;
      if (call === undefined) return;
      const nowMs = clock.nowMs();
      // The event loop was blocked: bytes that arrived meanwhile are read only after this.
      if (nowMs - this.#watchDueMs > DEAF_MS) this.#stirredAtMs = nowMs;
      if (nowMs < this.#stirredAtMs + call.request.silenceMs) this.#watchSilence(call);
      else this.cut(new SqsFault('TimeoutError', `no byte from SQS for ${call.request.silenceMs} ms`));
    });
  }

  #write({ text, encoding }: HttpRequest): void {
    this.#sentAtMs = this.#parts.clock.nowMs();
    this.#stirredAtMs = this.#sentAtMs;
    this.#socket.write(text, encoding);
  }

  #take(bytes: Buffer): void {
    if (this.#call === undefined) {
      // A late 408, say. It answers nothing.
      this.cut(new SqsFault('UnexpectedReply', 'a reply without a request'));
      return;
    }
    this.#stirredAtMs = this.#parts.clock.nowMs();
    try {
      if (this.#reply.take(bytes)) this.#finish(this.#call);
    } catch (error) {
      this.#fail(error, false);
    }
  }

  #end(): void {
    if (this.#call !== undefined && this.#reply.end()) this.#finish(this.#call);
    this.#fail(new SqsFault('ECONNRESET', 'the connection was closed before it was answered'), true);
  }

  #finish(call: Call): void {
    const reply = this.#reply;
    this.#call = undefined;
    this.#served = true;
    // A server that answers before it has read the request may not read the next one either.
    if (reply.reusable && this.#socket.writableLength === 0 && this.#socket.readyState === 'open') {
      this.#socket.unref();
      this.#parts.onFree(this, reply.keptForMs);
    } else this.cut(new SqsFault('ConnectionClosed', 'not kept'));
    call.open?.delete(call);
    call.resolve({ status: reply.status, text: reply.text(), date: reply.date });
  }

  #fail(error: unknown, closedByServer: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch?.cancel();
    this.#socket.destroy();
    const call = this.#call;
    this.#call = undefined;
    const idleClosed =
      closedByServer &&
      this.#served &&
      !this.#reply.started &&
      this.#parts.clock.nowMs() - this.#sentAtMs < IDLE_CLOSED_WITHIN_MS;
    this.#parts.onEnd(this, call, error, idleClosed);
  }
}

function abandoned(): SqsFault {
  return new SqsFault('AbortError', 'the call was abandoned');
}

function networkFault(error: unknown): SqsFault {
  if (error instanceof SqsFault) return error;
  // A name with several addresses fails with the failures of each.
  const { code, name, message, errors } = error as NodeJS.ErrnoException & { errors?: readonly Error[] };
  return new SqsFault(code ?? name, message || errors?.map((each) => each.message).join('; ') || name);
}
