import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packPackage } from '../packages.ts';
import { readTarball, SAMPLE_APP, unpack } from '../vendor-worker.ts';

const run = promisify(execFile);
const REFRESH = `The sample app vendors another worker than packages/worker is now.
To refresh it, run: node --conditions=@queue-canary/source tools/vendor-worker.ts`;

/** An app that has installed the vendored worker and nothing else. */
let app: string;
let vendored: string;

beforeAll(async () => {
  const [file, ...others] = await readdir(join(SAMPLE_APP, 'vendor'));
  expect(others).toEqual([]);
  vendored = join(SAMPLE_APP, 'vendor', file!);
  app = await mkdtemp(join(tmpdir(), 'queue-canary-app-'));
  await cp(join(SAMPLE_APP, 'src'), join(app, 'src'), { recursive: true });
  await cp(join(SAMPLE_APP, 'package.json'), join(app, 'package.json'));
  await unpack(vendored, join(app, 'node_modules', '@queue-canary', 'worker'));
});

afterAll(() => rm(app, { recursive: true }));

/** Runs a program of the app as its image does: plain Node, no settings but these. */
async function program(path: string, env: Record<string, string>): Promise<{ code: unknown; said: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [join(app, path)], { cwd: app, env });
    return { code: 0, said: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    return { code, said: stdout + stderr };
  }
}

describe('the worker that the sample app vendors', () => {
  test('has the files that packing the worker gives now', async () => {
    const into = await mkdtemp(join(tmpdir(), 'queue-canary-packed-'));
    try {
      const now = await readTarball(await packPackage('@queue-canary/worker', into));
      const then = await readTarball(vendored);
      expect([...then.keys()], REFRESH).toEqual([...now.keys()]);
      for (const [path, text] of now) expect(then.get(path), `${path} differs. ${REFRESH}`).toBe(text);
    } finally {
      await rm(into, { recursive: true });
    }
  });

  test('is the one that the lockfile names, which names no registry', async () => {
    const text = await readFile(join(SAMPLE_APP, 'package-lock.json'), 'utf8');
    const digest = createHash('sha512')
      .update(await readFile(vendored))
      .digest('base64');
    expect(JSON.parse(text).packages['node_modules/@queue-canary/worker'].integrity, REFRESH).toBe(
      `sha512-${digest}`,
    );
    expect(text).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  });
});

describe('the sample app', () => {
  test('says what its environment lacks', async () => {
    const { code, said } = await program('src/main.ts', { QC_APP: 'Shop', QC_TRACK: 'stable' });
    expect(said).toBe('The worker cannot start: QUEUE_URL is not set, QC_REVISION is not set.\n');
    expect(code).toBe(1);
  });

  test.each(['-1', '1.5', 'soon', ''])('refuses a retry delay of "%s"', async (delay) => {
    const { code, said } = await program('src/main.ts', { RETRY_DELAY_SECONDS: delay });
    expect(said).toBe(
      `The worker cannot start: RETRY_DELAY_SECONDS must be a whole number of seconds, not "${delay}".\n`,
    );
    expect(code).toBe(1);
  });
});
