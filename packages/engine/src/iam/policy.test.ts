import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate, evaluateResourcePolicy, parsePolicy, type Statement, wildcard } from './policy.ts';

const allow = (statement: Partial<Statement>) => ({
  Statement: [{ Effect: 'Allow' as const, Action: 'sqs:*', Resource: '*', ...statement }],
});
const request = (
  action: string,
  resource = 'arn:aws:sqs:us-east-1:1:q',
  keys: Record<string, string[]> = {},
) => ({
  action,
  resource,
  keys: new Map(Object.entries(keys)),
});

describe('statements', () => {
  test.each([
    ['the action in another case', allow({ Action: 'SQS:sendmessage' }), request('sqs:SendMessage'), 'allow'],
    ['another action', allow({ Action: ['sqs:Get*', 'sqs:List*'] }), request('sqs:SendMessage'), 'none'],
    [
      'an action excluded by NotAction',
      { Statement: [{ Effect: 'Allow' as const, NotAction: 'sqs:Delete*', Resource: '*' }] },
      request('sqs:DeleteQueue'),
      'none',
    ],
    ['another resource', allow({ Resource: 'arn:aws:sqs:*:*:other' }), request('sqs:SendMessage'), 'none'],
    ['a resource pattern', allow({ Resource: 'arn:aws:sqs:*:1:?' }), request('sqs:SendMessage'), 'allow'],
    [
      'a condition that holds',
      allow({ Condition: { StringEquals: { 'iam:PassedToService': ['a', 'b'] } } }),
      request('sqs:X', '*', { 'iam:passedtoservice': ['b'] }),
      'allow',
    ],
    [
      'a condition without its key',
      allow({ Condition: { StringEquals: { 'aws:x': 'a' } } }),
      request('sqs:X'),
      'none',
    ],
    [
      'IfExists without its key',
      allow({ Condition: { StringEqualsIfExists: { 'aws:x': 'a' } } }),
      request('sqs:X'),
      'allow',
    ],
    [
      'a negated condition',
      allow({ Condition: { StringNotEquals: { 'aws:x': 'a' } } }),
      request('sqs:X', '*', { 'aws:x': ['a'] }),
      'none',
    ],
    [
      'ArnLike',
      allow({ Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:events:*:1:rule/*' } } }),
      request('sqs:X', '*', { 'aws:sourcearn': ['arn:aws:events:us-east-1:1:rule/r'] }),
      'allow',
    ],
    ['Null', allow({ Condition: { Null: { 'aws:x': 'true' } } }), request('sqs:X'), 'allow'],
  ])('%s', (_name, policy, context, expected) => {
    expect(evaluate(policy, context)).toBe(expected);
  });

  test('a deny wins wherever it stands', () => {
    const deny: Statement = { Effect: 'Deny', Action: 'sqs:Send*', Resource: '*' };
    const permit: Statement = { Effect: 'Allow', Action: '*', Resource: '*' };
    expect(evaluate({ Statement: [deny, permit] }, request('sqs:SendMessage'))).toBe('deny');
    expect(evaluate({ Statement: [permit, deny] }, request('sqs:SendMessage'))).toBe('deny');
  });
});

test('a resource policy applies to the principals that it names', () => {
  const policy = {
    Statement: [
      {
        Effect: 'Allow' as const,
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: '*',
      },
    ],
  };
  const decide = (service: string | undefined, aws: string[]) =>
    evaluateResourcePolicy(policy, request('sqs:SendMessage'), { aws, service });
  expect(decide('events.amazonaws.com', [])).toBe('allow');
  expect(decide('sns.amazonaws.com', [])).toBe('none');
  expect(decide(undefined, ['arn:aws:iam::1:role/r'])).toBe('none');
});

test('wildcards match literally what they do not mean', () => {
  fc.assert(
    fc.property(fc.string(), (text) => wildcard(text.replace(/[*?]/g, ''), text.replace(/[*?]/g, ''))),
  );
  expect(wildcard('a.c', 'abc')).toBe(false);
  expect(wildcard('a*c', 'a(b)\nc')).toBe(true);
});

test.each([
  ['{', /not in the valid JSON format/],
  ['{}', /no Statement/],
  ['{"Statement":[{"Effect":"Maybe","Action":"*"}]}', /Effect must be Allow or Deny/],
  ['{"Statement":[{"Effect":"Allow"}]}', /must contain actions/],
  [
    '{"Statement":[{"Effect":"Allow","Action":"*","Condition":{"Foo":{}}}]}',
    /unknown condition operator Foo/,
  ],
])('a malformed policy is refused with its cause: %s', (text, message) => {
  expect(parsePolicy(text)).toMatchObject({ error: expect.stringMatching(message) });
});
