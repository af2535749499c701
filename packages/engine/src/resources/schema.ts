import { parseBoundedJson } from '../document-bounds.ts';

/**
 * Property schemas of CloudFormation resource types: what a property may hold, checked before anything is
 * created and coerced as CloudFormation does (numbers and booleans written as text).
 */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Shape<T> {
  readonly kind: 'text' | 'number' | 'flag' | 'document' | 'list' | 'map' | 'object';
  readonly values?: readonly string[];
  readonly item?: Shape<unknown>;
  readonly members?: Members;
  readonly required?: true;
  /** Carries the type of the coerced value; never present at run time. */
  readonly type?: T;
}

export interface RequiredShape<T> extends Shape<T> {
  readonly required: true;
}

export type Members = Readonly<Record<string, Shape<unknown>>>;

type Value<S> = S extends { readonly type?: infer T } ? Exclude<T, undefined> : never;

/** The coerced properties that a table of members describes. */
export type Properties<M extends Members> = {
  readonly [K in keyof M as M[K] extends RequiredShape<unknown> ? K : never]: Value<M[K]>;
} & {
  readonly [K in keyof M as M[K] extends RequiredShape<unknown> ? never : K]?: Value<M[K]>;
};

export const text: Shape<string> = { kind: 'text' };
export const number: Shape<number> = { kind: 'number' };
export const flag: Shape<boolean> = { kind: 'flag' };
/** Free JSON: policies, event patterns and the like. */
export const document: Shape<JsonObject> = { kind: 'document' };

export function oneOf<const V extends string>(...values: V[]): Shape<V> {
  return { kind: 'text', values };
}

export function list<T>(item: Shape<T>): Shape<T[]> {
  return { kind: 'list', item };
}

/** An object with keys of the user's choosing. */
export function map<T>(item: Shape<T>): Shape<Record<string, T>> {
  return { kind: 'map', item };
}

export function object<M extends Members>(members: M): Shape<Properties<M>> {
  return { kind: 'object', members };
}

export function required<T>(shape: Shape<T>): RequiredShape<T> {
  return { ...shape, required: true };
}

/** `Tags` as most types take them. */
export const tags = list(object({ Key: required(text), Value: required(text) }));

/** Says what is wrong with a property, in CloudFormation's words: `#/Path: ...`. */
export class PropertyError extends Error {}

function fail(path: string, message: string): never {
  throw new PropertyError(`#${path}: ${message}`);
}

/** Coerces resolved properties to what `members` describe; throws {@link PropertyError} naming the property. */
export function coerceProperties<M extends Members>(members: M, value: JsonObject): Properties<M> {
  return coerceMembers(members, value, '') as Properties<M>;
}

function coerceMembers(members: Members, value: JsonObject, path: string): Record<string, unknown> {
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(members, key)) fail(path, `extraneous key [${key}] is not permitted`);
  }
  const output: Record<string, unknown> = {};
  for (const [key, shape] of Object.entries(members)) {
    const item = value[key];
    if (item === undefined || item === null) {
      if (shape.required) fail(path, `required key [${key}] not found`);
      continue;
    }
    output[key] = coerce(shape, item, `${path}/${key}`);
  }
  return output;
}

function coerce(shape: Shape<unknown>, value: Json, path: string): unknown {
  switch (shape.kind) {
    case 'text': {
      if (typeof value === 'object') return fail(path, `expected type: String, found: ${nameOf(value)}`);
      const string = String(value);
      if (shape.values && !shape.values.includes(string)) {
        return fail(path, `${string} is not a valid enum value (${shape.values.join(', ')})`);
      }
      return string;
    }
    case 'number': {
      const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof amount !== 'number' || Number.isNaN(amount)) {
        return fail(path, `expected type: Number, found: ${nameOf(value)}`);
      }
      return amount;
    }
    case 'flag':
      if (value === true || value === 'true') return true;
      if (value === false || value === 'false') return false;
      return fail(path, `expected type: Boolean, found: ${nameOf(value)}`);
    case 'document': {
      const parsed = typeof value === 'string' ? parseDocument(value, path) : value;
      if (!isObject(parsed)) return fail(path, `expected type: JSONObject, found: ${nameOf(parsed)}`);
      return parsed;
    }
    case 'list':
      if (!Array.isArray(value)) return fail(path, `expected type: JSONArray, found: ${nameOf(value)}`);
      return value.map((item, index) => coerce(shape.item!, item, `${path}/${index}`));
    case 'map':
      if (!isObject(value)) return fail(path, `expected type: JSONObject, found: ${nameOf(value)}`);
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, coerce(shape.item!, item, `${path}/${key}`)]),
      );
    case 'object':
      if (!isObject(value)) return fail(path, `expected type: JSONObject, found: ${nameOf(value)}`);
      return coerceMembers(shape.members!, value, path);
  }
}

function parseDocument(value: string, path: string): Json {
  try {
    return parseBoundedJson(value) as Json;
  } catch {
    return fail(path, 'is not valid JSON');
  }
}

/**
 * Checks the names of properties in a template whose values may still hold intrinsic functions, so that a
 * misspelt one is refused before anything is created.
 */
export function checkPropertyNames(members: Members, value: Json, path = ''): void {
  if (!isObject(value)) fail(path, `expected type: JSONObject, found: ${nameOf(value)}`);
  const branches = branchesOf(value);
  if (branches !== undefined) {
    for (const branch of branches) checkPropertyNames(members, branch, path);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    const shape = Object.hasOwn(members, key) ? members[key] : undefined;
    if (!shape) fail(path, `extraneous key [${key}] is not permitted`);
    checkShapeNames(shape!, item, `${path}/${key}`);
  }
  for (const [key, shape] of Object.entries(members)) {
    if (shape.required && !Object.hasOwn(value, key)) fail(path, `required key [${key}] not found`);
  }
}

function checkShapeNames(shape: Shape<unknown>, value: Json, path: string): void {
  if (isObject(value)) {
    const branches = branchesOf(value);
    if (branches !== undefined) {
      for (const branch of branches) checkShapeNames(shape, branch, path);
      return;
    }
  }
  if (shape.kind === 'list' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkShapeNames(shape.item!, item, `${path}/${index}`);
  } else if (shape.kind === 'object') checkPropertyNames(shape.members!, value, path);
  else if (shape.kind === 'map' && isObject(value)) {
    for (const [key, item] of Object.entries(value)) checkShapeNames(shape.item!, item, `${path}/${key}`);
  }
}

/** What an intrinsic function may yield, as far as it is written in the template; `undefined` if `value` is none. */
function branchesOf(value: JsonObject): Json[] | undefined {
  const [key, ...others] = Object.keys(value);
  if (key === undefined || others.length > 0) return undefined;
  if (key === 'Fn::If') {
    const [, whenTrue, whenFalse] = Array.isArray(value[key]) ? value[key] : [];
    return [whenTrue, whenFalse].filter((branch) => branch !== undefined).filter((b) => !isNoValue(b));
  }
  return key === 'Ref' || key.startsWith('Fn::') ? [] : undefined;
}

function isNoValue(value: Json): boolean {
  return isObject(value) && value.Ref === 'AWS::NoValue';
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOf(value: Json): string {
  if (value === null) return 'Null';
  if (Array.isArray(value)) return 'JSONArray';
  return typeof value === 'object'
    ? 'JSONObject'
    : typeof value === 'string'
      ? 'String'
      : typeof value === 'number'
        ? 'Number'
        : 'Boolean';
}

type LowerFirst<T> =
  T extends ReadonlyArray<infer U>
    ? Array<LowerFirst<U>>
    : T extends object
      ? string extends keyof T
        ? { [K in keyof T]: LowerFirst<T[K]> }
        : { [K in keyof T as K extends string ? Uncapitalize<K> : K]: LowerFirst<T[K]> }
      : T;

/**
 * Properties with member names in lower camel case, as the ECS, ECR, CodeBuild, CodePipeline and CodeCommit
 * APIs have them where CloudFormation capitalises. Keys of maps are the user's and stay.
 */
export function lowerFirst<M extends Members>(members: M, value: Properties<M>): LowerFirst<Properties<M>> {
  return lower({ kind: 'object', members }, value) as LowerFirst<Properties<M>>;
}

function lower(shape: Shape<unknown>, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (shape.kind === 'list') return (value as unknown[]).map((item) => lower(shape.item!, item));
  if (shape.kind === 'map' || shape.kind === 'object') {
    const entries = Object.entries(value as Record<string, unknown>);
    return Object.fromEntries(
      shape.kind === 'map'
        ? entries.map(([key, item]) => [key, lower(shape.item!, item)])
        : entries.map(([key, item]) => [
            key.charAt(0).toLowerCase() + key.slice(1),
            lower(shape.members![key]!, item),
          ]),
    );
  }
  return value;
}
