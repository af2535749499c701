import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/** The checkout that this file belongs to. */
const checkout = join(import.meta.dirname, '..');

/**
 * Bundles the controller into the asset that the constructs deploy, and returns the path of the bundle.
 *
 * The AWS SDK stays outside: the Lambda runtime brings it. Nothing is minified, and the same sources give
 * the same bytes on every machine, so the asset's hash changes only when the controller does. The bundle
 * is put in place in one step: whoever synthesizes meanwhile sees the old one or the new one.
 */
export async function bundleController(root: string = checkout): Promise<string> {
  const source = join(root, 'packages', 'controller', 'src', 'main.ts');
  if (!existsSync(source)) {
    throw new Error(`cannot bundle the controller: ${source} does not exist; check out packages/controller`);
  }
  const assets = join(root, 'packages', 'constructs', 'assets');
  const target = join(assets, 'controller');
  await mkdir(target, { recursive: true });
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
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error(`esbuild made nothing of ${source}`);
  const unfinished = join(assets, `controller-${randomUUID()}.js`);
  await writeFile(unfinished, bundle.contents);
  const finished = join(target, 'index.js');
  await rename(unfinished, finished);
  return finished;
}

if (import.meta.main) {
  try {
    console.log(await bundleController());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
