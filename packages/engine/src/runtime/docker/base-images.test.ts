import { expect, test } from 'vitest';
import { parseImageReference } from '../oci/image-reference.ts';
import { languageBase } from './base-images.ts';

const base = (name: string) => languageBase(parseImageReference(name)!, '24.21.0');

test.each([
  'node:24',
  'node:24-slim',
  'node:24.3.0-bookworm-slim',
  'library/node:24-alpine',
  'docker.io/library/node:24-slim',
  'public.ecr.aws/docker/library/node:24-slim',
  'mirror.gcr.io/library/node:24',
  `public.ecr.aws/docker/library/node:24-slim@sha256:${'a'.repeat(64)}`,
])('%s is a Node base that this machine stands for', (name) => {
  expect(base(name)).toMatchObject({ name, command: ['node'] });
});

test.each(['python:3.13', 'someone/node:24', 'public.ecr.aws/other/node:24', 'example.com/library/node:24'])(
  '%s is not a language base',
  (name) => {
    expect(base(name)).toBeUndefined();
  },
);

test.each([
  'node:22-slim',
  'node:20.1-alpine',
  'node:25',
  'node',
  'node:latest',
  'node:lts-slim',
  'node:krypton',
])('%s has, or may have, another Node than this machine, which is said', (name) => {
  expect(base(name)?.warning).toBe(`${name} is not pulled: this machine's Node 24.21.0 stands for it.`);
});

test('the same Node needs no word', () => {
  expect(base('node:24-slim')).not.toHaveProperty('warning');
});

test('a Node that is too old is refused, naming both', () => {
  expect(() => base('node:16-slim')).toThrow(/node:16-slim" is Node 16.*this machine's Node 24/);
});

test.each([
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com/docker-hub/library/node:24', true],
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com/public/docker/library/node:24', true],
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com/node:24', false],
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/library/worker:24', false],
])('%s comes through a cache of ECR: %s', (name, cached) => {
  expect(base(name) !== undefined).toBe(cached);
});
