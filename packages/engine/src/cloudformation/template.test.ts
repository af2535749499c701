import { describe, expect, test } from 'vitest';
import { parseTemplate } from './template.ts';

const yaml = `
AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  Stage: {Type: String, Default: dev, MinLength: '1'}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  Both: !And [!Condition IsProd, !Not [!Condition IsProd]]
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Condition: IsProd
    Properties:
      QueueName: !Join ['-', [!Ref Stage, !Select [0, !Split [',', 'a,b']]]]
      Tags:
        - Key: arn
          Value: !GetAtt Other.Some.Attribute
        - Key: text
          Value: !Sub
            - '\${x}-\${Stage}'
            - x: !ImportValue exported
        - Key: nested
          Value: !If [IsProd, !Base64 a, !Ref 'AWS::NoValue']
  Other:
    Type: AWS::SQS::Queue
    DependsOn: Queue
    DeletionPolicy: Retain
Outputs:
  Url:
    Value: !Ref Queue
    Export: {Name: !Sub '\${Stage}-url'}
`;

test('YAML short forms become the functions that they stand for', () => {
  const template = parseTemplate(yaml);
  expect(template.Conditions).toEqual({
    IsProd: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] },
    Both: { 'Fn::And': [{ Condition: 'IsProd' }, { 'Fn::Not': [{ Condition: 'IsProd' }] }] },
  });
  expect(template.Resources.Queue!.Properties).toEqual({
    QueueName: {
      'Fn::Join': ['-', [{ Ref: 'Stage' }, { 'Fn::Select': [0, { 'Fn::Split': [',', 'a,b'] }] }]],
    },
    Tags: [
      { Key: 'arn', Value: { 'Fn::GetAtt': ['Other', 'Some.Attribute'] } },
      { Key: 'text', Value: { 'Fn::Sub': [`\${x}-\${Stage}`, { x: { 'Fn::ImportValue': 'exported' } }] } },
      {
        Key: 'nested',
        Value: { 'Fn::If': ['IsProd', { 'Fn::Base64': 'a' }, { Ref: 'AWS::NoValue' }] },
      },
    ],
  });
  expect(template.Resources.Other).toMatchObject({ DependsOn: ['Queue'], DeletionPolicy: 'Retain' });
  expect(template.Outputs.Url!.Export).toEqual({ 'Fn::Sub': `\${Stage}-url` });
  expect(template.Parameters.Stage).toEqual({ Type: 'String', Default: 'dev', MinLength: 1 });
});

describe('refused', () => {
  const resources = { Resources: { Queue: { Type: 'AWS::SQS::Queue' } } };
  test.each<[string, string | object, string]>([
    ['broken JSON', '{"Resources": ', 'Template format error: JSON not well-formed.'],
    ['broken YAML', 'Resources:\n  Queue: {Type: [}', 'Template format error: YAML not well-formed. (line 2'],
    [
      'an unknown short form',
      'Resources:\n  Queue: !Frob x',
      'Template format error: YAML not well-formed. (line 2',
    ],
    ['text', 'hello', 'Template format error: unsupported structure.'],
    ['no resources', { Resources: {} }, 'At least one Resources member must be defined.'],
    ['an unknown section', { ...resources, Extras: {} }, 'Invalid template property or properties [Extras]'],
    [
      'a macro',
      { ...resources, Transform: 'AWS::Serverless-2016-10-31' },
      'Transform or Hooks, which the local engine does not execute',
    ],
    [
      'a resource without a type',
      { Resources: { Queue: {} } },
      '[/Resources/Queue] Every Resources object must contain a Type member.',
    ],
    ['a bad logical id', { Resources: { 'a-b': { Type: 'X' } } }, 'Resource name a-b is non alphanumeric.'],
    [
      'an unknown resource attribute',
      { Resources: { Q: { Type: 'X', Colour: 1 } } },
      "Invalid template resource property 'Colour'",
    ],
    [
      'a creation policy',
      { Resources: { Q: { Type: 'X', CreationPolicy: {} } } },
      'does not support CreationPolicy (resource Q)',
    ],
    [
      'an unknown policy',
      { Resources: { Q: { Type: 'X', DeletionPolicy: 'Keep' } } },
      'Unrecognized policy "Keep"',
    ],
    [
      'an unknown parameter type',
      { ...resources, Parameters: { P: { Type: 'Colour' } } },
      'Unrecognized parameter type: Colour',
    ],
    [
      'an output without a value',
      { ...resources, Outputs: { O: {} } },
      '[/Outputs/O] Every Outputs member must contain a Value object',
    ],
    [
      'an export without a name',
      { ...resources, Outputs: { O: { Value: 'x', Export: {} } } },
      'The Name field of every Export member must be specified',
    ],
  ])('%s', (_what, template, message) => {
    expect(() => parseTemplate(typeof template === 'string' ? template : JSON.stringify(template))).toThrow(
      message,
    );
  });
});

describe('more than the engine reads', () => {
  test.each([
    ['JSON', `{"Resources":${'{"Fn::Join":["",['.repeat(1_500)}${']]}'.repeat(1_500)}}`],
    ['lists in YAML', `Resources: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['maps in YAML', `Resources: ${'{a: '.repeat(10_000)}`],
    ['dashes in YAML', `Resources:\n  ${'- '.repeat(20_000)}a`],
    ['indented YAML', Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ])('nesting without end: %s', (_what, text) => {
    expect(() => parseTemplate(text)).toThrow(/nested more than 128 levels deep/);
  });

  test('YAML of more bytes or tokens than a call may give', () => {
    expect(() => parseTemplate(`Description: ${'x'.repeat(60_000)}`)).toThrow(/longer than 51200 bytes/);
    expect(() => parseTemplate(`Resources: [${'1,'.repeat(20_000)}]`)).toThrow(/more than 20000 tokens/);
  });
});
