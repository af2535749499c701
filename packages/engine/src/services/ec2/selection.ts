import { AwsFault } from '../../errors.ts';
import { matchesWildcard } from '../../wildcard.ts';

export type Filters =
  | ReadonlyArray<{ readonly Name?: string | undefined; readonly Values?: readonly string[] | undefined }>
  | undefined;

type Value = string | undefined;

/** What can be chosen. */
interface Item {
  readonly id: string;
  readonly tags: ReadonlyArray<{ readonly Key: string; readonly Value: string }>;
}

/** What a caller may choose by: ids, and the filters that the operation has here. */
export interface Choice<T extends Item> {
  readonly ids?: readonly string[] | undefined;
  /** AWS's error code for an id that does not exist. */
  readonly unknownId: string;
  readonly idOf?: (part: T) => string;
  readonly filters: Filters;
  readonly fields: Readonly<Record<string, (part: T) => Value | readonly Value[]>>;
}

/** Those that have one of the ids and pass all filters; an id or a filter that is not known is refused. */
export function selected<T extends Item>(all: readonly T[], choice: Choice<T>): T[] {
  const { ids = [], idOf = ({ id }) => id, filters = [] } = choice;
  const unknown = ids.find((id) => !all.some((part) => idOf(part) === id));
  if (unknown !== undefined) throw new AwsFault(choice.unknownId, `The ID '${unknown}' does not exist`);
  const wanted = filters.map(({ Name = '', Values = [] }) => ({
    valuesOf: valuesOf(Name, choice.fields),
    // They may hold `*` and `?`.
    patterns: Values,
  }));
  return all.filter(
    (part) =>
      (ids.length === 0 || ids.includes(idOf(part))) &&
      wanted.every(({ valuesOf, patterns }) =>
        valuesOf(part).some(
          (value) => value !== undefined && patterns.some((pattern) => matchesWildcard(pattern, value)),
        ),
      ),
  );
}

function valuesOf<T extends Item>(name: string, fields: Choice<T>['fields']): (part: T) => readonly Value[] {
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return ({ tags }) => tags.filter(({ Key }) => Key === key).map(({ Value }) => Value);
  }
  if (name === 'tag-key') return ({ tags }) => tags.map(({ Key }) => Key);
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (!field) {
    const known = [...Object.keys(fields), 'tag:KEY', 'tag-key'].join(', ');
    throw new AwsFault(
      'InvalidParameterValue',
      `The filter '${name}' is invalid: the local engine knows ${known}`,
    );
  }
  return (part) => [field(part)].flat() as readonly Value[];
}
