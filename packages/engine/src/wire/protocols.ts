import { cbor } from '@smithy/core/cbor';
import type { OperationModel, ServiceModel } from '../dispatch/dispatcher.ts';
import type { ServiceName } from '../dispatch/sdk.ts';
import { AwsFault } from '../errors.ts';
import {
  decodeJson,
  decodeQuery,
  decodeText,
  decodeXml,
  encodeJson,
  encodeText,
  encodeXmlMembers,
  encodeXmlNode,
  escapeXml,
} from './codecs.ts';
import { boundCbor, boundJson } from './document-bounds.ts';
import { percentDecoded } from './request-target.ts';
import type { Shape } from './shapes.ts';

/** A request as the server read it. */
export interface WireRequest {
  readonly method: string;
  /** Undecoded path, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface WireReply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array;
}

export type Protocol = 'json' | 'cbor' | 'query' | 'rest-json' | 'rest-xml';

type Json = Record<string, unknown>;

/** Reads an operation's input from a JSON or CBOR request. */
export function readRpcInput(protocol: Protocol, model: OperationModel, request: WireRequest): Json {
  const document = protocol === 'cbor' ? parseCbor(request.body) : parseJson(request.body);
  return (decodeJson(model.input, document) ?? {}) as Json;
}

/** Reads an operation's input from a Query request. */
export function readFormInput(
  model: OperationModel,
  ec2: boolean,
  form: URLSearchParams,
  path: string,
): Json {
  const input = decodeQuery(model.input, form, ec2) as Json;
  // SQS's Query API is posted to the queue's own URL, and may name the queue there only.
  if (model.input.members.has('QueueUrl') && path !== '/') input.QueueUrl ??= path;
  return input;
}

function parseJson(body: Buffer): unknown {
  if (body.byteLength === 0) return {};
  boundJson(body);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new AwsFault('SerializationException', 'the request body is not valid JSON');
  }
}

function parseCbor(body: Buffer): unknown {
  if (body.byteLength === 0) return {};
  try {
    boundCbor(body);
    return untag(cbor.deserialize(body));
  } catch (error) {
    if (error instanceof AwsFault) throw error;
    throw new AwsFault('SerializationException', 'the request body is not valid CBOR');
  }
}

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date)
    return value;
  if ('tag' in value && 'value' in value && (value as Json).tag === 1) return (value as Json).value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untag(item)]));
}

/** Reads the input of an operation bound to path, query, headers and body (REST protocols). */
export function readRestInput(
  protocol: Protocol,
  model: OperationModel,
  labels: Readonly<Record<string, string>>,
  request: WireRequest,
): Json {
  const input: Json = {};
  const body: Array<[string, Shape]> = [];
  for (const [name, member] of model.input.members) {
    const { traits } = member;
    if (traits.httpLabel) {
      if (labels[name] !== undefined) input[name] = decodeText(member, labels[name], name);
    } else if (typeof traits.httpQuery === 'string') {
      const values = request.query.getAll(traits.httpQuery);
      if (values.length === 0) continue;
      input[name] =
        member.kind === 'list'
          ? values.map((value) => decodeText(member.value!, value, name))
          : decodeText(member, values[0]!, name);
    } else if (traits.httpQueryParams) {
      input[name] = Object.fromEntries(request.query);
    } else if (typeof traits.httpHeader === 'string') {
      const value = request.headers[traits.httpHeader.toLowerCase()];
      if (value !== undefined) input[name] = decodeText(member, value, name);
    } else if (typeof traits.httpPrefixHeaders === 'string') {
      const prefix = traits.httpPrefixHeaders.toLowerCase();
      input[name] = Object.fromEntries(
        Object.entries(request.headers)
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, value]) => [key.slice(prefix.length), value ?? '']),
      );
    } else if (traits.httpPayload) {
      if (member.kind === 'blob') input[name] = request.body;
      else if (member.kind === 'string') input[name] = request.body.toString('utf8');
      else if (request.body.byteLength > 0) {
        input[name] =
          protocol === 'rest-xml'
            ? decodeXml(member, request.body)
            : decodeJson(member, parseJson(request.body), name);
      }
    } else {
      body.push([name, member]);
    }
  }
  if (body.length > 0 && request.body.byteLength > 0) {
    const document = (
      protocol === 'rest-xml'
        ? decodeXml(model.input, request.body)
        : (decodeJson(model.input, parseJson(request.body)) ?? {})
    ) as Json;
    for (const [name] of body) if (document[name] !== undefined) input[name] = document[name];
  }
  return input;
}

/** Writes an operation's output in the protocol of the request. */
export function writeOutput(
  protocol: Protocol,
  service: ServiceModel,
  model: OperationModel,
  output: Json,
  requestId: string,
): WireReply {
  const headers: Record<string, string> = { 'x-amzn-requestid': requestId };
  const { description } = service;
  switch (protocol) {
    case 'json':
      headers['content-type'] = `application/x-amz-json-${description.jsonVersion ?? '1.1'}`;
      return {
        status: 200,
        headers,
        body: model.output.kind === 'unit' ? '' : JSON.stringify(encodeJson(model.output, output) ?? {}),
      };
    case 'cbor':
      headers['content-type'] = 'application/cbor';
      headers['smithy-protocol'] = 'rpc-v2-cbor';
      return { status: 200, headers, body: cbor.serialize(encodeJson(model.output, output, true) ?? {}) };
    case 'query': {
      headers['content-type'] = 'text/xml';
      const namespace = ` xmlns="${description.xmlNamespace ?? ''}"`;
      if (description.protocol === 'ec2') {
        return {
          status: 200,
          headers,
          body: `<${model.name}Response${namespace}><requestId>${requestId}</requestId>${encodeXmlMembers(model.output, output, true)}</${model.name}Response>`,
        };
      }
      const result = `<${model.name}Result>${encodeXmlMembers(model.output, output)}</${model.name}Result>`;
      return {
        status: 200,
        headers,
        body: `<${model.name}Response${namespace}>${result}<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${model.name}Response>`,
      };
    }
    default:
      return writeRest(protocol, service, model, output, headers, requestId);
  }
}

function writeRest(
  protocol: Protocol,
  service: ServiceModel,
  model: OperationModel,
  output: Json,
  headers: Record<string, string>,
  requestId: string,
): WireReply {
  let status = model.http?.[2] ?? 200;
  let body: string | Uint8Array | undefined;
  const xml = protocol === 'rest-xml';
  const inBody: Json = {};
  if (xml) headers['x-amz-request-id'] = requestId;
  for (const [name, member] of model.output.members) {
    const value = output[name];
    if (value === undefined || value === null) continue;
    const { traits } = member;
    if (typeof traits.httpHeader === 'string')
      headers[traits.httpHeader.toLowerCase()] = encodeText(member, value);
    else if (typeof traits.httpPrefixHeaders === 'string') {
      for (const [key, item] of Object.entries(value as Record<string, string>)) {
        headers[`${traits.httpPrefixHeaders}${key}`.toLowerCase()] = item;
      }
    } else if (traits.httpResponseCode) status = value as number;
    else if (traits.httpPayload) {
      if (member.kind === 'blob') body = value as Uint8Array;
      else if (member.kind === 'string') body = String(value);
      else if (xml) {
        headers['content-type'] = 'application/xml';
        body = encodeXmlNode((member.traits.xmlName as string | undefined) ?? member.name, member, value);
      } else body = JSON.stringify(encodeJson(member, value));
    } else inBody[name] = value;
  }
  // The schemas do not say so, but S3 answers a part of an object as HTTP wants it.
  if (status === 200 && headers['content-range'] !== undefined) status = 206;
  if (body === undefined) {
    if (xml && Object.keys(inBody).length > 0) {
      headers['content-type'] = 'application/xml';
      const root = (model.output.traits.xmlName as string | undefined) ?? model.output.name;
      const namespace = ` xmlns="${service.description.xmlNamespace ?? ''}"`;
      body = `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${encodeXmlMembers(model.output, inBody)}</${root}>`;
    } else if (!xml && status !== 204) {
      headers['content-type'] = 'application/json';
      body = JSON.stringify(encodeJson(model.output, inBody) ?? {});
    }
  }
  return { status, headers, body: body ?? '' };
}

/** Writes an error in the protocol of the request, with the shape and status that AWS gives it. */
export function writeFault(
  protocol: Protocol,
  service: ServiceModel | undefined,
  fault: AwsFault,
  requestId: string,
): WireReply {
  const traits = service?.errors.get(fault.code) ?? {};
  const query = traits.awsQueryError as [code: string, status: number] | undefined;
  const status = (traits.httpError as number | undefined) ?? fault.status;
  const headers: Record<string, string> = { 'x-amzn-requestid': requestId };
  const namespace = service?.errors.has(fault.code) && service.description.errorNamespace;
  const type = namespace ? `${namespace}#${fault.code}` : fault.code;
  const sender = status < 500 ? 'Sender' : 'Receiver';
  const members = { ...fault.members, message: fault.message };
  switch (protocol) {
    case 'json':
    case 'rest-json':
      headers['content-type'] =
        protocol === 'json'
          ? `application/x-amz-json-${service?.description.jsonVersion ?? '1.1'}`
          : 'application/json';
      headers['x-amzn-errortype'] = type;
      headers['x-amzn-query-error'] = `${query?.[0] ?? fault.code};${sender}`;
      return {
        status,
        headers,
        body: JSON.stringify({ __type: type, ...members, Message: fault.message }),
      };
    case 'cbor':
      headers['content-type'] = 'application/cbor';
      headers['smithy-protocol'] = 'rpc-v2-cbor';
      headers['x-amzn-query-error'] = `${query?.[0] ?? fault.code};${sender}`;
      return { status, headers, body: cbor.serialize({ __type: fault.code, ...members }) };
    case 'rest-xml':
      headers['content-type'] = 'application/xml';
      return {
        status,
        headers,
        body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${escapeXml(query?.[0] ?? fault.code)}</Code><Message>${escapeXml(fault.message)}</Message>${Object.entries(
          fault.members,
        )
          .map(([key, value]) => `<${key}>${escapeXml(String(value))}</${key}>`)
          .join('')}<RequestId>${requestId}</RequestId></Error>`,
      };
    case 'query': {
      headers['content-type'] = 'text/xml';
      const error = `<Type>${sender}</Type><Code>${escapeXml(query?.[0] ?? fault.code)}</Code><Message>${escapeXml(fault.message)}</Message>`;
      const body =
        service?.description.protocol === 'ec2'
          ? `<Response><Errors><Error>${error}</Error></Errors><RequestID>${requestId}</RequestID></Response>`
          : `<ErrorResponse xmlns="${service?.description.xmlNamespace ?? ''}"><Error>${error}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
      return { status: query?.[1] ?? status, headers, body };
    }
  }
}

interface Route {
  readonly model: OperationModel;
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: ReadonlyArray<[string, string]>;
  /** Headers and query parameters without which the route does not apply. */
  readonly requiredHeaders: readonly string[];
  readonly requiredQuery: readonly string[];
  /** Whether the body is taken as it is, and is no document. */
  readonly takesBytes: boolean;
}

const routeCache = new Map<ServiceName, Route[]>();

/** Finds the operation of a REST request. S3 paths carry the bucket as their first segment. */
export function route(
  name: ServiceName,
  service: ServiceModel,
  request: WireRequest,
): { model: OperationModel; labels: Record<string, string>; takesBytes: boolean } | undefined {
  let routes = routeCache.get(name);
  if (!routes) {
    routes = compileRoutes(name, service);
    routeCache.set(name, routes);
  }
  const path = request.path.replace(/^\//, '').replace(/\/$/, '');
  const segments = path === '' ? [] : path.split('/');
  for (const candidate of routes) {
    const labels = match(candidate, segments, request);
    if (labels) return { model: candidate.model, labels, takesBytes: candidate.takesBytes };
  }
  return undefined;
}

function compileRoutes(name: ServiceName, service: ServiceModel): Route[] {
  const routes: Route[] = [];
  for (const model of service.operations.values()) {
    if (!model.http) continue;
    const [method, uri] = model.http;
    const [path = '', query = ''] = uri.split('?');

    const bucket = name === 's3' && model.input.members.has('Bucket') ? ['{Bucket}'] : [];
    const own = path.replace(/^\//, '').replace(/\/$/, '');
    const segments = [...bucket, ...(own === '' ? [] : own.split('/'))];
    const required = model.input.required.map((member) => model.input.members.get(member)!);
    routes.push({
      model,
      method,
      segments,
      query: [...new URLSearchParams(query)],
      requiredHeaders: required
        .map((member) => member.traits.httpHeader)
        .filter((header): header is string => typeof header === 'string')
        .map((header) => header.toLowerCase()),
      requiredQuery: required
        .map((member) => member.traits.httpQuery)
        .filter((parameter): parameter is string => typeof parameter === 'string'),
      takesBytes: [...model.input.members.values()].some(
        ({ kind, traits }) => kind === 'blob' && traits.httpPayload !== undefined,
      ),
    });
  }
  const specificity = (candidate: Route) =>
    candidate.query.filter(([key]) => key !== 'x-id').length * 100 +
    candidate.requiredQuery.length * 100 +
    candidate.requiredHeaders.length * 10 +
    candidate.segments.filter((segment) => !segment.startsWith('{')).length * 5 +
    candidate.segments.length;
  return routes.sort((a, b) => specificity(b) - specificity(a));
}

function match(
  candidate: Route,
  segments: string[],
  request: WireRequest,
): Record<string, string> | undefined {
  if (candidate.method !== request.method) return undefined;
  for (const [key, value] of candidate.query) {
    const actual = request.query.get(key);
    if (
      key === 'x-id'
        ? actual !== null && actual !== value
        : actual === null || (value !== '' && actual !== value)
    ) {
      return undefined;
    }
  }
  if (candidate.requiredHeaders.some((header) => request.headers[header] === undefined)) return undefined;
  if (candidate.requiredQuery.some((parameter) => !request.query.has(parameter))) return undefined;
  const labels: Record<string, string> = {};
  for (const [index, segment] of candidate.segments.entries()) {
    if (segment.startsWith('{') && segment.endsWith('+}')) {
      const rest = segments.slice(index);
      if (rest.length === 0 || rest.join('/') === '') return undefined;
      labels[segment.slice(1, -2)] = decodeLabel(rest.join('/'));
      return labels;
    }
    const actual = segments[index];
    if (actual === undefined || actual === '') return undefined;
    if (segment.startsWith('{')) labels[segment.slice(1, -1)] = decodeLabel(actual);
    else if (segment !== actual) return undefined;
  }
  return segments.length === candidate.segments.length ? labels : undefined;
}

function decodeLabel(text: string): string {
  const decoded = percentDecoded(text);
  if (decoded === undefined) throw new AwsFault('InvalidURI', "Couldn't parse the specified URI.");
  return decoded;
}
