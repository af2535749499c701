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

test('another major version is refused, naming both', () => {
  expect(() => base('node:22-slim')).toThrow(/node:22-slim" is Node 22.*this machine's Node 24/);
});

test.each(['node', 'node:latest', 'node:lts-slim'])('%s does not say which Node, and is refused', (name) => {
  expect(() => base(name)).toThrow(/does not name a Node version/);
});
