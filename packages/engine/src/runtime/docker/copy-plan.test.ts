import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { temporaryDirectory, writeFiles } from '../test/temporary-directory.ts';
import { BuildContext } from './copy-plan.ts';
import { parseDockerIgnore } from './docker-ignore.ts';

function plan(
  directory: string,
  sources: string[],
  destination: string,
  options: { ignore?: string; directories?: string[] } = {},
) {
  const context = new BuildContext(directory, parseDockerIgnore(options.ignore ?? ''));
  return context.plan({
    sources,
    destination,
    isDirectory: (path) => (options.directories ?? []).includes(path),
  });
}

const paths = (result: ReturnType<typeof plan>) =>
  result.entries.filter(({ type }) => type !== 'directory').map(({ path }) => path);

test('a file goes to the path, or into a directory that exists or ends with a slash', () => {
  const directory = temporaryDirectory({ 'a.js': '' });
  expect(paths(plan(directory, ['a.js'], '/x/b.js'))).toEqual(['x/b.js']);
  expect(paths(plan(directory, ['a.js'], '/x/'))).toEqual(['x/a.js']);
  expect(paths(plan(directory, ['./a.js'], '/x', { directories: ['x'] }))).toEqual(['x/a.js']);
});

test('a directory gives its content, not itself', () => {
  const directory = temporaryDirectory({ 'src/a': '', 'src/deep/b': '' });
  expect(paths(plan(directory, ['src'], '/app'))).toEqual(['app/a', 'app/deep/b']);
  expect(paths(plan(directory, ['.'], '/'))).toEqual(['src/a', 'src/deep/b']);
});

test('a pattern takes what matches, and several files need a directory', () => {
  const directory = temporaryDirectory({ 'package.json': '', 'package-lock.json': '', 'other.json': '' });
  expect(paths(plan(directory, ['package*.json'], '/app/'))).toEqual([
    'app/package-lock.json',
    'app/package.json',
  ]);
  expect(() => plan(directory, ['package*.json'], '/app')).toThrow(/needs a directory as destination/);
});

test('what .dockerignore excludes is not there, unless a later line takes it back', () => {
  const directory = temporaryDirectory({ a: '', 'dist/x': '', 'dist/keep/y': '', 'node_modules/z': '' });
  const ignore = 'node_modules\ndist\n!dist/keep';
  expect(paths(plan(directory, ['.'], '/', { ignore }))).toEqual(['a', 'dist/keep/y']);
  expect(() => plan(directory, ['node_modules'], '/x', { ignore })).toThrow(/excluded by .dockerignore/);
});

test.each(['../secret', '/../secret', 'sub/../../secret'])(
  '%s is refused: it lies outside the context',
  (source) => {
    const root = temporaryDirectory({ secret: '', 'context/sub/a': '' });
    expect(() => plan(join(root, 'context'), [source], '/x')).toThrow(/outside the build context/);
  },
);

test('a named link is followed inside the context and refused when it leads out; links in directories stay links', () => {
  const root = temporaryDirectory({ secret: '', 'context/real': 'text' });
  const directory = join(root, 'context');
  symlinkSync('real', join(directory, 'inside'));
  symlinkSync('../secret', join(directory, 'outside'));
  mkdirSync(join(directory, 'links'));
  symlinkSync('/etc/passwd', join(directory, 'links', 'absolute'));
  expect(plan(directory, ['inside'], '/x').entries).toMatchObject([{ type: 'file', path: 'x', size: 4 }]);
  expect(() => plan(directory, ['outside'], '/x')).toThrow(/leads outside the build context/);
  expect(plan(directory, ['links'], '/x/').entries).toContainEqual({
    type: 'link',
    path: 'x/absolute',
    target: '/etc/passwd',
  });
});

test('the digest changes with content, name, destination and executability, and with nothing else', () => {
  const first = temporaryDirectory({ 'src/a': 'one' });
  const second = temporaryDirectory({ 'src/a': 'one' });
  const digest = () => plan(second, ['src'], '/app').contentDigest;
  const original = plan(first, ['src'], '/app').contentDigest;
  expect(digest()).toBe(original);
  chmodSync(join(second, 'src/a'), 0o600);
  expect(digest()).toBe(original);
  expect(plan(first, ['src'], '/other').contentDigest).not.toBe(original);
  chmodSync(join(second, 'src/a'), 0o755);
  expect(digest()).not.toBe(original);
  writeFiles(first, { 'src/a': 'two' });
  expect(plan(first, ['src'], '/app').contentDigest).not.toBe(original);
});

test('a pattern may match nothing, alone or among others; a name may not', () => {
  const directory = temporaryDirectory({ 'package.json': '', 'sub/x': '' });
  const sources = ['package.json', 'package-lock.json*', '.npmrc*'];
  expect(paths(plan(directory, sources, '/app/'))).toEqual(['app/package.json']);
  expect(paths(plan(directory, ['*.lock', 'none/*.js'], '/app/'))).toEqual([]);
  expect(() => plan(directory, ['package*.json', '.npmrc'], '/app/')).toThrow(/found no ".npmrc"/);
  expect(() => plan(directory, ['*.json'], '/x', { ignore: '*.json' })).not.toThrow();
});

test.each([
  ['+x', 0o755],
  ['755', 0o755],
  ['a-x,u+x', 0o744],
  ['u=rwX,go=rX', 0o644],
  ['go=', 0o600],
])('the mode %s', (chmod, mode) => {
  const directory = temporaryDirectory({ a: '' });
  const context = new BuildContext(directory, () => false);
  chmodSync(join(directory, 'a'), 0o644);
  const { entries } = context.plan({ sources: ['a'], destination: '/a', chmod, isDirectory: () => false });
  expect(entries).toMatchObject([{ path: 'a', mode }]);
});

test('ADD takes files, and refuses what it would unpack, by its content', () => {
  const directory = temporaryDirectory({ 'a.txt': 'text', 'notes.tar.gz': 'not an archive', 'data.bin': '' });
  writeFileSync(join(directory, 'data.bin'), gzipSync('x'));
  const add = (source: string) =>
    new BuildContext(directory, () => false).plan({
      sources: [source],
      destination: '/x/',
      isDirectory: () => false,
      refuseArchives: true,
    });
  expect(paths(add('a.txt'))).toEqual(['x/a.txt']);
  expect(paths(add('notes.tar.gz'))).toEqual(['x/notes.tar.gz']);
  expect(() => add('data.bin')).toThrow(/ADD unpacks the archive "data.bin".*COPY/);
});

test('a source that is not there is named', () => {
  expect(() => plan(temporaryDirectory(), ['missing.txt'], '/x')).toThrow(/found no "missing.txt"/);
});
