import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/** The checkout that this file belongs to. */
const checkout = join(import.meta.dirname, '..');

/** Files of the asset, by the program that each is made of. */
const bundles = { 'index.js': 'main.ts', 'checkpoint.js': 'checkpoint/main.ts' };

/**
 * Bundles the controller and the checkpoint of stack updates into the asset that the constructs deploy, and returns its
 * directory.
 *
 * The AWS SDK stays outside: the Lambda runtime brings it. Nothing is minified, and the same sources give
 * the same bytes on every machine, so the asset's hash changes only when a program does. Each bundle
 * is put in place in one step: whoever synthesizes meanwhile sees the old one or the new one.
 */
export async function bundleController(root: string = checkout): Promise<string> {
  const assets = join(root, 'packages', 'constructs', 'assets');
  const target = join(assets, 'controller');
  await mkdir(target, { recursive: true });
  for (const [file, program] of Object.entries(bundles)) {
    const unfinished = join(assets, `controller-${randomUUID()}.js`);
    await writeFile(unfinished, await bundle(root, join(root, 'packages', 'controller', 'src', program)));
    await rename(unfinished, join(target, file));
  }
  return target;
}

async function bundle(root: string, source: string): Promise<Uint8Array> {
  if (!existsSync(source)) {
    throw new Error(`cannot bundle the controller: ${source} does not exist; check out packages/controller`);
  }
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [source],
    write: false,
    bundle: true,
    platform: 'node',
    // Lambda has Node 24; the local engine runs the bundle on its own Node, which may be 22.
    target: 'node22',
    format: 'cjs',
    external: ['@aws-sdk/*'],
    conditions: ['@queue-canary/source'],
    minify: false,
    sourcemap: false,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const [made] = outputFiles;
  if (made === undefined) throw new Error(`esbuild made nothing of ${source}`);
  return made.contents;
}

if (import.meta.main) {
  try {
    console.log(await bundleController());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
