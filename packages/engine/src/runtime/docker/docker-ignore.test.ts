import { expect, test } from 'vitest';
import { parseDockerIgnore } from './docker-ignore.ts';

test('a pattern excludes what it names and everything below it', () => {
  const ignored = parseDockerIgnore('# comment\n\nnode_modules\n/dist/\n*.log\n**/.env\n');
  const paths = ['node_modules', 'node_modules/a/b', 'dist/x', 'a.log', '.env', 'deep/er/.env'];
  expect(paths.filter((path) => !ignored(path))).toEqual([]);
  expect(['src/node_modules', 'logs/a.log', 'distant'].filter(ignored)).toEqual([]);
});

test('the last matching line decides, and ! takes a path back in', () => {
  const ignored = parseDockerIgnore('docs\n!docs/README.md\ndocs/*.tmp');
  expect(ignored('docs/a.md')).toBe(true);
  expect(ignored('docs/README.md')).toBe(false);
  expect(ignored('docs/x.tmp')).toBe(true);
});
