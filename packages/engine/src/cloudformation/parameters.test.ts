import { describe, expect, test } from 'vitest';
import { parameterValues } from './parameters.ts';
import { parseTemplate } from './template.ts';

const template = (Parameters: object) =>
  parseTemplate(JSON.stringify({ Parameters, Resources: { Q: { Type: 'AWS::SQS::Queue' } } }));
const unread = () => Promise.reject(new Error('nothing is read'));

async function value(definition: object, given?: string) {
  const values = await parameterValues(
    template({ P: definition }),
    given === undefined ? [] : [{ ParameterKey: 'P', ParameterValue: given }],
    [],
    async (name) => `stored ${name}`,
  );
  return values[0]!.value;
}

test('text, numbers as text, lists, defaults and stored values', async () => {
  expect(await value({ Type: 'String' }, 'a')).toBe('a');
  expect(await value({ Type: 'Number', Default: 3 })).toBe('3');
  expect(await value({ Type: 'CommaDelimitedList' }, 'a, b')).toEqual(['a', 'b']);
  expect(await value({ Type: 'List<Number>', Default: '1,2' })).toEqual(['1', '2']);
  expect(await value({ Type: 'AWS::SSM::Parameter::Value<String>' }, '/p')).toBe('stored /p');
  expect(await value({ Type: 'AWS::SSM::Parameter::Value<List<String>>' }, '/p,q')).toEqual([
    'stored /p',
    'q',
  ]);
});

describe('refused', () => {
  test.each<[object, string | undefined, string]>([
    [{ Type: 'String' }, undefined, 'Parameters: [P] must have values'],
    [
      { Type: 'String', AllowedValues: ['a', 'b'] },
      'c',
      "Parameter 'P' must be one of AllowedValues: [a, b]",
    ],
    [{ Type: 'String', AllowedPattern: '[a-z]+' }, 'a1', "Parameter 'P' must match pattern [a-z]+"],
    [{ Type: 'String', MinLength: 2 }, 'a', "Parameter 'P' must contain at least 2 characters"],
    [{ Type: 'String', MaxLength: 2 }, 'abc', "Parameter 'P' must contain at most 2 characters"],
    [{ Type: 'Number' }, 'x', "Parameter 'P' must be a number."],
    [{ Type: 'Number', MinValue: 2 }, '1', "Parameter 'P' must be a number not less than 2"],
    [{ Type: 'Number', MaxValue: 2 }, '3', "Parameter 'P' must be a number not greater than 2"],
    [{ Type: 'List<Number>', MaxValue: 2 }, '1,3', "Parameter 'P' must be a number not greater than 2"],
    [
      { Type: 'String', AllowedValues: ['a'], ConstraintDescription: 'choose a' },
      'b',
      'failed to satisfy constraint: choose a',
    ],
  ])('%j given %s', async (definition, given, message) => {
    await expect(value(definition, given)).rejects.toThrow(message);
  });

  test('what the template does not have, and a previous value that is not there', async () => {
    const P = { Type: 'String' };
    await expect(
      parameterValues(template({ P }), [{ ParameterKey: 'Q', ParameterValue: 'x' }], [], unread),
    ).rejects.toThrow('Parameters: [Q] do not exist in the template');
    await expect(
      parameterValues(template({ P }), [{ ParameterKey: 'P', UsePreviousValue: true }], [], unread),
    ).rejects.toThrow(
      'Cannot specify usePreviousValue as true for a parameter key not in the previous template',
    );
  });
});

test('a pattern that does not come back ends with an error', async () => {
  const definition = { Type: 'String', AllowedPattern: '(a+)+b' };
  await expect(value(definition, 'a'.repeat(60))).rejects.toThrow(
    /AllowedPattern of parameter P takes too long/,
  );
});
