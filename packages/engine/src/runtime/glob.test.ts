import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileGlob } from './glob.ts';

test.each([
  ['*.json', ['a.json', '.json'], ['dir/a.json', 'a.jsonx']],
  ['**/*.json', ['a.json', 'x/y/a.json'], ['a.js']],
  ['**/*', ['a', 'a/b/c'], []],
  ['dist/**', ['dist/a', 'dist/a/b'], ['dist', 'distant/a']],
  ['src/**/main.ts', ['src/main.ts', 'src/a/b/main.ts'], ['main.ts', 'src/a/main.tsx']],
  ['file?.txt', ['file1.txt'], ['file.txt', 'file12.txt', 'file/.txt']],
  ['[a-c].ts', ['a.ts', 'c.ts'], ['d.ts', 'ab.ts']],
  ['[^a-c].ts', ['d.ts'], ['a.ts', '/.ts']],
  ['a\\*b', ['a*b'], ['axb']],
  ['a+(b).c$', ['a+(b).c$'], ['aab.c']],
  ['open[', ['open['], ['open']],
])('%s matches as Go and .dockerignore do', (pattern, matching, others) => {
  const expression = compileGlob(pattern);
  expect(matching.filter((path) => !expression.test(path))).toEqual([]);
  expect(others.filter((path) => expression.test(path))).toEqual([]);
});

test('a path without pattern characters matches itself and nothing else', () => {
  const path = fc.stringMatching(/^[\w.+$(){}|@ -]+(\/[\w.+$(){}|@ -]+)*$/);
  fc.assert(
    fc.property(path, path, (pattern, other) => {
      const expression = compileGlob(pattern);
      expect(expression.test(pattern)).toBe(true);
      expect(expression.test(other)).toBe(other === pattern);
    }),
  );
});

test('a pattern of many stars takes no longer than one of few', () => {
  const path = `${'a'.repeat(2_000)}/${'a'.repeat(2_000)}`;
  expect(compileGlob(`${'*a'.repeat(200)}/b`).test(path)).toBe(false);
  expect(compileGlob(`${'**/'.repeat(200)}b`).test(path)).toBe(false);
  expect(compileGlob(`${'**a'.repeat(200)}`).test(path)).toBe(true);
});
