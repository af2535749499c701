import { AwsFault } from '../errors.ts';
import type { Enumerations } from '../sdk/enumerations.ts';
import { SERVICES, type ServiceName } from '../sdk/services.ts';
import type { Shape } from '../sdk/shapes.ts';

/** Refuses an input that lacks a required member, or has a value that is not of its enumeration. */
export function validate(
  service: ServiceName,
  shape: Shape,
  input: Readonly<Record<string, unknown>>,
  known: Enumerations,
): void {
  const found = mistake(shape, input, known);
  if (!found) return;
  const { protocol, missingMemberCode } = SERVICES[service];
  if ('value' in found) {
    throw new AwsFault(
      service === 's3'
        ? 'InvalidArgument'
        : (missingMemberCode ?? (protocol === 'json' ? 'ValidationException' : 'ValidationError')),
      `1 validation error detected: Value '${found.value}' at '${found.path}' failed to satisfy constraint: Member must satisfy enum value set: [${found.allowed.join(', ')}]`,
    );
  }
  if (service === 'sqs') {
    throw new AwsFault('MissingParameter', `The request must contain the parameter ${found.path}.`);
  }
  throw new AwsFault(
    missingMemberCode ?? (protocol === 'json' ? 'ValidationException' : 'ValidationError'),
    `1 validation error detected: Value null at '${found.path}' failed to satisfy constraint: Member must not be null`,
  );
}

type Mistake =
  | { readonly path: string }
  | { readonly path: string; readonly value: string; readonly allowed: readonly string[] };

/** What has to be looked at in a value of one shape. */
interface Checks {
  readonly required: readonly string[];
  readonly enumerated: ReadonlyArray<readonly [name: string, allowed: readonly string[]]>;
  /** Members of a structure that have something to look at themselves. */
  readonly nested: ReadonlyArray<readonly [name: string, shape: Shape]>;
  readonly element: Shape | undefined;
}

const checksOf = new WeakMap<Enumerations, WeakMap<Shape, Checks>>();

function checks(shape: Shape, known: Enumerations): Checks {
  const ofService = checksOf.get(known) ?? new WeakMap<Shape, Checks>();
  checksOf.set(known, ofService);
  const made = ofService.get(shape) ?? makeChecks(shape, known);
  ofService.set(shape, made);
  return made;
}

function makeChecks(shape: Shape, known: Enumerations): Checks {
  const enumerated = [...(known.get(shape.name) ?? [])].filter(([name]) => shape.members.has(name));
  const isNested = ({ kind }: Shape) => kind === 'struct' || kind === 'list';
  const names = new Set(enumerated.map(([name]) => name));
  return {
    required: shape.required,
    enumerated: shape.kind === 'struct' ? enumerated : [],
    nested: [...shape.members].filter(([name, member]) => isNested(member) && !names.has(name)),
    element: shape.kind === 'list' && shape.value && isNested(shape.value) ? shape.value : undefined,
  };
}

function mistake(shape: Shape, value: unknown, known: Enumerations): Mistake | undefined {
  if (value === undefined || value === null) return undefined;
  const { required, enumerated, nested, element } = checks(shape, known);
  if (element) {
    const items = value as readonly unknown[];
    for (let index = 0; index < items.length; index++) {
      const found = mistake(element, items[index], known);
      if (found) return within(`${index + 1}.member`, found);
    }
    return undefined;
  }
  const struct = value as Record<string, unknown>;
  for (const name of required) {
    if (struct[name] === undefined || struct[name] === null) return { path: name };
  }
  for (const [name, allowed] of enumerated) {
    const found = foreign(struct[name], name, allowed);
    if (found) return found;
  }
  for (const [name, member] of nested) {
    const found = mistake(member, struct[name], known);
    if (found) return within(name, found);
  }
  return undefined;
}

const within = (outer: string, found: Mistake): Mistake => ({ ...found, path: `${outer}.${found.path}` });

function foreign(value: unknown, path: string, allowed: readonly string[]): Mistake | undefined {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const found = values.find((each) => typeof each === 'string' && !allowed.includes(each));
  return found === undefined ? undefined : { path, value: String(found), allowed };
}
