import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The checkout that this file belongs to. */
export const CHECKOUT = join(import.meta.dirname, '..');

/** What a package.json says, as far as the tools read it. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly engines: { readonly node: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly workspaces?: readonly string[];
}

/** The package.json of a directory of the checkout. */
export async function manifestOf(directory = '.'): Promise<Manifest> {
  return JSON.parse(await readFile(join(CHECKOUT, directory, 'package.json'), 'utf8')) as Manifest;
}

/** The packages that are published, each after those that it depends on. */
export async function publishedPackages(): Promise<Manifest[]> {
  const { workspaces = [] } = await manifestOf();
  const manifests = await Promise.all(workspaces.map((workspace) => manifestOf(workspace)));
  return manifests.filter((manifest) => manifest.private !== true);
}

/** Builds a package and packs it as npm publishes it; returns the path of the tarball in `into`. */
export async function packPackage(name: string, into: string): Promise<string> {
  await mkdir(into, { recursive: true });
  const stage = await mkdtemp(join(into, 'pack-'));
  try {
    const options = ['--workspace', name, '--pack-destination', stage];
    await run('npm', ['pack', ...options], { cwd: CHECKOUT });
    const [tarball] = await readdir(stage);
    if (tarball === undefined) throw new Error(`npm pack made nothing of ${name}`);
    await rename(join(stage, tarball), join(into, tarball));
    return join(into, tarball);
  } finally {
    await rm(stage, { recursive: true });
  }
}
