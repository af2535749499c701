import { expect, test } from 'vitest';
import { releaseProblems } from './release-problems.ts';

const core = { name: 'core', version: '1.2.0' };
const command = { name: 'command', version: '1.2.0', dependencies: { core: '1.2.0', other: '9.0.0' } };
const changelog = '# Changelog\n\n## Unreleased\n\n## 1.2.0 (2026-12-01)\n\n- New.\n\n## 1.1.0\n\n- Old.\n';

test('packages of one version with a section in the changelog can be released', () => {
  expect(releaseProblems([core, command], changelog)).toEqual([]);
});

test('another version, and a dependency on an old one, are named', () => {
  expect(releaseProblems([{ ...core, version: '1.1.0' }, command], changelog)).toEqual([
    'command has version 1.2.0, core 1.1.0: give all the same',
    'command depends on core 1.2.0, which is 1.1.0 now',
  ]);
});

test.each([
  ['no section', '# Changelog\n\n## Unreleased\n\n- New.\n'],
  ['an empty one', '## 1.2.0\n\n## 1.1.0\n\n- Old.\n'],
  ['that of a longer version', '## 1.2.0-beta\n\n- New.\n'],
])('a changelog with %s is not enough', (_, text) => {
  expect(releaseProblems([core, command], text)).toEqual([
    'CHANGELOG.md says nothing of 1.2.0: give what is under "## Unreleased" the heading "## 1.2.0"',
  ]);
});
