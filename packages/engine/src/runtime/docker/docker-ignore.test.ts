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

test('lines are cleaned as paths, and only a # that starts its line is a comment', () => {
  const ignored = parseDockerIgnore('  spaced  \n./here\na/../b\nlogs//x/\n# no\n\\#kept\n.\n/\n');
  expect(['spaced', 'here', 'b/c', 'logs/x/y', '#kept'].filter((path) => !ignored(path))).toEqual([]);
  expect(['a', '# no', 'logs/z', 'src'].filter(ignored)).toEqual([]);
});

test('everything can be left out but what is taken back', () => {
  const ignored = parseDockerIgnore('*\n!src\n!**/*.md\nsrc/**/*.test.?s\n!src/[k-m]eep.test.ts');
  expect(['a', 'x/y', 'src/a.test.ts', 'src/deep/b.test.js'].filter((path) => !ignored(path))).toEqual([]);
  expect(['src', 'src/a.ts', 'x/README.md', 'src/keep.test.ts'].filter(ignored)).toEqual([]);
});
