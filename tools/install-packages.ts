import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { manifestOf, packPackage, publishedPackages } from './packages.ts';

const run = promisify(execFile);

/**
 * Makes an empty directory a project that has installed every package from its tarball, with the oldest Node that
 * the packages run on first on its PATH, as `npx` and npm scripts have it.
 */
export async function installPackages(directory: string): Promise<void> {
  if ((await readdir(directory)).length > 0) throw new Error(`${directory} is not empty`);
  const packages = await publishedPackages();
  const tarballs: Record<string, string> = {};
  for (const { name } of packages) {
    tarballs[name] = `file:${await packPackage(name, join(directory, 'tarballs'))}`;
  }
  const { devDependencies = {} } = await manifestOf();
  const pinned = ['@types/node', 'aws-cdk-lib', 'constructs'].map((name) => [name, devDependencies[name]]);
  const manifest = {
    name: 'consumer',
    private: true,
    type: 'module',
    // `node` fetches the program in its install script.
    allowScripts: { node: true },
    dependencies: { ...tarballs, ...Object.fromEntries(pinned), node: oldestNode(packages[0]!.engines.node) },
  };
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest, null, 2));
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: directory });
}

/** The version that a range such as `>=22.18` begins with. */
function oldestNode(range: string): string {
  return `${range.replace('>=', '')}.0`;
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined)
    throw new Error('name an empty directory: node tools/install-packages.ts DIRECTORY');
  await installPackages(directory);
}
