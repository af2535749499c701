import { describe, expect, test } from 'vitest';
import { checkTargetInput, renderInput } from './target-input.ts';

const rule = { name: 'releases', arn: 'arn:aws:events:us-east-1:111122223333:rule/releases' };
const event = {
  id: 'e-1',
  time: '2026-01-01T00:00:00Z',
  source: 'aws.codepipeline',
  detail: { pipeline: 'ship "it"', version: 3, stages: [{ name: 'Source' }], 'execution-id': 'x1' },
};

const template = (text: string, paths: Record<string, string> = {}) =>
  renderInput({ transformer: { paths, template: text } }, event, rule);

test('without more, a target gets the event', () => {
  expect(JSON.parse(renderInput({}, event, rule))).toEqual(event);
});

test('a constant takes the place of the event', () => {
  expect(renderInput({ input: '{"queueCanary":"wake"}' }, event, rule)).toBe('{"queueCanary":"wake"}');
});

test.each([
  ['$.detail.version', '3'],
  ['$.detail.stages[0].name', '"Source"'],
  ["$.detail['execution-id']", '"x1"'],
  ['$.detail.missing', 'null'],
])('the path %s picks %s', (inputPath, expected) => {
  expect(renderInput({ inputPath }, event, rule)).toBe(expected);
});

describe('a template', () => {
  const paths = { pipeline: '$.detail.pipeline', version: '$.detail.version', stages: '$.detail.stages' };

  test('puts JSON where a variable stands alone', () => {
    const text = template('{"p": <pipeline>, "v": <version>, "s": <stages>, "m": <none>}', {
      ...paths,
      none: '$.nothing',
    });
    expect(JSON.parse(text)).toEqual({ p: 'ship "it"', v: 3, s: [{ name: 'Source' }], m: null });
  });

  test('puts escaped text where a variable stands within quotes', () => {
    const text = template('{"said": "pipeline <pipeline> at v<version>"}', paths);
    expect(JSON.parse(text)).toEqual({ said: 'pipeline ship "it" at v3' });
  });

  test('that is plain text gets plain text', () => {
    expect(template('Pipeline <pipeline> (<version>)', paths)).toBe('Pipeline ship "it" (3)');
  });

  test('knows the rule and the event', () => {
    const text = template(
      '{"rule":"<aws.events.rule-name>","at":<aws.events.event.ingestion-time>,"event":<aws.events.event.json>}',
    );
    expect(JSON.parse(text)).toEqual({ rule: 'releases', at: '2026-01-01T00:00:00Z', event });
  });
});

test.each([
  [{ input: '{' }, 'JSON syntax error in input'],
  [{ inputPath: 'detail' }, "Invalid JSON path 'detail'"],
  [{ input: '{}', inputPath: '$' }, 'Only one of Input, InputPath, or InputTransformer'],
  [
    { transformer: { paths: {}, template: '<who>' } },
    'placeholder <who>, which InputPathsMap does not define',
  ],
])('%o is refused', (input, message) => {
  expect(() => checkTargetInput(input, 't')).toThrow(message);
});
