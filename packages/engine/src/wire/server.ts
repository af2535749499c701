import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { SystemClock, type Timer } from '../clock/clock.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { readForm } from '../document-bounds.ts';
import { AwsFault, UserError } from '../errors.ts';
import { LOOPBACK } from '../iam/authorizer.ts';
import type { Identity } from '../iam/identity.ts';
import type { Ids } from '../ids.ts';
import { createServer } from '../node-http.ts';
import type { ServiceModel } from '../sdk/model.ts';
import {
  Bodies,
  boundUnread,
  DOCUMENT_BYTES_MAX,
  decodeBody,
  FORM_BYTES_MAX,
  OBJECT_BYTES_MAX,
} from './body.ts';
import { findService, protocolOf } from './find-service.ts';
import {
  type Protocol,
  readFormInput,
  readRestInput,
  readRpcInput,
  type WireReply,
  type WireRequest,
  writeFault,
  writeOutput,
} from './protocols.ts';
import { splitTarget } from './request-target.ts';
import { route } from './routes.ts';

/** Serves requests that are not AWS API calls (image registry, git, credentials); `true` when it took one. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** Until when a client must have sent the head of a request. A connection that waits between two is kept for longer. */
const HEAD_MS_MAX = 15_000;
/** For how long nothing may come of a body that is not complete. */
const IDLE_MS_MAX = 60_000;
/** How often within that time connections are looked at. */
const LOOKS = 4;
const KEEP_ALIVE_MS = 60_000;

interface Connection {
  /** Calls under way: aborted when the client hangs up. */
  readonly calls: Set<AbortController>;
  /** The latest request and its answer. */
  incoming?: IncomingMessage;
  response?: ServerResponse;
  /** Bytes in both directions by the latest look, and how many looks in a row have seen no more. */
  bytes: number;
  quietLooks: number;
}

/**
 * The engine's one HTTP server, on loopback only. It finds out service, operation and protocol from each
 * request, verifies the signature, and hands the call to the dispatcher.
 */
export class WireServer {
  readonly #dispatcher: Dispatcher;
  readonly #identity: Identity;
  readonly #handlers: HttpHandler[] = [];
  readonly #server: Server;
  readonly #onCrash: (error: unknown) => void;
  readonly #requestIdPrefix: string;
  readonly #bodies = new Bodies();
  readonly #connections = new Map<Socket, Connection>();
  /** Sockets live in real time, whatever the engine's clock says. */
  readonly #clock = new SystemClock();
  readonly #lookEveryMs: number;
  #look: Timer;
  #requests = 0;
  #port = 0;

  constructor(parts: {
    dispatcher: Dispatcher;
    identity: Identity;
    ids: Ids;
    onCrash: (error: unknown) => void;
    /** @default 15 s for the head of a request, a minute between two pieces of its body */
    patience?: { readonly headMs: number; readonly idleMs: number };
  }) {
    this.#dispatcher = parts.dispatcher;
    this.#identity = parts.identity;
    this.#requestIdPrefix = parts.ids.uuid().slice(0, -12);
    this.#onCrash = parts.onCrash;
    const { headMs, idleMs } = parts.patience ?? { headMs: HEAD_MS_MAX, idleMs: IDLE_MS_MAX };
    const options = {
      headersTimeout: headMs,
      // An image's layer or a long push may take its time, as long as something comes.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.ceil(headMs / 3),
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    this.#server = createServer(options, (incoming, response) => {
      const connection = this.#connections.get(incoming.socket)!;
      connection.incoming = incoming;
      connection.response = response;
      this.#serve(incoming, response, connection).catch((error: unknown) => {
        this.#onCrash(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    });
    this.#server.on('connection', (socket) => {
      const calls = new Set<AbortController>();
      this.#connections.set(socket, { calls, bytes: 0, quietLooks: 0 });
      const leave = () => {
        for (const call of calls) call.abort();
      };
      // The end is heard of earlier: a message must not be written to a client that has hung up.
      socket.once('end', leave);
      socket.once('close', leave);
      socket.once('close', () => this.#connections.delete(socket));
    });
    this.#lookEveryMs = idleMs / LOOKS;
    this.#look = this.#clock.setTimer(this.#lookEveryMs, () => this.#endIdle());
  }

  /** Ends connections that are idle for too long. Node's own timeout is set again with each piece, which costs 2 % of a call. */
  #endIdle(): void {
    for (const [socket, connection] of this.#connections) {
      const bytes = socket.bytesRead + socket.bytesWritten;
      const { incoming, response } = connection;
      // A long poll and a long call are quiet for longer, and the client can do nothing about it.
      const isServed = incoming?.complete && !response?.writableFinished;
      const isQuiet = bytes === connection.bytes && !isServed;
      connection.quietLooks = isQuiet ? connection.quietLooks + 1 : 0;
      connection.bytes = bytes;
      if (connection.quietLooks >= LOOKS) socket.destroy();
    }
    this.#look = this.#clock.setTimer(this.#lookEveryMs, () => this.#endIdle());
  }

  /** Adds a handler for requests that are not AWS calls. Handlers are asked in order. */
  handle(handler: HttpHandler): void {
    this.#handlers.push(handler);
  }

  get endpoint(): string {
    return `http://${LOOPBACK}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens on 127.0.0.1. Port 0 takes any free one. A taken port is a `UserError` that says what to do. */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          error.code === 'EADDRINUSE'
            ? new UserError(
                'PortTaken',
                `port ${port} is taken: stop what listens there, or choose another with --port`,
              )
            : error,
        );
      });
      this.#server.listen(port, LOOPBACK, () => {
        const address = this.#server.address();
        if (address && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#look.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Counts on from one random identifier: drawing randomness for every request costs more than a queue does. */
  #nextRequestId(): string {
    const number = (this.#requests++).toString(16).padStart(12, '0');
    return this.#requestIdPrefix + number;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse, connection: Connection): Promise<void> {
    const target = incoming.headers['x-amz-target'];
    if (target === undefined) {
      for (const handler of this.#handlers) {
        if (!(await handler(incoming, response))) continue;
        if (!incoming.complete) boundUnread(incoming);
        return;
      }
    }
    const requestId = this.#nextRequestId();
    const left = new AbortController();
    connection.calls.add(left);
    const head = toWireRequest(incoming);
    let protocol = protocolOf(head);
    let service: ServiceModel | undefined;
    let held = 0;
    let reply: WireReply;
    try {
      // By the head alone: nothing is read for somebody who has no key.
      const caller = this.#identity.authenticate(head);
      const addressee = findService(head, caller.service);
      protocol = addressee.protocol;
      const loading = this.#dispatcher.model(addressee.name);
      service = loading instanceof Promise ? await loading : loading;
      const rest = protocol === 'rest-json' || protocol === 'rest-xml';
      const bound = rest ? route(addressee.name, service, head) : undefined;
      const isDocument = !bound?.takesBytes;
      const body = await this.#bodies.read(incoming, mostBytes(protocol, isDocument));
      held = body.byteLength;
      caller.vouch(body);
      const decoding = decodeBody({ ...head, body }, isDocument);
      const request = decoding instanceof Promise ? await decoding : decoding;
      const form = protocol === 'query' ? readForm(request.body) : undefined;
      const operation = addressee.operation ?? bound?.model.name ?? form?.get('Action') ?? undefined;
      if (form && !operation) throw new AwsFault('MissingAction', 'the request has no Action parameter');
      const model = operation ? service.operations.get(operation) : undefined;
      if (!model) {
        throw new AwsFault(
          protocol === 'query' ? 'InvalidAction' : 'UnknownOperationException',
          `${addressee.name} has no operation for ${operation ?? `${request.method} ${request.path}`}`,
        );
      }
      const input = bound
        ? readRestInput(protocol, model, bound.labels, request)
        : form
          ? readFormInput(model, service.description.protocol === 'ec2', form, request.path)
          : readRpcInput(protocol, model, request);
      const output = await this.#dispatcher.dispatch(caller.principal, addressee.name, model.name, input, {
        endpoint: `http://${incoming.headers.host ?? `127.0.0.1:${this.#port}`}`,
        signal: left.signal,
        requestId,
        external: true,
        origin: { sourceIp: LOOPBACK, userAgent: incoming.headers['user-agent'] },
      });
      reply = writeOutput(protocol, service, model, output ?? {}, requestId);
    } catch (error) {
      if (error instanceof AwsFault) reply = writeFault(protocol, service, error, requestId);
      else {
        this.#onCrash(error);
        const fault = new AwsFault('InternalFailure', `the engine failed: ${(error as Error).message}`, 500);
        reply = writeFault(protocol, service, fault, requestId);
      }
    }
    this.#bodies.release(held);
    connection.calls.delete(left);
    if (!incoming.complete) boundUnread(incoming);
    if (response.destroyed) return;
    const { headers } = reply;
    if (incoming.method !== 'HEAD' || headers['content-length'] === undefined) {
      headers['content-length'] = String(Buffer.byteLength(reply.body));
    }
    response.writeHead(reply.status, headers);
    response.end(incoming.method === 'HEAD' ? undefined : reply.body);
  }
}

function mostBytes(protocol: Protocol, isDocument: boolean): number {
  if (protocol === 'rest-xml' && !isDocument) return OBJECT_BYTES_MAX;
  return protocol === 'query' || protocol === 'rest-xml' ? FORM_BYTES_MAX : DOCUMENT_BYTES_MAX;
}

const NO_QUERY = new URLSearchParams();
const NO_BODY = Buffer.alloc(0);

/** A request without its body. */
function toWireRequest(incoming: IncomingMessage): WireRequest {
  const { path, query } = splitTarget(incoming.url);
  const headers: Record<string, string | undefined> = {};
  for (const key in incoming.headers) {
    const value = incoming.headers[key];
    headers[key] = typeof value === 'object' ? value.join(',') : value;
  }
  return {
    method: incoming.method ?? 'GET',
    path,
    query: query === '' ? NO_QUERY : new URLSearchParams(query.replaceAll('+', '%2B')),
    headers,
    body: NO_BODY,
  };
}
