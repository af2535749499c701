import { AwsFault } from '../errors.ts';
import { SERVICES, type ServiceName } from '../sdk/services.ts';
import type { Protocol, WireRequest } from './protocols.ts';

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

/** Which service a request is for, in which protocol it speaks, and, where the headers say so, the operation. */
export interface Addressee {
  readonly name: ServiceName;
  readonly protocol: Protocol;
  /** Absent where the body names it, or method and path do. */
  readonly operation?: string;
}

/** The protocol in which a request, and so an error about it, is written. */
export function protocolOf(request: WireRequest): Protocol {
  if (request.headers['x-amz-target'] !== undefined) return 'json';
  if (request.headers['smithy-protocol'] === 'rpc-v2-cbor') return 'cbor';
  return contentType(request) === 'application/x-www-form-urlencoded' ? 'query' : 'rest-xml';
}

function contentType(request: WireRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim();
}

/** Finds the addressee by the headers alone. */
export function findService(request: WireRequest, signedFor: string): Addressee {
  const protocol = protocolOf(request);
  if (protocol === 'cbor') {
    const parts = /^\/service\/([^/]+)\/operation\/([^/]+)$/.exec(request.path);
    const name = parts ? byCborName.get(parts[1]!) : undefined;
    if (name) return { name, protocol, operation: parts![2]! };
    throw new AwsFault('UnknownOperationException', `no service answers at ${request.path}`, 404);
  }
  if (protocol === 'json') {
    const target = request.headers['x-amz-target']!;
    const dot = target.lastIndexOf('.');
    const name = byTarget.get(target.slice(0, dot));
    if (name) return { name, protocol, operation: target.slice(dot + 1) };
    throw new AwsFault(
      'UnknownOperationException',
      `the local engine has no service for target ${target}: leave the call out here, or make it on AWS`,
    );
  }
  const name = bySigningName.get(signedFor);
  if (!name) {
    throw new AwsFault(
      'UnknownOperationException',
      `the local engine has no service "${signedFor}": leave the call out here, or make it on AWS`,
      404,
    );
  }
  const described = SERVICES[name].protocol;
  if (described === 'rest-json' || described === 'rest-xml') return { name, protocol: described };
  return { name, protocol };
}
