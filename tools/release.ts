import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHECKOUT, packPackage, publishedPackages } from './packages.ts';
import { releaseProblems } from './release-problems.ts';

const run = promisify(execFile);

/** What npm says that it would publish of a tarball. */
interface Publication {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Publishes every package from its tarball; with `--dry-run` says what would be published. */
async function release(dryRun: boolean): Promise<void> {
  const packages = await publishedPackages();
  const problems = releaseProblems(packages, await readFile(join(CHECKOUT, 'CHANGELOG.md'), 'utf8'));
  if (problems.length > 0 && !dryRun) throw new Error(problems.join('\n'));
  const stage = await mkdtemp(join(tmpdir(), 'queue-canary-release-'));
  try {
    for (const { name, version } of packages) {
      const tarball = await packPackage(name, stage);
      if (!dryRun) await run('npm', ['publish', tarball]);
      const { size, unpackedSize, files } = await publication(tarball);
      const sizes = `${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked, ${files.length} files`;
      console.log(`${dryRun ? 'would publish' : 'published'} ${name}@${version}: ${sizes}`);
    }
  } finally {
    await rm(stage, { recursive: true });
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

async function publication(tarball: string): Promise<Publication> {
  const { stdout } = await run('npm', ['pack', tarball, '--dry-run', '--json', '--ignore-scripts']);
  const packed = JSON.parse(stdout) as readonly Publication[] | Readonly<Record<string, Publication>>;
  return Object.values(packed)[0]!;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`;
}

try {
  const [option, ...others] = process.argv.slice(2);
  if (others.length > 0 || (option !== undefined && option !== '--dry-run')) {
    throw new Error('npm run release [-- --dry-run]');
  }
  await release(option === '--dry-run');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
