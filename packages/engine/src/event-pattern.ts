import { parseBoundedJson } from './document-bounds.ts';
import { matchesPieces } from './wildcard.ts';

type Json = Record<string, unknown>;
/** Whether a value of the event (absent: `undefined`) satisfies one part of a pattern. */
type Matcher = (value: unknown) => boolean;

/** Whether an event matches a compiled pattern. */
export type EventPattern = (event: Json) => boolean;

/** What is wrong with a pattern; each service says it in its own words. */
export class EventPatternError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'EventPatternError';
  }
}

/**
 * Compiles an event pattern, the language of EventBridge's rules and of SNS's filter policies: exact values,
 * `prefix`, `suffix`, `anything-but`, `numeric`, `exists`, `equals-ignore-case`, `wildcard`, `cidr` (IPv4),
 * `$or`, nesting. Where the event holds an array, one element that matches is enough, and a nested pattern
 * must match within one element.
 *
 * @throws EventPatternError that says what is wrong and where
 */
export function compileEventPattern(text: string): EventPattern {
  let document: unknown;
  try {
    document = parseBoundedJson(text);
  } catch {
    throw invalid('Filter is not valid JSON');
  }
  if (!isObject(document)) throw invalid('Filter is not an object');
  return compileObject(document, '');
}

function compileObject(pattern: Json, path: string): Matcher {
  const entries = Object.entries(pattern);
  if (entries.length === 0) throw invalid(`Empty objects are not allowed${path ? ` at ${path}` : ''}`);
  const matchers = entries.map(([key, part]): Matcher => {
    const where = path ? `${path}.${key}` : key;
    if (key === '$or') return compileOr(part, path);
    const matcher = compilePart(part, where);
    return (value) => matcher(isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined);
  });
  const all: Matcher = (value) => matchers.every((matches) => matches(value));
  return (value) => (Array.isArray(value) ? value.some(all) : all(value));
}

function compilePart(part: unknown, where: string): Matcher {
  if (Array.isArray(part)) return compileAlternatives(part, where);
  if (isObject(part)) return compileObject(part, where);
  throw invalid(`"${where}" must be an object or an array`);
}

function compileOr(part: unknown, path: string): Matcher {
  if (!Array.isArray(part) || part.length < 2 || !part.every(isObject)) {
    throw invalid('"$or" must be an array of at least two objects');
  }
  const alternatives = part.map((alternative) => compileObject(alternative as Json, path));
  return (value) => alternatives.some((matches) => matches(value));
}

function compileAlternatives(list: readonly unknown[], where: string): Matcher {
  if (list.length === 0) throw invalid(`Empty arrays are not allowed at "${where}"`);
  const alternatives = list.map((item) => compileAlternative(item, where));
  return (value) => alternatives.some((matches) => matches(value));
}

function compileAlternative(item: unknown, where: string): Matcher {
  if (isLeaf(item)) return eachElement((value) => value === item);
  if (!isObject(item)) throw invalid(`"${where}" holds a nested array`);
  const entries = Object.entries(item);
  const [operator, operand] = entries[0] ?? ['', undefined];
  if (entries.length !== 1) throw invalid(`A match expression at "${where}" must have one operator`);
  if (operator === 'exists') {
    if (typeof operand !== 'boolean') throw invalid(`"exists" at "${where}" must be true or false`);
    return (value) => (value !== undefined && !isObject(value)) === operand;
  }
  if (operator === 'anything-but') {
    const matches = compileExcluded(operand, where);
    return eachElement((value) => !matches(value));
  }
  return eachElement(compileOperator(operator, operand, where));
}

/** What `anything-but` excludes. */
function compileExcluded(operand: unknown, where: string): Matcher {
  if (isObject(operand)) {
    const entries = Object.entries(operand);
    const [operator, inner] = entries[0] ?? ['', undefined];
    if (entries.length !== 1 || !['prefix', 'suffix', 'equals-ignore-case', 'wildcard'].includes(operator)) {
      throw invalid(
        `"anything-but" at "${where}" takes values, prefix, suffix, equals-ignore-case or wildcard`,
      );
    }
    const alternatives = listOf(inner).map((one) => compileOperator(operator, one, where));
    return (value) => alternatives.some((matches) => matches(value));
  }
  const values = listOf(operand);
  if (values.length === 0 || !values.every(isLeaf)) {
    throw invalid(`"anything-but" at "${where}" takes text, numbers or a list of them`);
  }
  return (value) => values.includes(value);
}

function compileOperator(operator: string, operand: unknown, where: string): Matcher {
  switch (operator) {
    case 'prefix':
    case 'suffix': {
      const ignoringCase = isObject(operand) ? operand['equals-ignore-case'] : undefined;
      const wanted = text(ignoringCase ?? operand, operator, where);
      const fold = (value: string) => (ignoringCase === undefined ? value : value.toLowerCase());
      const folded = fold(wanted);
      return operator === 'prefix'
        ? onText((value) => fold(value).startsWith(folded))
        : onText((value) => fold(value).endsWith(folded));
    }
    case 'equals-ignore-case': {
      const wanted = text(operand, operator, where).toLowerCase();
      return onText((value) => value.toLowerCase() === wanted);
    }
    case 'wildcard': {
      const pieces = wildcardPieces(text(operand, operator, where), where);
      return onText((value) => matchesPieces(pieces, value));
    }
    case 'numeric':
      return compileNumeric(operand, where);
    case 'cidr':
      return compileCidr(text(operand, operator, where), where);
    default:
      throw invalid(`Unrecognized match type ${operator} at "${where}"`);
  }
}

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function compileNumeric(operand: unknown, where: string): Matcher {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    throw invalid(`"numeric" at "${where}" takes one or two comparisons, such as [">", 0, "<=", 5]`);
  }
  const tests: Array<(value: number) => boolean> = [];
  for (let index = 0; index < operand.length; index += 2) {
    const compare = COMPARISONS[String(operand[index])];
    const bound: unknown = operand[index + 1];
    if (!compare) throw invalid(`Unrecognized numeric range operator: ${operand[index]} at "${where}"`);
    if (typeof bound !== 'number') throw invalid(`"numeric" at "${where}" must compare with numbers`);
    tests.push((value) => compare(value, bound));
  }
  return (value) => typeof value === 'number' && tests.every((test) => test(value));
}

/** The pieces of a pattern between its `*`. */
function wildcardPieces(pattern: string, where: string): string[] {
  if (pattern.includes('**')) throw invalid(`Consecutive wildcard characters at "${where}"`);
  const pieces = [''];
  for (let index = 0; index < pattern.length; index++) {
    let character = pattern[index]!;
    if (character === '*') {
      pieces.push('');
      continue;
    }
    if (character === '\\') {
      character = pattern[++index] ?? '';
      if (character !== '*' && character !== '\\')
        throw invalid(`Invalid escape character in wildcard at "${where}"`);
    }
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}

function compileCidr(text: string, where: string): Matcher {
  const [address = '', bits = ''] = text.split('/');
  const base = ipv4(address);
  const length = Number(bits);
  if (base === undefined || bits === '' || !(length >= 0 && length <= 32)) {
    throw invalid(`"cidr" at "${where}" must be an IPv4 block such as 10.0.0.0/24`);
  }
  const size = 2 ** (32 - length);
  return onText((value) => {
    const number = ipv4(value);
    return number !== undefined && Math.floor(number / size) === Math.floor(base / size);
  });
}

function ipv4(address: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (!match) return undefined;
  const parts = match.slice(1).map(Number);
  return parts.some((part) => part > 255) ? undefined : parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** Applies a test to a value or to each element of an array; absent values never match. */
function eachElement(test: Matcher): Matcher {
  return (value) => (Array.isArray(value) ? value.some(test) : value !== undefined && test(value));
}

function onText(test: (value: string) => boolean): Matcher {
  return (value) => typeof value === 'string' && test(value);
}

function text(operand: unknown, operator: string, where: string): string {
  if (typeof operand === 'string') return operand;
  throw invalid(`"${operator}" at "${where}" must be text`);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isLeaf(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(reason: string): EventPatternError {
  return new EventPatternError(reason);
}
