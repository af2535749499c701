import { cbor } from '@smithy/core/cbor';
import { boundCbor, boundJson } from '../document-bounds.ts';
import { AwsFault } from '../errors.ts';
import type { RequestHead } from '../iam/signature.ts';
import type { OperationModel, ServiceModel } from '../sdk/model.ts';
import type { Shape } from '../sdk/shapes.ts';
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

/** A request as the server read it. */
export interface WireRequest extends RequestHead {
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
    } else if (traits.httpQuery !== undefined) {
      const values = request.query.getAll(traits.httpQuery);
      if (values.length === 0) continue;
      input[name] =
        member.kind === 'list'
          ? values.map((value) => decodeText(member.value!, value, name))
          : decodeText(member, values[0]!, name);
    } else if (traits.httpHeader !== undefined) {
      const value = request.headers[traits.httpHeader.toLowerCase()];
      if (value !== undefined) input[name] = decodeText(member, value, name);
    } else if (traits.httpPrefixHeaders !== undefined) {
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
    if (traits.httpHeader !== undefined) headers[traits.httpHeader.toLowerCase()] = encodeText(member, value);
    else if (traits.httpPrefixHeaders !== undefined) {
      for (const [key, item] of Object.entries(value as Record<string, string>)) {
        headers[`${traits.httpPrefixHeaders}${key}`.toLowerCase()] = item;
      }
    } else if (traits.httpResponseCode) status = value as number;
    else if (traits.httpPayload) {
      if (member.kind === 'blob') body = value as Uint8Array;
      else if (member.kind === 'string') body = String(value);
      else if (xml) {
        headers['content-type'] = 'application/xml';
        body = encodeXmlNode(member.traits.xmlName ?? member.name, member, value);
      } else body = JSON.stringify(encodeJson(member, value));
    } else inBody[name] = value;
  }
  // The schemas do not say so, but S3 answers a part of an object as HTTP wants it.
  if (status === 200 && headers['content-range'] !== undefined) status = 206;
  if (body === undefined) {
    if (xml && Object.keys(inBody).length > 0) {
      headers['content-type'] = 'application/xml';
      const root = model.output.traits.xmlName ?? model.output.name;
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
  const query = traits.awsQueryError;
  const status = traits.httpError ?? fault.status;
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
