import { BlockList, isIP } from 'node:net';
import { matches } from './pattern.ts';
import { type PolicyTexts, splitArn } from './policy-variables.ts';

/**
 * A condition operator: how it compares a value of the request with one of the policy, and what it accepts in a
 * policy.
 *
 * Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
 */
export interface Operator {
  readonly compare: (actual: string, expected: string, texts: PolicyTexts) => boolean;
  /** Whether the operator holds where the comparison does not. */
  readonly negated: boolean;
  readonly accepts: (expected: string) => boolean;
  /** What {@link accepts} asks for, for an error. */
  readonly wants: string;
}

type Family = Pick<Operator, 'accepts' | 'wants'>;

const STRING: Family = { accepts: () => true, wants: 'a text' };
const NUMBER: Family = { accepts: (text) => number(text) !== undefined, wants: 'a number' };
const DATE: Family = {
  accepts: (text) => instant(text) !== undefined,
  wants: 'a date as in ISO 8601, or seconds since 1970',
};
const BOOLEAN: Family = {
  accepts: (text) => /^(true|false|.*\$\{.*)$/is.test(text),
  wants: 'true or false',
};
const BINARY: Family = {
  accepts: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  wants: 'bytes in base64',
};
const ADDRESS: Family = {
  accepts: (text) => addresses(text) !== undefined,
  wants: 'an IP address or a range such as 203.0.113.0/24',
};

const equal: Operator['compare'] = (actual, expected, texts) => actual === texts.plain(expected);
const equalIgnoringCase: Operator['compare'] = (actual, expected, texts) =>
  actual.toLowerCase() === texts.plain(expected)?.toLowerCase();
const like: Operator['compare'] = (actual, expected, texts) => {
  const pattern = texts.pattern(expected);
  return pattern !== undefined && matches(pattern, actual);
};
/** Each of the six segments of an ARN is matched by itself. */
const arnLike: Operator['compare'] = (actual, expected, texts) => {
  if (expected === '*') return true;
  const wanted = splitArn(expected);
  const segments = actual.split(':');
  const given = [...segments.slice(0, 5), segments.slice(5).join(':')];
  return (
    wanted.length === 6 && segments.length >= 6 && wanted.every((each, at) => like(given[at]!, each, texts))
  );
};
const compared =
  (
    read: (text: string) => number | undefined,
    test: (a: number, b: number) => boolean,
  ): Operator['compare'] =>
  (actual, expected) => {
    const [a, b] = [read(actual), read(expected)];
    return a !== undefined && b !== undefined && test(a, b);
  };
const within: Operator['compare'] = (actual, expected) => {
  const family = isIP(actual);
  return family !== 0 && (addresses(expected)?.check(actual, `ipv${family === 4 ? 4 : 6}`) ?? false);
};
const sameBytes: Operator['compare'] = (actual, expected) =>
  Buffer.from(expected, 'base64').equals(Buffer.from(actual, 'base64'));

const pair = (
  name: string,
  inverse: string,
  family: Family,
  compare: Operator['compare'],
): Array<[string, Operator]> => [
  [name, { ...family, compare, negated: false }],
  [inverse, { ...family, compare, negated: true }],
];
const ordered = (
  prefix: string,
  family: Family,
  read: (text: string) => number | undefined,
): Array<[string, Operator]> => [
  ...pair(
    `${prefix}Equals`,
    `${prefix}NotEquals`,
    family,
    compared(read, (a, b) => a === b),
  ),
  ...[
    ['LessThan', (a: number, b: number) => a < b] as const,
    ['LessThanEquals', (a: number, b: number) => a <= b] as const,
    ['GreaterThan', (a: number, b: number) => a > b] as const,
    ['GreaterThanEquals', (a: number, b: number) => a >= b] as const,
  ].map(([suffix, test]): [string, Operator] => [
    `${prefix}${suffix}`,
    { ...family, compare: compared(read, test), negated: false },
  ]),
];

/** Every operator but `Null`, which asks for the key and not for its value. */
const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ...pair('StringEquals', 'StringNotEquals', STRING, equal),
  ...pair('StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase', STRING, equalIgnoringCase),
  ...pair('StringLike', 'StringNotLike', STRING, like),
  ...pair('ArnEquals', 'ArnNotEquals', STRING, arnLike),
  ...pair('ArnLike', 'ArnNotLike', STRING, arnLike),
  ...pair('IpAddress', 'NotIpAddress', ADDRESS, within),
  ...ordered('Numeric', NUMBER, number),
  ...ordered('Date', DATE, instant),
  ['Bool', { ...BOOLEAN, compare: equalIgnoringCase, negated: false }],
  ['BinaryEquals', { ...BINARY, compare: sameBytes, negated: false }],
]);

/** An operator as a policy writes it. */
export interface NamedOperator {
  readonly qualifier: 'ForAllValues' | 'ForAnyValue' | undefined;
  readonly ifExists: boolean;
  /** `null`: the operator asks whether the key is missing. */
  readonly operator: Operator | null;
}

/** Reads the name of an operator with its qualifier and suffix; `undefined` if there is none of that name. */
export function readOperator(name: string): NamedOperator | undefined {
  if (name === 'Null') return { qualifier: undefined, ifExists: false, operator: null };
  const [, qualifier, bare, suffix] =
    /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(name) ?? [];
  const operator = OPERATORS.get(bare ?? '');
  return (
    operator && {
      qualifier: qualifier as NamedOperator['qualifier'],
      ifExists: suffix !== undefined,
      operator,
    }
  );
}

/** Every name of an operator without qualifier and suffix. */
export const OPERATOR_NAMES: readonly string[] = [...OPERATORS.keys(), 'Null'];

function number(text: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

const DATE_FORM = /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?)?)?$/;

/** Milliseconds since 1970. A year alone has four digits, as in W3C's profile of ISO 8601. */
function instant(text: string): number | undefined {
  if (/^\d+$/.test(text) && text.length !== 4) return Number(text) * 1000;
  const ms = DATE_FORM.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function addresses(text: string): BlockList | undefined {
  const [address = '', prefix, more] = text.split('/');
  const family = isIP(address);
  const longest = family === 4 ? 32 : 128;
  const length = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (family === 0 || more !== undefined || !(length <= longest)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  return list;
}
