import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBuildspec } from './source.ts';
import type { StoredBuild } from './store.ts';

function build(source: StoredBuild['source']): StoredBuild {
  return {
    id: 'worker:1',
    projectName: 'worker',
    number: 1,
    status: 'IN_PROGRESS',
    phases: [],
    startedAtMs: 0,
    source,
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: { type: 'LINUX_CONTAINER', image: 'any', computeType: 'BUILD_GENERAL1_SMALL' },
    variables: [],
    serviceRole: 'role',
    timeoutMinutes: 60,
    queuedTimeoutMinutes: 480,
    initiator: 'someone',
    exported: {},
  };
}

function sourceDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-source-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'buildspec.yml'), 'of the source');
  writeFileSync(join(directory, 'other.yml'), 'another');
  return directory;
}

test.each([
  [undefined, { text: 'of the source', name: 'buildspec.yml' }],
  ['other.yml', { text: 'another', name: 'other.yml' }],
  ['version: 0.2\nphases: {}', { text: 'version: 0.2\nphases: {}', name: 'buildspec' }],
  ['{"version": 0.2}', { text: '{"version": 0.2}', name: 'buildspec' }],
])('a buildspec given as %j is found', (buildspec, found) => {
  expect(readBuildspec(build({ type: 'CODECOMMIT', buildspec }), sourceDirectory())).toEqual(found);
});

test.each([
  ['../secret.yml', /must be a file of the source/],
  ['arn:aws:s3:::bucket/buildspec.yml', /must be a file of the source/],
  ['missing.yml', /YAML file does not exist: the source has no missing.yml/],
])('a buildspec given as %s is refused', (buildspec, message) => {
  expect(() => readBuildspec(build({ type: 'CODECOMMIT', buildspec }), sourceDirectory())).toThrow(message);
});
