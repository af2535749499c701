import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundleController } from './bundle-controller.ts';

describe('bundleController', () => {
  test.each(['index.js', 'checkpoint.js'])(
    '%s has the same bytes each time, so that an unchanged function is not deployed again',
    async (file) => {
      const read = async () => readFile(join(await bundleController(), file));
      expect(await read()).toEqual(await read());
    },
  );

  test.each([
    ['index.js', '@aws-sdk/client-codepipeline'],
    ['checkpoint.js', '@aws-sdk/client-cloudformation'],
  ])(
    '%s exports the handler as CommonJS, with the AWS SDK left to the runtime and no path of the machine',
    async (file, client) => {
      const bundle = await readFile(join(await bundleController(), file), 'utf8');
      expect(bundle).toContain('module.exports = ');
      expect(bundle).toMatch(/handler: \(\) => handler/);
      const required = [...bundle.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name);
      expect(required).toContain(client);
      expect(required.filter((name) => !/^(@aws-sdk\/|node:)/.test(name ?? ''))).toEqual([]);
      expect(bundle).not.toContain(join(import.meta.dirname, '..'));
    },
  );

  test('says what is missing in a checkout without the controller', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'checkout-'));
    try {
      await expect(bundleController(empty)).rejects.toThrow(
        /main\.ts does not exist; check out packages\/controller/,
      );
    } finally {
      await rm(empty, { recursive: true });
    }
  });
});
