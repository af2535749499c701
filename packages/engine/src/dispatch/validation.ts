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
  const found = mistake(shape, input, '', known);
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

function mistake(shape: Shape, value: unknown, path: string, known: Enumerations): Mistake | undefined {
  if (value === undefined || value === null) return undefined;
  if (shape.kind === 'struct') {
    const struct = value as Record<string, unknown>;
    const at = (name: string) => (path ? `${path}.${name}` : name);
    for (const name of shape.required) {
      if (struct[name] === undefined || struct[name] === null) return { path: at(name) };
    }
    const enumerated = known.get(shape.name);
    for (const name of Object.keys(struct)) {
      const member = shape.members.get(name);
      if (!member) continue;
      const allowed = enumerated?.get(name);
      const found = allowed
        ? foreign(struct[name], at(name), allowed)
        : member.kind === 'struct' || member.kind === 'list'
          ? mistake(member, struct[name], at(name), known)
          : undefined;
      if (found) return found;
    }
  } else if (shape.kind === 'list' && (shape.value?.kind === 'struct' || shape.value?.kind === 'list')) {
    for (const [index, item] of (value as unknown[]).entries()) {
      const found = mistake(shape.value, item, `${path}.${index + 1}.member`, known);
      if (found) return found;
    }
  }
  return undefined;
}

function foreign(value: unknown, path: string, allowed: readonly string[]): Mistake | undefined {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const found = values.find((each) => typeof each === 'string' && !allowed.includes(each));
  return found === undefined ? undefined : { path, value: String(found), allowed };
}
