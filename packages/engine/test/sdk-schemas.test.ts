import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCHEMA } from '@smithy/core/schema';
import { describe, expect, test } from 'vitest';
import { loadModel, type ServiceModel } from '../src/sdk/model.ts';
import { inputSchemaOf, normalized, timestampFormatOf } from '../src/sdk/schemas.ts';
import { SERVICES, type ServiceName } from '../src/sdk/services.ts';
import { type Shape, shapeOf } from '../src/sdk/shapes.ts';

/*
 * What src/sdk/schemas.ts assumes of the SDK's private schemas, for every client in use. If this fails with a new version
 * of the SDK, the layout has changed: change schemas.ts alone.
 */

/** Traits that the engine goes by, and whether a value is one that it can use. */
const TRAITS: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...Object.fromEntries(
    ['httpLabel', 'httpPayload', 'httpResponseCode', 'xmlFlattened', 'sensitive'].map((name) => [
      name,
      isOne,
    ]),
  ),
  ...Object.fromEntries(
    ['httpQuery', 'httpHeader', 'httpPrefixHeaders', 'xmlName', 'ec2QueryName'].map((name) => [name, isText]),
  ),
  http: isHttp,
  error: (value) => value === 'client' || value === 'server',
  httpError: isStatus,
  awsQueryError: (value) => Array.isArray(value) && isText(value[0]) && isStatus(value[1]),
};

/** Traits that change nothing of what the engine reads and writes. */
const WITHOUT_EFFECT = [
  'idempotent',
  'idempotencyToken',
  'streaming',
  'eventPayload',
  'xmlNamespace',
  'xmlAttribute',
  'hostLabel',
];

function isOne(value: unknown): boolean {
  return value === 1;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isStatus(value: unknown): boolean {
  return typeof value === 'number' && value >= 200 && value < 600;
}

function isHttp(value: unknown): boolean {
  return Array.isArray(value) && /^[A-Z]+$/.test(value[0]) && /^\//.test(value[1]) && isStatus(value[2]);
}

/** All shapes that operations of a service take and give. */
function shapesOf({ operations }: ServiceModel): Set<Shape> {
  const seen = new Set<Shape>();
  const visit = (shape: Shape | undefined): void => {
    if (shape === undefined || seen.has(shape)) return;
    seen.add(shape);
    visit(shape.value);
    visit(shape.key);
    for (const member of shape.members.values()) visit(member);
  };
  for (const { input, output } of operations.values()) {
    visit(input);
    visit(output);
  }
  return seen;
}

const PLACES = ['../node_modules/@aws-sdk/', '../../../node_modules/@aws-sdk/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** A directory of the type declarations of a client package. */
function declarations(service: ServiceName, directory: 'models' | 'commands'): string {
  const name = /client-[a-z0-9-]+/.exec(String(SERVICES[service].load))?.[0] ?? '';
  const root = PLACES.map((place) => join(place, name)).find((place) => existsSync(place)) ?? '';
  return join(root, 'dist-types', directory);
}

/** The structures that an operation takes and gives, by the types. */
function structuresByTypes(service: ServiceName, operation: string): string[] {
  const text = readFileSync(join(declarations(service, 'commands'), `${operation}Command.d.ts`), 'utf8');
  return ['Input', 'Output'].map(
    (end) =>
      new RegExp(`\\b${operation}Command${end}(?: extends (?:Omit<)?|Type = Omit<)([a-z]\\w+)`, 'i').exec(
        text,
      )?.[1] ?? 'nothing',
  );
}

/** The members of each structure that its declaration in the SDK's types requires. */
function requiredByTypes(service: ServiceName): Map<string, string[]> {
  const models = declarations(service, 'models');
  const structures = new Map<string, string[]>();
  for (const file of readdirSync(models)) {
    const text = readFileSync(join(models, file), 'utf8');
    for (const [, structure, body] of text.matchAll(/^export interface (\w+)[^{]*\{\n(.*?)^\}/gms)) {
      const required = [...body!.matchAll(/^ {4}(\w+): /gm)].map(([, member]) => member!);
      structures.set(structure!, required);
    }
  }
  return structures;
}

describe.each(Object.keys(SERVICES) as ServiceName[])('the schemas of %s', (service) => {
  test('have each operation, its input and its output', async () => {
    const [module, { operations }] = [await SERVICES[service].load(), await loadModel(service)];
    const commands = Object.keys(module).flatMap((name) => /^(\w+)Command$/.exec(name)?.[1] ?? []);
    expect(commands.length).toBeGreaterThan(0);
    expect([...operations.keys()].sort()).toEqual(commands.sort());
    const structure = ({ kind, name }: Shape) => (kind === 'unit' ? 'nothing' : name);
    for (const [name, { input, output }] of operations) {
      expect(shapeOf(inputSchemaOf(module, name))).toBe(input);
      expect([structure(input), structure(output)], name).toEqual(structuresByTypes(service, name));
    }
  });

  test('have each error that the client throws', async () => {
    const [module, { errors }] = [await SERVICES[service].load(), await loadModel(service)];
    const thrown = Object.entries(module).flatMap(([name, value]) =>
      typeof value === 'function' && value.prototype instanceof Error ? [name] : [],
    );
    expect([...errors.keys()]).toEqual(expect.arrayContaining(thrown.filter((name) => !isBase(name))));
  });

  test('have no trait that the engine does not know', async () => {
    const model = await loadModel(service);
    const traits = [
      ...[...shapesOf(model)].map((shape) => shape.traits),
      ...model.errors.values(),
      ...[...model.operations.values()].flatMap(({ http }) => (http === undefined ? [] : [{ http }])),
    ].flatMap((each) => Object.entries(each));
    const unknown = traits.filter(
      ([name, value]) => TRAITS[name]?.(value) !== true && !WITHOUT_EFFECT.includes(name),
    );
    expect(unknown).toEqual([]);
  });

  test('bind each operation of a REST protocol to a path', async () => {
    if (!SERVICES[service].protocol.startsWith('rest-')) return;
    const { operations } = await loadModel(service);
    expect([...operations.values()].filter(({ http }) => http === undefined)).toEqual([]);
  });

  test('require the members that the types require', async () => {
    const model = await loadModel(service);
    const types = requiredByTypes(service);
    const differing = [...shapesOf(model)].flatMap(({ name, required, kind }) => {
      const declared = types.get(name);
      if (kind !== 'struct' || declared === undefined) return [];
      return `${[...required].sort()}` === `${declared.sort()}` ? [] : [{ name, required, declared }];
    });
    expect(differing).toEqual([]);
  });
});

test('the formats of timestamps have the numbers that the SDK gives them', () => {
  const { TIMESTAMP_DEFAULT, TIMESTAMP_DATE_TIME, TIMESTAMP_HTTP_DATE, TIMESTAMP_EPOCH_SECONDS } = SCHEMA;
  const all = [TIMESTAMP_DEFAULT, TIMESTAMP_DATE_TIME, TIMESTAMP_HTTP_DATE, TIMESTAMP_EPOCH_SECONDS];
  expect(all.map((schema) => timestampFormatOf(normalized(schema)))).toEqual([
    undefined,
    'date-time',
    'http-date',
    'epoch-seconds',
  ]);
});

/** The class that a client's other errors are derived from. */
function isBase(name: string): boolean {
  return /ServiceException$/.test(name);
}
