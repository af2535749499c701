import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, type Zippable, zipSync } from 'fflate';
import { expect, onTestFinished, test } from 'vitest';
import { unzipTree } from './unzip-tree.ts';

const UNIX = 3;

function target(): string {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-unzip-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'tree');
}

function entry(content: string, mode: number): Zippable[string] {
  return [strToU8(content), { attrs: (mode << 16) >>> 0, os: UNIX }];
}

test('unpacks folders, contents, executables and links as they were', () => {
  const tree = target();
  const long = 'x'.repeat(10_000);
  unzipTree(
    zipSync({
      'src/long.txt': entry(long, 0o100644),
      'src/ü.txt': entry('umlaut', 0o100644),
      'run.sh': entry('#!/bin/sh\n', 0o100755),
      'src/link': entry('../run.sh', 0o120777),
      'stored.bin': [strToU8('as it is'), { level: 0 }],
    }),
    tree,
  );
  expect(readFileSync(join(tree, 'src/long.txt'), 'utf8')).toBe(long);
  expect(readFileSync(join(tree, 'src/ü.txt'), 'utf8')).toBe('umlaut');
  expect(readFileSync(join(tree, 'stored.bin'), 'utf8')).toBe('as it is');
  expect(statSync(join(tree, 'run.sh')).mode & 0o111).toBe(0o111);
  expect(statSync(join(tree, 'src/long.txt')).mode & 0o111).toBe(0);
  expect(readlinkSync(join(tree, 'src/link'))).toBe('../run.sh');
});

test.each([
  ['a path out of the archive', { '../evil': entry('x', 0o100644) }],
  ['an absolute path', { '/evil': entry('x', 0o100644) }],
])('refuses %s', (_what, files) => {
  const tree = target();
  expect(() => unzipTree(zipSync(files), tree)).toThrow(/cannot be unpacked: its entry .* lies outside/);
  expect(existsSync(join(tree, '..', 'evil'))).toBe(false);
});

test('writes nothing through a link', () => {
  const tree = target();
  const archive = zipSync({ out: entry('../evil', 0o120777), 'out/file': entry('x', 0o100644) });
  expect(() => unzipTree(archive, tree)).toThrow();
  expect(existsSync(join(tree, '..', 'evil'))).toBe(false);
});

test('says what is wrong with something that is no archive', () => {
  expect(() => unzipTree(strToU8('this is not a zip archive, only text'), target())).toThrow(
    /it has no directory/,
  );
});
