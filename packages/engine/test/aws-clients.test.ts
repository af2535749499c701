import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { servicesMissed } from '../src/runtime/aws-clients.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';

test('a client that makes no call in time is slow, and not one that goes to AWS', async () => {
  const path = temporaryDirectory({ aws: `#!${process.execPath}\nsetInterval(() => {}, 1000);\n` });
  chmodSync(join(path, 'aws'), 0o755);
  expect(await servicesMissed('aws', { PATH: path }, 1)).toBe('slow');
});
