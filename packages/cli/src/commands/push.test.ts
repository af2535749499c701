import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { copySource } from './push.ts';

test('a worker is copied without its installed packages, also where it lies in an installed package itself', () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-copy-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const from = join(directory, 'node_modules', 'sample');
  for (const path of ['src', 'node_modules/dependency', 'src/node_modules']) {
    mkdirSync(join(from, path), { recursive: true });
    writeFileSync(join(from, path, 'file'), '');
  }
  const to = join(directory, 'to');
  copySource(from, to);
  expect(existsSync(join(to, 'src', 'file'))).toBe(true);
  expect(readdirSync(to, { recursive: true })).toHaveLength(2);
});
