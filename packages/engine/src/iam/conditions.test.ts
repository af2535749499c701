import { describe, expect, test } from 'vitest';
import { evaluate, type PolicyDocument } from './policy.ts';
import { parsePolicy } from './policy-grammar.ts';

function holds(condition: object, keys: Record<string, string[]>, version = '2012-10-17'): boolean {
  const text = JSON.stringify({
    Version: version,
    Statement: [{ Effect: 'Allow', Action: 'sqs:*', Resource: '*', Condition: condition }],
  });
  expect(parsePolicy(text, 'identity')).not.toHaveProperty('error');
  const request = { action: 'sqs:SendMessage', resource: '*', keys: new Map(Object.entries(keys)) };
  return evaluate(JSON.parse(text) as PolicyDocument, request) === 'allow';
}

/** Operator, value in the policy, a value that matches it, one that does not. */
const SAMPLES = [
  ['StringEquals', 'a', 'a', 'A'],
  ['StringEqualsIgnoreCase', 'a', 'A', 'b'],
  ['StringLike', 'a*?', 'a.b', 'ba'],
  ['ArnEquals', 'arn:aws:sqs:*:1:q?', 'arn:aws:sqs:us-east-1:1:q1', 'arn:aws:sqs:us-east-1:1:q'],
  ['ArnLike', 'arn:aws:iam::*:role/r*', 'arn:aws:iam::1:role/rx/y', 'arn:aws:iam::1:user/r'],
  ['NumericEquals', '10', '10.0', '11'],
  ['DateEquals', '2026-01-02T03:04:05Z', '1767323045', '2026-01-02'],
  ['IpAddress', '203.0.113.0/24', '203.0.113.255', '203.0.114.0'],
  ['Bool', 'true', 'TRUE', 'false'],
  ['BinaryEquals', 'YWI=', 'YWI=', 'YWM='],
  ['NumericLessThan', '10', '9.5', '10'],
  ['NumericLessThanEquals', '10', '10', '10.5'],
  ['NumericGreaterThan', '10', '11', '10'],
  ['NumericGreaterThanEquals', '10', '10', '9'],
  ['DateLessThan', '2026-01-01', '2025-12-31T23:59:59Z', '2026-01-01T00:00:00Z'],
  ['DateLessThanEquals', '2026', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
  ['DateGreaterThan', '2026-01-01T00:00:00+01:00', '2026-01-01', '2025-12-31T23:00:00Z'],
  ['DateGreaterThanEquals', '1767225600', '2026-01-01', '1767225599'],
] as const;

const INVERSE: Readonly<Record<string, string>> = {
  StringEquals: 'StringNotEquals',
  StringEqualsIgnoreCase: 'StringNotEqualsIgnoreCase',
  StringLike: 'StringNotLike',
  ArnEquals: 'ArnNotEquals',
  ArnLike: 'ArnNotLike',
  NumericEquals: 'NumericNotEquals',
  DateEquals: 'DateNotEquals',
  IpAddress: 'NotIpAddress',
};

const OPERATORS = SAMPLES.flatMap(([name, wanted, match, other]) => {
  const inverse = INVERSE[name];
  return [
    { name: name as string, negated: false, wanted, match, other },
    ...(inverse === undefined ? [] : [{ name: inverse, negated: true, wanted, match, other }]),
  ];
});

/**
 * What the IAM User Guide says of every operator, by what the request has: `match` values that are as the policy has
 * them, `other` that are not. A negated operator has the opposite answer wherever it is asked of values.
 */
const RULES: ReadonlyArray<{
  readonly qualifier: string;
  readonly suffix: string;
  readonly has: readonly ('match' | 'other')[];
  readonly plain: boolean;
  readonly negated: boolean;
}> = [
  { qualifier: '', suffix: '', has: ['match'], plain: true, negated: false },
  { qualifier: '', suffix: '', has: ['other'], plain: false, negated: true },
  { qualifier: '', suffix: '', has: [], plain: false, negated: true },
  // One value is asked for, and there is not one.
  { qualifier: '', suffix: '', has: ['match', 'other'], plain: false, negated: true },
  { qualifier: '', suffix: 'IfExists', has: ['match'], plain: true, negated: false },
  { qualifier: '', suffix: 'IfExists', has: ['other'], plain: false, negated: true },
  { qualifier: '', suffix: 'IfExists', has: [], plain: true, negated: true },
  { qualifier: 'ForAllValues:', suffix: '', has: ['match', 'match'], plain: true, negated: false },
  { qualifier: 'ForAllValues:', suffix: '', has: ['match', 'other'], plain: false, negated: false },
  { qualifier: 'ForAllValues:', suffix: '', has: ['other', 'other'], plain: false, negated: true },
  { qualifier: 'ForAllValues:', suffix: '', has: [], plain: true, negated: true },
  { qualifier: 'ForAllValues:', suffix: 'IfExists', has: [], plain: true, negated: true },
  { qualifier: 'ForAnyValue:', suffix: '', has: ['match', 'match'], plain: true, negated: false },
  { qualifier: 'ForAnyValue:', suffix: '', has: ['match', 'other'], plain: true, negated: true },
  { qualifier: 'ForAnyValue:', suffix: '', has: ['other', 'other'], plain: false, negated: true },
  { qualifier: 'ForAnyValue:', suffix: '', has: [], plain: false, negated: false },
  { qualifier: 'ForAnyValue:', suffix: 'IfExists', has: [], plain: false, negated: false },
];

test.each(
  OPERATORS.flatMap((operator) =>
    RULES.map((rule) => ({
      operator: `${rule.qualifier}${operator.name}${rule.suffix}`,
      wanted: operator.wanted,
      given: rule.has.map((each) => operator[each]),
      expected: operator.negated ? rule.negated : rule.plain,
    })),
  ),
)('$operator $wanted of $given is $expected', ({ operator, wanted, given, expected }) => {
  // A key in another case is the same key, and one of several values of the policy is enough.
  const keys: Record<string, string[]> = given.length === 0 ? {} : { 'aws:key': given };
  expect(holds({ [operator]: { 'AWS:Key': wanted } }, keys)).toBe(expected);
});

describe('values', () => {
  test.each([
    ['one of several matches', { StringEquals: { 'a:k': ['x', 'y'] } }, ['y'], true],
    [
      'none of several may match a negated operator',
      { StringNotEquals: { 'a:k': ['x', 'y'] } },
      ['y'],
      false,
    ],
    ['a number and a boolean are texts', { StringEquals: { 'a:k': [1, true] } }, ['true'], true],
    ['an IPv6 address in a range', { IpAddress: { 'a:k': '2001:DB8::/32' } }, ['2001:db8:1::1'], true],
    ['an IPv4 address in an IPv6 range', { IpAddress: { 'a:k': '2001:DB8::/32' } }, ['203.0.113.1'], false],
    ['an address without a prefix', { IpAddress: { 'a:k': '203.0.113.1' } }, ['203.0.113.2'], false],
    ['what is no address', { IpAddress: { 'a:k': '0.0.0.0/0' } }, ['localhost'], false],
    ['what is no number', { NumericLessThan: { 'a:k': '10' } }, ['few'], false],
    ['what is no date', { DateLessThan: { 'a:k': '2099-01-01' } }, ['soon'], false],
    [
      'an ARN operator within its segments',
      { ArnLike: { 'a:k': 'arn:aws:*:tester' } },
      ['arn:aws:iam::1:role/tester'],
      false,
    ],
    [
      'a string operator across them',
      { StringLike: { 'a:k': 'arn:aws:*:tester' } },
      ['arn:aws:iam::1:tester'],
      true,
    ],
    [
      'colons at the end of an ARN',
      { ArnLike: { 'a:k': 'arn:aws:logs:*:1:log-group:*' } },
      ['arn:aws:logs:x:1:log-group:a:b'],
      true,
    ],
    ['Null true of a missing key', { Null: { 'a:k': 'true' } }, [], true],
    ['Null true of a key', { Null: { 'a:k': true } }, ['x'], false],
    ['Null false of a missing key', { Null: { 'a:k': 'false' } }, [], false],
    ['Null false of a key', { Null: { 'a:k': false } }, ['x'], true],
    ['every value of an empty text', { 'ForAllValues:StringEquals': { 'a:k': 'x' } }, [''], true],
    ['any value of an empty text', { 'ForAnyValue:StringNotEquals': { 'a:k': 'x' } }, [''], false],
    ['every operator must hold', { StringEquals: { 'a:k': 'x' }, StringLike: { 'a:k': 'y*' } }, ['x'], false],
  ])('%s', (_name, condition, given, expected) => {
    expect(holds(condition, given.length === 0 ? {} : { 'a:k': given })).toBe(expected);
  });

  test('a deny of what is missing is the same rule as an allow', () => {
    const deny = (condition: object) => {
      const statement = { Effect: 'Deny' as const, Action: '*', Resource: '*', Condition: condition };
      const request = { action: 'sqs:SendMessage', resource: '*', keys: new Map() };
      return evaluate({ Statement: [statement] } as PolicyDocument, request);
    };
    expect(deny({ StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } })).toBe('deny');
    expect(deny({ StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } })).toBe('deny');
    expect(deny({ Bool: { 'aws:MultiFactorAuthPresent': 'false' } })).toBe('none');
    expect(deny({ BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } })).toBe('deny');
    expect(deny({ 'ForAnyValue:StringEquals': { 'aws:TagKeys': 'a' } })).toBe('none');
    expect(deny({ 'ForAllValues:StringEquals': { 'aws:TagKeys': 'a' } })).toBe('deny');
  });
});

/** A policy variable as a policy writes it. */
const v = (inner: string) => `\${${inner}}`;

describe('policy variables', () => {
  const keys = {
    'aws:username': ['bob'],
    'aws:principaltag/team': ['a*'],
    'aws:tagkeys': ['x', 'y'],
    'aws:k': ['bob'],
  };
  test.each([
    ['the value of a key', 'StringEquals', v('aws:username'), true],
    ['a key in another case', 'StringEquals', v('AWS:UserName'), true],
    ['among other text', 'StringLike', `?${v("aws:missing, 'o'")}*`, true],
    ['a default where the key has a value', 'StringEquals', v("aws:username, 'nobody'"), true],
    ['a default that differs', 'StringEquals', v("aws:missing, 'nobody'"), false],
    ['nothing equals a variable without a value', 'StringEquals', v('aws:missing'), false],
    ['so a negated operator holds', 'StringNotEquals', v('aws:missing'), true],
    ['nothing is like it', 'StringLike', `${v('aws:missing')}*`, false],
    ['a key with several values has none', 'StringEquals', v('aws:TagKeys'), false],
    ['a star that is no wildcard', 'StringLike', v('*'), false],
    ['a question mark that is none', 'StringLike', `bo${v('?')}`, false],
  ])('%s', (_name, operator, wanted, expected) => {
    expect(holds({ [operator]: { 'aws:k': wanted } }, keys)).toBe(expected);
  });

  test('a value is no pattern, and a special character stands for itself', () => {
    const team = { StringLike: { 'aws:k': v('aws:PrincipalTag/team') } };
    expect(holds(team, { ...keys, 'aws:k': ['abc'] })).toBe(false);
    expect(holds(team, { ...keys, 'aws:k': ['a*'] })).toBe(true);
    expect(holds({ StringLike: { 'a:k': `a${v('*')}b${v('?')}c${v('$')}` } }, { 'a:k': ['a*b?c$'] })).toBe(
      true,
    );
    expect(holds({ StringEquals: { 'a:k': v("a:missing, 'it''s'") } }, { 'a:k': ["it's"] })).toBe(true);
  });

  test('are texts in the older version of the language', () => {
    const condition = { StringEquals: { 'aws:k': v('aws:username') } };
    expect(holds(condition, keys, '2008-10-17')).toBe(false);
    expect(holds(condition, { 'aws:k': [v('aws:username')] }, '2008-10-17')).toBe(true);
  });
});
