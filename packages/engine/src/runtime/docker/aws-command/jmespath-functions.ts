import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../../errors.ts';

export type Expression = (data: unknown) => unknown;

export function compare(operator: string, left: unknown, right: unknown): unknown {
  const equal = isDeepStrictEqual(left ?? null, right ?? null);
  if (operator === '==') return equal;
  if (operator === '!=') return !equal;
  if (typeof left !== 'number' || typeof right !== 'number') return null;
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

function by(list: unknown, key: unknown): [item: unknown, key: string | number][] {
  if (!Array.isArray(list) || typeof key !== 'function')
    throw new UserError(
      'InvalidQuery',
      '--query: this function takes a list and an expression such as &name',
    );
  return list.map((item) => [item, (key as Expression)(item) as string | number]);
}

function ordered(pairs: [unknown, string | number][]): unknown[] {
  return [...pairs].sort(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([item]) => item);
}

/** The functions of JMESPath that `query` knows. */
export const FUNCTIONS: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  length: (value) =>
    typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys(value ?? {}).length,
  join: (glue, list) => (list as unknown[]).join(String(glue)),
  contains: (where, what) =>
    typeof where === 'string'
      ? where.includes(String(what))
      : (where as unknown[]).some((item) => compare('==', item, what) === true),
  starts_with: (text, start) => String(text).startsWith(String(start)),
  ends_with: (text, end) => String(text).endsWith(String(end)),
  keys: (value) => Object.keys(value as object),
  values: (value) => Object.values(value as object),
  reverse: (value) =>
    typeof value === 'string' ? [...value].reverse().join('') : [...(value as unknown[])].reverse(),
  sort: (list) => ordered((list as (string | number)[]).map((item) => [item, item])),
  sort_by: (list, key) => ordered(by(list, key)),
  max_by: (list, key) => ordered(by(list, key)).at(-1) ?? null,
  min_by: (list, key) => ordered(by(list, key))[0] ?? null,
  map: (key, list) => by(list, key).map(([, value]) => value ?? null),
  max: (list) => ordered((list as (string | number)[]).map((item) => [item, item])).at(-1) ?? null,
  min: (list) => ordered((list as (string | number)[]).map((item) => [item, item]))[0] ?? null,
  to_string: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
  to_number: (value) => (Number.isNaN(Number(value)) ? null : Number(value)),
  not_null: (...values) => values.find((value) => value !== null && value !== undefined) ?? null,
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
