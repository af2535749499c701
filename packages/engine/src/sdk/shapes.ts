import type { NormalizedSchema } from '@smithy/core/schema';
import { InvariantError } from '../errors.ts';
import {
  normalized,
  requiredOf,
  type TimestampFormat,
  type Traits,
  timestampFormatOf,
  traitsOf,
} from './schemas.ts';

/** How a value is represented, derived once from the SDK's schema and then reused by every codec. */
export interface Shape {
  readonly kind:
    | 'struct'
    | 'list'
    | 'map'
    | 'string'
    | 'number'
    | 'boolean'
    | 'blob'
    | 'timestamp'
    | 'document'
    | 'unit';
  readonly name: string;
  readonly traits: Traits;
  /** Timestamp format fixed by the model, if any. */
  readonly timestampFormat: TimestampFormat | undefined;
  /** Members of a struct or union, by name, in the model's order. */
  readonly members: ReadonlyMap<string, Shape>;
  readonly required: readonly string[];
  /** Element of a list or value of a map. */
  readonly value: Shape | undefined;
  readonly key: Shape | undefined;
  /** True when a JSON document needs no conversion below this point (no blobs or timestamps). */
  readonly plainJson: boolean;
}

const cache = new Map<unknown, Shape>();

/** The shape of an SDK schema (an operation's input or output, a struct, an error). */
export function shapeOf(schema: unknown): Shape {
  const known = cache.get(schema);
  if (known) return known;
  const shape = build(normalized(schema));
  cache.set(schema, shape);
  return shape;
}

function build(ns: NormalizedSchema): Shape {
  const kind = kindOf(ns);
  const lazy = <T>(make: () => T) => {
    let made: { value: T } | undefined;
    return () => {
      made ??= { value: make() };
      return made.value;
    };
  };
  const members = lazy(() => {
    const map = new Map<string, Shape>();
    if (kind === 'struct')
      for (const [name, member] of ns.structIterator()) map.set(name, memberShape(member));
    return map;
  });
  const required = lazy(() => (kind === 'struct' ? [...members().keys()].slice(0, requiredOf(ns)) : []));
  const value = lazy(() =>
    kind === 'list' || kind === 'map' ? memberShape(ns.getValueSchema()) : undefined,
  );
  const key = lazy(() => (kind === 'map' ? memberShape(ns.getKeySchema()) : undefined));
  const plain = lazy(() => isPlain(shape, new Set()));
  const shape: Shape = {
    kind,
    name: ns.getName() ?? '',
    traits: traitsOf(ns),
    timestampFormat: timestampFormatOf(ns),
    get members() {
      return members();
    },
    get required() {
      return required();
    },
    get value() {
      return value();
    },
    get key() {
      return key();
    },
    get plainJson() {
      return plain();
    },
  };
  return shape;
}

const memberCache = new Map<unknown, Array<{ traits: string; shape: Shape }>>();

/** Members with the same target and traits share one shape, so that recursive models terminate. */
function memberShape(ns: NormalizedSchema): Shape {
  const schema = ns.getSchema();
  const traits = JSON.stringify(traitsOf(ns));
  const known = memberCache.get(schema) ?? [];
  memberCache.set(schema, known);
  const found = known.find((entry) => entry.traits === traits);
  if (found) return found.shape;
  const shape = build(ns);
  known.push({ traits, shape });
  return shape;
}

function kindOf(ns: NormalizedSchema): Shape['kind'] {
  if (ns.isUnitSchema()) return 'unit';
  if (ns.isStructSchema()) return 'struct';
  if (ns.isListSchema()) return 'list';
  if (ns.isMapSchema()) return 'map';
  if (ns.isBlobSchema()) return 'blob';
  if (ns.isTimestampSchema()) return 'timestamp';
  if (ns.isBooleanSchema()) return 'boolean';
  if (ns.isNumericSchema() || ns.isBigIntegerSchema() || ns.isBigDecimalSchema()) return 'number';
  if (ns.isDocumentSchema()) return 'document';
  if (ns.isStringSchema()) return 'string';
  throw new InvariantError(`the SDK has a kind of schema that is not known here: ${ns.getName(true)}`);
}

function isPlain(shape: Shape, seen: Set<Shape>): boolean {
  if (seen.has(shape)) return true;
  seen.add(shape);
  if (shape.kind === 'blob' || shape.kind === 'timestamp') return false;
  if (shape.value && !isPlain(shape.value, seen)) return false;
  for (const member of shape.members.values()) if (!isPlain(member, seen)) return false;
  return true;
}
