import { describe, expect, test } from 'vitest';
import {
  checkPropertyNames,
  coerceProperties,
  document,
  flag,
  list,
  lowerFirst,
  map,
  number,
  object,
  oneOf,
  required,
  text,
} from './schema.ts';

const members = {
  Name: required(text),
  Size: number,
  On: flag,
  Mode: oneOf('A', 'B'),
  Policy: document,
  Labels: map(text),
  Parts: list(object({ PartId: required(text), Weight: number })),
};

test('numbers and booleans written as text are coerced, and scalars become text', () => {
  expect(
    coerceProperties(members, {
      Name: 7,
      Size: '12',
      On: 'true',
      Mode: 'A',
      Policy: '{"a":1}',
      Labels: { Any: false },
      Parts: [{ PartId: 'x', Weight: '1.5' }],
    }),
  ).toEqual({
    Name: '7',
    Size: 12,
    On: true,
    Mode: 'A',
    Policy: { a: 1 },
    Labels: { Any: 'false' },
    Parts: [{ PartId: 'x', Weight: 1.5 }],
  });
});

test.each([
  [{}, '#: required key [Name] not found'],
  [{ Name: 'n', Colour: 1 }, '#: extraneous key [Colour] is not permitted'],
  [{ Name: ['n'] }, '#/Name: expected type: String, found: JSONArray'],
  [{ Name: 'n', Size: 'big' }, '#/Size: expected type: Number, found: String'],
  [{ Name: 'n', On: 'yes' }, '#/On: expected type: Boolean, found: String'],
  [{ Name: 'n', Mode: 'C' }, '#/Mode: C is not a valid enum value (A, B)'],
  [{ Name: 'n', Policy: '[' }, '#/Policy: is not valid JSON'],
  [{ Name: 'n', Parts: [{ PartId: 'x' }, {}] }, '#/Parts/1: required key [PartId] not found'],
  [{ Name: 'n', Parts: {} }, '#/Parts: expected type: JSONArray, found: JSONObject'],
  [{ Name: 'n', toString: 'x' }, '#: extraneous key [toString] is not permitted'],
])('%j is refused', (value, message) => {
  expect(() => coerceProperties(members, value)).toThrow(message);
});

describe('names in a template', () => {
  test('are checked around intrinsic functions and inside the branches of Fn::If', () => {
    expect(() =>
      checkPropertyNames(members, {
        Name: { Ref: 'X' },
        Parts: { 'Fn::If': ['C', [{ PartId: { Ref: 'Y' } }], { Ref: 'AWS::NoValue' }] },
        Labels: { 'Fn::GetAtt': ['Z', 'Labels'] },
      }),
    ).not.toThrow();
    expect(() =>
      checkPropertyNames(members, {
        Name: 'n',
        Parts: { 'Fn::If': ['C', [{ PartId: 'x', Colour: 1 }], []] },
      }),
    ).toThrow('#/Parts/0: extraneous key [Colour] is not permitted');
  });
});

test('names become lower camel case, but not the keys of maps or the inside of documents', () => {
  const value = coerceProperties(members, {
    Name: 'n',
    Policy: { Statement: 1 },
    Labels: { Owner: 'me' },
    Parts: [{ PartId: 'x' }],
  });
  expect(lowerFirst(members, value)).toEqual({
    name: 'n',
    policy: { Statement: 1 },
    labels: { Owner: 'me' },
    parts: [{ partId: 'x' }],
  });
});
