import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { yaml } from '../packages/engine/src/bounded-yaml.ts';
import { bundleAction } from './bundle-action.ts';
import { CHECKOUT } from './packages.ts';

/** The SDK asks for it where a request is signed for several regions. */
const OPTIONAL = '@aws-sdk/signature-v4-crt';

test('the bundle of the action lies where action.yml says, needs Node alone, and has the licences of all in it', async () => {
  const into = await mkdtemp(join(tmpdir(), 'action-'));
  try {
    const { runs } = yaml().parse(await readFile(join(CHECKOUT, 'action.yml'), 'utf8'));
    expect(await bundleAction(into)).toBe(join(into, runs.main));
    const bundle = await readFile(join(into, runs.main), 'utf8');
    const imported = [...bundle.matchAll(/\b(?:from|import)\s*"([^"]+)"|\brequire\("([^"]+)"\)/g)].map(
      ([, module, required]) => module ?? required,
    );
    expect(imported).toContain('node:crypto');
    expect(imported.filter((name) => !isBuiltin(name!) && name !== OPTIONAL)).toEqual([]);
    expect(bundle).not.toContain(CHECKOUT);
    const licences = await readFile(join(into, runs.main, '..', 'licences.txt'), 'utf8');
    expect(licences).toMatch(/^@aws-sdk\/client-ecr \S+ \(Apache-2\.0\)$/m);
    expect(licences).toMatch(/^fflate \S+ \(MIT\)$/m);
    expect(licences).not.toMatch(/undefined/);
  } finally {
    await rm(into, { recursive: true });
  }
});
