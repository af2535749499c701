import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteIds, SystemClock, startEngine } from '@queue-canary/engine';
import { expect, onTestFinished, test } from 'vitest';
import { iam } from './iam.ts';

test('reads a state whose engine has ended, and refuses a directory without one', async () => {
  const state = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  expect(() => iam({ state })).toThrow('holds no state of an engine');
  const engine = await startEngine({
    directory: state,
    port: 0,
    clock: new SystemClock(),
    ids: new ByteIds(),
    onCrash: (error) => {
      throw error;
    },
  });
  await engine.close();
  expect(iam({ state })).toEqual(['no stack with roles is deployed', 'nothing was refused']);
  expect(JSON.parse(iam({ state, json: true })[0]!)).toEqual({ roles: [], denied: [] });
});
