import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Dispatcher, ServiceModel } from '../dispatch/dispatcher.ts';
import { SERVICES, type ServiceName } from '../dispatch/sdk.ts';
import { AwsFault, UserError } from '../errors.ts';
import { LOOPBACK } from '../iam/authorizer.ts';
import type { Identity } from '../iam/identity.ts';
import type { Ids } from '../ids.ts';
import {
  type Protocol,
  readRestInput,
  readRpcInput,
  route,
  type WireReply,
  type WireRequest,
  writeFault,
  writeOutput,
} from './protocols.ts';

/** Serves requests that are not AWS API calls (image registry, git, credentials); `true` when it took one. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

const LARGEST_BODY_BYTES = 512 * 1024 * 1024;
const LARGEST_RPC_BODY_BYTES = 8 * 1024 * 1024;

const byTarget = new Map<string, ServiceName>();
const bySigningName = new Map<string, ServiceName>();
const byCborName = new Map<string, ServiceName>();
for (const [name, description] of Object.entries(SERVICES) as Array<
  [ServiceName, (typeof SERVICES)[ServiceName]]
>) {
  if (description.target) byTarget.set(description.target, name);
  if (description.cborName) byCborName.set(description.cborName, name);
  for (const signing of description.signingNames) bySigningName.set(signing, name);
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
  /** Calls under way on each connection: aborted when the client hangs up. */
  readonly #underWay = new WeakMap<Socket, Set<AbortController>>();
  #requests = 0;
  #port = 0;

  constructor(parts: {
    dispatcher: Dispatcher;
    identity: Identity;
    ids: Ids;
    onCrash: (error: unknown) => void;
  }) {
    this.#dispatcher = parts.dispatcher;
    this.#identity = parts.identity;
    this.#requestIdPrefix = parts.ids.uuid().slice(0, -12);
    this.#onCrash = parts.onCrash;
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.#onCrash(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    });
    this.#server.on('connection', (socket) => {
      const calls = new Set<AbortController>();
      this.#underWay.set(socket, calls);
      const leave = () => {
        for (const call of calls) call.abort();
      };
      // The end is heard of earlier: a message must not be written to a client that has hung up.
      socket.once('end', leave);
      socket.once('close', leave);
    });
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
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Counts on from one random identifier: drawing randomness for every request costs more than a queue does. */
  #nextRequestId(): string {
    const number = (this.#requests++).toString(16).padStart(12, '0');
    return this.#requestIdPrefix + number;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = incoming.headers['x-amz-target'];
    if (target === undefined) {
      for (const handler of this.#handlers) if (await handler(incoming, response)) return;
    }
    const requestId = this.#nextRequestId();
    const left = new AbortController();
    const underWay = this.#underWay.get(incoming.socket);
    underWay?.add(left);
    let protocol: Protocol = 'json';
    let service: ServiceModel | undefined;
    let reply: WireReply;
    try {
      const small = target !== undefined || incoming.url?.startsWith('/service/');
      const body = await readBody(incoming, small ? LARGEST_RPC_BODY_BYTES : LARGEST_BODY_BYTES);
      const request = toWireRequest(incoming, body);
      const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim();
      if (type === 'application/x-www-form-urlencoded') protocol = 'query';
      else if (request.headers['smithy-protocol'] === 'rpc-v2-cbor') protocol = 'cbor';
      else if (typeof target !== 'string') protocol = 'rest-xml';
      const { principal, service: signedFor } = this.#identity.authenticate(request);
      const decoded = decodeBody(request);
      const found = findService(protocol, decoded, signedFor);
      if (found.protocol) protocol = found.protocol;
      const loading = this.#dispatcher.model(found.name);
      service = loading instanceof Promise ? await loading : loading;
      const bound =
        protocol === 'rest-json' || protocol === 'rest-xml' ? route(found.name, service, decoded) : undefined;
      const operation = found.operation ?? bound?.model.name;
      const model = operation ? service.operations.get(operation) : undefined;
      if (!model) {
        throw new AwsFault(
          protocol === 'query' ? 'InvalidAction' : 'UnknownOperationException',
          `${found.name} has no operation for ${operation ?? `${request.method} ${request.path}`}`,
        );
      }
      const input = bound
        ? readRestInput(protocol, model, bound.labels, decoded)
        : readRpcInput(protocol, model, service.description.protocol === 'ec2', decoded);
      const output = await this.#dispatcher.dispatch(principal, found.name, model.name, input, {
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
    underWay?.delete(left);
    if (response.destroyed) return;
    const { headers } = reply;
    if (incoming.method !== 'HEAD' || headers['content-length'] === undefined) {
      headers['content-length'] = String(Buffer.byteLength(reply.body));
    }
    response.writeHead(reply.status, headers);
    response.end(incoming.method === 'HEAD' ? undefined : reply.body);
  }
}

function findService(
  protocol: Protocol,
  request: WireRequest,
  signedFor: string | undefined,
): { name: ServiceName; operation?: string; protocol?: Protocol } {
  if (protocol === 'cbor') {
    const parts = /^\/service\/([^/]+)\/operation\/([^/]+)$/.exec(request.path);
    const name = parts ? byCborName.get(parts[1]!) : undefined;
    if (name) return { name, operation: parts![2]! };
    throw new AwsFault('UnknownOperationException', `no service answers at ${request.path}`, 404);
  }
  if (protocol === 'json') {
    const target = request.headers['x-amz-target']!;
    const dot = target.lastIndexOf('.');
    const name = byTarget.get(target.slice(0, dot));
    if (name) return { name, operation: target.slice(dot + 1) };
    throw new AwsFault('UnknownOperationException', `the local engine has no service for target ${target}`);
  }
  const name = signedFor === undefined ? undefined : bySigningName.get(signedFor);
  if (protocol === 'query') {
    const action = new URLSearchParams(request.body.toString('utf8')).get('Action');
    if (!action) throw new AwsFault('MissingAction', 'the request has no Action parameter');
    if (name) return { name, operation: action };
    throw new AwsFault(
      'MissingAuthenticationToken',
      `sign the request: the service of action ${action} is taken from the signature (${signedFor ?? 'none'})`,
      403,
    );
  }
  if (signedFor === undefined) {
    throw new AwsFault(
      'MissingAuthenticationToken',
      'this is the queue-canary local engine; it serves signed AWS API requests, images under /v2/ and git under /git/',
      403,
    );
  }
  if (!name)
    throw new AwsFault('UnknownOperationException', `the local engine has no service "${signedFor}"`, 404);
  return { name, protocol: SERVICES[name].protocol === 'rest-json' ? 'rest-json' : 'rest-xml' };
}

function readBody(incoming: IncomingMessage, largest: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= largest) chunks.push(chunk);
      else reject(new AwsFault('RequestEntityTooLarge', `the request body exceeds ${largest} bytes`, 413));
    });
    incoming.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    incoming.on('error', () => reject(new AwsFault('IncompleteBody', 'the request body ends early')));
  });
}

const NO_QUERY = new URLSearchParams();

function toWireRequest(incoming: IncomingMessage, body: Buffer): WireRequest {
  const url = incoming.url ?? '/';
  const mark = url.indexOf('?');
  const headers: Record<string, string | undefined> = {};
  for (const key in incoming.headers) {
    const value = incoming.headers[key];
    headers[key] = typeof value === 'object' ? value.join(',') : value;
  }
  return {
    method: incoming.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1).replaceAll('+', '%2B')),
    headers,
    body,
  };
}

/** Undoes `aws-chunked` framing and gzip, after the signature over the raw body was checked. */
function decodeBody(request: WireRequest): WireRequest {
  let { body } = request;
  if (request.headers['content-encoding'] === undefined && !request.headers['x-amz-content-sha256'])
    return request;
  const encodings = (request.headers['content-encoding'] ?? '').split(',').map((encoding) => encoding.trim());
  if (
    encodings.includes('aws-chunked') ||
    request.headers['x-amz-content-sha256']?.startsWith('STREAMING-')
  ) {
    body = unchunk(body);
  }
  if (encodings.includes('gzip') && request.headers['x-amz-target'] !== undefined) {
    try {
      body = gunzipSync(body);
    } catch {
      throw new AwsFault('SerializationException', 'the request body is not valid gzip');
    }
  }
  return body === request.body ? request : { ...request, body };
}

function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < body.length) {
    const lineEnd = body.indexOf('\r\n', at);
    if (lineEnd < 0) throw new AwsFault('IncompleteBody', 'the chunked body ends early');
    const size = Number.parseInt(body.toString('latin1', at, lineEnd).split(';')[0]!, 16);
    if (Number.isNaN(size))
      throw new AwsFault('IncompleteBody', 'the chunked body has a malformed chunk size');
    if (size === 0) break;
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  return Buffer.concat(parts);
}
