import enumerations from './enumerations.json' with { type: 'json' };
import type { ServiceName } from './services.ts';

/** The values that a member of a structure may have, by the structure's name and its own. */
export type Enumerations = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

const TABLE: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> =
  enumerations;

/**
 * The enumerations of a service. The SDK's schemas do not say which member has which; a table, made of the SDK's types,
 * does. SQS has none here: it answers an unknown attribute with a code of its own.
 */
export function enumerationsOf(
  service: ServiceName,
  module: Readonly<Record<string, unknown>>,
): Enumerations {
  if (service === 'sqs') return new Map();
  return new Map(
    Object.entries(TABLE[service] ?? {}).map(([structure, members]) => [
      structure,
      new Map(
        Object.entries(members).map(([member, type]) => [
          member,
          Object.values(module[type] as Record<string, string>),
        ]),
      ),
    ]),
  );
}
