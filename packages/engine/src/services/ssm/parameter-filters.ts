import { AwsFault } from '../../errors.ts';
import type { StoredParameter } from './parameter-store.ts';

interface Filter {
  readonly Key?: string | undefined;
  readonly Option?: string | undefined;
  readonly Values?: readonly string[] | undefined;
}

type Test = (parameter: StoredParameter, values: readonly string[]) => boolean;

const oneOf =
  (read: (parameter: StoredParameter) => string): Test =>
  (parameter, values) =>
    values.includes(read(parameter));
const withoutSlash = (name: string) => name.replace(/^\//, '');

/** Filters by key and option; the first option is what is meant without one. */
const FILTERS: Readonly<Record<string, Readonly<Record<string, Test>>>> = {
  Name: {
    Equals: ({ name }, values) => values.map(withoutSlash).includes(withoutSlash(name)),
    BeginsWith: ({ name }, values) =>
      values.some((value) => withoutSlash(name).startsWith(withoutSlash(value))),
    Contains: ({ name }, values) => values.some((value) => name.includes(value)),
  },
  Type: { Equals: oneOf(({ type }) => type) },
  Tier: { Equals: oneOf(({ tier }) => tier ?? 'Standard') },
  DataType: { Equals: oneOf(({ dataType }) => dataType ?? 'text') },
  Path: {
    OneLevel: ({ name }, values) =>
      values.some((path) => name.slice(0, name.lastIndexOf('/')) === path.replace(/\/$/, '')),
    Recursive: ({ name }, values) => values.some((path) => name.startsWith(path.replace(/\/?$/, '/'))),
  },
};

/**
 * Reads the filters of a listing: a parameter must pass all of them. What is not known is refused.
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
 */
export function parameterFilter(filters: readonly Filter[]): (parameter: StoredParameter) => boolean {
  const tests = filters.map(({ Key = '', Option, Values = [] }) => {
    if (Key.startsWith('tag:')) {
      const key = Key.slice('tag:'.length);
      return ({ tags = {} }: StoredParameter) =>
        Object.hasOwn(tags, key) && (Values.length === 0 || Values.includes(tags[key]!));
    }
    const options = Object.hasOwn(FILTERS, Key) ? FILTERS[Key]! : undefined;
    if (!options) {
      throw new AwsFault(
        'InvalidFilterKey',
        `The local engine does not filter parameters by ${Key}, but by ${Object.keys(FILTERS).join(', ')} and tag:KEY.`,
      );
    }
    const option = Option ?? Object.keys(options)[0]!;
    const test = Object.hasOwn(options, option) ? options[option] : undefined;
    if (!test) {
      throw new AwsFault(
        'InvalidFilterOption',
        `The filter ${Key} has no option ${option}: use ${Object.keys(options).join(', ')}.`,
      );
    }
    if (Values.length === 0) throw new AwsFault('InvalidFilterValue', `The filter ${Key} has no values.`);
    return (parameter: StoredParameter) => test(parameter, Values);
  });
  return (parameter) => tests.every((test) => test(parameter));
}
