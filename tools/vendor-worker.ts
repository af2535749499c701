import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHECKOUT, packPackage } from './packages.ts';

const run = promisify(execFile);

/** Where the sample app keeps the worker that it is built with. */
export const SAMPLE_APP = join(CHECKOUT, 'examples', 'sample-app');

/** The files of a tarball by path, as npm installs them. */
export async function readTarball(tarball: string): Promise<Map<string, string>> {
  const stage = await mkdtemp(join(tmpdir(), 'queue-canary-unpack-'));
  try {
    await unpack(tarball, stage);
    const entries = await readdir(stage, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const files = paths.sort().map(async (path) => {
      return [path.slice(stage.length + 1), await readFile(path, 'utf8')] as const;
    });
    return new Map(await Promise.all(files));
  } finally {
    await rm(stage, { recursive: true });
  }
}

/** Unpacks a tarball of npm's, without the directory that all its files are in. */
export async function unpack(tarball: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', into, '--strip-components=1']);
}

/**
 * Gives the sample app the worker as it is now: the tarball, and a lockfile that names its contents. Does
 * nothing when the contents are the same, whatever npm and zlib make of them.
 */
async function vendorWorker(): Promise<string> {
  const stage = await mkdtemp(join(tmpdir(), 'queue-canary-vendor-'));
  try {
    await cp(join(SAMPLE_APP, 'package.json'), join(stage, 'package.json'));
    const packed = await packPackage('@queue-canary/worker', join(stage, 'vendor'));
    const vendored = join(SAMPLE_APP, packed.slice(stage.length + 1));
    const old = await readTarball(vendored).catch(() => undefined);
    const now = await readTarball(packed);
    if (old !== undefined && same(old, now)) return `${vendored} is up to date`;

    // npm keeps the digest of a file that the lockfile knows, so the lockfile must not know it.
    const lock = JSON.parse(await readFile(join(SAMPLE_APP, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, unknown>;
    };
    delete lock.packages['node_modules/@queue-canary/worker'];
    await writeFile(join(stage, 'package-lock.json'), JSON.stringify(lock));
    // No addresses of registries in the lockfile: whoever installs uses their own.
    const install = [
      'install',
      '--package-lock-only',
      '--omit-lockfile-registry-resolved',
      '--ignore-scripts',
    ];
    await run('npm', [...install, '--no-audit', '--no-fund'], { cwd: stage });

    await rm(join(SAMPLE_APP, 'vendor'), { recursive: true, force: true });
    await cp(join(stage, 'vendor'), join(SAMPLE_APP, 'vendor'), { recursive: true });
    await cp(join(stage, 'package-lock.json'), join(SAMPLE_APP, 'package-lock.json'));
    return vendored;
  } finally {
    await rm(stage, { recursive: true });
  }
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, text]) => b.get(path) === text);
}

if (import.meta.main) {
  try {
    console.log(await vendorWorker());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
