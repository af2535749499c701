import { isObject, type Json, type JsonObject } from '../resources/schema.ts';
import { templateError } from './template.ts';

/** What the intrinsic functions of a template can see. */
export interface Scope {
  /** Value of a parameter or pseudo parameter; `undefined` when there is none of that name. */
  parameter(name: string): Json | undefined;
  /** `Ref` of a resource; `undefined` when the template has no such resource. */
  resource(logicalId: string): Json | undefined;
  attribute(logicalId: string, name: string): Json;
  condition(name: string): boolean;
  mapping(map: string, first: string, second: string): Json | undefined;
  importValue(name: string): Json;
  /** Availability zones of a region. */
  zones(region: string): string[];
}

/** What `AWS::NoValue` resolves to: the property that has it is left out. */
const NO_VALUE = Symbol('AWS::NoValue');
type Resolved = Json | typeof NO_VALUE;

/** The intrinsic functions that {@link resolve} knows. */
export const FUNCTIONS = [
  'Fn::Base64',
  'Fn::Cidr',
  'Fn::FindInMap',
  'Fn::GetAtt',
  'Fn::GetAZs',
  'Fn::If',
  'Fn::ImportValue',
  'Fn::Join',
  'Fn::Length',
  'Fn::Select',
  'Fn::Split',
  'Fn::Sub',
  'Fn::ToJsonString',
  'Fn::And',
  'Fn::Equals',
  'Fn::Not',
  'Fn::Or',
  'Fn::Contains',
] as const;

/** Name of the intrinsic function that `value` calls, or `undefined`. */
export function calledFunction(value: JsonObject): string | undefined {
  const keys = Object.keys(value);
  const key = keys[0];
  if (key === undefined || keys.length > 1) return undefined;
  if (key === 'Ref' || key === 'Condition') return typeof value[key] === 'string' ? key : undefined;
  return key.startsWith('Fn::') ? key : undefined;
}

/** Evaluates every intrinsic function in a value. Dynamic references stay as they are written. */
export function resolve(value: Json, scope: Scope): Json {
  const resolved = evaluate(value, scope);
  return resolved === NO_VALUE ? null : resolved;
}

function evaluate(value: Json, scope: Scope): Resolved {
  if (Array.isArray(value)) {
    return value.map((item) => evaluate(item, scope)).filter((item) => item !== NO_VALUE);
  }
  if (!isObject(value)) return value;
  const name = calledFunction(value);
  if (name !== undefined && name !== 'Condition') return counted(call(name, value[name]!, scope), scope);
  const output: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const resolved = evaluate(item, scope);
    if (resolved !== NO_VALUE) output[key] = resolved;
  }
  return output;
}

/** Characters that functions may make of one template: each may double what the one inside it made. */
const MADE_CHARACTERS_MAX = 32 * 1024 * 1024;
const made = new WeakMap<Scope, number>();

function counted(value: Resolved, scope: Scope): Resolved {
  if (typeof value !== 'string') return value;
  const total = (made.get(scope) ?? 0) + value.length;
  if (total > MADE_CHARACTERS_MAX) {
    throw templateError(
      `Template error: the functions of this template make texts of more than ${MADE_CHARACTERS_MAX} characters, more than the local engine makes: shorten them.`,
    );
  }
  made.set(scope, total);
  return value;
}

function call(name: string, argument: Json, scope: Scope): Resolved {
  switch (name) {
    case 'Ref':
      return ref(argument, scope);
    case 'Fn::GetAtt': {
      const [logicalId, attribute] = getAttParts(argument);
      return scope.attribute(logicalId, text(resolve(attribute, scope), name));
    }
    case 'Fn::Sub':
      return substitute(argument, scope);
    case 'Fn::Join': {
      const [separator, values] = list(argument, name, 2);
      return list(resolve(values!, scope), name)
        .map((item) => text(item, name))
        .join(text(separator!, name));
    }
    case 'Fn::Select': {
      const [index, values] = list(argument, name, 2);
      const items = list(resolve(values!, scope), name);
      const position = Number(text(resolve(index!, scope), name));
      const item = items[position];
      if (!Number.isInteger(position) || item === undefined) {
        throw templateError(
          `Template error: Fn::Select cannot select nonexistent value at index ${position}`,
        );
      }
      return item;
    }
    case 'Fn::Split': {
      const [separator, source] = list(argument, name, 2);
      return text(resolve(source!, scope), name).split(text(separator!, name));
    }
    case 'Fn::If': {
      const [condition, whenTrue, whenFalse] = list(argument, name, 3);
      return evaluate(scope.condition(text(condition!, name)) ? whenTrue! : whenFalse!, scope);
    }
    case 'Fn::FindInMap':
      return findInMap(argument, scope);
    case 'Fn::ImportValue':
      return scope.importValue(text(resolve(argument, scope), name));
    case 'Fn::GetAZs': {
      const region = text(resolve(argument, scope), name);
      return scope.zones(region === '' ? text(scope.parameter('AWS::Region')!, name) : region);
    }
    case 'Fn::Base64':
      return Buffer.from(text(resolve(argument, scope), name)).toString('base64');
    case 'Fn::Cidr': {
      const [block, count, bits] = list(resolve(argument, scope), name);
      return cidrBlocks(text(block!, name), Number(count), bits === undefined ? 8 : Number(bits));
    }
    case 'Fn::Length':
      return list(resolve(argument, scope), name).length;
    case 'Fn::ToJsonString':
      return JSON.stringify(resolve(argument, scope));
    case 'Fn::And':
    case 'Fn::Equals':
    case 'Fn::Not':
    case 'Fn::Or':
    case 'Fn::Contains':
      return evaluateCondition({ [name]: argument }, scope);
    default:
      throw templateError(
        `Template error: Encountered unsupported function: ${name} Supported functions are: [${FUNCTIONS.join(', ')}]`,
      );
  }
}

function ref(argument: Json, scope: Scope): Resolved {
  if (argument === 'AWS::NoValue') return NO_VALUE;
  const name = text(argument, 'Ref');
  const value = scope.parameter(name) ?? scope.resource(name);
  if (value === undefined) {
    throw templateError(
      `Template format error: Unresolved resource dependencies [${name}] in the Resources block of the template`,
    );
  }
  return value;
}

/** Logical id and attribute of `Fn::GetAtt`, from either of its forms. */
export function getAttParts(argument: Json): [logicalId: string, attribute: Json] {
  if (typeof argument === 'string') {
    const dot = argument.indexOf('.');
    if (dot > 0) return [argument.slice(0, dot), argument.slice(dot + 1)];
  }
  if (Array.isArray(argument) && argument.length >= 2 && typeof argument[0] === 'string') {
    const rest = argument.slice(1);
    return [argument[0], rest.every((item) => typeof item === 'string') ? rest.join('.') : rest[0]!];
  }
  throw templateError(
    'Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute',
  );
}

const SUBSTITUTION = /\$\{(!?)([^${}]*)\}/g;

/** Names that a `Fn::Sub` text refers to, without the literals (`${!name}`). */
export function substitutedNames(source: string): string[] {
  return [...source.matchAll(SUBSTITUTION)]
    .filter((match) => match[1] !== '!')
    .map((match) => match[2]!.trim());
}

function substitute(argument: Json, scope: Scope): string {
  const [source, variables]: Json[] =
    typeof argument === 'string' ? [argument, {}] : list(argument, 'Fn::Sub', 2);
  if (source === undefined || !isObject(variables)) {
    throw templateError(
      "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
    );
  }
  const values = new Map<string, string>();
  const textOf = (name: string): string => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const dot = name.indexOf('.');
    const value = Object.hasOwn(variables, name)
      ? resolve(variables[name]!, scope)
      : dot > 0 && !name.includes('::')
        ? scope.attribute(name.slice(0, dot), name.slice(dot + 1))
        : (ref(name, scope) as Json);
    values.set(name, text(value, 'Fn::Sub'));
    return values.get(name)!;
  };
  return text(source, 'Fn::Sub').replaceAll(SUBSTITUTION, (whole, literal: string, raw: string) => {
    if (literal) return `\${${raw}}`;
    const name = raw.trim();
    if (!/^[A-Za-z0-9_.:]+$/.test(name)) {
      throw templateError(
        `Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons: ${whole}`,
      );
    }
    return counted(textOf(name), scope) as string;
  });
}

function findInMap(argument: Json, scope: Scope): Json {
  const parts = list(argument, 'Fn::FindInMap');
  const [map, first, second] = parts.slice(0, 3).map((part) => text(resolve(part, scope), 'Fn::FindInMap'));
  const found = scope.mapping(map ?? '', first ?? '', second ?? '');
  if (found !== undefined) return found;
  const fallback = parts[3];
  if (isObject(fallback) && fallback.DefaultValue !== undefined) return resolve(fallback.DefaultValue, scope);
  throw templateError(`Template error: Unable to get mapping for ${map}::${first}::${second}`);
}

/** Evaluates a condition of the template: a function of conditions, or the name of another one. */
export function evaluateCondition(value: Json, scope: Scope): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  if (!isObject(value))
    throw templateError(
      'Template format error: Conditions can only be boolean operations on parameters and other conditions',
    );
  const name = calledFunction(value);
  const argument = name === undefined ? undefined : value[name];
  switch (name) {
    case 'Condition':
      return scope.condition(text(argument!, 'Condition'));
    case 'Fn::Equals': {
      const [left, right] = list(argument!, name, 2).map((item) => resolve(item, scope));
      return same(left!, right!);
    }
    case 'Fn::Not':
      return !evaluateCondition(list(argument!, name, 1)[0]!, scope);
    case 'Fn::And':
      return operands(argument!, name).every((item) => evaluateCondition(item, scope));
    case 'Fn::Or':
      return operands(argument!, name).some((item) => evaluateCondition(item, scope));
    case 'Fn::Contains': {
      const [values, wanted] = list(argument!, name, 2).map((item) => resolve(item, scope));
      return list(values!, name).some((item) => same(item, wanted!));
    }
    default:
      throw templateError(
        'Template format error: Conditions can only be boolean operations on parameters and other conditions',
      );
  }
}

function operands(argument: Json, name: string): Json[] {
  const items = list(argument, name);
  if (items.length < 2 || items.length > 10) {
    throw templateError(
      `Template error: every ${name} object requires a list of at least 2 and at most 10 boolean parameters`,
    );
  }
  return items;
}

function same(left: Json, right: Json): boolean {
  if (isObject(left) || Array.isArray(left) || isObject(right) || Array.isArray(right)) {
    return JSON.stringify(left) === JSON.stringify(right);
  }
  return String(left) === String(right);
}

function list(value: Json, name: string, length?: number): Json[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
    const wanted = length === undefined ? 'a list' : `a list of ${length}`;
    throw templateError(`Template error: every ${name} object requires ${wanted} as its argument`);
  }
  return value;
}

function text(value: Json, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw templateError(
    `Template error: every ${name} object must have values that are strings, but found ${JSON.stringify(value)}`,
  );
}

/** `count` blocks of `2^bits` IPv4 addresses from the start of `block`. */
function cidrBlocks(block: string, count: number, bits: number): string[] {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(block);
  if (
    !match ||
    !Number.isInteger(count) ||
    count < 1 ||
    count > 256 ||
    !Number.isInteger(bits) ||
    bits < 0 ||
    bits > 31
  ) {
    throw templateError(
      `Template error: Fn::Cidr cannot divide ${block} into ${count} blocks of ${bits} bits`,
    );
  }
  const base = match.slice(1, 5).reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** bits;
  const prefix = Number(match[5]);
  if (count * size > 2 ** (32 - prefix)) {
    throw templateError(`Template error: Fn::Cidr: ${block} has no room for ${count} blocks of ${bits} bits`);
  }
  const start = base - (base % 2 ** (32 - prefix));
  return Array.from({ length: count }, (_, index) => {
    const address = start + index * size;
    const parts = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
    return `${parts.join('.')}/${32 - bits}`;
  });
}
