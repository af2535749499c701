import { describe, expect, test } from 'vitest';
import { evaluate, evaluateResourcePolicy, type PolicyDocument, type Statement } from './policy.ts';

const allow = (statement: Partial<Statement>): PolicyDocument => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      ...(statement.NotAction === undefined ? { Action: 'sqs:*' } : {}),
      ...(statement.NotResource === undefined ? { Resource: '*' } : {}),
      ...statement,
    },
  ],
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
const username = ['$', '{aws:username}'].join('');

describe('statements', () => {
  test.each([
    ['the action in another case', { Action: 'SQS:sendmessage' }, 'allow'],
    ['another action', { Action: ['sqs:Get*', 'sqs:List*'] }, 'none'],
    ['an action pattern', { Action: 'sqs:Send*essag?' }, 'allow'],
    ['an action excluded by NotAction', { NotAction: 'sqs:Send*' }, 'none'],
    ['an action that NotAction does not list', { NotAction: ['iam:*', 'sts:*'] }, 'allow'],
    ['another resource', { Resource: 'arn:aws:sqs:*:*:other' }, 'none'],
    ['a resource pattern', { Resource: 'arn:aws:sqs:*:1:?' }, 'allow'],
    ['a resource in another case', { Resource: 'arn:aws:sqs:*:1:Q' }, 'none'],
    ['a resource excluded by NotResource', { NotResource: 'arn:aws:sqs:*:*:q' }, 'none'],
    ['a resource that NotResource does not list', { NotResource: 'arn:aws:sqs:*:*:other' }, 'allow'],
    ['a star at the end of a segment, beyond it', { Resource: 'arn:aws:sqs:*:q:*' }, 'none'],
    ['a star within a segment', { Resource: 'arn:aws:sqs:us*1:1:q' }, 'allow'],
    ['a variable with a value', { Resource: `arn:aws:sqs:*:*:${username}` }, 'allow'],
    [
      'a variable before the name',
      { Resource: 'arn:aws:sqs:*:$'.concat('{aws:PrincipalAccount}:q') },
      'allow',
    ],
    ['a variable without a value', { Resource: 'arn:aws:sqs:*:*:$'.concat('{aws:missing}*') }, 'none'],
    [
      'NotResource with a variable without a value',
      { NotResource: 'arn:aws:sqs:*:*:$'.concat('{aws:missing}') },
      'allow',
    ],
  ] as Array<[string, Partial<Statement>, string]>)('%s', (_name, statement, expected) => {
    const keys = { 'aws:username': ['q'], 'aws:principalaccount': ['1'] };
    expect(evaluate(allow(statement), request('sqs:SendMessage', undefined, keys))).toBe(expected);
  });

  test('a star within a segment does not leave it, and one at its end may', () => {
    const decide = (Resource: string) =>
      evaluate(allow({ Resource }), request('sqs:X', 'arn:aws:sqs:us-east-1:1:a:b'));
    expect(decide('arn:aws:sqs:us*1:a:b:')).toBe('none');
    expect(decide('arn:aws:sqs:u*b:c:d:e')).toBe('none');
    expect(decide('arn:aws:sqs:u*:1:a:b')).toBe('allow');
    expect(decide('arn:aws:sqs:us-east-1:1:*b')).toBe('allow');
  });

  test('a deny wins wherever it stands', () => {
    const deny: Statement = { Effect: 'Deny', Action: 'sqs:Send*', Resource: '*' };
    const permit: Statement = { Effect: 'Allow', Action: '*', Resource: '*' };
    expect(evaluate({ Statement: [deny, permit] }, request('sqs:SendMessage'))).toBe('deny');
    expect(evaluate({ Statement: [permit, deny] }, request('sqs:SendMessage'))).toBe('deny');
  });
});

test('a resource policy applies to the principals that it names', () => {
  const policy = allow({ Principal: { Service: 'events.amazonaws.com' } });
  const decide = (service?: string) =>
    evaluateResourcePolicy(policy, request('sqs:SendMessage'), {
      arn: service ?? 'arn:aws:iam::1:role/r',
      accountId: '1',
      ...(service === undefined ? {} : { service }),
    });
  expect(decide('events.amazonaws.com')).toEqual({ allows: 'itself' });
  expect(decide('sns.amazonaws.com')).toBe('none');
  expect(decide()).toBe('none');
});
