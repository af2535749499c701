import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Pace } from '../src/clock/pace.ts';
import { Dispatcher } from '../src/dispatch/dispatcher.ts';
import type { Engine, Service } from '../src/dispatch/service.ts';
import { readForm } from '../src/document-bounds.ts';
import { AwsFault } from '../src/errors.ts';
import { Identity } from '../src/iam/identity.ts';
import { PolicyAuthorizer } from '../src/iam/policy-authorizer.ts';
import { ByteIds, SystemClock } from '../src/index.ts';
import { Journal } from '../src/journal/journal.ts';
import type { OperationModel, ServiceModel } from '../src/sdk/model.ts';
import { SERVICES, type ServiceName } from '../src/sdk/services.ts';
import type { Shape } from '../src/sdk/shapes.ts';
import { createServices } from '../src/services/catalogue.ts';
import { State } from '../src/state/state.ts';
import { encodeJson, encodeText, encodeXmlMembers, encodeXmlNode } from '../src/wire/codecs.ts';
import {
  type Protocol,
  readFormInput,
  readRestInput,
  readRpcInput,
  writeFault,
  writeOutput,
} from '../src/wire/protocols.ts';

type Json = Record<string, unknown>;

/** An operation that the engine implements. */
export interface Target {
  readonly service: ServiceModel;
  readonly name: ServiceName;
  readonly model: OperationModel;
}

/** What became of a call: its output, or the code with which it was refused. */
export type Outcome = { readonly output: Json } | { readonly code: string };

/** A mistake in a JSON document: some value in it is another one. */
export interface Slip {
  readonly at: number;
  readonly to: unknown;
}

/** All services of the engine behind their codecs, without a socket. */
export class FuzzWorld {
  /** By service and name, as in `sqs:SendMessage`. */
  readonly targets: ReadonlyMap<string, Target>;
  readonly #dispatcher: Dispatcher;
  readonly #root: Identity['root'];

  private constructor(dispatcher: Dispatcher, root: Identity['root'], targets: ReadonlyMap<string, Target>) {
    this.#dispatcher = dispatcher;
    this.#root = root;
    this.targets = targets;
  }

  static async start(): Promise<FuzzWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'queue-canary-fuzz-'));
    const state = new State(join(directory, 'engine.db'));
    const clock = new SystemClock();
    const ids = ByteIds.seeded(1);
    const pace = new Pace(1_000);
    const journal = new Journal(state, clock);
    const accountId = '000000000000';
    const region = 'us-east-1';
    const endpoint = () => 'http://127.0.0.1:1';
    const identity = new Identity({ state, clock, ids, endpoint, accountId, region });
    const authorizer = new PolicyAuthorizer({ state, accountId, region, clock });
    const dispatcher = new Dispatcher({ state, journal, clock, ids, authorizer, pace });
    const engine: Engine = {
      ...{ clock, pace, ids, state, journal, accountId, region, directory, endpoint },
      call: (principal, service, operation, input) =>
        dispatcher.dispatch(principal, service, operation, input as Json, { endpoint: endpoint() }) as never,
      assumeRole: (roleArn, service, sessionName) => authorizer.assumeRole(roleArn, service, sessionName),
      credentials: (principal) => identity.issue(principal),
    };
    const services = createServices(engine, { identity, authorizer, dispatcher, handle: () => {} });
    for (const service of services) dispatcher.register(service);
    for (const service of services) await service.start?.();
    onTestFinished(async () => {
      for (const service of [...services].reverse()) await service.stop?.();
      state.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const targets = await Promise.all(services.map((service) => targetsOf(dispatcher, service)));
    return new FuzzWorld(dispatcher, identity.root, new Map(targets.flat()));
  }

  /** Writes the input as a client does, reads it as the engine does, calls the operation and writes the answer. */
  async call(operation: string, input: Json, slip?: Slip): Promise<Outcome> {
    const target = this.targets.get(operation)!;
    const { service, name, model } = target;
    const protocol = SERVICES[name].protocol === 'ec2' ? 'query' : (SERVICES[name].protocol as Protocol);
    try {
      const output = await this.#dispatcher.dispatch(
        this.#root,
        name,
        model.name,
        throughTheWire(protocol, target, input, slip),
        { endpoint: 'http://127.0.0.1:1', external: true },
      );
      writeOutput(protocol, service, model, output ?? {}, 'request');
      return { output: output ?? {} };
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      writeFault(protocol, service, error, 'request');
      return { code: error.code };
    }
  }
}

async function targetsOf(dispatcher: Dispatcher, { name, operations }: Service): Promise<[string, Target][]> {
  const service = await dispatcher.model(name);
  return Object.keys(operations).map((operation) => [
    `${name}:${operation}`,
    { service, name, model: service.operations.get(operation)! },
  ]);
}

function throughTheWire(protocol: Protocol, { model, name }: Target, input: Json, slip?: Slip): Json {
  const request = {
    method: 'POST',
    path: '/',
    query: new URLSearchParams(),
    headers: {},
    body: Buffer.alloc(0),
  };
  const json = (shape: Shape, value: unknown) =>
    Buffer.from(JSON.stringify(slipped(encodeJson(shape, value) ?? {}, slip)));
  if (protocol === 'json') return readRpcInput('json', model, { ...request, body: json(model.input, input) });
  if (protocol === 'query') {
    const form = new URLSearchParams();
    const ec2 = SERVICES[name].protocol === 'ec2';
    writeForm(form, '', model.input, input, ec2);
    return readFormInput(model, ec2, readForm(Buffer.from(form.toString())), '/');
  }
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  const labels: Record<string, string> = {};
  const rest: Json = {};
  let body: Buffer | undefined;
  for (const [key, value] of Object.entries(input)) {
    const member = model.input.members.get(key)!;
    const { httpLabel, httpQuery, httpHeader, httpPrefixHeaders, httpPayload } = member.traits;
    if (httpLabel) labels[key] = String(value);
    else if (typeof httpQuery === 'string') {
      for (const item of Array.isArray(value) ? value : [value])
        query.append(httpQuery, textOf(member, item));
    } else if (typeof httpHeader === 'string') headers[httpHeader.toLowerCase()] = encodeText(member, value);
    else if (typeof httpPrefixHeaders === 'string') {
      for (const [name, item] of Object.entries(value as Json))
        headers[`${httpPrefixHeaders}${name}`.toLowerCase()] = String(item);
    } else if (httpPayload) {
      if (member.kind === 'blob') body = Buffer.from(value as Uint8Array);
      else if (member.kind === 'string') body = Buffer.from(String(value));
      else
        body =
          protocol === 'rest-xml' ? Buffer.from(encodeXmlNode('Root', member, value)) : json(member, value);
    } else rest[key] = value;
  }
  body ??=
    protocol === 'rest-xml'
      ? Buffer.from(`<Root>${encodeXmlMembers(model.input, rest)}</Root>`)
      : json(model.input, rest);
  return readRestInput(protocol, model, labels, { ...request, query, headers, body });
}

/** The document with its value number `at`, counted from within, replaced. */
function slipped(document: unknown, slip: Slip | undefined): unknown {
  if (slip === undefined) return document;
  let left = slip.at;
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) => (left-- === 0 ? slip.to : value));
}

function textOf(shape: Shape, value: unknown): string {
  return value instanceof Date ? encodeText(shape, value) : String(value);
}

function writeForm(form: URLSearchParams, at: string, shape: Shape, value: unknown, ec2: boolean): void {
  const under = (part: string) => (at === '' ? part : `${at}.${part}`);
  switch (shape.kind) {
    case 'struct':
      for (const [name, member] of shape.members) {
        const item = (value as Json)[name];
        if (item === undefined) continue;
        const xmlName = member.traits.xmlName ?? name;
        const ec2Name = member.traits.ec2QueryName ?? xmlName.charAt(0).toUpperCase() + xmlName.slice(1);
        writeForm(form, under(ec2 ? ec2Name : xmlName), member, item, ec2);
      }
      return;
    case 'list': {
      const flat = ec2 || shape.traits.xmlFlattened !== undefined;
      const prefix = flat ? at : under(shape.value!.traits.xmlName ?? 'member');
      for (const [index, item] of (value as unknown[]).entries())
        writeForm(form, `${prefix}.${index + 1}`, shape.value!, item, ec2);
      return;
    }
    case 'map': {
      const prefix = shape.traits.xmlFlattened !== undefined ? at : under('entry');
      for (const [index, [key, item]] of Object.entries(value as Json).entries()) {
        form.append(`${prefix}.${index + 1}.${shape.key!.traits.xmlName ?? 'key'}`, key);
        const valueName = shape.value!.traits.xmlName ?? 'value';
        writeForm(form, `${prefix}.${index + 1}.${valueName}`, shape.value!, item, ec2);
      }
      return;
    }
    case 'timestamp':
      form.append(at, (value as Date).toISOString());
      return;
    case 'blob':
      form.append(at, Buffer.from(value as Uint8Array).toString('base64'));
      return;
    default:
      form.append(at, String(value));
  }
}
