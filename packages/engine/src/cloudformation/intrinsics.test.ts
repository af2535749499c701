import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../resources/schema.ts';
import { evaluateCondition, resolve, type Scope } from './intrinsics.ts';

const scope: Scope = {
  parameter: (name) =>
    ({ Stage: 'prod', Zones: ['x', 'y'], 'AWS::Region': 'eu-west-1', 'AWS::AccountId': '123456789012' })[
      name
    ],
  resource: (logicalId) => (logicalId === 'Queue' ? 'https://queue' : undefined),
  attribute: (logicalId, name) => `${logicalId}/${name}`,
  condition: (name) => name === 'Yes',
  mapping: (map, first, second) =>
    map === 'Sizes' && first === 'prod' && second === 'cpu' ? 256 : undefined,
  importValue: (name) => `imported ${name}`,
  zones: (region) => [`${region}a`, `${region}b`],
};
/** `${name}` without writing a template string by mistake. */
const hole = (name: string) => `\${${name}}`;

test.each<[string, Json, Json]>([
  ['Ref of a parameter', { Ref: 'Stage' }, 'prod'],
  ['Ref of a list parameter', { Ref: 'Zones' }, ['x', 'y']],
  ['Ref of a pseudo parameter', { Ref: 'AWS::Region' }, 'eu-west-1'],
  ['Ref of a resource', { Ref: 'Queue' }, 'https://queue'],
  ['NoValue in an object', { a: 1, b: { Ref: 'AWS::NoValue' } }, { a: 1 }],
  ['NoValue in a list', [1, { Ref: 'AWS::NoValue' }, 2], [1, 2]],
  ['GetAtt as a list', { 'Fn::GetAtt': ['Queue', 'Arn'] }, 'Queue/Arn'],
  [
    'GetAtt with a dotted attribute',
    { 'Fn::GetAtt': ['Queue', 'Endpoint.Address'] },
    'Queue/Endpoint.Address',
  ],
  ['GetAtt as text', { 'Fn::GetAtt': 'Queue.Arn' }, 'Queue/Arn'],
  ['Join', { 'Fn::Join': ['-', ['a', { Ref: 'Stage' }, 3]] }, 'a-prod-3'],
  ['Join of a resolved list', { 'Fn::Join': [',', { Ref: 'Zones' }] }, 'x,y'],
  ['Select', { 'Fn::Select': ['1', { 'Fn::Split': [',', 'a,b,c'] }] }, 'b'],
  ['Split keeps empty parts', { 'Fn::Split': ['|', 'a||b'] }, ['a', '', 'b']],
  [
    'Sub',
    { 'Fn::Sub': `${hole('AWS::Region')}/${hole('Queue')}/${hole('Queue.Arn')}` },
    'eu-west-1/https://queue/Queue/Arn',
  ],
  [
    'Sub with its own variables',
    { 'Fn::Sub': [`${hole('A')}${hole('Stage')}`, { A: { Ref: 'Stage' } }] },
    'prodprod',
  ],
  ['Sub leaves literals', { 'Fn::Sub': `${hole('!Stage')} $x` }, `${hole('Stage')} $x`],
  ['If', { 'Fn::If': ['Yes', 'a', 'b'] }, 'a'],
  ['If with NoValue', { x: { 'Fn::If': ['No', 'a', { Ref: 'AWS::NoValue' }] } }, {}],
  ['FindInMap', { 'Fn::FindInMap': ['Sizes', { Ref: 'Stage' }, 'cpu'] }, 256],
  ['FindInMap with a default', { 'Fn::FindInMap': ['Sizes', 'dev', 'cpu', { DefaultValue: 1 }] }, 1],
  ['ImportValue', { 'Fn::ImportValue': { 'Fn::Sub': `${hole('Stage')}-arn` } }, 'imported prod-arn'],
  ['GetAZs of this region', { 'Fn::GetAZs': '' }, ['eu-west-1a', 'eu-west-1b']],
  ['GetAZs of a region', { 'Fn::GetAZs': 'us-east-2' }, ['us-east-2a', 'us-east-2b']],
  ['Base64', { 'Fn::Base64': 'hé' }, 'aMOp'],
  ['Cidr', { 'Fn::Cidr': ['10.0.0.0/16', 3, '8'] }, ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24']],
  ['Length', { 'Fn::Length': { Ref: 'Zones' } }, 2],
  ['ToJsonString', { 'Fn::ToJsonString': { a: [{ Ref: 'Stage' }] } }, '{"a":["prod"]}'],
  ['an object that only looks like a function', { Ref: { x: 1 } }, { Ref: { x: 1 } }],
  ['a policy condition', { Condition: { Bool: { a: 'b' } } }, { Condition: { Bool: { a: 'b' } } }],
  ['a dynamic reference stays', { 'Fn::Join': ['', ['{{resolve:ssm:', 'p', '}}']] }, '{{resolve:ssm:p}}'],
])('%s', (_what, value, expected) => {
  expect(resolve(value, scope)).toEqual(expected);
});

test.each<[string, Json, string]>([
  ['unknown function', { 'Fn::Nope': 1 }, 'Encountered unsupported function: Fn::Nope'],
  ['Ref to nothing', { Ref: 'Nobody' }, 'Unresolved resource dependencies [Nobody]'],
  [
    'Select out of range',
    { 'Fn::Select': [2, ['a', 'b']] },
    'Fn::Select cannot select nonexistent value at index 2',
  ],
  ['Select by a fraction', { 'Fn::Select': ['0.5', ['a', 'b']] }, 'Fn::Select cannot select'],
  ['Join of an object', { 'Fn::Join': ['', [{ a: 1 }]] }, 'must have values that are strings'],
  ['Sub of a bad name', { 'Fn::Sub': hole('a b') }, 'variable names in Fn::Sub syntax'],
  [
    'missing mapping',
    { 'Fn::FindInMap': ['Sizes', 'dev', 'cpu'] },
    'Unable to get mapping for Sizes::dev::cpu',
  ],
  ['Cidr without room', { 'Fn::Cidr': ['10.0.0.0/28', 2, 4] }, 'has no room for 2 blocks'],
  ['If with two arguments', { 'Fn::If': ['Yes', 'a'] }, 'requires a list of 3'],
])('refuses %s', (_what, value, message) => {
  expect(() => resolve(value, scope)).toThrow(message);
});

describe('conditions', () => {
  test.each<[Json, boolean]>([
    [{ 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] }, true],
    [{ 'Fn::Equals': [1, '1'] }, true],
    [{ 'Fn::Equals': [['a'], ['b']] }, false],
    [{ 'Fn::Not': [{ Condition: 'Yes' }] }, false],
    [{ 'Fn::And': [{ Condition: 'Yes' }, { Condition: 'No' }] }, false],
    [{ 'Fn::Or': [{ Condition: 'No' }, { 'Fn::Equals': ['a', 'a'] }] }, true],
    [{ 'Fn::Contains': [['a', 'prod'], { Ref: 'Stage' }] }, true],
  ])('%j is %s', (condition, expected) => {
    expect(evaluateCondition(condition, scope)).toBe(expected);
  });

  test('And and Or take two to ten operands', () => {
    const yes = { Condition: 'Yes' };
    expect(() => evaluateCondition({ 'Fn::Or': [yes] }, scope)).toThrow('at least 2 and at most 10');
    expect(() => evaluateCondition({ 'Fn::And': Array.from({ length: 11 }, () => yes) }, scope)).toThrow(
      'at least 2 and at most 10',
    );
  });
});

test('a value without functions resolves to itself', () => {
  const plain = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.string().filter((key) => key !== 'Ref' && key !== '__proto__' && !key.startsWith('Fn::')),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  })).value;
  fc.assert(
    fc.property(plain, (value) => {
      expect(resolve(value, scope)).toEqual(value);
    }),
  );
});

test('Split undoes Join for a separator that the parts do not hold', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]*$/), { minLength: 1 }), (parts) => {
      const joined: Json = { 'Fn::Join': ['|', parts] };
      expect(resolve({ 'Fn::Split': ['|', joined] }, scope)).toEqual(parts);
    }),
  );
});

test('Cidr blocks do not overlap and stay inside the block', () => {
  const start = (cidr: string) =>
    cidr
      .split('/')[0]!
      .split('.')
      .reduce((sum, part) => sum * 256 + Number(part), 0);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 2, max: 10 }), (count, bits) => {
      const blocks = resolve({ 'Fn::Cidr': ['10.1.0.0/16', count, bits] }, scope) as string[];
      const starts = blocks.map(start);
      expect(starts.every((from, index) => index === 0 || from === starts[index - 1]! + 2 ** bits)).toBe(
        true,
      );
      expect(starts[0]).toBe(start('10.1.0.0/16'));
      expect(starts.at(-1)! + 2 ** bits).toBeLessThanOrEqual(start('10.2.0.0/16'));
    }),
  );
});

test.each<[string, (inner: Json) => Json]>([
  ['Sub', (inner) => ({ 'Fn::Sub': [`${hole('a')}${hole('a')}`, { a: inner }] })],
  ['ToJsonString', (inner) => ({ 'Fn::ToJsonString': { '"': inner } })],
  ['Base64', (inner) => ({ 'Fn::Base64': { 'Fn::Join': ['', [inner, inner]] } })],
])('%s that doubles what is inside it is refused before it fills the memory', (_name, around) => {
  let value: Json = 'x';
  for (let level = 0; level < 26; level++) value = around(value);
  expect(() => resolve(value, { ...scope })).toThrow(/make texts of more than/);
});

test('Sub resolves a variable once, however often it is used', () => {
  let value: Json = '';
  for (let level = 0; level < 60; level++) {
    value = { 'Fn::Sub': [`${hole('a')}${hole('a')}`, { a: value }] };
  }
  expect(resolve(value, scope)).toBe('');
});
