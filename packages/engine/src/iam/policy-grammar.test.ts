import { describe, expect, test } from 'vitest';
import { parsePolicy } from './policy-grammar.ts';
import type { PolicyKind } from './policy-kinds.ts';

const accountId = '111122223333';
const role = `arn:aws:iam::${accountId}:role/worker`;
const directory = { accountId, hasRole: (arn: string) => arn === role };

type Document = Record<string, unknown>;

const SOUND: Readonly<Record<PolicyKind, Document>> = {
  identity: { Action: 'sqs:SendMessage', Resource: '*' },
  managed: { Action: 'sqs:SendMessage', Resource: '*' },
  session: { Action: 'sqs:SendMessage', Resource: '*' },
  trust: { Action: 'sts:AssumeRole', Principal: { Service: 'ecs-tasks.amazonaws.com' } },
  sqs: { Action: 'sqs:SendMessage', Resource: '*', Principal: '*' },
  sns: { Action: 'SNS:Publish', Resource: '*', Principal: { AWS: role } },
  s3: { Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*', Principal: { AWS: accountId } },
  ecr: { Action: ['ecr:BatchGetImage'], Principal: { AWS: `arn:aws:iam::${accountId}:root` } },
  lambda: { Action: 'lambda:InvokeFunction', Resource: '*', Principal: { Service: 's3.amazonaws.com' } },
  logs: { Action: 'logs:PutLogEvents', Resource: '*', Principal: { Service: 'es.amazonaws.com' } },
  resource: { Action: 'sqs:SendMessage', Principal: '*' },
};
const KINDS = Object.keys(SOUND) as PolicyKind[];
/** Where a document may be put. */
const PUT = KINDS.filter((kind) => kind !== 'resource');

function problem(kind: PolicyKind, statement: Document = {}, document: Document = {}): string | undefined {
  const whole = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', ...SOUND[kind], ...statement }],
    ...document,
  };
  return problemOf(kind, JSON.stringify(whole));
}

function problemOf(kind: PolicyKind, text: string): string | undefined {
  const parsed = parsePolicy(text, kind, directory);
  return 'error' in parsed ? parsed.error : undefined;
}

test.each(KINDS)('a sound %s policy is taken', (kind) => {
  expect(problem(kind)).toBeUndefined();
  expect(problem(kind, {}, { Statement: { Effect: 'Deny', ...SOUND[kind] } })).toBeUndefined();
});

describe.each(PUT)('every %s policy', (kind) => {
  test.each<[string, Document, Document, RegExp]>([
    [
      'a Version that is none',
      {},
      { Version: '2012-10-18' },
      /^Syntax errors in policy\. Version must be .*\(Version\)$/,
    ],
    ['no Statement', {}, { Statement: undefined }, /must have a Statement/],
    ['an empty Statement', {}, { Statement: [] }, /must have a Statement/],
    ['a Statement that is a text', {}, { Statement: 'x' }, /A statement must be an object \(Statement\)/],
    [
      'a Statement that is null',
      {},
      { Statement: [null] },
      /A statement must be an object \(Statement\[0\]\)/,
    ],
    [
      'an element of the document that is none',
      {},
      { constructor: 1 },
      /There is no element constructor \(the document\)/,
    ],
    [
      'an element of a statement that is none',
      { Actions: ['sqs:*'] },
      {},
      /There is no element Actions \(Statement\[0\]\)/,
    ],
    [
      'an effect in lower case',
      { Effect: 'allow' },
      {},
      /Effect must be Allow or Deny \(Statement\[0\]\.Effect\)/,
    ],
    ['no effect', { Effect: undefined }, {}, /Effect must be Allow or Deny/],
    ['Action and NotAction', { NotAction: 'sqs:*' }, {}, /Action or NotAction, but not both/],
    ['no action', { Action: undefined }, {}, /^Policy statement must contain actions\./],
    ['an empty list of actions', { Action: [] }, {}, /^Policy statement must contain actions\./],
    ['an action that is a number', { Action: 1 }, {}, /a text or a list of texts \(Statement\[0\]\.Action\)/],
    [
      'an action without vendor',
      { Action: 'SendMessage' },
      {},
      /^Actions\/Conditions must be prefaced by a vendor/,
    ],
    [
      'an action with two colons',
      { Action: 'sqs:Send:Message' },
      {},
      /^Actions\/Condition can contain only one colon\./,
    ],
    ['an action of a vendor with a wildcard', { Action: 's*:SendMessage' }, {}, /^Vendor s\* is not valid/],
    ['an action without a name', { Action: 'sqs:' }, {}, /is no action/],
    ['a Sid that is a number', { Sid: 1 }, {}, /Sid must be a text/],
    ['a Condition that is a text', { Condition: 'x' }, {}, /Condition must be an object/],
    [
      'an operator that is none',
      { Condition: { StringMatches: { 'aws:x': 'a' } } },
      {},
      /There is no condition operator StringMatches.*\(Statement\[0\]\.Condition\)/,
    ],
    [
      'an operator of every object',
      { Condition: { constructor: { 'aws:x': 'a' } } },
      {},
      /no condition operator constructor/,
    ],
    [
      'an operator in another case',
      { Condition: { stringequals: { 'aws:x': 'a' } } },
      {},
      /no condition operator stringequals/,
    ],
    [
      'a qualifier that is none',
      { Condition: { 'ForSomeValues:StringEquals': { 'aws:x': 'a' } } },
      {},
      /no condition operator ForSomeValues/,
    ],
    [
      'NullIfExists',
      { Condition: { NullIfExists: { 'aws:x': 'true' } } },
      {},
      /no condition operator NullIfExists/,
    ],
    ['an operator without keys', { Condition: { StringEquals: 'a' } }, {}, /needs an object of keys/],
    ['a key without vendor', { Condition: { StringEquals: { username: 'a' } } }, {}, /prefaced by a vendor/],
    [
      'an empty list of values',
      { Condition: { StringEquals: { 'aws:x': [] } } },
      {},
      /A condition needs a value/,
    ],
    [
      'a value that is an object',
      { Condition: { StringEquals: { 'aws:x': [{}] } } },
      {},
      /a text, a number or a boolean/,
    ],
    [
      'a value that is null',
      { Condition: { StringEquals: { 'aws:x': null } } },
      {},
      /a text, a number or a boolean/,
    ],
    [
      'a number that is none',
      { Condition: { NumericLessThan: { 'aws:x': 'ten' } } },
      {},
      /"ten" is not a number/,
    ],
    [
      'a date that is none',
      { Condition: { DateLessThan: { 'aws:CurrentTime': 'tomorrow' } } },
      {},
      /"tomorrow" is not a date/,
    ],
    [
      'an address that is none',
      { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } },
      {},
      /"10.0.0.0\/33" is not an IP address/,
    ],
    ['a boolean that is none', { Condition: { Bool: { 'aws:x': 'yes' } } }, {}, /"yes" is not true or false/],
    [
      'Null of neither true nor false',
      { Condition: { Null: { 'aws:x': 'yes' } } },
      {},
      /"yes" is not true or false/,
    ],
    [
      'bytes that are none',
      { Condition: { BinaryEquals: { 'aws:x': '?' } } },
      {},
      /"\?" is not bytes in base64/,
    ],
    [
      'a variable that is none',
      { Condition: { StringEquals: { 'aws:x': ['$', '{a b}'].join('') } } },
      {},
      /is no policy variable/,
    ],
  ])('is refused with %s', (_name, statement, document, message) => {
    expect(problem(kind, statement, document)).toMatch(message);
  });

  test('is refused when it is no JSON, no object, or has an element twice', () => {
    expect(problemOf(kind, '{')).toMatch(/^Syntax errors in policy\. The document is not valid JSON/);
    expect(problemOf(kind, '')).toMatch(/not valid JSON/);
    expect(problemOf(kind, '[]')).toMatch(/must be an object/);
    const twice = JSON.stringify({ Statement: { Effect: 'Deny', ...SOUND[kind] } }).replace(
      '"Deny"',
      '"Deny","Effect":"Allow"',
    );
    expect(problemOf(kind, twice)).toMatch(/Effect is there twice/);
  });
});

const IAM: PolicyKind[] = ['identity', 'managed', 'session'];
const OF_RESOURCES: PolicyKind[] = ['sqs', 'sns', 's3', 'lambda'];

describe.each(IAM)('a policy of an identity (%s)', (kind) => {
  test.each<[string, Document, Document, RegExp]>([
    ['Principal', { Principal: '*' }, {}, /^Policy document should not specify a principal\./],
    ['NotPrincipal', { NotPrincipal: '*' }, {}, /^Policy document should not specify a principal\./],
    ['Id', {}, { Id: 'x' }, /has no Id/],
    ['no resource', { Resource: undefined }, {}, /^Policy statement must contain resources\./],
    ['an empty list of resources', { Resource: [] }, {}, /^Policy statement must contain resources\./],
    ['Resource and NotResource', { NotResource: '*' }, {}, /Resource or NotResource, but not both/],
    [
      'a resource that is no ARN',
      { Resource: 'orders' },
      {},
      /^Resource orders must be in ARN format or "\*"\./,
    ],
    ['an empty resource', { Resource: '' }, {}, /^Resource {2}must be in ARN format or "\*"\./],
    ['an ARN that is cut', { Resource: 'arn:aws:sqs:us-east-1:1' }, {}, /must be in ARN format/],
    [
      'a partition that is none',
      { Resource: 'arn:azure:sqs:us-east-1:1:q' },
      {},
      /^Partition "azure" is not valid/,
    ],
    [
      'a vendor with a wildcard',
      { Resource: 'arn:aws:s?s:us-east-1:1:q' },
      {},
      /^Resource vendor must be fully qualified/,
    ],
    [
      'a bucket in a region',
      { Resource: 'arn:aws:s3:us-east-1::b' },
      {},
      /can not contain region information/,
    ],
    [
      'a role in a region',
      { Resource: 'arn:aws:iam:us-east-1:1:role/r' },
      {},
      /cannot contain region information/,
    ],
    ['a Sid with a dash', { Sid: 'a-b' }, {}, /^Statement IDs \(SID\) must be alpha-numeric/],
    ['a variable that is none', { Resource: 'arn:aws:sqs:*:*:$'.concat('{}') }, {}, /is no policy variable/],
  ])('is refused with %s', (_name, statement, document, message) => {
    expect(problem(kind, statement, document)).toMatch(message);
  });

  test('has each Sid once', () => {
    const statement = { Effect: 'Allow', Sid: 'One', ...SOUND[kind] };
    expect(problem(kind, {}, { Statement: [statement, statement] })).toBe(
      'Statement IDs (SID) in a single policy must be unique. (Statement[1].Sid)',
    );
  });
});

test.each([
  '{}',
  '{ }',
  '{a b}',
  '{username}',
  '{aws:x',
  '{aws:x, y}',
  "{aws:x, 'y}",
  "{aws:x, 'it's'}",
  '{aws:x$}',
])('a variable written as $%s is refused', (inner) => {
  const text = `a$${inner}`;
  expect(problem('identity', { Condition: { StringLike: { 'aws:k': text } } })).toMatch(
    /is no policy variable/,
  );
  expect(problem('identity', { Resource: `arn:aws:sqs:*:*:${text}` })).toMatch(/is no policy variable/);
});

test.each([
  '{aws:x}',
  "{aws:x, 'y'}",
  "{ aws:x , 'it''s, {y' }",
  '{aws:PrincipalTag/a b}',
  '{*}',
  '{?}',
  '{$}',
])('a variable written as $%s is taken', (inner) => {
  expect(problem('identity', { Resource: `arn:aws:sqs:*:*:$${inner}` })).toBeUndefined();
});

test('a document full of beginnings is read in the time of its length', () => {
  const long = 'arn:aws:sqs:*:*:'.concat('${'.repeat(4_000), '${a:'.repeat(4_000), '*a'.repeat(4_000));
  expect(problem('identity', { Resource: long })).toMatch(/is no policy variable/);
});

test('a managed policy has the newer version, and the others may have the older', () => {
  const old = /^Policy document must be version 2012-10-17 or greater\./;
  expect(problem('managed', {}, { Version: '2008-10-17' })).toMatch(old);
  expect(problem('managed', {}, { Version: undefined })).toMatch(old);
  expect(problem('identity', {}, { Version: undefined })).toBeUndefined();
  expect(problem('trust', {}, { Version: '2008-10-17' })).toBeUndefined();
});

test.each<[string, Document, RegExp]>([
  ['Resource', { Resource: '*' }, /^Has prohibited field Resource/],
  ['NotResource', { NotResource: '*' }, /^Has prohibited field NotResource/],
  [
    'another action',
    { Action: 'sqs:SendMessage' },
    /^AssumeRole policy may only specify STS AssumeRole actions\./,
  ],
  ['every action', { Action: '*' }, /^AssumeRole policy may only specify STS AssumeRole actions\./],
  ['no Principal', { Principal: undefined }, /^Missing required field Principal/],
  ['NotPrincipal', { Principal: undefined, NotPrincipal: '*', Effect: 'Deny' }, /has no NotPrincipal/],
  ['a Sid with a space', { Sid: 'a b' }, /must be alpha-numeric/],
])('a trust policy is refused with %s', (_name, statement, message) => {
  expect(problem('trust', statement)).toMatch(message);
});

test('a trust policy may be about every way to take a role', () => {
  const Action = [
    'sts:AssumeRole',
    'sts:TagSession',
    'sts:SetSourceIdentity',
    'sts:AssumeRoleWithWebIdentity',
  ];
  expect(problem('trust', { Action, Principal: { AWS: accountId } })).toBeUndefined();
});

test.each<[string, unknown]>([
  ['a role that does not exist', { AWS: `${role}-gone` }],
  ['a user, of which there are none', { AWS: `arn:aws:iam::${accountId}:user/bob` }],
  ['a part of a name', { AWS: `arn:aws:iam::${accountId}:role/*` }],
  ['every session of a role', { AWS: `arn:aws:sts::${accountId}:assumed-role/worker/*` }],
  ['a number that is no account', { AWS: '123' }],
  ['a service that is none', { Service: 'sqs' }],
  ['a kind that is none', { User: 'bob' }],
  ['a kind of every object', { constructor: 'bob' }],
  ['a text', 'bob'],
  ['nothing', {}],
  ['an empty list', { AWS: [] }],
  ['an object', { AWS: [{}] }],
])('a principal that is %s is refused wherever there is one', (_name, Principal) => {
  for (const kind of ['trust', 'ecr', ...OF_RESOURCES] as PolicyKind[]) {
    expect(problem(kind, { Principal })).toMatch(/^Invalid principal in policy: /);
  }
});

test.each<[string, unknown]>([
  ['an account', { AWS: '999999999999' }],
  ['a role of another account, which nobody here can look up', { AWS: 'arn:aws:iam::999999999999:role/r' }],
  ['a session', { AWS: `arn:aws:sts::${accountId}:assumed-role/worker/night` }],
  ['a role that exists', { AWS: [role] }],
  ['a service of a region', { Service: ['states.us-east-1.amazonaws.com'] }],
  ['an identity provider', { Federated: 'token.actions.githubusercontent.com' }],
])('a principal that is %s is taken', (_name, Principal) => {
  expect(problem('trust', { Principal })).toBeUndefined();
});

describe.each(OF_RESOURCES)('a policy of a resource (%s)', (kind) => {
  test.each<[string, Document, RegExp]>([
    ['no Principal', { Principal: undefined }, /^Missing required field Principal/],
    [
      'an action of another service',
      { Action: 'iam:GetRole' },
      /^Policy statement action out of service scope!/,
    ],
    ['no resource', { Resource: undefined }, /^Policy statement must contain resources\./],
    [
      'NotPrincipal that allows',
      { Principal: undefined, NotPrincipal: { AWS: accountId } },
      /NotPrincipal needs the effect Deny/,
    ],
  ])('is refused with %s', (_name, statement, message) => {
    expect(problem(kind, statement)).toMatch(message);
  });

  test('may have an Id, a Sid with a dash, and NotPrincipal that denies', () => {
    const denies = { Principal: undefined, NotPrincipal: { AWS: accountId }, Effect: 'Deny', Sid: 'a-b' };
    expect(problem(kind, denies, { Id: 'x' })).toBeUndefined();
  });
});

test.each<[PolicyKind, number]>([
  ['sqs', 8_192],
  ['sns', 30_720],
  ['s3', 20_480],
  ['ecr', 10_240],
])('a policy of %s has at most %i bytes', (kind, bytes) => {
  const sized = (length: number) => {
    const document = { Id: '', Statement: { Effect: 'Allow', ...SOUND[kind] } };
    return JSON.stringify({ ...document, Id: 'x'.repeat(length - JSON.stringify(document).length) });
  };
  expect(problemOf(kind, sized(bytes))).toBeUndefined();
  expect(problemOf(kind, sized(bytes + 1))).toMatch(`maximum allowed size of ${bytes} bytes`);
});

test('a queue has at most 20 statements and 50 principals', () => {
  const statements = (count: number) =>
    Array.from({ length: count }, () => ({ Effect: 'Deny', ...SOUND.sqs }));
  const principals = (count: number) => Array.from({ length: count }, () => accountId);
  expect(problem('sqs', {}, { Statement: statements(20) })).toBeUndefined();
  expect(problem('sqs', {}, { Statement: statements(21) })).toMatch(/at most 20 statements/);
  expect(problem('sqs', { Principal: { AWS: principals(50) } })).toBeUndefined();
  expect(problem('sqs', { Principal: { AWS: principals(51) } })).toMatch(/at most 50 principals/);
});

test('a repository policy names no resource: it is about its repository', () => {
  expect(problem('ecr', { Resource: '*' })).toMatch(/^Has prohibited field Resource/);
});
