import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatImageReference, parseImageReference } from './image-reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['node', { repository: 'node' }],
  ['node:24-slim', { repository: 'node', tag: '24-slim' }],
  ['library/node', { repository: 'library/node' }],
  ['127.0.0.1:4566/team/app:v1', { registry: '127.0.0.1:4566', repository: 'team/app', tag: 'v1' }],
  ['localhost/app', { registry: 'localhost', repository: 'app' }],
  [
    'public.ecr.aws/docker/library/node:24',
    { registry: 'public.ecr.aws', repository: 'docker/library/node', tag: '24' },
  ],
  [
    `a.dkr.ecr.eu-west-1.amazonaws.com/app:t@${digest}`,
    { registry: 'a.dkr.ecr.eu-west-1.amazonaws.com', repository: 'app', tag: 't', digest },
  ],
])('%s is taken apart as Docker does', (text, expected) => {
  expect(parseImageReference(text)).toEqual(expected);
});

test.each([
  '',
  'UPPER',
  'a:',
  'a@sha256:12',
  'a b',
  'a//b',
  '/a',
  'a/',
  '../a',
  'a:tag/b:',
  `a@md5:${'a'.repeat(64)}`,
  'h_st:1/a',
])('"%s" is not an image name', (text) => {
  expect(parseImageReference(text)).toBeUndefined();
});

test('a formatted reference reads back as the same one', () => {
  const component = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+){0,2}$/);
  const reference = fc.record(
    {
      registry: fc.constantFrom('127.0.0.1:5000', 'localhost', 'registry.example.com'),
      repository: fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
      tag: fc.stringMatching(/^\w[\w.-]{0,20}$/),
      digest: fc.constant(digest),
    },
    { requiredKeys: ['registry', 'repository'] },
  );
  fc.assert(
    fc.property(reference, (value) => {
      expect(parseImageReference(formatImageReference(value))).toEqual(value);
    }),
  );
});
