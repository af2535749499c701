import { chmodSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../test/temporary-directory.ts';
import { selectArtifacts, zipArtifacts } from './artifacts.ts';
import type { BuildspecArtifacts } from './buildspec.ts';

const section = (files: string[], more: Partial<BuildspecArtifacts> = {}): BuildspecArtifacts => ({
  files,
  excludePaths: [],
  discardPaths: 'no',
  ...more,
});
const select = (directory: string, files: string[], more: Partial<BuildspecArtifacts> = {}) =>
  selectArtifacts(directory, section(files, more)).map(({ path }) => path);

test('patterns select files relative to the base directory', () => {
  const directory = temporaryDirectory({
    'a.json': '',
    'dist/x.js': '',
    'dist/deep/y.js': '',
    'dist/z.map': '',
    '.hidden': '',
  });
  expect(select(directory, ['a.json'])).toEqual(['a.json']);
  expect(select(directory, ['**/*'])).toEqual([
    '.hidden',
    'a.json',
    'dist/deep/y.js',
    'dist/x.js',
    'dist/z.map',
  ]);
  expect(select(directory, ['dist/*'])).toEqual(['dist/x.js', 'dist/z.map']);
  expect(select(directory, ['**/*'], { baseDirectory: 'dist', excludePaths: ['**/*.map'] })).toEqual([
    'deep/y.js',
    'x.js',
  ]);
  expect(select(directory, ['**/*.js'], { discardPaths: 'yes' })).toEqual(['x.js', 'y.js']);
  expect(select(directory, ['*'], { baseDirectory: 'd*t' })).toEqual(['x.js', 'z.map']);
});

test('selecting nothing is an error that names the patterns', () => {
  const directory = temporaryDirectory({ a: '' });
  expect(() => select(directory, ['b', '*.c'])).toThrow(/No file matches the artifact patterns "b", "\*.c"/);
  expect(() => select(directory, ['*'], { baseDirectory: 'none' })).toThrow(
    /base-directory "none" does not exist/,
  );
});

test('nothing outside the source directory is ever selected', () => {
  const root = temporaryDirectory({ secret: '', 'src/a': '' });
  const directory = join(root, 'src');
  expect(() => select(directory, ['../secret'])).toThrow(/outside the source directory/);
  expect(() => select(directory, ['*'], { baseDirectory: '..' })).toThrow(/outside the source directory/);
  symlinkSync('../secret', join(directory, 'link'));
  expect(() => select(directory, ['*'])).toThrow(/"link" is a link out of the source directory/);
});

test('two files that discard-paths would put on top of each other are an error', () => {
  const directory = temporaryDirectory({ 'a/x': '', 'b/x': '' });
  expect(() => select(directory, ['**/*'], { discardPaths: 'yes' })).toThrow(/Two files.*"x"/);
});

test('the archive holds the files, and the same files give the same bytes', () => {
  const files = { 'bin/run': '#!/bin/sh', 'data.json': '{}' };
  const archives = [temporaryDirectory(files), temporaryDirectory(files)].map((directory) => {
    chmodSync(join(directory, 'bin/run'), 0o755);
    return zipArtifacts(selectArtifacts(directory, section(['**/*'])));
  });
  expect(Buffer.from(archives[0]!).equals(archives[1]!)).toBe(true);
  const unpacked = Object.entries(unzipSync(archives[0]!)).map(([path, bytes]) => [
    path,
    Buffer.from(bytes).toString(),
  ]);
  expect(Object.fromEntries(unpacked)).toEqual(files);
});
